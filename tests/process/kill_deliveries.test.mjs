// kill -9 of the real server at named points of acceptance and sending, and again and again while a queue goes (D2). The longer run is
// `make kill-deliveries`.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { DeliveryKillRun, deliveryPoints, killQueue } from '../support/kill/deliveries.mjs';
import { slowness } from '../support/latchkey.mjs';
import { until } from '../support/wait.mjs';

test('D2: killed at writes, syncs and unlinks of acceptance, sending and starting: nothing acknowledged is lost, nothing arrives twice', async (t) => {
  const run = await DeliveryKillRun.start(t, { seed: 5 });
  for (const point of deliveryPoints(slowness > 1 ? 12 : 30, 5)) await run.strike(point);
  await run.finish();
  const named = [...run.figures.points.keys()];
  t.diagnostic(`${run.figures.kills} kills at ${named.length} kinds of points, ${run.acknowledged.size} acknowledged`);
  // What the run is for must have happened in it.
  assert.ok(named.some((name) => /write spool\/N/.test(name)) && named.some((name) => /sync spool/.test(name)), `${named}`);
  assert.ok(named.some((name) => /write .*db-wal/.test(name)) && named.some((name) => name.startsWith('starting: ')), `${named}`);
  assert.ok(run.acknowledged.size >= run.figures.kills, `${run.acknowledged.size} acknowledged`);
  // What was whole and not yet acknowledged lies aside.
  const left = async () => (await readdir(path.join(run.scene.server.data, 'spool'))).filter((name) => name !== 'unknown');
  await until('the spool to be empty', async () => (await left()).length === 0, { timeout: 30_000 });
});

test('D2: a queue that is killed every second loses nothing and delivers nothing twice', async (t) => {
  const { kills, seconds } = await killQueue(t, { documents: 300, seconds: 5 });
  t.diagnostic(`${kills} kills, ${seconds.toFixed(1)} s`);
  assert.equal(kills, 5);
});

test('D2: the alarm works: a document that vanished from the spool is missed', async (t) => {
  const run = await DeliveryKillRun.start(t, { seed: 7, documents: 2 });
  run.acknowledged.set('01234567-89ab-7def-8123-456789abcdef', 'a hash');
  await assert.rejects(run.finish(), /nobody knows it any more/);
});
