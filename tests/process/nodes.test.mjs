// Several nodes on one PostgreSQL: what they share, who refreshes, and what happens when one or the database stops.

import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { deliveringServer, sha256 } from '../support/delivering.mjs';
import { HttpSink, signatureOf } from '../support/http_sink.mjs';
import { binary, Latchkey, run, slowness } from '../support/latchkey.mjs';
import { spoilNewestRecord } from '../support/kill/journal_file.mjs';
import { at, forget, idOf, sharedScene } from '../support/nodes.mjs';
import { freePort } from '../support/ports.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';
import { gate, until } from '../support/wait.mjs';

const withinASecond = { timeout: 1000 * slowness, every: 20 };

/** What a server says that must not start. */
async function refusal(t, config) {
  const server = await Latchkey.start(t, { config }).catch((error) => error);
  assert.ok(server instanceof Error, 'it must not start');
  return server.message;
}

const dumpOf = async (postgres) => {
  const dump = path.join(postgres.folder, 'dump');
  await postgres.run('pg_dump', ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'latchkey', '-d', postgres.database, '--format=custom', '-f', dump]);
  return dump;
};
const emptied = async (postgres) => {
  await postgres.sql(`DROP DATABASE ${postgres.database}`, 'postgres');
  await postgres.sql(`CREATE DATABASE ${postgres.database} TEMPLATE template0`, 'postgres');
};
const putBack = async (postgres, dump) => {
  await emptied(postgres);
  await postgres.run('pg_restore', ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'latchkey', '-d', postgres.database, '--exit-on-error', dump]);
};
/** A line to the database that ends for good when what holds `words` is committed, before anybody is told. */
function lineThatEndsAtTheCommitOf(t, postgres, words) {
  let ended = false;
  const server = net.createServer((client) => {
    if (ended) return client.destroy();
    const database = net.connect(postgres.port, '127.0.0.1');
    let said = false;
    const end = () => { client.destroy(); database.destroy(); };
    client.on('data', (chunk) => { said ||= chunk.includes(words); database.write(chunk); }).on('error', end).on('close', end);
    database.on('data', (chunk) => {
      if (said && chunk.includes('COMMIT')) { ended = true; return end(); }
      client.write(chunk);
    }).on('error', end).on('close', end);
  });
  t.after(() => server.close());
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}
/** The command that the Keys page offers to copy, where this node's configuration lies elsewhere. */
async function markRestored(node, more = []) {
  const page = await readFile(new URL('../../web/src/pages/Keys.svelte', import.meta.url), 'utf8');
  const [, command] = page.match(/text="latchkey (restore --database[^"]*)"/);
  const installed = '/etc/latchkey/latchkey.toml';
  return node.cli([...command.split(' ').map((word) => (word === installed ? path.join(node.folder, 'latchkey.toml') : word)), ...more, '--json']);
}

describe('nodes that share a database', { skip: withoutPostgres }, () => {
  test('users, sessions, settings and switches made at one node hold at the other within a second', async (t) => {
    const { nodes: [first, second], admin } = await sharedScene(t);
    const { user_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
    const there = at(second, admin);
    assert.equal((await there.must('GET', '/api/v1/session')).user.username, 'root-admin', 'the session is known');
    for (const node of [first, second]) assert.equal((await node.token('printer-1', pin)).status, 200);

    await admin.set('oauth.polling_time', '17m');
    await until('the setting to arrive', async () => (await there.must('GET', '/api/v1/registry')).items.find((each) => each.key === 'oauth.polling_time').value === '17m', withinASecond);
    await there.set('oauth.polling_time', '18m');
    assert.equal((await there.must('GET', '/api/v1/registry')).items.find((each) => each.key === 'oauth.polling_time').value, '18m', 'in effect at once where it was set');

    // K8: hot at both, switched off at one.
    for (const node of [first, second]) assert.equal((await node.token('printer-1', pin)).status, 200);
    await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: false });
    const since = performance.now();
    await until('the other node to refuse', async () => (await second.token('printer-1', pin)).status === 401, { timeout: 5000 * slowness });
    assert.ok(performance.now() - since < 1000 * slowness + 700, `it took ${performance.now() - since} ms, a refusal's own 300 ms among them`);
    await there.must('PATCH', `/api/v1/users/${user_id}`, { enabled: true });
    await until('the first node to let in again', async () => (await first.token('printer-1', pin)).status === 200, { timeout: 5000 * slowness });

    await admin.must('DELETE', '/api/v1/session');
    assert.equal((await there.call('GET', '/api/v1/users')).status, 401, 'signed out at one is signed out');
  });

  test('T4: wrong PINs count together, whichever node they are shown to', async (t) => {
    const { nodes, admin, postgres } = await sharedScene(t);
    const { user_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
    for (let round = 0; round < 3; round++) {
      assert.equal((await nodes[round % 2].token('printer-1', `wrong-${round}`)).status, 401);
    }
    assert.equal((await nodes[0].token('printer-1', 'wrong-1')).status, 401, 'the same again, at the other node, counts once');
    assert.equal(await postgres.sql(`SELECT count(DISTINCT fingerprint) FROM pin_failures WHERE user_id = '${user_id}'`), '3');
  });

  test('R5: many grants due, and asked for, at two nodes at once: one POST for each generation', { timeout: 240_000 }, async (t) => {
    const { nodes, admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
    const people = 12;
    const grants = [];
    for (let i = 0; i < people; i++) {
      provider.account = { id: `acc-${i}`, name: `person-${i}@example.com` };
      grants.push((await admin.addOAuthUser({ username: `person-${i}`, pin, type: 'scripted-type' })).grant_id);
    }
    const makeDue = 'UPDATE grants SET due_at = 0, last_refreshed_at = 0, issued_at = issued_at - 600000, reserved_until = 0, version = version + 1';
    const rounds = 5;
    // A reply that is still on its way into the store would take back what makeDue has written.
    const settled = () => until('the last replies to be kept', async () => await postgres.sql('SELECT count(*) FROM intents WHERE state = 0') === '0', { timeout: 10_000 * slowness });
    for (let round = 1; round <= rounds; round++) {
      await postgres.sql(makeDue);
      await until(`round ${round}`, () => provider.seen('refresh').length >= round * people, { timeout: 20_000 * slowness });
      await settled();
    }
    assert.equal(provider.seen('refresh').length, rounds * people, 'the sweeps of both ask once for what is due once');

    // People in a hurry at both nodes: nothing but the claim stands between them.
    const sessions = nodes.map((node) => at(node, admin));
    for (let round = 1; round <= 10; round++) {
      await postgres.sql(makeDue);
      await Promise.all(grants.flatMap((grant) => sessions.map((session) => session.call('POST', `/api/v1/grants/${grant}/refresh`))));
    }
    await settled();
    assert.ok(provider.seen('refresh').length >= (rounds + 10) * people);
    assert.ok([...provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
    assert.deepEqual(provider.spentUses, []);
    for (const node of nodes) assert.match(await node.metrics(), /latchkey_refreshes_total\{outcome="refreshed"\} [1-9]/, 'both worked');
    for (const grant of grants) assert.equal((await admin.grant(grant)).state, 'active');
  });

  test('R6: a node stopped in mid-exchange until its lease has passed: the other takes over, the late reply overwrites nothing and is kept', { timeout: 240_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, {
      provider: { graceSeconds: 3600, accessLifetime: 70 }, type: { replay: 'grace', grace_s: 3600 },
      settings: { 'oauth.refresh_total_timeout': '5s', 'oauth.refresh_lease': '30s' },
    });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    t.after(() => first.child.kill('SIGCONT'));
    const answered = gate();
    provider.next('refresh', { gate: answered.passed });
    const asked = admin.call('POST', `/api/v1/grants/${grant_id}/refresh`).catch(() => undefined);
    await until('the first node to have asked', () => provider.seen('refresh').length === 1);
    first.child.kill('SIGSTOP');
    answered.open();
    await until('the other node to have taken over', async () => Number(await postgres.sql(`SELECT generation FROM grants WHERE id = '${grant_id}'`)) === 2, { timeout: 120_000 * slowness, every: 200 });
    const newest = await postgres.sql(`SELECT encode(refresh_sealed, 'hex') FROM generations WHERE grant_id = '${grant_id}' AND number = 2`);
    // Once more, as a rule. Where that answer is lost, too, its type allows a third at once and others with back-off (F1).
    const moments = provider.seen('refresh').map((request) => request.at);
    t.diagnostic(`asked after ${moments.map((moment) => ((moment - moments[0]) / 1000).toFixed(1)).join(', ')} s`);
    assert.ok(moments.length >= 2);
    for (const [number, moment] of moments.entries()) assert.ok(number < 3 || moment - moments[number - 1] > 2400, `request ${number + 1} came without back-off`);
    first.child.kill('SIGCONT');
    await asked;
    await until('the late reply to be kept as a candidate', async () => await postgres.sql(`SELECT count(*) FROM generations WHERE grant_id = '${grant_id}' AND state = 2`) === '1', { timeout: 20_000 * slowness });
    assert.equal(await postgres.sql(`SELECT encode(refresh_sealed, 'hex') FROM generations WHERE grant_id = '${grant_id}' AND number = 2`), newest);
    const answer = await second.token('printer-1', pin);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(provider.honours(answer.body.access_token));
  });

  test('F6: an exchange that a lost node left open waits for its journal, until the node is forgotten', { timeout: 120_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, { provider: { graceSeconds: 3600 }, type: { replay: 'grace', grace_s: 3600 } });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    provider.next('refresh', { hold: true });
    const asked = admin.call('POST', `/api/v1/grants/${grant_id}/refresh`).catch(() => undefined);
    await until('the first node to have asked', () => provider.seen('refresh').length === 1);
    await first.kill();
    await asked;
    await postgres.sql('UPDATE grants SET lease_until = 0, version = version + 1');
    const there = at(second, admin);
    const waits = await there.call('POST', `/api/v1/grants/${grant_id}/refresh`);
    assert.equal(provider.seen('refresh').length, 1, `not resolved by another node: ${waits.text}`);

    const listed = JSON.parse((await second.cli(['node', 'list', '--json'])).stdout);
    assert.equal(listed.length, 2);
    const lost = listed.find((each) => !each.here);
    assert.equal(lost.open_exchanges, 1);
    const early = await second.cli(['node', 'forget', lost.id]);
    assert.equal(early.status, 1);
    assert.match(early.stderr, /running/);
    await postgres.sql(`UPDATE nodes SET seen_at = 0 WHERE id = '${lost.id}'`);
    const forgotten = await second.cli(['node', 'forget', lost.id]);
    assert.equal(forgotten.status, 0, forgotten.stderr);
    assert.equal((await there.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200);
    assert.equal(provider.seen('refresh').length, 2, 'the type allows the same token again');
    assert.equal((await there.grant(grant_id)).state, 'active');
    assert.equal((await second.cli(['node', 'forget', lost.id])).status, 1, 'there is no such node any more');

    // It comes back after all: its name is new to the store, and what it finds harms nothing.
    await first.launch();
    assert.equal((await there.grant(grant_id)).state, 'active');
  });

  test('the database stops and starts under load: no raw reply is lost, both nodes recover', { timeout: 240_000 }, async (t) => {
    const { nodes, admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
    const people = 10;
    const grants = [];
    for (let i = 0; i < people; i++) {
      provider.account = { id: `acc-${i}`, name: `person-${i}@example.com` };
      grants.push((await admin.addOAuthUser({ username: `person-${i}`, pin, type: 'scripted-type' })).grant_id);
    }
    provider.always('refresh', { delay: 30 });
    for (const how of ['fast', 'immediate', 'fast', 'immediate']) {
      const before = provider.seen('refresh').length;
      await postgres.sql('UPDATE grants SET due_at = 0, last_refreshed_at = 0, issued_at = issued_at - 600000, reserved_until = 0, version = version + 1');
      await until('refreshes to be on their way', () => provider.seen('refresh').length > before, { timeout: 20_000 * slowness, every: 2 });
      await postgres.restart(how);
      await until('every node to be ready again', async () => {
        for (const node of nodes) if ((await fetch(`${node.url}/readyz`)).status !== 200) return false;
        return true;
      }, { timeout: 30_000 * slowness });
      await until('everything to be settled', async () => await postgres.sql('SELECT count(*) FROM intents WHERE state = 0 AND settled_at = 0') === '0', { timeout: 60_000 * slowness, every: 100 });
    }
    assert.deepEqual(provider.spentUses, [], 'no spent token was sent again');
    for (let i = 0; i < people; i++) {
      const grant = await at(nodes[1], admin).grant(grants[i]);
      // The provider cut no line: whatever was sent was answered, and an answer that came is not lost.
      assert.equal(grant.state, 'active', `${grant.state}: ${grant.why}`);
      const answer = await nodes[i % 2].token(`person-${i}`, pin);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(provider.honours(answer.body.access_token));
    }
    // What the provider issued last is what the store holds: every grant goes on by it.
    provider.always('refresh', undefined);
    const posted = provider.seen('refresh').length;
    for (const grant of grants) assert.equal((await admin.call('POST', `/api/v1/grants/${grant}/refresh`)).status, 200);
    assert.ok(provider.seen('refresh').length >= posted + people, 'each was sent, none waits for anything');
    for (const grant of grants) assert.equal((await admin.grant(grant)).state, 'active');
    assert.deepEqual(provider.spentUses, []);
    assert.ok([...provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
  });

  test('F5: a reply that comes while the database is away outlives kill -9: sealed in the journal, committed later, never asked for again', { timeout: 120_000 }, async (t) => {
    const { nodes: [first], admin, provider, postgres } = await sharedScene(t, { count: 1, provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    const journalled = async () => Number(/step_seconds_total\{step="journal"\} (\S+)/.exec(await first.metrics())[1]);
    const before = await journalled();
    const answered = gate();
    provider.next('refresh', { gate: answered.passed });
    const asked = admin.call('POST', `/api/v1/grants/${grant_id}/refresh`).catch(() => undefined);
    await until('the node to have asked', () => provider.seen('refresh').length === 1);
    await postgres.stop('immediate');
    answered.open();
    await until('the reply to be on the disk', async () => await journalled() > before);
    assert.equal((await fetch(`${first.url}/readyz`)).status, 503, 'the node says that it cannot work');
    await first.kill();
    await asked;
    const journal = path.join(first.data, 'journal');
    for (const name of await readdir(journal)) {
      const octets = await readFile(path.join(journal, name));
      for (const token of provider.postsPerRefreshToken.keys()) assert.ok(!octets.includes(token), 'no token in the clear');
      assert.ok(!octets.includes('refresh_token'), 'nor anything else of the reply');
    }
    await postgres.launch();
    assert.equal(await postgres.sql(`SELECT generation FROM grants WHERE id = '${grant_id}'`), '1', 'the store has not got it yet');
    await first.launch();
    await until('the reply to be committed', async () => await postgres.sql(`SELECT generation FROM grants WHERE id = '${grant_id}'`) === '2', { timeout: 20_000 * slowness });
    assert.equal((await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200, 'and its refresh token is the one that goes on');
    assert.deepEqual(provider.spentUses, []);
    assert.ok([...provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
    assert.ok(provider.honours((await first.token('printer-1', pin)).body.access_token));
  });

  test('F10: a database put back from a dump: what may be spent is not sent, newer tokens come from the nodes\' journals', { timeout: 180_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
    const grants = {};
    for (const name of ['kept', 'lost']) {
      provider.account = { id: name, name: `${name}@example.com` };
      grants[name] = (await admin.addOAuthUser({ username: name, pin, type: 'scripted-type' })).grant_id;
    }
    const dump = await dumpOf(postgres);
    assert.equal((await admin.call('POST', `/api/v1/grants/${grants.kept}/refresh`)).status, 200);
    assert.equal((await at(second, admin).call('POST', `/api/v1/grants/${grants.lost}/refresh`)).status, 200);
    const mark = () => markRestored(first);
    assert.equal((await mark()).status, 1, 'not beside a running server');
    await second.stop();
    await first.stop();
    const passphrase = await first.file('passphrase', 'eleven purple ladders');
    for (const args of [['backup', path.join(first.folder, 'new.lkb')], ['restore', 'old.lkb', '--replace']]) {
      const refused = await first.cli([...args, '--passphrase-file', passphrase]);
      assert.equal(refused.status, 1, 'a node is no SQLite installation, whatever is not said of it');
      assert.match(refused.stderr, /PostgreSQL.*--config/);
    }
    await emptied(postgres);
    assert.match((await mark()).stderr, /holds nothing/);
    await putBack(postgres, dump);
    await postgres.sql('UPDATE nodes SET seen_at = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + 60000');
    assert.match((await mark()).stderr, /did half a minute ago/, 'so young a dump, or a node that runs');
    await postgres.sql('UPDATE nodes SET seen_at = 0');
    const marked = await mark();
    assert.equal(marked.status, 0, marked.stderr);
    assert.equal(JSON.parse(marked.stdout).grants_marked, 2);

    // The second node's folder, and with it its journal, is lost.
    await first.launch();
    await until('the newer token to come from the journal', async () => await postgres.sql(`SELECT generation FROM grants WHERE id = '${grants.kept}'`) === '2', { timeout: 20_000 * slowness });
    const posted = provider.seen('refresh').length;
    await admin.call('POST', `/api/v1/grants/${grants.kept}/refresh`);
    assert.equal(provider.seen('refresh').length, posted, 'the second node may have spent it, as far as anybody knows');
    await forget(first, second);
    await until('it to go on', async () => {
      await admin.call('POST', `/api/v1/grants/${grants.kept}/refresh`);
      return provider.seen('refresh').length > posted;
    }, { timeout: 20_000 * slowness, every: 200 });
    assert.equal((await admin.grant(grants.kept)).state, 'active');
    assert.notEqual((await admin.call('POST', `/api/v1/grants/${grants.lost}/refresh`)).status, 200);
    assert.equal((await admin.grant(grants.lost)).state, 'needs_authorization');
    assert.deepEqual(provider.spentUses, [], 'and nothing spent was sent');
  });

  for (const lost of ['the machine is lost, too', 'its data directory survived', 'it was stopped, moved, and nothing ran since']) {
    test(`F10: pg_dump, then the node’s own backup; both put back: ${lost}`, { timeout: 180_000 }, async (t) => {
      const { nodes: [node, second], admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
      await second.stop();
      await forget(node, second);
      const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
      const refresh = () => admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
      const moved = lost.startsWith('it was stopped');
      const dump = await dumpOf(postgres);
      assert.equal((await refresh()).status, 200, 'between the two');
      if (moved) await node.stop();
      const config = ['--config', path.join(node.folder, 'latchkey.toml')];
      const phrase = ['--passphrase-file', await node.file('passphrase', 'eleven purple ladders')];
      const file = path.join(node.folder, 'node.lkb');
      const made = await node.cli(['backup', file, ...config, ...phrase]);
      assert.equal(made.status, 0, made.stderr);
      assert.match(made.stdout, /read back and found whole[^]*The database is NOT in it.*pg_dump.*before this file/);
      if (!moved) assert.equal((await refresh()).status, 200, 'after both');
      await node.stop();
      const name = await readFile(path.join(node.data, 'node'), 'utf8');
      const key = await readFile(path.join(node.data, 'master.key'), 'utf8');
      const posted = provider.seen('refresh').length;
      await putBack(postgres, dump);
      await postgres.sql('UPDATE nodes SET seen_at = 0');
      const survives = lost.startsWith('its data');
      if (!survives) await rm(node.data, { recursive: true });

      const args = ['restore', file, ...phrase, ...(survives ? ['--replace'] : []), ...(moved ? ['--nothing-ran-since'] : [])];
      assert.match((await node.cli(args)).stderr, /--config/, 'not as an installation on SQLite');
      const restored = await node.cli([...args, ...config]);
      assert.equal(restored.status, 0, restored.stderr);
      assert.match(restored.stdout, /The database was not touched.*restore --database/);
      assert.equal(/no journal was here/.test(restored.stdout), lost.startsWith('the machine'));
      assert.equal(/answers in the backup's journal are not used/.test(restored.stdout), lost.startsWith('the machine'));
      assert.equal(await readFile(path.join(node.data, 'node'), 'utf8'), name);
      assert.equal(await readFile(path.join(node.data, 'master.key'), 'utf8'), key);
      assert.deepEqual((await readdir(path.join(node.data, 'providers'))).length, 1);
      const marked = await markRestored(node, moved ? ['--nothing-ran-since'] : []);
      assert.equal(marked.status, 0, marked.stderr);
      await node.launch();
      if (lost.startsWith('the machine')) {
        await until('a person to be asked', async () => {
          await refresh();
          return (await admin.grant(grant_id)).state === 'needs_authorization';
        }, { timeout: 20_000 * slowness, every: 200 });
        assert.equal(provider.seen('refresh').length, posted, 'a refresh token was sent');
      } else {
        await until('the newest token to come from the journal, and to be used', async () => (await refresh()).status === 200 && provider.seen('refresh').length > posted,
          { timeout: 20_000 * slowness, every: 200 });
        assert.equal((await admin.grant(grant_id)).state, 'active');
      }
      assert.deepEqual(provider.spentUses, []);
      const [replaced] = (await readdir(node.data)).filter((each) => each.startsWith('replaced-'));
      assert.equal(replaced !== undefined, survives);
      if (!survives) return;
      const aside = await run(binary, ['serve', ...config, '--data', path.join(node.data, replaced)], { timeout: 20_000 });
      assert.equal(aside.status, 1);
      assert.match(aside.stderr, /was set aside by a restore/);
      await node.stop();
      const back = await node.cli(['restore', path.join(node.data, replaced), '--replace', ...config, '--json']);
      assert.equal(back.status, 0, back.stderr);
      await node.launch();
      assert.equal((await refresh()).status, 200, 'and it can be gone back to: the database knows the newest token');
      assert.deepEqual(provider.spentUses, []);
    });
  }

  test('F10: pg_dump, then the node’s own backup: a document that waited at both is delivered once, after the machine was lost', { timeout: 180_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const { server, drive, deliver, road } = await deliveringServer(t, { config: { store } });
    drive.plan = () => ({ status: 503, headers: { 'retry-after': '1' } });
    const answer = await deliver('a scan that waits', { wait: 0 });
    assert.equal(answer.status, 202, answer.text);
    const dump = await dumpOf(postgres);
    const options = ['--config', path.join(server.folder, 'latchkey.toml'), '--passphrase-file', await server.file('passphrase', 'eleven purple ladders')];
    const file = path.join(server.folder, 'node.lkb');
    const made = await server.cli(['backup', file, ...options, '--json']);
    assert.equal(made.status, 0, made.stderr);
    assert.deepEqual([JSON.parse(made.stdout).documents, JSON.parse(made.stdout).holds_database], [1, false]);
    await server.stop();
    await putBack(postgres, dump);
    await postgres.sql('UPDATE nodes SET seen_at = 0');
    await rm(server.data, { recursive: true });
    assert.equal((await server.cli(['restore', file, ...options])).status, 0);
    const marked = await markRestored(server);
    assert.equal(marked.status, 0, marked.stderr);
    assert.equal(JSON.parse(marked.stdout).deliveries_marked, 1);
    assert.equal(JSON.parse(marked.stdout).deliveries_without_document, 0);
    drive.plan = () => undefined;
    await server.launch();
    const done = await until('it to be delivered', async () => {
      const { body } = await road(answer.body.id);
      return body.state === 'delivered' && body;
    }, { timeout: 60_000 * slowness });
    assert.equal(done.receipt.hash, `sha256:${sha256('a scan that waits')}`);
    assert.equal(drive.files.size, 1);
  });

  test('F10: a database put back, the node\'s journal damaged: the token before the lost one is spent, and is not sent', { timeout: 180_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    const dump = await dumpOf(postgres);
    for (let time = 0; time < 2; time++) assert.equal((await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200);
    await second.stop();
    await first.stop();
    const posted = provider.seen('refresh').length;
    spoilNewestRecord(path.join(first.data, 'journal'), (octets, place) => { octets[place + 150] ^= 1; });
    await putBack(postgres, dump);
    await postgres.sql('UPDATE nodes SET seen_at = 0');
    const marked = await markRestored(first);
    assert.equal(marked.status, 0, marked.stderr);
    assert.equal(JSON.parse(marked.stdout).grants_doubted, 1);
    await first.launch();
    await forget(first, second);
    await until('a person to be asked', async () => {
      await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
      return (await admin.grant(grant_id)).state === 'needs_authorization';
    }, { timeout: 20_000 * slowness, every: 200 });
    assert.equal(provider.seen('refresh').length, posted, 'a refresh token was sent');
    assert.deepEqual(provider.spentUses, []);
  });

  test('F10: a database put back with a consent that waited in it and was accepted since: it ends, and the live grant is not touched', { timeout: 180_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    provider.account = { id: 'acc-other', name: 'other@example.com' };
    const attempt = await admin.authorize({ replace_grant_id: grant_id });
    assert.equal(attempt.state, 'needs_confirmation', JSON.stringify(attempt.problem));
    const dump = await dumpOf(postgres);
    assert.equal((await admin.mustAnswer(attempt.id, true)).state, 'completed');
    for (let time = 0; time < 2; time++) assert.equal((await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200);
    const live = (await first.token('printer-1', pin)).body.access_token;
    await second.stop();
    await first.stop();
    await putBack(postgres, dump);
    await postgres.sql('UPDATE nodes SET seen_at = 0');
    const marked = await markRestored(first);
    assert.equal(marked.status, 0, marked.stderr);
    assert.equal(JSON.parse(marked.stdout).authorizations_ended, 1);
    await first.launch();
    const ended = await admin.must('GET', `/api/v1/authorizations/${attempt.id}`);
    assert.equal(ended.state, 'expired');
    assert.match(ended.problem.detail, /Authorize again/);
    assert.equal((await admin.answer(attempt.id, false)).status, 409);
    assert.ok(provider.honours(live));
    assert.equal(provider.seen('revoke').length, 0, 'something was given back');
    assert.deepEqual(provider.spentUses, []);
  });

  test('F10: marking a database that was put back, cut off between its pages: no server starts before it was run to its end', { timeout: 180_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    await second.stop();
    await first.stop();
    await postgres.sql('UPDATE nodes SET seen_at = 0');
    // More grants than are marked in one commit.
    const clones = (table, id) => `INSERT INTO ${table} SELECT (jsonb_populate_record(each, jsonb_build_object('${id}', md5(n::text)::uuid${id === 'id' ? ", 'type', 'clone-' || n" : ''}))).*
      FROM ${table} AS each, generate_series(1, 150) AS n WHERE each.${id} = '${grant_id}'`;
    for (const [table, id] of [['grants', 'id'], ['generations', 'grant_id']]) await postgres.sql(clones(table, id));
    const port = await lineThatEndsAtTheCommitOf(t, postgres, 'INSERT INTO intents');
    const config = path.join(first.folder, 'cut.toml');
    await writeFile(config, (await readFile(path.join(first.folder, 'latchkey.toml'), 'utf8')).replace(`:${postgres.port}/`, `:${port}/`));
    const cut = await first.cli(['restore', '--database', '--config', config]);
    assert.equal(cut.status, 1, cut.stdout);
    assert.match(cut.stderr, /was broken off.*run it again/);
    const marked = Number(await postgres.sql('SELECT count(DISTINCT grant_id) FROM intents WHERE settled_at > 0'));
    assert.ok(marked >= 100 && marked < 151, `${marked} of 151 are marked`);
    for (const node of [first, second]) {
      await node.launch({ expectReady: false });
      assert.equal((await node.ended).status, 1);
      assert.match(node.logs, /broken off.*restore --database.* again/);
    }
    const whole = await markRestored(first);
    assert.equal(whole.status, 0, whole.stderr);
    assert.equal(JSON.parse(whole.stdout).grants_marked, 151);
    await postgres.sql("DELETE FROM grants WHERE type LIKE 'clone-%'");
    const posted = provider.seen('refresh').length;
    await first.launch();
    await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
    assert.equal(provider.seen('refresh').length, posted, 'a token of the dump was sent');
  });

  for (const [verbs, everywhere] of [['at both', true], ['at one only', false]]) {
    test(`F10: a database put back, each node with a newer token than the other: nothing is sent before both have started; the verb was run ${verbs}`, { timeout: 180_000 }, async (t) => {
      const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, { provider: { revokesFamily: true, accessLifetime: 3600 } });
      const there = at(second, admin);
      const grants = {};
      for (const name of ['one', 'two']) {
        provider.account = { id: name, name: `${name}@example.com` };
        grants[name] = (await admin.addOAuthUser({ username: name, pin, type: 'scripted-type' })).grant_id;
      }
      const dump = await dumpOf(postgres);
      const refreshAt = async (session, grant) => assert.equal((await session.call('POST', `/api/v1/grants/${grant}/refresh`)).status, 200);
      await refreshAt(admin, grants.one);
      await refreshAt(there, grants.one);
      await refreshAt(there, grants.two);
      await refreshAt(admin, grants.two);
      await second.stop();
      await first.stop();
      await putBack(postgres, dump);
      // The dump knows nothing of the second node: it has come since.
      if (everywhere) await postgres.sql(`DELETE FROM nodes WHERE id = '${await idOf(second)}'`);
      await postgres.sql('UPDATE nodes SET seen_at = 0');
      for (const node of everywhere ? [first, second] : [first]) assert.equal((await markRestored(node)).status, 0);

      const posted = provider.seen('refresh').length;
      await first.launch();
      await until('the first journal to be merged', async () => await postgres.sql(`SELECT generation FROM grants WHERE id = '${grants.one}'`) === '2', { timeout: 20_000 * slowness });
      const alert = await until('the alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.find((each) => each.id.startsWith('restore_waits')), { timeout: 20_000 * slowness, every: 100 });
      assert.match(alert.detail, /node forget/);
      await admin.call('POST', `/api/v1/grants/${grants.one}/refresh`);
      await postgres.sql('UPDATE grants SET due_at = 0, last_refreshed_at = 0, issued_at = issued_at - 600000, reserved_until = 0, version = version + 1');
      await until('the sweep to have looked', async () => await postgres.sql(`SELECT count(*) FROM grants WHERE id = '${grants.one}' AND due_at > 0 AND why LIKE '%has not started%'`) === '1', { timeout: 20_000 * slowness });
      assert.equal(provider.seen('refresh').length, posted, 'a token that the other node has spent was sent');
      assert.equal((await first.token('one', pin)).status, 200, 'what is good is served');

      await second.launch();
      await until('both to have been merged', async () => await postgres.sql("SELECT count(*) FROM meta WHERE key = 'restored_over'") === '1', { timeout: 30_000 * slowness, every: 100 });
      for (const grant of Object.values(grants)) {
        await until('a new token', async () => {
          assert.equal((await admin.call('POST', `/api/v1/grants/${grant}/refresh`)).status, 200);
          return (await admin.grant(grant)).generation >= 4;
        }, { timeout: 30_000 * slowness, every: 200 });
        assert.equal((await admin.grant(grant)).state, 'active');
      }
      assert.deepEqual(provider.spentUses, []);
      await until('the alert to end', async () => !(await admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('restore_waits')), { timeout: 20_000 * slowness, every: 100 });
    });
  }

  test('F10: root marks a database that was put back: the service’s user goes on in its directory', { skip: process.getuid() !== 0 && 'needs root', timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const other = 65_534;
    const server = await Latchkey.ready(t, { runAs: other, config: { store: await postgres.makeDatabase() } });
    await server.stop();
    await postgres.sql('UPDATE nodes SET seen_at = 0');
    await rm(path.join(server.data, 'journal'), { recursive: true });
    const marked = await markRestored(server);
    assert.equal(marked.status, 0, marked.stderr);
    for (const name of await readdir(server.data, { recursive: true })) {
      assert.equal((await stat(path.join(server.data, name))).uid, other, `${name} is not the service's`);
    }
    await server.launch();
  });

  test('a copied data directory is noticed: the elder node refreshes nothing more and says so', { timeout: 60_000 }, async (t) => {
    const { nodes: [first, second], admin } = await sharedScene(t);
    const name = await readFile(path.join(first.data, 'node'), 'utf8');
    await second.stop();
    await writeFile(path.join(second.data, 'node'), name);
    await second.launch();
    const alert = await until('the alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.find((each) => each.detail.includes('copy of this node')), { timeout: 20_000 * slowness, every: 200 });
    assert.equal(alert.severity, 'critical');
    assert.equal(alert.title, 'This server refreshes nothing any more');
  });

  test('a database that is away is an alert and a notice, and strangers learn nothing of it; a node that dies is an alert', { timeout: 180_000 }, async (t) => {
    const hook = await HttpSink.start(t);
    const { nodes: [first, second], admin, postgres } = await sharedScene(t, {
      allow: [`127.0.0.1:${hook.port}`], settings: { 'notices.wait': '1s', 'notices.webhook_url': hook.url },
    });
    await admin.must('PUT', '/api/v1/notices/webhook/secret', { value: 'a-signing-secret' });
    await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
    const told = (cause, event) => until(`${event} of ${cause}`, () => hook.requests.find((each) => each.body.cause.startsWith(cause) && each.body.event === event), { timeout: 60_000 * slowness });

    await second.kill();
    const [{ id }] = JSON.parse((await first.cli(['node', 'list', '--json'])).stdout).filter((each) => !each.here);
    await postgres.sql(`UPDATE nodes SET seen_at = 0 WHERE id = '${id}'`);
    await told(`node_silent:${id}`, 'alert.begun');
    const seen = await first.cli(['health']);
    assert.equal(seen.status, 1);
    assert.match(seen.stdout, /A server has fallen silent\..*node forget/);

    await postgres.stop('immediate');
    const notice = await told('store_unreachable', 'alert.begun');
    assert.equal(notice.headers['latchkey-signature'], signatureOf('a-signing-secret', notice), 'signed, though the secret lies in the database');
    const away = await first.cli(['health']);
    assert.equal(away.status, 1);
    assert.match(away.stderr, /database/);
    assert.match(await first.metrics(), /\nlatchkey_store_up 0\n/);
    const strangers = [
      await fetch(`${first.url}/v1/token`, { method: 'POST', headers: { Authorization: `Basic ${btoa('nobody:wrong')}` } }),
      await fetch(`${first.url}/api/v1/session`, { headers: { Cookie: `latchkey=${'x'.repeat(43)}` } }),
      await fetch(`${first.url}/readyz`),
    ];
    for (const answer of strangers) {
      const text = await answer.text();
      assert.equal(answer.status, 503, text);
      assert.match(text, /does not answer/, answer.url);
      for (const inside of [String(postgres.port), postgres.database, '127.0.0.1', 'password', 'refused']) assert.ok(!text.includes(inside), `${inside} in ${text}`);
    }
    await postgres.launch();
    await told('store_unreachable', 'alert.resolved');
    const metrics = await first.metrics();
    assert.match(metrics, /\nlatchkey_store_up 1\n/);
    assert.match(metrics, /\nlatchkey_store_commits_total [1-9]\d*\n/, 'what the dashboard divides by');
    assert.match(metrics, /\nlatchkey_store_commit_seconds_total 0*[1-9.]/);
  });

  test('a wrong password, or none, is said to be so', { timeout: 120_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = (await postgres.makeDatabase()).replace('latchkey@', 'guarded@');
    await postgres.requirePassword('guarded', 'Grüße 42');
    await postgres.sql('GRANT ALL ON SCHEMA public TO guarded');
    const file = path.join(postgres.folder, 'store.password');
    await writeFile(file, 'Gruesse 42\n');
    assert.match(await refusal(t, { store, store_password_file: file }), /does not let .* in.*store_password_file/);
    assert.match(await refusal(t, { store }), /does not let .* in.*store_password_file/, 'none at all');
    await writeFile(file, 'Grüße 42\n');
    await Latchkey.start(t, { config: { store, store_password_file: file } });
  });

  test('a database that is away, read-only or newer stops the start with a sentence', { timeout: 240_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const store = await postgres.makeDatabase();
    const refused = (config) => refusal(t, config);
    assert.match(await refused({ store: `postgresql://latchkey@127.0.0.1:${await freePort()}/latchkey` }), /cannot be reached/);
    assert.match(await refused({ store: `${postgres.address}/nothing_here` }), /cannot be reached.*nothing_here/);
    assert.match(await refused({ store: store.replace('latchkey@', 'latchkey:geheim@') }), /store_password_file/);
    await postgres.sql(`ALTER DATABASE ${postgres.database} SET default_transaction_read_only = on`, 'postgres');
    assert.match(await refused({ store }), /read-only/);
    await postgres.sql(`ALTER DATABASE ${postgres.database} RESET default_transaction_read_only`, 'postgres');
    const server = await Latchkey.start(t, { config: { store } });
    await server.stop();
    const schema = await postgres.sql("SELECT value FROM store_info WHERE key = 'schema'");
    await postgres.sql("UPDATE store_info SET value = '99' WHERE key = 'schema'");
    assert.match(await refused({ store }), /schema 99/);
    await postgres.sql(`UPDATE store_info SET value = '${schema}' WHERE key = 'schema'`);
    // Another node's key does not open this store, and none is made for it.
    assert.match(await refused({ store }), /master key file .* is missing/);
  });
});
