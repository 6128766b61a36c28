// Debian's Samba with the recipe that is shipped: port and Samba's own folders changed, no other line.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './latchkey.mjs';
import { changed, ownEtc, scanner, serveThere } from './own_etc.mjs';
import { freePort } from './ports.mjs';
import { until } from './wait.mjs';

const shipped = fileURLToPath(new URL('../../packaging/folder/smb.conf', import.meta.url));
export const hasSamba = existsSync('/usr/sbin/smbd') && existsSync('/usr/bin/smbclient');

/** Serves `drop`; gives { client(commands) }, which runs smbclient's commands on the share `scans`. Ends with the test. */
export async function startSamba(t, { folder, drop }) {
  const port = await freePort();
  const place = await ownEtc(folder, drop);
  const own = path.join(folder, 'samba');
  await mkdir(own, { recursive: true });
  const folders = ['private dir', 'lock directory', 'state directory', 'cache directory', 'pid directory', 'ncalrpc dir'].map((each) => `  ${each} = ${own}\n`).join('');
  const recipe = changed(await readFile(shipped, 'utf8'), [
    ['  smb ports = 445\n', `  smb ports = ${port}\n  interfaces = lo\n  bind interfaces only = yes\n  log file = ${own}/log\n${folders}`],
  ]);
  await writeFile(path.join(place.etc, 'samba/smb.conf'), recipe);
  const [program, args] = place.args(['smbpasswd', '-s', '-a', scanner.name]);
  const made = await run(program, args, { input: `${scanner.password}\n${scanner.password}\n` });
  if (made.status !== 0) throw new Error(made.stderr + made.stdout);
  const client = (commands) => run('smbclient', ['//127.0.0.1/scans', '-p', String(port), '-U', `${scanner.name}%${scanner.password}`, '-s', '/dev/null', '-c', commands]);
  await serveThere(t, place, ['/usr/sbin/smbd', '--foreground', '--no-process-group', '--debug-stdout'], (alive) => until('Samba to answer', async () => {
    alive();
    return (await client('ls')).status === 0;
  }, { timeout: 30_000, every: 100 }));
  return { client };
}
