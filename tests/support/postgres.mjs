// A PostgreSQL of a test's own: a cluster made with initdb in a temporary folder, run by an unprivileged user on a free
// loopback port, stopped by pid. Never a service, never one that was there before.
//
//   node tests/support/postgres.mjs COMMAND...    runs the command with LATCHKEY_TEST_POSTGRES set to such a cluster

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePort } from './ports.mjs';
import { until } from './wait.mjs';

const packages = '/usr/lib/postgresql';

/** The folder of initdb, postgres and psql; undefined where PostgreSQL is not installed. */
export function findPostgres() {
  const versions = existsSync(packages) ? readdirSync(packages).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => path.join(packages, version, 'bin')).find((folder) => existsSync(path.join(folder, 'initdb')));
}

/** Why a test of PostgreSQL cannot run here, for `skip`; false when it can. */
export const withoutPostgres = findPostgres() ? false : 'PostgreSQL is not installed (scripts/setup --tests installs it)';

/** PostgreSQL refuses to run as root: its own user, or nobody. */
async function unprivileged() {
  if (process.getuid() !== 0) return {};
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const user = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

export class Postgres {
  /** A running cluster; ends with the test `t` (or with stop()). options.settings: more of postgresql.conf. */
  static async start(t, { settings = {} } = {}) {
    const cluster = new Postgres();
    cluster.bin = findPostgres();
    if (!cluster.bin) throw new Error(withoutPostgres);
    cluster.identity = await unprivileged();
    cluster.folder = await mkdtemp(path.join(tmpdir(), 'latchkey-postgres-'));
    if (cluster.identity.uid !== undefined) {
      await chmod(cluster.folder, 0o755);
      await chown(cluster.folder, cluster.identity.uid, cluster.identity.gid);
    }
    cluster.data = path.join(cluster.folder, 'data');
    t?.after(() => cluster.remove());
    cluster.port = await freePort();
    // Only this machine's death would need the disk's promise; a test ends processes.
    cluster.settings = {
      listen_addresses: '127.0.0.1', unix_socket_directories: cluster.folder, fsync: 'off', max_connections: '200', shared_buffers: '64MB',
      log_min_messages: 'warning', max_wal_size: '256MB', ...settings,
    };
    await cluster.run('initdb', ['--pgdata', cluster.data, '--username', 'latchkey', '--auth', 'trust', '--encoding', 'UTF8', '--locale', 'C', '--no-sync']);
    await cluster.launch();
    return cluster;
  }

  /** A hot standby that follows this cluster asynchronously; ends with the test `t`. */
  async standby(t) {
    const other = new Postgres();
    Object.assign(other, { bin: this.bin, identity: this.identity, database: this.database });
    other.folder = await mkdtemp(path.join(tmpdir(), 'latchkey-standby-'));
    if (other.identity.uid !== undefined) await chown(other.folder, other.identity.uid, other.identity.gid);
    other.data = path.join(other.folder, 'data');
    t?.after(() => other.remove());
    other.port = await freePort();
    other.settings = { ...this.settings, unix_socket_directories: other.folder };
    await other.run('pg_basebackup', ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'latchkey', '-D', other.data, '-R', '-X', 'stream', '--checkpoint=fast', '--no-sync']);
    await other.launch();
    await until('the standby to follow', async () => await this.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", 'postgres') === '1');
    return other;
  }

  /** Of a standby: it hears of nothing any more that is committed from now on. */
  async stopFollowing(primary) {
    const written = await primary.sql('SELECT pg_current_wal_lsn()', 'postgres');
    await until('the standby to have caught up', async () => await this.sql(`SELECT pg_last_wal_replay_lsn() >= '${written}'`, 'postgres') === 't');
    await this.sql("ALTER SYSTEM SET primary_conninfo = ''", 'postgres');
    await this.sql('SELECT pg_reload_conf()', 'postgres');
    await until('the standby to be alone', async () => await this.sql('SELECT count(*) FROM pg_stat_wal_receiver', 'postgres') === '0');
  }

  /** Of a standby: it takes over. */
  async promote() {
    assert.equal(await this.sql('SELECT pg_promote()', 'postgres'), 't');
  }

  output = '';
  databases = 0;

  get running() {
    return this.child && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Starts the server over the folder (again). */
  async launch() {
    const options = Object.entries({ port: this.port, ...this.settings }).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    this.child = spawn(path.join(this.bin, 'postgres'), ['-D', this.data, ...options], { ...this.identity, cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => this.child.on('close', (status, signal) => resolve({ status, signal })));
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => { this.output = (this.output + chunk).slice(-100_000); });
    await until('PostgreSQL to answer', async () => {
      if (!this.running) throw new Error(`it ended:\n${this.output}`);
      return (await this.attempt('psql', [...this.connection('postgres'), '-c', 'SELECT 1'])).status === 0;
    }, { timeout: 30_000 });
  }

  connection(database) {
    return ['-X', '-q', '-A', '-t', '-h', '127.0.0.1', '-p', String(this.port), '-U', 'latchkey', '-d', database, '-v', 'ON_ERROR_STOP=1'];
  }

  attempt(program, args) {
    return new Promise((resolve, reject) => {
      const child = spawn(path.join(this.bin, program), args, { ...this.identity, cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, LC_ALL: 'C' } });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (chunk) => { stdout += chunk; });
      child.stderr.setEncoding('utf8').on('data', (chunk) => { stderr += chunk; });
      child.on('error', reject);
      child.on('close', (status) => resolve({ status, stdout, stderr }));
    });
  }

  async run(program, args) {
    const done = await this.attempt(program, args);
    if (done.status !== 0) throw new Error(`${program} ended with ${done.status}: ${done.stderr}`);
    return done.stdout;
  }

  /** The answer to SQL in a database, without headings. */
  async sql(text, database = this.database ?? 'postgres') {
    return (await this.run('psql', [...this.connection(database), '-c', text])).trim();
  }

  /** Where the cluster is, without a database. */
  get address() {
    return `postgresql://latchkey@127.0.0.1:${this.port}`;
  }

  /** The address of a new, empty database, which becomes the one that sql() asks. */
  async makeDatabase() {
    this.database = `latchkey_${++this.databases}`;
    await this.sql(`CREATE DATABASE ${this.database} TEMPLATE template0`, 'postgres');
    return `${this.address}/${this.database}`;
  }

  /** A new role that is let in with this password alone. */
  async requirePassword(role, password) {
    await this.sql(`SET password_encryption = 'scram-sha-256'; CREATE ROLE ${role} LOGIN PASSWORD '${password}'`, 'postgres');
    const rules = path.join(this.data, 'pg_hba.conf');
    await writeFile(rules, `host all ${role} 127.0.0.1/32 scram-sha-256\n${await readFile(rules, 'utf8')}`);
    await this.sql('SELECT pg_reload_conf()', 'postgres');
  }

  /** `fast` (SIGINT: connections are ended) or `immediate` (SIGQUIT: as after a crash). */
  async stop(how = 'fast') {
    if (!this.running) return;
    this.child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await this.ended;
  }

  async restart(how = 'fast') {
    await this.stop(how);
    await this.launch();
  }

  async remove() {
    await this.stop('immediate');
    await rm(this.folder, { recursive: true, force: true });
  }
}

// Run as a program.
if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const cluster = await Postgres.start();
  const [command, ...args] = process.argv.slice(2);
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, LATCHKEY_TEST_POSTGRES: cluster.address } });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  const status = await new Promise((resolve) => {
    child.on('error', (error) => { console.error(error.message); resolve(1); });
    child.on('close', (code) => resolve(code ?? 1));
  });
  await cluster.remove();
  process.exitCode = status;
}
