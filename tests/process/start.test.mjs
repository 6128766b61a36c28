// Starting and stopping: what must not start says why in a sentence and touches nothing (P5 and "Bad input").

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { binary, fetchAnswer, Latchkey, run, Session, slowness } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

async function fingerprint(folder) {
  const lines = [];
  for (const entry of (await readdir(folder, { recursive: true, withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    if (/-shm$|\block$|\.sock$/.test(file) || (/-wal$/.test(file) && (await stat(file)).size === 0)) continue;
    lines.push(`${path.relative(folder, file)} ${createHash('sha256').update(await readFile(file)).digest('hex')}`);
  }
  return lines.join('\n');
}

/** The start must fail with a sentence that matches, and leave the data as they were. */
async function assertRefusesToStart(server, words) {
  const before = await fingerprint(server.data);
  server.stdout = '';
  server.stderr = '';
  await server.launch({ expectReady: false });
  const { status, signal } = await server.ended;
  assert.equal(signal, null, server.logs);
  assert.notEqual(status, 0, 'it started');
  assert.match(server.logs, words);
  assert.doesNotMatch(server.logs, /terminate called|Sanitizer|Assertion|stack trace/i);
  assert.equal(await fingerprint(server.data), before, 'data were touched');
}

async function keyFileOf(data) {
  const names = (await readdir(data)).filter((name) => /master/.test(name) && /key/.test(name));
  assert.equal(names.length, 1, `one master key file, found ${names}`);
  return path.join(data, names[0]);
}

async function databaseOf(data) {
  for (const name of await readdir(data)) {
    const file = path.join(data, name);
    if (!(await stat(file)).isFile()) continue;
    const head = (await readFile(file)).subarray(0, 15).toString('latin1');
    if (head === 'SQLite format 3') return file;
  }
  throw new Error('no database found');
}

test('first start: set-up address, private files, probes; a second start is quick and prints no code', async (t) => {
  const server = await Latchkey.start(t);
  const code = await server.setupCode();
  assert.ok(code.length >= 16);
  assert.equal((await stat(server.data)).mode & 0o777, 0o700);
  assert.equal((await stat(await keyFileOf(server.data))).mode & 0o777, 0o600);
  assert.equal((await stat(await databaseOf(server.data))).mode & 0o077, 0);
  for (const probe of ['/healthz', '/readyz']) assert.equal((await fetchAnswer(`${server.url}${probe}`)).status, 200);
  assert.match((await fetchAnswer(`${server.url}/metrics`)).text, /^latchkey_/m);
  assert.equal((await fetchAnswer(`${server.url}/api/openapi.json`)).body.openapi.slice(0, 3), '3.1');

  const admin = new Session(server.url);
  await admin.begin();
  assert.equal((await admin.call('POST', '/api/v1/setup', { code: 'wrong-code-0000000000', username: 'x', password: 'Long-enough-password-1' })).code, 'setup_code_invalid');
  await admin.setUp(code);
  const again = new Session(server.url);
  await again.begin();
  assert.equal((await again.call('POST', '/api/v1/setup', { code, username: 'y', password: 'Long-enough-password-1' })).code, 'setup_done');
  await server.stop();
  server.stdout = '';
  server.stderr = '';
  await server.launch();
  assert.doesNotMatch(server.logs, /setup#code=/);
  assert.ok(server.readyAfterMs < 3000 * slowness, `${server.readyAfterMs} ms`);
});

test('SIGTERM ends it cleanly, in time', async (t) => {
  const server = await Latchkey.ready(t);
  const started = performance.now();
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
  assert.ok(performance.now() - started < 5000 * slowness);
});

test('P5: master key missing: refuses, never overwrites; back in place, everything works', async (t) => {
  const { server } = await authorisedUser(t);
  await server.stop();
  const key = await keyFileOf(server.data);
  await rename(key, path.join(server.folder, 'kept.key'));
  await assertRefusesToStart(server, /master key/i);
  await rename(path.join(server.folder, 'kept.key'), key);
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

test('P5: wrong or damaged master key: refuses, never overwrites', async (t) => {
  const { server } = await authorisedUser(t);
  const other = await Latchkey.start(t);
  await other.stop();
  await server.stop();
  const key = await keyFileOf(server.data);
  const right = await readFile(key);
  await copyFile(await keyFileOf(other.data), key);
  await assertRefusesToStart(server, /master key/i);
  await writeFile(key, right.subarray(0, 10));
  await assertRefusesToStart(server, /master key/i);
  await writeFile(key, right);
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

test('a database of a future version, a damaged one, and no database at all stop the start with a sentence', async (t) => {
  const server = await Latchkey.ready(t);
  await server.stop();
  const file = await databaseOf(server.data);
  const good = await readFile(file);

  const database = new DatabaseSync(file);
  const { user_version: version } = database.prepare('PRAGMA user_version').get();
  database.exec(`PRAGMA user_version = ${version + 1000}`);
  database.close();
  await assertRefusesToStart(server, /newer|future|version/i);

  const damaged = Buffer.from(good);
  damaged.fill(0xa5, 100, Math.min(good.length, 40_000));
  await writeFile(file, damaged);
  await assertRefusesToStart(server, /damaged|corrupt|malformed/i);

  await writeFile(file, 'this is not a database, it is a letter to somebody, long enough to be looked at');
  await assertRefusesToStart(server, /database/i);
});

test('two servers on one data folder: the second refuses', async (t) => {
  const first = await Latchkey.start(t);
  const second = await run(binary, ['serve', '--data', first.data], { env: { LATCHKEY_LISTEN: '127.0.0.1:0' }, timeout: 20_000 });
  assert.equal(second.signal, null, second.stdout + second.stderr);
  assert.notEqual(second.status, 0);
  assert.match(second.stderr + second.stdout, /already|in use|locked|another/i);
  assert.ok(first.running);
  assert.equal((await fetchAnswer(`${first.url}/readyz`)).status, 200);
});

test('configuration: every mistake is named with its key, and stops the start', async (t) => {
  const server = await Latchkey.start(t);
  await server.stop();
  const mistakes = {
    'listne = "127.0.0.1:1"': /listne/,
    'listen = "nowhere"': /listen/,
    'listen = 8480': /listen/,
    'public_url = "ftp://x"': /public_url/,
    'log.level = "loud"': /log\.level/,
    'tls.certificate = "/does/not/exist.pem"': /tls/,
    'outbound.allow = ["not a host!"]': /outbound\.allow/,
    'trusted_proxies = ["300.1.1.1"]': /trusted_proxies/,
    'store = "oracle://x"': /store/,
    'this is not TOML': /wrong\.toml:1/,
  };
  for (const [text, words] of Object.entries(mistakes)) {
    const file = await server.file('wrong.toml', `${text}\n`);
    const result = await run(binary, ['serve', '--config', file, '--data', server.data], { timeout: 20_000 });
    assert.equal(result.signal, null, `${text}: ${result.stderr}`);
    assert.notEqual(result.status, 0, text);
    assert.match(result.stderr + result.stdout, words, text);
  }
  const environment = await run(binary, ['serve', '--data', server.data], { env: { LATCHKEY_LOG_LEVEL: 'loud' }, timeout: 20_000 });
  assert.notEqual(environment.status, 0);
  assert.match(environment.stderr + environment.stdout, /LATCHKEY_LOG_LEVEL|log\.level/);
});

test('a port in use stops the start with a sentence that names it', async (t) => {
  const first = await Latchkey.start(t);
  const result = await run(binary, ['serve', '--data', path.join(first.folder, 'other')], { env: { LATCHKEY_LISTEN: `127.0.0.1:${first.port}` }, timeout: 20_000 });
  assert.notEqual(result.status, 0);
  assert.match(result.stderr + result.stdout, new RegExp(String(first.port)));
});

test('P6: ciphertexts swapped between two users, or a target rewritten, by whoever writes the store without the master key', async (t) => {
  const scene = await authorisedUser(t);
  const { server, provider, admin } = scene;
  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  await admin.addOAuthUser({ username: 'printer-2', pin: 'another-PIN-1', type: 'oidc' });
  await server.stop();
  const database = new DatabaseSync(await databaseOf(server.data));
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all().map((each) => each.name);
  let swapped = 0;
  for (const table of tables) {
    const columns = database.prepare(`PRAGMA table_info("${table}")`).all();
    for (const column of columns.filter((each) => /sealed|wrap|secret/.test(each.name) && each.pk === 0)) {
      const keys = columns.filter((each) => each.pk > 0).map((each) => each.name);
      const rows = database.prepare(`SELECT * FROM "${table}" WHERE length("${column.name}") > 0`).all();
      if (keys.length === 0 || rows.length !== 2) continue;
      const set = database.prepare(`UPDATE "${table}" SET "${column.name}" = ? WHERE ${keys.map((key) => `"${key}" = ?`).join(' AND ')}`);
      for (const [index, row] of rows.entries()) set.run(rows[1 - index][column.name], ...keys.map((key) => row[key]));
      swapped++;
    }
  }
  database.close();
  assert.ok(swapped >= 2, `found ${swapped} sealed columns to swap in ${tables}`);
  await server.launch().catch(() => undefined);
  if (!server.running) return; // refusing to start is a rejection too
  for (const [user, right] of [['printer-1', pin], ['printer-2', 'another-PIN-1']]) {
    const answer = await server.token(user, right);
    assert.notEqual(answer.status, 200, `${user} was served from another user's record`);
    assert.doesNotMatch(answer.text, /at-\d/);
  }
  await until('it to live on', async () => (await fetchAnswer(`${server.url}/healthz`)).status === 200);
});

test('R24: a start with the clock behind an earlier run warns; --trust-clock forgets', async (t) => {
  const server = await Latchkey.ready(t);
  await server.stop();
  const database = new DatabaseSync(await databaseOf(server.data));
  const later = new Date(Date.now() + 3 * 3_600_000).toISOString();
  database.prepare("INSERT INTO meta(key, value) VALUES ('clock_mark', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value").run(Buffer.from(later));
  database.close();
  const warnings = async () => (await server.admin.must('GET', '/api/v1/alerts')).items.filter((alert) => alert.id.startsWith('clock_behind'));
  await server.launch();
  const [warning] = await until('the warning', async () => {
    const found = await warnings();
    return found.length > 0 ? found : undefined;
  });
  assert.match(warning.detail, /Set the clock/);
  assert.ok(warning.detail.includes(later.slice(0, 13)), warning.detail);
  await server.stop();
  server.options.args = ['--trust-clock'];
  await server.launch();
  assert.deepEqual(await warnings(), []);
});

/** `latchkey serve` itself, not by way of Latchkey.start(): what it does before it is up. */
async function serveBare(t, { limit, store, data }) {
  const child = spawn('bash', ['-c', `${limit ?? ':'}; exec "$0" "$@"`, binary, 'serve', '--data', data], {
    env: { ...process.env, LATCHKEY_LISTEN: `127.0.0.1:${await freePort()}`, ...(store && { LATCHKEY_STORE: store }) }, stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([status, signal]) => ({ status, signal }));
  const greeted = Promise.race([once(child.stdout, 'data'), ended.then((end) => { throw new Error(`it ended: ${JSON.stringify(end)}`); })]);
  greeted.catch(() => {});
  return { child, ended, greeted };
}

test('the soft limit of open files is raised to the hard one', async (t) => {
  const { child, ended, greeted } = await serveBare(t, { limit: 'ulimit -Sn 256', data: await temporaryFolder(t, 'limits') });
  await greeted;
  const [, soft, hard] = /^Max open files\s+(\w+)\s+(\w+)/m.exec(await readFile(`/proc/${child.pid}/limits`, 'utf8'));
  assert.notEqual(soft, '256');
  assert.equal(soft, hard);
  child.kill('SIGTERM');
  await ended;
});

test('a reload in mid-start ends nothing', async (t) => {
  let reached;
  const asked = new Promise((resolve) => { reached = resolve; });
  const mute = net.createServer((socket) => { socket.on('error', () => {}); t.after(() => socket.destroy()); reached(); });
  await new Promise((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.after(() => mute.close());
  const { child, ended } = await serveBare(t, { store: `postgresql://latchkey@127.0.0.1:${mute.address().port}/latchkey`, data: await temporaryFolder(t, 'reload') });
  await asked;
  child.kill('SIGHUP');
  child.kill('SIGTERM');  // taken after it: signals are delivered by number
  assert.equal((await ended).signal, 'SIGTERM');
});
