// Debian's Caddy with the Caddyfile that is shipped, in a folder of its own: name, ports and certificate changed, no other line.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.mjs';
import { until } from './wait.mjs';

const shipped = fileURLToPath(new URL('../../packaging/proxy/Caddyfile', import.meta.url));
export const caddyBinary = ['/usr/bin/caddy', '/usr/local/bin/caddy'].find((file) => existsSync(file));

/**
 * Starts Caddy before `upstream` (a port on loopback); it calls the server from 127.0.0.1. `changes`: further pairs of what stands in the
 * Caddyfile and what shall. Gives { httpsPort, httpPort }. Ends with the test.
 */
export async function startCaddy(t, { folder, upstream, certFile, keyFile, name = 'localhost', changes = [] }) {
  const [httpsPort, httpPort] = [await freePort(), await freePort()];
  const site = [
    ['latchkey.example {', `${name} {\n\tbind 127.0.0.1\n\ttls ${certFile} ${keyFile}`],
    ['reverse_proxy 127.0.0.1:8480 {', `reverse_proxy 127.0.0.1:${upstream} {`],
    ...changes,
  ].reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`packaging/proxy/Caddyfile has no line ${from}`);
    return text.replaceAll(from, to);
  }, await readFile(shipped, 'utf8'));
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'Caddyfile');
  await writeFile(file, `{\n\tadmin off\n\n\tstorage file_system ${folder}/storage\n\thttp_port ${httpPort}\n\thttps_port ${httpsPort}\n}\n${site}`);
  const child = spawn(caddyBinary, ['run', '--config', file, '--adapter', 'caddyfile'], { stdio: ['ignore', 'ignore', 'pipe'], env: { HOME: folder, PATH: process.env.PATH } });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => { said += chunk; });
  const ended = new Promise((resolve) => child.on('close', resolve));
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await until('Caddy to listen', async () => {
    if (child.exitCode !== null) throw new Error(`Caddy ended: ${said}`);
    return fetch(`http://127.0.0.1:${httpPort}/`, { redirect: 'manual', headers: { host: name } }).then(() => true, () => undefined);
  });
  return { httpsPort, httpPort };
}
