// Documents of one name where the last one to arrive is the one that shows: they arrive in the order in which they were accepted, on the
// real binary.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveringServer, sha256 } from '../support/delivering.mjs';
import { until } from '../support/wait.mjs';

const kPath = 'In/printer-1/a.txt';

/** A server before a drive that turns the first upload away, so that it is tried again later. `send(text)` gives the id once it is accepted. */
async function scene(t, { conflict, away = () => true, retryAfter = 2, ...options }) {
  const base = await deliveringServer(t, { connector: { conflict }, ...options });
  const turned_away = [];
  base.drive.plan = ({ method }) => {
    if (method !== 'POST' || !away(turned_away.length)) return undefined;
    turned_away.push(Date.now());
    return { status: 503, headers: { 'retry-after': String(retryAfter) } };
  };
  const send = async (text, name = 'a.txt') => {
    const answer = await base.deliver(text, { name, wait: 0 });
    assert.equal(answer.status, 202, answer.text);
    return answer.body.id;
  };
  const state = async (id) => (await base.road(id)).body;
  const in_state = (id, wanted) => until(`${id} to be ${wanted}`, async () => {
    const found = await state(id);
    return found.state === wanted ? found : undefined;
  }, { timeout: 120_000, every: 50 });
  /** Deliveries in the order in which they arrived. */
  const arrived = () => [...base.drive.uploads.values()].filter((upload) => upload.file).map((upload) => upload.key);
  return { ...base, turned_away, send, state, in_state, arrived };
}

for (const conflict of ['replace', 'new_version']) {
  test(`a document that must be tried again arrives before the newer ones of its name, whose last one stays (conflict ${conflict})`, async (t) => {
    const { drive, turned_away, send, state, in_state, arrived } = await scene(t, { conflict, away: (times) => times < 1 });
    const oldest = await send('oldest');
    await until('the first try', () => turned_away.length === 1);
    const newer = await send('newer');
    const newest = await send('newest');
    const other = await send('another name', 'b.txt');
    await in_state(other, 'delivered');
    const done = await in_state(newest, 'delivered');
    assert.deepEqual(arrived().filter((id) => id !== other), [oldest, newer, newest]);
    assert.equal(drive.files.get(kPath).sha256, sha256('newest'));
    assert.equal(done.tries, 1, 'it was not sent in vain');
    assert.deepEqual((await state(oldest)).timeline.map((step) => step.what), ['accepted', 'sending', 'retry', 'sending', 'delivered']);
    for (const step of [(await state(newer)).timeline, done.timeline]) assert.deepEqual(step.map(({ what }) => what), ['accepted', 'waits', 'sending', 'delivered']);
  });
}

test('conflict rename: nobody waits for another of its name', async (t) => {
  const { turned_away, send, state, in_state } = await scene(t, { conflict: 'rename', away: (times) => times < 1, retryAfter: 3600 });
  const older = await send('older');
  await until('the first try', () => turned_away.length === 1);
  await in_state(await send('newer'), 'delivered');
  assert.equal((await state(older)).state, 'queued');
});

test('conflict replace: the order outlives kill -9; what waits says why; deleting the older one lets the newer go', async (t) => {
  let open = false;
  const { server, admin, drive, turned_away, send, state, in_state, arrived } = await scene(t, { conflict: 'replace', away: () => !open, retryAfter: 3600 });
  const oldest = await send('oldest');
  await until('the first try', () => turned_away.length === 1);
  const newer = await send('newer');
  const newest = await send('newest');
  await until('both to say what they wait for', async () => /older document of this name/.test((await state(newer)).why) && /older document of this name/.test((await state(newest)).why));
  open = true;
  await server.kill();
  await server.launch();
  const other = await send('another name', 'b.txt');
  await in_state(other, 'delivered');
  assert.deepEqual(arrived(), [other], 'what waits is due, and is held back all the same');
  await admin.must('DELETE', `/api/v1/deliveries/${oldest}`);
  await in_state(newest, 'delivered');
  assert.deepEqual(arrived(), [other, newer, newest]);
  assert.equal(drive.files.get(kPath).sha256, sha256('newest'));
});

test('conflict replace: behind a document that waits for a person the newer ones wait, too, and all go in their order once it is mended', async (t) => {
  const { drive, send, in_state, arrived } = await scene(t, { conflict: 'replace', away: () => false });
  const first = await send('first');
  await in_state(first, 'delivered');
  drive.plan = ({ method }) => (method === 'POST' ? { status: 507 } : undefined);
  const older = await send('older');
  await in_state(older, 'parked');
  const newer = await send('newer');
  assert.match((await in_state(newer, 'parked')).why, /older document of this name waits for a person/);
  drive.plan = () => undefined;
  await in_state(newer, 'delivered');
  assert.deepEqual(arrived(), [first, older, newer]);
  assert.equal(drive.files.get(kPath).sha256, sha256('newer'));
});
