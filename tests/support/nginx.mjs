// Debian's nginx with the configuration that is shipped, in a folder of its own: names, ports and certificate changed, no other line. Around it
// stands what Debian's nginx.conf has: both logs, for every server that does not say otherwise.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.mjs';
import { changed, runProxy } from './proxies.mjs';

const shipped = fileURLToPath(new URL('../../packaging/proxy/nginx.conf', import.meta.url));
export const nginxBinary = ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find((file) => existsSync(file));

/**
 * Starts nginx before `upstream` (a port on loopback). `bind`: the loopback address it calls the server from. `changes`: further
 * pairs of what stands there and what shall. Gives { httpsPort, httpPort, stop, launch (again), logs (all it has written) }. Ends with the test.
 */
export async function startNginx(t, { folder, upstream, certFile, keyFile, bind, name = 'localhost', changes = [] }) {
  const [httpsPort, httpPort] = [await freePort(), await freePort()];
  const site = changed('packaging/proxy/nginx.conf', await readFile(shipped, 'utf8'), [
    ['    listen [::]:80;\n', ''], ['    listen [::]:443 ssl;\n', ''],
    ['listen 80;', `listen 127.0.0.1:${httpPort};`], ['listen 443 ssl;', `listen 127.0.0.1:${httpsPort} ssl;`],
    ['server_name latchkey.example;', `server_name ${name};`],
    ['/etc/ssl/latchkey/fullchain.pem', certFile], ['/etc/ssl/latchkey/privkey.pem', keyFile],
    ['proxy_pass http://127.0.0.1:8480;', `proxy_pass http://127.0.0.1:${upstream};\n        proxy_bind ${bind};`],
    ...changes,
  ]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${folder}/${each};`).join('\n  ');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'site.conf'), site);
  await writeFile(path.join(folder, 'nginx.conf'), `daemon off;\nmaster_process off;\nuser root;\npid ${folder}/nginx.pid;\nevents {}\nhttp {\n  access_log ${folder}/access.log;\n  error_log ${folder}/error.log;\n  ${temporary}\n  include ${folder}/site.conf;\n}\n`);
  const nginx = {
    httpsPort, httpPort,
    async logs() {
      return nginx.said() + (await Promise.all(['access.log', 'error.log'].map((each) => readFile(path.join(folder, each), 'utf8')))).join('');
    },
    async launch() {
      const { stop, said: more } = await runProxy(t, 'nginx', nginxBinary, ['-p', folder, '-c', path.join(folder, 'nginx.conf'), '-e', 'stderr'], { url: `http://127.0.0.1:${httpPort}/` });
      nginx.stop = stop;
      nginx.said = more;
    },
  };
  await nginx.launch();
  return nginx;
}
