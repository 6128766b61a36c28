// Debian's OpenSSH with the recipe that is shipped, after the lines that a server of its own needs.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './latchkey.mjs';
import { ownEtc, scanner, serveThere } from './own_etc.mjs';
import { freePort } from './ports.mjs';
import { until } from './wait.mjs';

const shipped = fileURLToPath(new URL('../../packaging/folder/sshd_config', import.meta.url));
export const hasSshd = existsSync('/usr/sbin/sshd') && existsSync('/usr/bin/sftp');

/** Serves `drop`; gives { sftp(commands) }. Ends with the test. */
export async function startSshd(t, { folder, drop }) {
  const port = await freePort();
  const place = await ownEtc(folder, drop);
  const key = path.join(folder, 'key');
  const host = path.join(place.etc, 'latchkey/host_key');
  for (const each of [key, host]) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', each]);
  await mkdir(path.join(place.etc, 'latchkey/keys'));
  await writeFile(path.join(place.etc, 'latchkey/keys', scanner.name), await readFile(`${key}.pub`));
  const before = [`Port ${port}`, 'ListenAddress 127.0.0.1', 'HostKey /etc/latchkey/host_key', 'PidFile none', 'UsePAM no', 'PasswordAuthentication no',
    'AuthorizedKeysFile /etc/latchkey/keys/%u', 'Subsystem sftp internal-sftp', ''].join('\n');
  await writeFile(path.join(place.etc, 'ssh/sshd_config'), before + await readFile(shipped, 'utf8'));
  const sftp = (commands) => run('sftp', ['-q', '-b', '-', '-P', String(port), '-i', key, '-F', 'none', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
    '-o', 'IdentitiesOnly=yes', `${scanner.name}@127.0.0.1`], { input: commands });
  await serveThere(t, place, ['/usr/sbin/sshd', '-D', '-e', '-f', '/etc/ssh/sshd_config'], (alive) => until('sshd to answer', async () => {
    alive();
    const { status, stderr } = await sftp('ls\n');
    if (status !== 0) throw new Error(stderr);
    return true;
  }, { timeout: 20_000, every: 100 }));
  return { sftp };
}
