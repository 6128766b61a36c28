// Debian's Postfix as a peer that takes mail and keeps it: an instance of its own in a temporary folder, on a port of loopback. Every
// message is put on hold, so that smtpd and cleanup queue it durably and nobody delivers. Never the service of the package.

import { execFile, spawn } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort, temporaryFolder } from '../../tests/support/ports.mjs';
import { until } from '../../tests/support/wait.mjs';

const execute = promisify(execFile);
const daemons = '/usr/lib/postfix/sbin';

/** Numeric ids of what the package has made: user and group `postfix`, group `postdrop`. */
async function identities() {
  const number = async (words) => Number((await execute(words[0], words.slice(1))).stdout.split(':')[words.includes('group') ? 2 : 0]);
  return { user: await number(['id', '-u', 'postfix']), group: await number(['id', '-g', 'postfix']), drop: await number(['getent', 'group', 'postdrop']) };
}

export class Postfix {
  /** Starts it for `sessions` clients at once; ends with the scope. Its master has to be root's, its daemons are `postfix`. */
  static async start(scope, { sessions }) {
    if (process.getuid() !== 0) throw new Error('Postfix only starts as root: run this bench as root, or leave its SMTP part out');
    const postfix = new Postfix();
    postfix.folder = await temporaryFolder(scope, 'postfix');
    postfix.port = await freePort();
    await postfix.#furnish(sessions);
    postfix.child = spawn(path.join(daemons, 'master'), ['-c', path.join(postfix.folder, 'etc'), '-d'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => postfix.child.on('close', resolve));
    scope.after(async () => {
      postfix.child.kill('SIGTERM');
      await ended;
    });
    await until('Postfix to listen', () => new Promise((resolve) => {
      const socket = net.connect(postfix.port, '127.0.0.1').on('data', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(undefined));
    }));
    return postfix;
  }

  /** Of its master, whose children do the work. */
  get pid() {
    return this.child.pid;
  }

  get held() {
    return path.join(this.folder, 'queue', 'hold');
  }

  /** How many messages wait. */
  async count() {
    return (await readdir(this.held)).length;
  }

  async log() {
    return readFile(path.join(this.folder, 'mail.log'), 'utf8');
  }

  async #furnish(sessions) {
    const { user, group, drop } = await identities();
    const { folder } = this;
    await chmod(folder, 0o755);
    for (const each of ['etc', 'data', 'queue', 'queue/pid']) await mkdir(path.join(folder, each));
    await chown(path.join(folder, 'data'), user, group);
    for (const each of ['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'saved', 'trace']) {
      await mkdir(path.join(folder, 'queue', each), { mode: 0o700 });
      await chown(path.join(folder, 'queue', each), user, group);
    }
    for (const each of ['public', 'maildrop']) {
      await mkdir(path.join(folder, 'queue', each));
      await chown(path.join(folder, 'queue', each), user, drop);
      await chmod(path.join(folder, 'queue', each), each === 'public' ? 0o710 : 0o730);
    }
    await writeFile(path.join(folder, 'etc', 'main.cf'), this.#main(sessions));
    await writeFile(path.join(folder, 'etc', 'master.cf'), this.#services());
  }

  /** What would only slow it down is off: names looked up, pauses of cleanup for a queue that nobody empties. */
  #main(sessions) {
    return `compatibility_level = 3.6
queue_directory = ${this.folder}/queue
data_directory = ${this.folder}/data
daemon_directory = ${daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = localhost.localdomain
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
default_process_limit = ${Math.max(100, 2 * sessions)}
smtpd_peername_lookup = no
smtpd_client_restrictions = check_client_access static:HOLD
smtpd_recipient_restrictions = permit_mynetworks, reject
in_flow_delay = 0
maillog_file = ${this.folder}/mail.log
maillog_file_prefixes = ${this.folder}
`;
  }

  #services() {
    return `127.0.0.1:${this.port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
`;
  }
}
