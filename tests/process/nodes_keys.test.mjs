// A new master key for several nodes on one PostgreSQL.

import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { binary, run, slowness } from '../support/latchkey.mjs';
import { at, sharedScene } from '../support/nodes.mjs';
import { withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

describe('a new master key for nodes that share a database', { skip: withoutPostgres }, () => {
  test('K1: a new master key while three nodes work: it begins when all hold it, survives kill -9 of one, and ends under the new key alone', { timeout: 300_000 }, async (t) => {
    const { nodes, admin, provider, postgres, masterKey } = await sharedScene(t, { count: 3, ownKeys: true });
    const [first, second, third] = nodes;
    const keyOf = (node) => node === first ? masterKey : node.options.config.master_key_file;
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    provider.account = { id: 'acc-2', name: 'second@example.com' };
    await admin.addOAuthUser({ username: 'printer-2', pin, type: 'scripted-type' });
    await admin.set('keys.rotation_rest', '2s');
    const old = await readFile(masterKey, 'utf8');
    const status = async (node) => JSON.parse((await node.cli(['keys', 'status', '--json'])).stdout);
    const oldId = (await status(first)).master_key.id;

    const asked = await first.cli(['keys', 'rotate', '--no-wait']);
    assert.equal(asked.status, 0, asked.stderr);
    assert.match(asked.stdout, /Prepared on .*master\.key\.next/);
    assert.match(asked.stdout, /The rotation begins by itself/);
    assert.equal((await status(first)).prepared.awaited.length, 2);
    await copyFile(`${keyOf(first)}.next`, `${keyOf(second)}.next`);
    await until('the second node to hold it', async () => (await status(first)).prepared.awaited.length === 1, { timeout: 30_000 * slowness });
    assert.equal((await status(second)).prepared.awaited.length, 1, 'every node shows who is awaited');
    assert.equal(await postgres.sql(`SELECT encode(value, 'hex') FROM meta WHERE key = 'master_key_id'`), oldId, 'nothing is under the new key while one node lacks it');
    assert.match(await first.metrics(), /latchkey_master_key_awaited_nodes 1\n/);
    await until('an alert that says what to do', async () => (await admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('master_key_prepared') && each.detail.includes('master.key.next')), { timeout: 30_000 * slowness });

    // Devices and refreshes go on at all of them while it goes its way, and one node dies in the midst of it.
    let going = true;
    const load = Promise.all(nodes.map(async (node, index) => {
      const wrong = [];
      while (going) {
        const answer = await node.token(`printer-${1 + (index % 2)}`, pin).catch((error) => ({ status: 0, error }));
        if (answer.status !== 200 && !(node === third && answer.status !== 401)) wrong.push(answer.status);
        await at(node, admin).call('POST', `/api/v1/grants/${grant_id}/refresh`).catch(() => undefined);
      }
      return wrong;
    }));
    await copyFile(`${keyOf(first)}.next`, `${keyOf(third)}.next`);
    await until('the rotation to begin', async () => await postgres.sql(`SELECT encode(value, 'hex') FROM meta WHERE key = 'master_key_id'`) !== oldId, { timeout: 30_000 * slowness, every: 50 });
    await third.kill();
    await until('the others to write under it, and the dead one to be awaited', async () => (await status(first)).rotation?.awaited.length === 1, { timeout: 60_000 * slowness, every: 100 });
    await third.launch();
    await until('the rotation to end', async () => (await status(first)).rotation === null && (await status(second)).rotation === null, { timeout: 120_000 * slowness, every: 100 });
    going = false;
    assert.deepEqual((await load).flat(), [], 'nobody was refused');

    const newId = (await status(first)).master_key.id;
    assert.notEqual(newId, oldId);
    for (const node of nodes) {
      await until('its files to be in place', async () => (await status(node)).master_key.path === keyOf(node) && !await stat(`${keyOf(node)}.next`).catch(() => null), { timeout: 30_000 * slowness });
      assert.equal((await status(node)).master_key.id, newId);
      assert.notEqual(await readFile(keyOf(node), 'utf8'), old);
      assert.equal(await readFile(`${keyOf(node)}.old-${oldId.slice(0, 8)}`, 'utf8'), old, 'the old key is kept at each');
    }
    // The first octets of the old key's id, as every ciphertext bears them after its three octets of kind.
    const underOld = (column, table) => postgres.sql(`SELECT count(*) FROM ${table} WHERE encode(substr(${column}, 4, 8), 'hex') = '${oldId.slice(0, 16)}'`);
    for (const [column, table] of [['refresh_sealed', 'generations'], ['access_sealed', 'generations'], ['private_key_sealed', 'wraps'], ['private_key_wrapped', 'users']]) {
      assert.equal(await underOld(column, table), '0', `${table}.${column}`);
    }
    for (const node of nodes) {
      await node.restart();
      for (const name of ['printer-1', 'printer-2']) assert.equal((await node.token(name, pin)).status, 200);
    }
    assert.equal((await at(second, admin).call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200, 'sessions and grants go on');
    assert.deepEqual(provider.spentUses, []);
    assert.equal(await postgres.sql("SELECT count(*) FROM meta WHERE key = 'master_key_rotation' AND length(value) > 0"), '0');
  });

  test('K1: a new master key, rotated by one node while the other is stopped: that one is told which file to copy, and comes back with it', { timeout: 180_000 }, async (t) => {
    const { nodes: [first, second], admin, provider, masterKey } = await sharedScene(t);
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
    const old = path.join(second.folder, 'old.key');
    await copyFile(masterKey, old);
    await admin.set('keys.rotation_rest', '1h');
    await second.stop();
    const keys = (await first.cli(['keys', 'status'])).stdout;
    assert.match(keys, /Backups: the database by its own tools/);
    assert.doesNotMatch(keys, /No backup is known of/);
    const listed = await first.cli(['node', 'list']);
    assert.equal(listed.status, 0, listed.stderr);
    assert.match(listed.stdout, /this one[^]*stopped|stopped[^]*this one/);
    assert.match(await first.metrics(), /latchkey_nodes\{state="stopped"\} 1\n/);
    const begun = await first.cli(['keys', 'rotate', '--no-wait']);
    assert.equal(begun.status, 0, begun.stderr);
    assert.doesNotMatch(begun.stdout, /Prepared/, 'nobody is awaited');
    const refused = async (node) => {
      await node.launch({ expectReady: false });
      assert.equal((await node.ended).status, 1);
      return node.logs;
    };
    await until('the first pass to be over', async () => JSON.parse((await first.cli(['keys', 'status', '--json'])).stdout).rotation.passes > 0, { every: 100 });
    second.options.config.master_key_file = old;
    assert.match(await refused(second), /is being replaced since/);
    assert.equal((await first.token('printer-1', pin)).status, 200, 'served meanwhile');
    // Stopped in the middle, it goes on; with shorter rests it comes to an end.
    await admin.set('keys.rotation_rest', '1s');
    await first.restart();
    await until('the rotation to end', async () => JSON.parse((await first.cli(['keys', 'status', '--json'])).stdout).rotation === null, { timeout: 60_000 * slowness, every: 100 });
    assert.match(await refused(second), /was replaced on/);
    second.options.config.master_key_file = masterKey;
    await second.launch();
    for (const node of [first, second]) assert.equal((await node.token('printer-1', pin)).status, 200);
    assert.equal((await at(second, admin).call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200, 'sessions and grants go on');
    assert.deepEqual(provider.spentUses, []);
  });

  // Every other name beside it would be too long: as in a folder that cannot be written, where the new key works from DATA/master.key.next.
  for (const [what, running] of [['while it runs', true], ['stopped: the database says so', false]]) {
    test(`K1: the backup of a server whose key could not be put in place holds the key in use, ${what}`, { timeout: 180_000 }, async (t) => {
      const { nodes: [server], admin, masterKey } = await sharedScene(t, { count: 1 });
      await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
      await admin.set('keys.rotation_rest', '1s');
      const credential = path.join(server.folder, 'k'.repeat(253));
      await server.stop();
      await rename(masterKey, credential);
      server.options.config.master_key_file = credential;
      await server.launch();
      const rotated = await server.cli(['keys', 'rotate', '--json']);
      assert.equal(rotated.status, 0, rotated.stderr);
      if (!running) await server.stop();
      const options = ['--passphrase-file', await server.file('passphrase', 'eleven purple ladders'), '--config', path.join(server.folder, 'latchkey.toml')];
      const file = path.join(server.folder, 'node.lkb');
      const made = await server.cli(['backup', file, ...options]);
      assert.equal(made.status, 0, made.stderr);
      if (running) await server.stop();

      const there = path.join(server.folder, 'elsewhere');
      const restored = await run(binary, ['restore', file, ...options, '--data', there, '--master-key-file', path.join(there, 'master.key')]);
      assert.equal(restored.status, 0, restored.stderr);
      server.data = there;
      server.options.config.master_key_file = path.join(there, 'master.key');
      await server.launch();
      assert.equal((await server.token('printer-1', pin)).status, 200);
      const old = await readFile(credential, 'utf8');
      const aside = (await readdir(there)).filter((name) => name.startsWith('master.key.old-'));
      assert.equal(aside.length, 1, 'and the one before it');
      assert.equal((await readFile(path.join(there, aside[0]), 'utf8')).split('\n').at(-2), old.split('\n').at(-2));
    });
  }

  test('K1: which of two keys is in use nobody guesses: with no server and no database there is no backup', { timeout: 120_000 }, async (t) => {
    const { nodes: [server], postgres, masterKey } = await sharedScene(t, { count: 1 });
    await server.stop();
    await postgres.stop();
    await writeFile(path.join(server.data, 'master.key.next'), `${'5'.repeat(64)}\n`, { mode: 0o600 });
    const file = path.join(server.folder, 'node.lkb');
    const options = ['--passphrase-file', await server.file('passphrase', 'eleven purple ladders'), '--config', path.join(server.folder, 'latchkey.toml')];
    const refused = await server.cli(['backup', file, ...options]);
    assert.equal(refused.status, 1, refused.stdout);
    assert.match(refused.stderr, /Different master keys lie in \S+master\.key and \S+master\.key\.next.*cannot be asked.*run this again/);
    assert.ok(!(await readdir(server.folder)).some((name) => name.startsWith('node.lkb')));
    await stat(masterKey);
  });
});
