// A program in a mount namespace of its own, where /etc is a copy, /srv/latchkey-drop is a folder of the test, and /run is empty: so
// Debian's file servers run with the configuration that is shipped, with a user that the machine does not have, and leave nothing behind.
// Only root may do this.

import { spawn } from 'node:child_process';
import { appendFile, cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from './latchkey.mjs';

export const scanner = { name: 'scanner', uid: 4711, password: 'scan-To-folder-1' };

/** { etc, args }: a copy of /etc that knows the user `scanner`, and how to run a program there with `drop` as /srv/latchkey-drop. */
export async function ownEtc(folder, drop) {
  const etc = path.join(folder, 'etc');
  await mkdir(folder, { recursive: true });
  await cp('/etc', etc, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  const hash = (await run('openssl', ['passwd', '-6', scanner.password])).stdout.trim();
  await appendFile(path.join(etc, 'passwd'), `${scanner.name}:x:${scanner.uid}:${scanner.uid}::/:/usr/sbin/nologin\n`);
  await appendFile(path.join(etc, 'group'), `${scanner.name}:x:${scanner.uid}:\n`);
  await appendFile(path.join(etc, 'shadow'), `${scanner.name}:${hash}:20000:0:99999:7:::\n`);
  await mkdir(path.join(etc, 'latchkey'), { recursive: true });
  await writeFile(path.join(etc, 'latchkey/drop-users'), `${scanner.name}\n`);
  const script = ['set -e', 'mount --make-rprivate /', `mount --bind '${etc}' /etc`, 'mount -t tmpfs -o mode=0755 run /run', 'mkdir -p /run/sshd /run/samba /run/vsftpd/empty',
    'mount -t tmpfs -o mode=0755 srv /srv', 'mkdir /srv/latchkey-drop', `mount --bind '${drop}' /srv/latchkey-drop`, 'exec "$@"'].join('\n');
  return { etc, args: (command) => ['unshare', ['--mount', '--', 'sh', '-c', script, 'sh', ...command]] };
}

/** Starts a server there, which ends with the test, its own process group and all. `listening` tells when it is ready. */
export async function serveThere(t, place, command, listening) {
  const [program, args] = place.args(command);
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => { said += chunk; });
  const ended = new Promise((resolve) => { child.on('close', resolve); });
  t.after(async () => {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // it has ended
    }
    await Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 5000).unref(); })]);
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // nobody of it is left
    }
  });
  const alive = () => {
    if (child.exitCode !== null) throw new Error(`${command[0]} ended: ${said}`);
  };
  await listening(alive).catch((error) => { throw new Error(`${error.message}; it said: ${said}`); });
  return { said: () => said };
}

/** Every line of `changes` must be there: a recipe that has moved on is not tested by accident. */
export function changed(text, changes) {
  return changes.reduce((out, [from, to]) => {
    if (!out.includes(from)) throw new Error(`the recipe has no line ${from}`);
    return out.replace(from, to);
  }, text);
}
