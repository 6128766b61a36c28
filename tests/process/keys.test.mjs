// The master key's rotation through the real program: online, resumed after kill -9 anywhere, never without the old key (P5, K1).

import assert from 'node:assert/strict';
import { readdir, readFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { slowness } from '../support/latchkey.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const statusOf = async (server) => JSON.parse((await server.cli(['keys', 'status', '--json'])).stdout);
const rotated = (server) => until('the rotation to end', async () => {
  const status = await statusOf(server);
  return status.rotation === null && status;
}, { timeout: 60_000 * slowness, every: 100 });

/** A server with some users, one of them authorised, whose rotations rest as shortly as may be. */
async function scene(t, options = {}) {
  const made = await authorisedUser(t, options);
  await made.admin.set('keys.rotation_rest', '1s');
  const group = await made.admin.group('Office');
  for (let number = 0; number < 120; number++) await made.admin.must('POST', '/api/v1/users', { username: `user-${number}`, group_id: group });
  return made;
}

test('P5: rotating while serving: tokens, refreshes and sessions go on; the new key is in place, the old one kept', async (t) => {
  const { server, admin, provider, grant_id } = await scene(t);
  const key = path.join(server.data, 'master.key');
  const before = await readFile(key, 'utf8');
  let refused = 0;
  let over = false;
  const asking = (async () => {
    while (!over) if ((await server.token('printer-1', pin)).status !== 200) refused++;
  })();
  const rotation = await server.cli(['keys', 'rotate']);
  over = true;
  await asking;
  assert.equal(rotation.status, 0, rotation.stderr);
  assert.match(rotation.stdout, /is rotated.*kept in/s);
  assert.equal(refused, 0, 'a token was refused meanwhile');
  assert.notEqual(await readFile(key, 'utf8'), before);
  const status = await statusOf(server);
  assert.equal(await readFile(status.retired.path, 'utf8'), before);
  assert.equal((await stat(key)).mode & 0o777, 0o600);
  assert.equal((await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200, 'the session and the grant go on');
  assert.match(await server.metrics(), /latchkey_master_key_rotating 0\n/);
  assert.equal((await admin.must('GET', '/api/v1/session')).server.master_key_backup_done, false, 'the new key has no copy yet');

  // Without the old key's file, nothing but the new one is needed.
  await rename(status.retired.path, path.join(server.folder, 'kept'));
  await server.restart();
  assert.equal((await server.token('printer-1', pin)).status, 200);
  assert.equal((await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200);
  assert.deepEqual(provider.spentUses, []);
  assert.equal((await server.cli(['keys', 'rotate', '--no-wait'])).status, 0, 'and again');
  await rotated(server);
});

test('P5: kill -9 at many points of a rotation: the next start goes on, and everything opens', async (t) => {
  const { server, admin, grant_id } = await scene(t);
  const ids = new Set();
  // From before the first commit to after the last: whatever is met, the next start must take it up.
  for (const delay of [0, 3, 10, 25, 60, 120, 250, 500, 1000, 1500, 2200]) {
    const begun = server.cli(['keys', 'rotate', '--no-wait']);
    await new Promise((resolve) => setTimeout(resolve, delay));
    await server.kill();
    await begun;
    await server.launch();
    assert.equal((await server.token('printer-1', pin)).status, 200, `killed after ${delay} ms`);
    ids.add((await statusOf(server)).master_key.id);
  }
  const status = await rotated(server);
  assert.ok(ids.size > 1, 'no rotation ever began');
  assert.equal((await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status, 200);
  for (const name of await readdir(server.data)) assert.doesNotMatch(name, /\.new$/, 'a draft of a key was left');
  await rename(status.retired.path, path.join(server.folder, 'kept'));
  await server.restart();
  assert.equal((await server.token('printer-1', pin)).status, 200, 'the new key alone opens everything');
  await admin.signIn();
});

test('P5: half-rotated without the old key, or with the retired one in place: a sentence, and nothing is touched', async (t) => {
  const { server, admin } = await scene(t);
  await admin.set('keys.rotation_rest', '1h');  // it stays half-way
  assert.equal((await server.cli(['keys', 'rotate', '--no-wait'])).status, 0);
  const old = await until('the old key to be aside', async () => (await readdir(server.data)).find((name) => name.startsWith('master.key.old-')));
  await server.kill();
  const refuses = async (words) => {
    server.stdout = '';
    server.stderr = '';
    await server.launch({ expectReady: false });
    const { status } = await server.ended;
    assert.notEqual(status, 0);
    assert.match(server.logs, words);
  };
  const elsewhere = path.join(server.folder, 'elsewhere');
  await rename(path.join(server.data, old), elsewhere);
  await refuses(/rotation of the master key is not over, and the old key is missing/);
  await rename(elsewhere, path.join(server.data, old));
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
  await admin.signIn();
  await admin.set('keys.rotation_rest', '1s');
  await server.restart();
  const status = await rotated(server);
  await server.stop();

  const key = path.join(server.data, 'master.key');
  await rename(key, elsewhere);
  await rename(status.retired.path, key);
  await refuses(/was replaced on/);
  await rename(elsewhere, key);
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
});
