// Debian's Caddy with the Caddyfile that is shipped, in a folder of its own: name, ports and certificate changed, no other line.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.mjs';
import { changed, runProxy } from './proxies.mjs';

const shipped = fileURLToPath(new URL('../../packaging/proxy/Caddyfile', import.meta.url));
export const caddyBinary = ['/usr/bin/caddy', '/usr/local/bin/caddy'].find((file) => existsSync(file));

/**
 * Starts Caddy before `upstream` (a port on loopback); it calls the server from 127.0.0.1. `changes`: further pairs of what stands in the
 * Caddyfile and what shall. Gives { httpsPort, httpPort, stop, logs (all it has written) }. Ends with the test.
 */
export async function startCaddy(t, { folder, upstream, certFile, keyFile, name = 'localhost', changes = [] }) {
  const [httpsPort, httpPort] = [await freePort(), await freePort()];
  const site = changed('packaging/proxy/Caddyfile', await readFile(shipped, 'utf8'), [
    ['\n{\n\tlog {', `\n{\n\tadmin off\n\tstorage file_system ${folder}/storage\n\thttp_port ${httpPort}\n\thttps_port ${httpsPort}\n\tlog {`],
    ['latchkey.example {', `${name} {\n\tbind 127.0.0.1\n\ttls ${certFile} ${keyFile}`],
    ['reverse_proxy 127.0.0.1:8480 {', `reverse_proxy 127.0.0.1:${upstream} {`],
    ...changes,
  ]);
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'Caddyfile');
  await writeFile(file, site);
  const { said, stop } = await runProxy(t, 'Caddy', caddyBinary, ['run', '--config', file, '--adapter', 'caddyfile'], {
    url: `http://127.0.0.1:${httpPort}/`, headers: { host: name }, env: { HOME: folder, PATH: process.env.PATH },
  });
  return { httpsPort, httpPort, stop, logs: async () => said() };
}
