// `latchkey migrate --to`: a stopped SQLite installation goes on in PostgreSQL, interrupted or not, and its source is retired.

import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { deliveringServer, sha256 } from '../support/delivering.mjs';
import { Latchkey } from '../support/latchkey.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { pin, serverWithProvider, userUnderRules } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** A line to the database that breaks when the client says `words`. */
function lineThatBreaksAt(t, postgres, words) {
  const server = net.createServer((client) => {
    const database = net.connect(postgres.port, '127.0.0.1');
    const end = () => { client.destroy(); database.destroy(); };
    client.on('data', (chunk) => (chunk.includes(words) ? end() : database.write(chunk))).on('error', end).on('close', end);
    database.on('data', (chunk) => client.write(chunk)).on('error', end).on('close', end);
  });
  t.after(() => server.close());
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

/** A line to the database that lets what holds `words` through to its COMMIT, and breaks instead of telling so. */
function lineThatHidesTheCommitOf(t, postgres, words) {
  const server = net.createServer((client) => {
    const database = net.connect(postgres.port, '127.0.0.1');
    let hidden;
    const end = () => { client.destroy(); database.destroy(); };
    client.on('data', (chunk) => {
      if (chunk.includes(words)) hidden = Buffer.alloc(0);
      database.write(chunk);
    }).on('error', end).on('close', end);
    database.on('data', (chunk) => {
      if (hidden === undefined) return client.write(chunk);
      hidden = Buffer.concat([hidden, chunk]);
      if (hidden.includes('COMMIT')) end();
    }).on('error', end).on('close', end);
  });
  t.after(() => server.close());
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

/** A single-use grant in SQLite, its move to `store` finished there and not here: the answer to the last commit was lost. */
async function movedUnheard(t) {
  const postgres = await Postgres.start(t);
  const store = await postgres.makeDatabase();
  const scene = await userUnderRules(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true, accessLifetime: 3600 } });
  await scene.server.stop();
  const hiding = await lineThatHidesTheCommitOf(t, postgres, "VALUES ('moved_from'");
  const broken = await scene.server.cli(['migrate', '--to', store.replace(`:${postgres.port}/`, `:${hiding}/`)]);
  assert.equal(broken.status, 1, broken.stderr);
  assert.equal(await postgres.sql("SELECT count(*) FROM store_info WHERE key = 'moved_from'"), '1', 'it has happened');
  assert.match(await refusesToServe(scene.server), /migrate --to.*give-up/);
  return { ...scene, postgres, store };
}

const refresh = ({ admin, grant_id }) => admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);

async function goesOnAt(scene, store) {
  scene.server.options.config.store = store;
  await scene.server.launch();
  await scene.admin.signIn();
  assert.equal((await refresh(scene)).status, 200);
  assert.equal((await scene.admin.grant(scene.grant_id)).state, 'active');
  assert.deepEqual(scene.provider.spentUses, []);
}

async function refusesToServe(server) {
  await server.launch({ expectReady: false });
  assert.equal((await server.ended).status, 1);
  return server.logs;
}

describe('migrate', { skip: withoutPostgres }, () => {
  test('interrupted, resumed, proven, retired; grants, PINs, sessions and the audit trail go on', { timeout: 180_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const { server, admin, provider } = await serverWithProvider(t, { provider: { rotation: 'single-use', revokesFamily: true } });
    for (let i = 0; i < 5; i++) {
      provider.account = { id: `acc-${i}`, name: `Grüße-${i}@example.com` };
      await admin.addOAuthUser({ username: `person-${i}`, pin, type: 'oidc' });
    }
    await admin.set('oauth.polling_time', '17m');
    assert.equal((await server.token('person-0', pin)).status, 200);
    assert.equal((await server.token('person-0', 'wrong-pin')).status, 401);
    const running = await server.cli(['migrate', '--to', store]);
    assert.equal(running.status, 1);
    assert.match(running.stderr, /process \d+|in use/, 'a running server is left alone');
    await server.stop();

    const breaking = await lineThatBreaksAt(t, postgres, 'INSERT INTO generations');
    const broken = await server.cli(['migrate', '--to', store.replace(`:${postgres.port}/`, `:${breaking}/`)]);
    assert.equal(broken.status, 1, broken.stderr);
    assert.match(broken.stderr, /was interrupted \(.*connection.*\).*migrate --to` again.*--give-up/, 'what happened, and both ways on');
    assert.doesNotMatch(broken.stderr, /nothing was changed|The log says/);
    assert.match(await refusesToServe(server), /migrate --to.*give-up/, 'the source waits for the end of the move');
    server.options.config.store = store;
    assert.match(await refusesToServe(server), /was begun and not finished/, 'and so does the target');
    delete server.options.config.store;

    const moved = await server.cli(['migrate', '--to', store, '--json']);
    assert.equal(moved.status, 0, moved.stderr);
    const tables = new Map(JSON.parse(moved.stdout).tables.map((each) => [each.table, each.rows]));
    assert.equal(tables.get('grants'), 5);
    assert.equal(tables.get('users'), 6);
    assert.equal(tables.get('generations'), Number(await postgres.sql('SELECT count(*) FROM generations')));
    assert.match(await refusesToServe(server), /was moved to/, 'the source is retired');
    const backup = await server.cli(['backup', `${server.folder}/late.lkb`, '--passphrase-file', await server.file('passphrase', 'a long passphrase')]);
    assert.equal(backup.status, 1);
    assert.match(backup.stderr, /was moved to.*postgres\.md/, 'what is out of date is no backup');
    const repeated = await server.cli(['migrate', '--to', store]);
    assert.equal(repeated.status, 0, repeated.stderr);
    assert.match(repeated.stdout, /was finished before: nothing was copied or compared now/);
    assert.doesNotMatch(repeated.stdout, /DIGEST|chain is sound/, 'nothing is said to be proven that was not looked at');
    const again = await server.cli(['migrate', '--to', await postgres.makeDatabase()]);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /moved to .* already/);
    assert.equal((await server.cli(['migrate', '--give-up'])).status, 1, 'what is finished is not given up');

    server.options.config.store = store;
    await server.launch();
    assert.equal((await admin.must('GET', '/api/v1/session')).user.username, 'root-admin', 'sessions go on');
    const grants = (await admin.must('GET', '/api/v1/users?limit=50')).items.flatMap((user) => user.grants);
    assert.equal(grants.length, 5);
    for (const grant of grants) assert.equal((await admin.call('POST', `/api/v1/grants/${grant.id}/refresh`)).status, 200);
    assert.deepEqual(provider.spentUses, []);
    for (let i = 0; i < 5; i++) {
      const answer = await server.token(`person-${i}`, pin);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(provider.honours(answer.body.access_token));
    }
    assert.equal((await admin.must('GET', '/api/v1/registry')).items.find((each) => each.key === 'oauth.polling_time').value, '17m');
    assert.equal((await admin.must('GET', `/api/v1/users?search=${encodeURIComponent('GRÜßE-3')}`)).items.length, 1, 'found by the account, in any case');
    assert.equal((await admin.must('GET', '/api/v1/activity/verify')).ok, true);
  });

  test('documents that wait go on from the database: they lie in the spool of the same data directory', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const { server, drive, deliver, road } = await deliveringServer(t);
    drive.plan = () => ({ status: 503, headers: { 'retry-after': '1' } });
    const answer = await deliver('a scan that waits', { wait: 0 });
    assert.equal(answer.status, 202, answer.text);
    await server.stop();
    const moved = await server.cli(['migrate', '--to', store]);
    assert.equal(moved.status, 0, moved.stderr);
    server.options.config.store = store;
    drive.plan = () => undefined;
    await server.launch();
    const done = await until('it to be delivered', async () => {
      const { body } = await road(answer.body.id);
      return body.state === 'delivered' && body;
    }, { timeout: 60_000 });
    assert.equal(done.receipt.hash, `sha256:${sha256('a scan that waits')}`);
    assert.equal(drive.files.size, 1);
  });

  test('interrupted: the answer to the last commit was lost, and the move is ended by its repetition', { timeout: 120_000 }, async (t) => {
    const scene = await movedUnheard(t);
    const given = await scene.server.cli(['migrate', '--give-up', '--to', scene.store]);
    assert.equal(given.status, 1);
    assert.match(given.stderr, /is whole.*migrate --to/, 'where it can be looked at, what is whole is not given up');
    const moved = await scene.server.cli(['migrate', '--to', scene.store]);
    assert.equal(moved.status, 0, moved.stderr);
    assert.match(await refusesToServe(scene.server), /was moved to/);
    await goesOnAt(scene, scene.store);
  });

  test('F10: a move given up is over: the copy it made is not taken for that of a later move', { timeout: 120_000 }, async (t) => {
    const scene = await movedUnheard(t);
    const { server, admin, postgres, store } = scene;
    assert.equal((await server.cli(['migrate', '--give-up'])).status, 0);
    await server.launch();
    await admin.signIn();
    for (let time = 0; time < 2; time++) assert.equal((await refresh(scene)).status, 200);
    const { generation } = await admin.grant(scene.grant_id);
    await server.stop();
    const stale = await server.cli(['migrate', '--to', store]);
    assert.equal(stale.status, 1, stale.stdout);
    assert.match(stale.stderr, /earlier move made.*out of date.*nothing was changed/);
    await server.launch();
    await server.stop();
    const fresh = await postgres.makeDatabase();
    const moved = await server.cli(['migrate', '--to', fresh]);
    assert.equal(moved.status, 0, moved.stderr);
    await goesOnAt(scene, fresh);
    assert.equal((await admin.grant(scene.grant_id)).generation, generation + 1);
  });

  test('an audit trail with a bad link is found before anything is begun, and moved when somebody accepts it', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const { server, admin } = await serverWithProvider(t);
    await server.stop();
    const database = new DatabaseSync(path.join(server.data, 'latchkey.db'));
    const guards = database.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'").all();
    for (const { name } of guards) database.exec(`DROP TRIGGER ${name}`);
    database.exec("UPDATE audit SET detail = 'nothing happened' WHERE sequence = 2");
    for (const { sql } of guards) database.exec(sql);
    database.close();
    const refused = await server.cli(['migrate', '--to', store]);
    assert.equal(refused.status, 1, refused.stdout);
    assert.match(refused.stderr, /entry 2 does not fit.*was not begun.*--accept-broken-trail/);
    await server.launch();
    await server.stop();

    const moved = await server.cli(['migrate', '--to', store, '--accept-broken-trail']);
    assert.equal(moved.status, 0, moved.stderr);
    assert.match(moved.stdout, /entry 2 that does not fit/);
    assert.doesNotMatch(moved.stdout, /chain is sound/);
    server.options.config.store = store;
    await server.launch();
    await admin.signIn();
    const { ok, first_bad_seq: bad } = await admin.must('GET', '/api/v1/activity/verify');
    assert.deepEqual({ ok, bad }, { ok: false, bad: 2 });
    const { items } = await admin.must('GET', '/api/v1/activity?action=store.broken_trail_accepted');
    assert.match(items[0].detail, /entry 2/);
  });

  test('a database in use is refused, an unfinished move can be given up', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const inUse = await postgres.makeDatabase();
    const other = await Latchkey.start(t, { config: { store: inUse } });
    await other.stop();
    const server = await Latchkey.ready(t);
    await server.stop();
    const refused = await server.cli(['migrate', '--to', inUse]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /not empty/);
    const refuses = async (args, words) => {
      const answer = await server.cli(['migrate', ...args]);
      assert.equal(answer.status, 1, answer.stdout);
      assert.match(answer.stderr, words);
    };
    await refuses(['--to', inUse.replace('latchkey@', 'latchkey:geheim@')], /must not hold a password.*--password-file/);
    await refuses(['--to', 'sqlite'], /--to must be the address of a PostgreSQL database/);
    await refuses(['--to', 'postgresql://latchkey@127.0.0.1:1/latchkey'], /`--to` names it/);
    await refuses(['--give-up'], /No move of this installation was begun/);

    const store = await postgres.makeDatabase();
    const breaking = await lineThatBreaksAt(t, postgres, 'INSERT INTO users');
    assert.equal((await server.cli(['migrate', '--to', store.replace(`:${postgres.port}/`, `:${breaking}/`)])).status, 1);
    const givenUp = await server.cli(['migrate', '--give-up']);
    assert.equal(givenUp.status, 0, givenUp.stderr);
    assert.match(givenUp.stdout, /The move to \S+ at 127\.0\.0\.1\S* is given up.*Drop that database/);
    await server.launch();
    assert.equal((await server.admin.must('GET', '/api/v1/session')).user.username, 'root-admin');
  });
});
