// `latchkey migrate --to`: a stopped SQLite installation goes on in PostgreSQL, interrupted or not, and its source is retired.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
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

/** The move to `store` is begun and breaks at the first user: the tables are there, and nearly empty. */
async function beginsMove(t, server, postgres, store) {
  const breaking = await lineThatBreaksAt(t, postgres, 'INSERT INTO users');
  const broken = await server.cli(['migrate', '--to', store.replace(`:${postgres.port}/`, `:${breaking}/`)]);
  assert.equal(broken.status, 1, broken.stderr);
  assert.match(broken.stderr, /was interrupted/);
}

/** For every row that is to be written to `table`. */
const onEachRow = (table, body) => `CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$;
  CREATE TRIGGER meddle BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION meddle()`;

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

  for (const [what, table, body, words] of [
    ['a token is another one', 'generations', "NEW.refresh_sealed := NEW.refresh_sealed || '\\x00';", /copy of generations differs.*\(1 rows, 1 copied\)/],
    ['a time is another one', 'grants', 'NEW.access_expires_at := NEW.access_expires_at + 1;', /copy of grants differs/],
    ['a row is missing', 'wraps', 'RETURN NULL;', /copy of wraps differs.*\((\d+) rows, 0 copied\)/],
    ['an entry of the audit trail is another one', 'audit', "NEW.detail := NEW.detail || '!';", /copy of audit differs/],
  ]) {
    test(`proven: ${what} in the copy, which is noticed, and nothing is retired`, { timeout: 120_000 }, async (t) => {
      const postgres = await Postgres.start(t);
      const store = await postgres.makeDatabase();
      const scene = await userUnderRules(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true, accessLifetime: 3600 } });
      const { server } = scene;
      await server.stop();
      await beginsMove(t, server, postgres, store);
      await postgres.sql(onEachRow(table, body));
      const differs = await server.cli(['migrate', '--to', store]);
      assert.equal(differs.status, 1, differs.stdout);
      assert.match(differs.stderr, words);
      assert.match(differs.stderr, /source was not retired.*Make it again, empty, and move again, or `latchkey migrate --give-up`/);
      assert.equal(await postgres.sql("SELECT count(*) FROM store_info WHERE key = 'moved_from'"), '0');
      assert.match(await refusesToServe(server), /was begun and not finished.*migrate --to.*give-up/, 'not retired');
      server.options.config.store = store;
      assert.match(await refusesToServe(server), /was begun and not finished/, 'what differs is not served');
      delete server.options.config.store;
      await postgres.sql(`DROP DATABASE ${postgres.database}`, 'postgres');
      await postgres.sql(`CREATE DATABASE ${postgres.database} TEMPLATE template0`, 'postgres');
      const moved = await server.cli(['migrate', '--to', store]);
      assert.equal(moved.status, 0, moved.stderr);
      assert.match(await refusesToServe(server), /was moved to/);
      await goesOnAt(scene, store);
    });
  }

  test('interrupted inside a table of several portions, it goes on behind the last whole one: no row twice, none sent again', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const rows = 1_700; // portions are of 500
    const { server } = await serverWithProvider(t);
    await server.stop();
    const database = new DatabaseSync(path.join(server.data, 'latchkey.db'));
    const insert = database.prepare("INSERT INTO pin_failures(user_id, bucket, fingerprint, at) VALUES (zeroblob(16), '*', ?, ?)");
    database.exec('BEGIN');
    for (let i = 0; i < rows; i++) insert.run(createHash('sha256').update(String(i)).digest(), 1_700_000_000_000 + i);
    database.exec('COMMIT');
    database.close();
    await beginsMove(t, server, postgres, store);
    await postgres.sql(`CREATE SEQUENCE sent; ${onEachRow('pin_failures', `PERFORM nextval('sent');
      IF (SELECT count(*) FROM pin_failures) = 700 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;`)}`);
    const broken = await server.cli(['migrate', '--to', store]);
    assert.equal(broken.status, 1, broken.stdout);
    assert.match(broken.stderr, /was interrupted.*migrate --to` again/);
    assert.equal(await postgres.sql('SELECT count(*) FROM pin_failures'), '500', 'whole portions only');
    const there = () => postgres.sql("SELECT md5(string_agg(ctid::text || xmin::text, ',' ORDER BY ctid)) FROM (SELECT ctid, xmin FROM pin_failures ORDER BY ctid LIMIT 500) AS first");
    const first = await there();
    await postgres.sql("DROP TRIGGER meddle ON pin_failures; DROP FUNCTION meddle(); SELECT setval('sent', 1, false)");
    await postgres.sql(onEachRow('pin_failures', "PERFORM nextval('sent');"));
    const moved = await server.cli(['migrate', '--to', store, '--json']);
    assert.equal(moved.status, 0, moved.stderr);
    assert.equal(JSON.parse(moved.stdout).tables.find((each) => each.table === 'pin_failures').rows, rows);
    assert.equal(await postgres.sql('SELECT count(*) FROM pin_failures'), String(rows));
    assert.equal(await postgres.sql('SELECT last_value FROM sent'), String(rows - 500), 'what was there is not sent again');
    assert.equal(await there(), first, 'and has not been touched');
  });

  test('a database of a newer version, and one that cannot be written: a sentence, nothing lost, a way on', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const scene = await userUnderRules(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { server, admin } = scene;
    await server.stop();
    const refuses = async (store, words) => {
      const answer = await server.cli(['migrate', '--to', store]);
      assert.equal(answer.status, 1, answer.stdout);
      assert.match(answer.stderr, words);
      assert.equal(answer.stderr.trim().split('\n').length, 1);
    };
    const newer = await postgres.makeDatabase();
    const other = await Latchkey.start(t, { config: { store: newer } });
    await other.stop();
    await postgres.sql("UPDATE store_info SET value = '99' WHERE key = 'schema'; UPDATE store_info SET value = '9.9' WHERE key = 'written_by'");
    await refuses(newer, /written by Latchkey 9\.9 \(schema 99\).*Nothing was changed.*that version's `latchkey migrate`, or name another database/);
    const store = await postgres.makeDatabase();
    const readOnly = (on) => postgres.sql(`ALTER DATABASE ${postgres.database} SET default_transaction_read_only = ${on ? 'on' : 'off'}`, 'postgres');
    await readOnly(true);
    await refuses(store, /is read-only.*`--to`.*or make this one writable; nothing was changed/);
    await server.launch();
    assert.equal((await refresh(scene)).status, 200, 'nothing was begun');
    await server.stop();

    await readOnly(false);
    await beginsMove(t, server, postgres, store);
    await readOnly(true);
    await refuses(store, /is read-only.*The move to \S+ at \S+ that was begun goes on when `latchkey migrate --to` is run again, and `latchkey migrate --give-up`/);
    await readOnly(false);
    await postgres.sql("UPDATE store_info SET value = '99' WHERE key = 'schema'");
    await refuses(store, /schema 99.*that was begun goes on.*give-up/);
    assert.equal((await server.cli(['migrate', '--give-up'])).status, 0);
    await server.launch();
    await admin.signIn();
    assert.equal((await refresh(scene)).status, 200);
    await server.stop();
    const fresh = await postgres.makeDatabase();
    assert.equal((await server.cli(['migrate', '--to', fresh])).status, 0);
    await goesOnAt(scene, fresh);
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

  const refusesMove = async (server, args, words) => {
    const answer = await server.cli(['migrate', ...args]);
    assert.equal(answer.status, 1, answer.stdout);
    assert.match(answer.stderr, words);
  };
  const madeAnew = async (postgres) => {
    await postgres.sql(`DROP DATABASE ${postgres.database}`, 'postgres');
    await postgres.sql(`CREATE DATABASE ${postgres.database} TEMPLATE template0`, 'postgres');
  };
  const tablesIn = async (postgres) => Number(await postgres.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"));

  test('F10: what was moved is never copied again, though its database is lost and made again under the same name', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const scene = await userUnderRules(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { server } = scene;
    await server.stop();
    assert.equal((await server.cli(['migrate', '--to', store])).status, 0);
    await goesOnAt(scene, store);
    await server.stop();
    await madeAnew(postgres);
    await refusesMove(server, ['--to', store], /was moved to .*does not hold it.*would lose.*dump.*restore --database.*restore/);
    assert.equal(await tablesIn(postgres), 0, 'it was only looked at');
    delete server.options.config.store;
    assert.match(await refusesToServe(server), /was moved to/);
  });

  test('F10: nor is one whose end was not heard', { timeout: 120_000 }, async (t) => {
    const scene = await movedUnheard(t);
    await madeAnew(scene.postgres);
    await refusesMove(scene.server, ['--to', scene.store], /was whole.*may have been served.*put a dump of it back.*--give-up/);
    assert.equal(await tablesIn(scene.postgres), 0, 'it was only looked at');
    assert.equal((await scene.server.cli(['migrate', '--give-up'])).status, 0);
    const moved = await scene.server.cli(['migrate', '--to', scene.store]);
    assert.equal(moved.status, 0, moved.stderr);
    await goesOnAt(scene, scene.store);
  });

  test('F10: a move that was begun is ended or given up before there is another; who looks makes no tables', { timeout: 120_000 }, async (t) => {
    const scene = await movedUnheard(t);
    const { server, postgres, store } = scene;
    const first = postgres.database;
    const other = await postgres.makeDatabase();
    await refusesMove(server, ['--to', other], /The copy in \S+ at \S+ was whole.*is not in \S+ at .*may have been served.*with that address.*--give-up.*nothing was changed/);
    await refusesMove(server, ['--give-up', '--to', other], /went to \S+ at \S+, not to .*nothing was changed/);
    assert.equal(await tablesIn(postgres), 0);
    assert.match(await refusesToServe(server), /was begun and not finished/, 'it is not given up');
    postgres.database = first;
    const moved = await server.cli(['migrate', '--to', store]);
    assert.equal(moved.status, 0, moved.stderr);
    await goesOnAt(scene, store);
  });

  test('the name as whose node it goes on is whole before the source is retired', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const scene = await userUnderRules(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { server } = scene;
    const name = path.join(server.data, 'node');
    await server.stop();
    for (const [left, words] of [['', /node, .*does not hold a node's id/], ['01234567-89ab-7cde-8f01-23456789abcd\n', /node, .*another node's id/]]) {
      await writeFile(name, left, { mode: 0o600 });
      await refusesMove(server, ['--to', store], words);
      assert.equal(await readFile(name, 'utf8'), left, 'nothing is written over');
      assert.equal(await postgres.sql("SELECT count(*) FROM store_info WHERE key IN ('moving_from', 'moved_from')"), '0', 'nothing was begun');
    }
    await rm(name);
    await server.launch();
    await server.stop();
    const moved = await server.cli(['migrate', '--to', store]);
    assert.equal(moved.status, 0, moved.stderr);
    assert.equal((await stat(name)).mode & 0o777, 0o600);
    await goesOnAt(scene, store);
  });

  test('where a restore was interrupted, and in what one has set aside, there is nothing to move and no backup to make', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const { server } = await serverWithProvider(t);
    const passphrase = await server.file('passphrase', 'a long passphrase');
    await server.stop();
    for (const [mark, words] of [['restore.interrupted', /A restore into \S+ was interrupted.*latchkey restore.*--replace/], ['set-aside.json', /set aside/]]) {
      await writeFile(path.join(server.data, mark), '');
      for (const args of [['--to', store], ['--give-up']]) await refusesMove(server, args, words);
      const file = path.join(server.folder, `${mark}.lkb`);
      const backup = await server.cli(['backup', file, '--passphrase-file', passphrase]);
      assert.equal(backup.status, 1, backup.stdout);
      assert.match(backup.stderr, words);
      await assert.rejects(stat(file));
      assert.match(await refusesToServe(server), words, 'the words of the server');
      await rm(path.join(server.data, mark));
    }
    assert.equal(await tablesIn(postgres), 0);
    const moved = await server.cli(['migrate', '--to', store]);
    assert.equal(moved.status, 0, moved.stderr);
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
    await refuses(['--to', inUse], /The move to \S+ at \S+ was begun, and not to \S+ at .*migrate --to` with that address.*--give-up.*nothing was changed/);
    const givenUp = await server.cli(['migrate', '--give-up']);
    assert.equal(givenUp.status, 0, givenUp.stderr);
    assert.match(givenUp.stdout, /The move to \S+ at 127\.0\.0\.1\S* is given up.*Drop that database/);
    const database = new DatabaseSync(path.join(server.data, 'latchkey.db'), { readOnly: true });
    const { value } = database.prepare("SELECT value FROM store_info WHERE key = 'written_by'").get();
    database.close();
    assert.match(value, /^\d+\.\d+\.\d+/, 'by which program it was written');
    await server.launch();
    assert.equal((await server.admin.must('GET', '/api/v1/session')).user.username, 'root-admin');
  });
});
