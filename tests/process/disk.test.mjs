// Disks that are full or fail, and a process that stands still: the real server on the real thing (R4, R6).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Faults, files, operations } from '../support/kill/faults.mjs';
import { readJournal, unconfirmed } from '../support/kill/journal_file.mjs';
import { Ledger } from '../support/kill/ledger.mjs';
import { slowness } from '../support/latchkey.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { SmallDisk, withoutSmallDisk } from '../support/small_disk.mjs';
import { gate, until } from '../support/wait.mjs';

const refreshNow = ({ admin, grant_id }) => admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
const generationOf = async ({ admin, grant_id }) => (await admin.grant(grant_id)).generation;
const alertsOf = async ({ admin }) => (await admin.must('GET', '/api/v1/alerts')).items.map((alert) => alert.title);
const storeRefuses = 'The store cannot be written';
const journalFull = 'No room to keep token replies';
const journalFailed = 'The disk refused to keep token replies';
const patience = { timeout: 45_000 * slowness };

/** The usual scene with a strict provider that counts; `scene.sound()` fails when a spent token was sent against the rule. */
async function countedUser(t, options = {}) {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true, accessLifetime: 3600 }, ...options });
  const wrong = [];
  const ledger = new Ledger(scene.provider, 'revokes-family', (words) => wrong.push(words));
  ledger.journal = options.journal ?? `${scene.server.data}/journal`;
  // The consent came before the ledger: the next refresh is the first that it has seen.
  const family = { account: scene.provider.account.id, grant: scene.grant_id, life: [], firstRefusal: undefined };
  ledger.families.set(family.account, family);
  const code = scene.provider.requests.find((request) => request.leg === 'code');
  ledger.tokens.set(JSON.parse(code.honest.body).refresh_token, { family, issuedAt: Date.now(), lifetime: 3600, posts: [] });
  scene.sound = () => {
    assert.deepEqual(wrong, []);
    assert.deepEqual(scene.provider.spentUses, []);
  };
  return scene;
}

async function assertServed({ server, provider }, message) {
  const answer = await server.token('printer-1', pin);
  assert.equal(answer.status, 200, `${message}: ${answer.text}`);
  assert.ok(provider.honours(answer.body.access_token), message);
}

/** A scene whose server carries the faults; asking(fault) begins a refresh that meets the fault once the request has left. */
async function faultyScene(t) {
  const folder = await temporaryFolder(t, 'disk');
  const disk = new Faults(folder, `${folder}/data`);
  t.after(() => disk.close());
  const scene = await countedUser(t, { data: `${folder}/data`, env: disk.environment });
  await assertServed(scene, 'before anything');
  scene.asking = async (fault) => {
    const answer = gate();
    scene.provider.next('refresh', { gate: answer.passed });
    const before = scene.provider.seen('refresh').length;
    const asked = refreshNow(scene).catch(() => undefined);
    await until('the request to arrive', () => scene.provider.seen('refresh').length > before);
    disk.arm(fault);
    answer.open();
    await until('the fault to strike', () => disk.struck > 0);
    return asked;
  };
  return { ...scene, disk };
}

const storeFull = { operation: operations.write | operations.resize, file: files.log | files.database, action: 'refuse', code: 'ENOSPC' };

test('R4: the disk is full when the answer has come: it is held, health says so, and it is committed when there is room', async (t) => {
  const scene = await faultyScene(t);
  const before = await generationOf(scene);
  const asked = scene.asking(storeFull);
  await until('the alert', async () => (await alertsOf(scene)).includes(storeRefuses), patience);
  assert.equal(await generationOf(scene), before);
  assert.equal(unconfirmed(readJournal(`${scene.server.data}/journal`)).length, 1, 'the answer is in the journal');
  await assertServed(scene, 'while the disk is full');
  scene.disk.disarm();
  await until('the commit', async () => (await generationOf(scene)) === before + 1, patience);
  await asked;
  await until('the alert to end', async () => !(await alertsOf(scene)).includes(storeRefuses), patience);
  assert.equal(scene.provider.seen('refresh').length, 1);
  assert.equal((await refreshNow(scene)).status, 200, 'the chain goes on');
  scene.sound();
});

test('R4: killed while the answer is held on a full disk: the journal has it, and the next start commits it without a request', async (t) => {
  const scene = await faultyScene(t);
  const before = await generationOf(scene);
  const asked = scene.asking(storeFull);
  await until('the alert', async () => (await alertsOf(scene)).includes(storeRefuses), patience);
  await scene.server.kill();
  await asked;
  scene.disk.disarm();
  await scene.server.launch();
  await until('the merge', async () => (await generationOf(scene)) === before + 1, patience);
  assert.equal(scene.provider.seen('refresh').length, 1);
  await assertServed(scene, 'after the restart');
  scene.sound();
});

test('R4: a full disk before the request: nothing is sent, the token stays unspent, health says so, and it recovers', async (t) => {
  const scene = await faultyScene(t);
  scene.disk.arm(storeFull);
  const refused = await refreshNow(scene);
  assert.equal(refused.status, 503, refused.text);
  assert.equal(scene.provider.seen('refresh').length, 0);
  assert.ok((await alertsOf(scene)).includes(storeRefuses), 'health says so');
  await assertServed(scene, 'while the disk is full');
  scene.disk.disarm();
  assert.equal((await refreshNow(scene)).status, 200);
  await until('the alert to end', async () => !(await alertsOf(scene)).includes(storeRefuses), patience);
  scene.sound();
});

test('R4: the alert of a full disk ends when there is room, though the only account was deleted meanwhile', async (t) => {
  const scene = await faultyScene(t);
  scene.disk.arm(storeFull);
  assert.equal((await refreshNow(scene)).status, 503);
  assert.ok((await alertsOf(scene)).includes(storeRefuses), 'health says so');
  scene.disk.disarm();
  await until('the deletion', async () => (await scene.admin.call('DELETE', `/api/v1/grants/${scene.grant_id}`)).status < 300, patience);
  await until('the alert to end', async () => !(await alertsOf(scene)).includes(storeRefuses), patience);
  assert.equal(scene.provider.seen('refresh').length, 0);
});

test('R4, F5: EIO when the answer is synced to the journal: it goes on to the store, refreshing stops, a restart goes on', async (t) => {
  const scene = await faultyScene(t);
  const before = await generationOf(scene);
  await scene.asking({ operation: operations.sync, file: files.journal, action: 'refuse', code: 'EIO', times: 1 });
  assert.equal(await generationOf(scene), before + 1, 'the answer was not thrown away');
  const refused = await refreshNow(scene);
  assert.equal(refused.status, 503, refused.text);
  await until('the alert', async () => (await alertsOf(scene)).includes(journalFailed), patience);
  assert.equal(scene.provider.seen('refresh').length, 1, 'nothing is sent any more');
  assert.equal((await fetch(`${scene.server.url}/readyz`)).status, 503);
  await assertServed(scene, 'after the failed sync');
  await scene.server.restart();
  assert.equal((await refreshNow(scene)).status, 200);
  scene.sound();
});

test('R4, F5: EIO when the store syncs the new token: writing stops for good, and the next start takes it from the journal', async (t) => {
  const scene = await faultyScene(t);
  const before = await generationOf(scene);
  const asked = scene.asking({ operation: operations.sync, file: files.log, action: 'refuse', code: 'EIO', times: 1 });
  await until('the alert', async () => (await alertsOf(scene)).includes(storeRefuses), patience);
  await assertServed(scene, 'after the failed sync');
  await scene.server.kill();
  await asked;
  await scene.server.launch();
  await until('the merge', async () => (await generationOf(scene)) === before + 1, patience);
  assert.equal(scene.provider.seen('refresh').length, 1);
  assert.equal((await refreshNow(scene)).status, 200);
  scene.sound();
});

const storeUnreachable = 'The database does not answer';
const storeStopped = 'The database takes no more changes: restart the server';
const readiness = async ({ server }) => {
  const answer = await fetch(`${server.url}/readyz`);
  return { status: answer.status, text: await answer.text() };
};

/** Mails and webhooks tell what the server's own log and metrics tell: a console whose session cannot be read shows nothing. */
const upNow = async ({ server }) => Number(/\nlatchkey_store_up (\d)\n/.exec(await server.metrics())[1]);

test('F5: EIO when the database is read: an alert in words that fit, not ready, and all of it passes by itself', async (t) => {
  const scene = await faultyScene(t);
  assert.equal(await upNow(scene), 1);
  scene.disk.arm({ operation: operations.read, file: files.log | files.database, action: 'refuse', code: 'EIO' });
  await until('the alert', () => scene.server.stderr.includes('cause=store_unreachable'), patience);
  assert.match(scene.server.stderr, /alert cause=store_unreachable words="The database cannot be read: the disk reports an error\./);
  assert.doesNotMatch(scene.server.stderr, /database is damaged|latchkey restore/);
  const { status, text } = await readiness(scene);
  assert.equal(status, 503);
  assert.match(text, /cannot be read/);
  assert.equal(await upNow(scene), 0);
  scene.disk.disarm();
  await until('to be ready', async () => (await readiness(scene)).status === 200, patience);
  await until('the alert to end', async () => !(await alertsOf(scene)).includes(storeUnreachable), patience);
  assert.equal(await upNow(scene), 1);
  await assertServed(scene, 'afterwards');
  assert.equal((await refreshNow(scene)).status, 200, 'without a restart');
  scene.sound();
});

test('F5: EIO when the store is synced: it says at once that it has stopped and that a restart is needed, and serves what is good', async (t) => {
  const scene = await faultyScene(t);
  scene.disk.arm({ operation: operations.sync, file: files.log, action: 'refuse', code: 'EIO', times: 1 });
  assert.notEqual((await scene.admin.call('POST', '/api/v1/groups', { name: 'Warehouse' })).status, 201);
  assert.equal(scene.disk.struck, 1);
  await until('the alert', async () => (await alertsOf(scene)).includes(storeStopped), patience);
  const { items } = await scene.admin.must('GET', '/api/v1/alerts');
  assert.match(items.find((alert) => alert.title === storeStopped).detail, /Check the disk, then restart the server\./);
  const { status, text } = await readiness(scene);
  assert.equal(status, 503);
  assert.match(text, /restarted/);
  assert.equal(await upNow(scene), 0);
  await assertServed(scene, 'after the failed sync');
  await scene.server.kill();
  scene.disk.disarm();
  await scene.server.launch();
  await until('to be ready', async () => (await readiness(scene)).status === 200, patience);
  assert.deepEqual((await alertsOf(scene)).filter((title) => [storeStopped, storeRefuses].includes(title)), []);
  assert.equal((await refreshNow(scene)).status, 200);
  scene.sound();
});

test('R4: a disk that is really full: nothing is lost, health says so, kill -9 and a start on the full disk change nothing, it recovers', { skip: withoutSmallDisk }, async (t) => {
  const folder = await temporaryFolder(t, 'full');
  const disk = await SmallDisk.mount(t, `${folder}/data`, 40 << 20);
  const scene = await countedUser(t, { data: `${folder}/data`, through: disk.through, journal: disk.outside('journal') });
  assert.equal((await refreshNow(scene)).status, 200, 'with room');
  await assertServed(scene, 'with room');
  disk.fill();
  // The log may have room of its own for a few more: each is refused before it is sent, or kept.
  let answer;
  for (let tries = 0; tries < 200 && answer?.status !== 503; tries++) answer = await refreshNow(scene);
  assert.equal(answer.status, 503, 'the full disk is felt');
  const alerts = await alertsOf(scene);
  assert.ok(alerts.includes(storeRefuses) || alerts.includes(journalFull), `health says so: ${alerts}`);
  await assertServed(scene, 'on the full disk');
  await scene.server.kill();

  await scene.server.launch({ expectReady: false });
  const outcome = await until('it to start, or to say why not', async () => {
    if (!scene.server.running) return 'refused';
    return (await fetch(`${scene.server.url}/readyz`)).status === 200 && 'ready';
  }, patience);
  if (outcome === 'refused') assert.match(scene.server.logs, /disk is full|no room/i, scene.server.logs);
  else await assertServed(scene, 'started on the full disk');
  disk.makeRoom();
  if (outcome === 'refused') await scene.server.launch();
  await until('a refresh', async () => (await refreshNow(scene)).status === 200, patience);
  await assertServed(scene, 'when there is room again');
  await until('health to be well', async () => (await alertsOf(scene)).every((alert) => ![storeRefuses, journalFull].includes(alert)), patience);
  scene.sound();
});

test('R6: stopped in mid-exchange for longer than its lease, and continued: the answer that lay in the socket is used, one POST', async (t) => {
  const scene = await countedUser(t);
  for (const [key, value] of [['oauth.refresh_total_timeout', '5s'], ['oauth.refresh_lease', '30s']]) await scene.admin.set(key, value);
  const before = await generationOf(scene);
  const answer = gate();
  scene.provider.next('refresh', { gate: answer.passed });
  // Whoever asked hangs up long before; the exchange is the keeper's own.
  const asked = refreshNow(scene).catch(() => undefined);
  await until('the request to arrive', () => scene.provider.seen('refresh').length === 1);
  process.kill(scene.server.pid, 'SIGSTOP');
  answer.open();
  await until('the answer to have left', () => scene.provider.seen('refresh')[0].answeredAt);
  await new Promise((resolve) => setTimeout(resolve, 31_000)); // the lease itself is what is waited for
  process.kill(scene.server.pid, 'SIGCONT');
  await asked;
  await until('the exchange to end', async () => (await scene.admin.grant(scene.grant_id)).generation !== before || (await scene.admin.grant(scene.grant_id)).state !== 'active', patience)
    .catch(() => undefined);
  const grant = await scene.admin.grant(scene.grant_id);
  assert.equal(grant.state, 'active', grant.why);
  assert.equal(grant.generation, before + 1);
  await assertServed(scene, 'afterwards');
  assert.equal(scene.provider.seen('refresh').length, 1);
  assert.equal((await refreshNow(scene)).status, 200, 'the chain goes on');
  scene.sound();
});
