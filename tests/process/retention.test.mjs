// Retention at the real server: what nobody decides about stays, until the settings say for how long; then record, document and what
// it may open are gone, and the trail says so.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { deliveringServer, documentOf } from '../support/delivering.mjs';
import { until } from '../support/wait.mjs';

test('what failed and what waits go after their times, each by its own setting; what was delivered keeps its record', async (t) => {
  const { server, admin, drive, deliver } = await deliveringServer(t);
  const documents = async () => (await readdir(path.join(server.data, 'spool'))).length;
  const states = async () => (await admin.must('GET', '/api/v1/deliveries')).items.map((one) => one.state).sort();
  const refuse = (status, error) => { drive.plan = ({ method }) => (method === 'POST' ? { status, body: { error } } : undefined); };
  assert.equal((await deliver(documentOf(1000), { name: 'good.pdf' })).body.state, 'delivered');
  refuse(409, 'taken');
  await deliver(documentOf(1000), { name: 'failed.pdf' });
  refuse(403, 'storage_full');
  await deliver(documentOf(1000), { name: 'parked.pdf' });
  assert.deepEqual(await states(), ['delivered', 'failed', 'parked']);

  await server.restart();
  assert.deepEqual(await states(), ['delivered', 'failed', 'parked'], 'unless somebody says so, documents wait for a person');
  assert.equal(await documents(), 2);

  await admin.set('delivery.keep_failed', '1s');
  // It is looked for at the start, and every hour.
  await until('what failed to go', async () => {
    await server.restart();
    return (await states()).join() === 'delivered,parked';
  }, { timeout: 60_000 });
  await until('its document to go', async () => (await documents()) === 1);

  await admin.set('delivery.keep_parked', '1s');
  // What is old is so by the time that the server has run.
  await until('what waits to go', async () => {
    await server.restart();
    return (await states()).join() === 'delivered';
  }, { timeout: 60_000 });
  await until('its document to go', async () => (await documents()) === 0);
  const trail = (await admin.must('GET', '/api/v1/activity?action=delivery.expired')).items;
  assert.deepEqual(trail.map((one) => [one.subject.kind, one.subject.name, one.actor.kind]), [['delivery', 'In/printer-1/parked.pdf', 'server'], ['delivery', 'In/printer-1/failed.pdf', 'server']]);
});
