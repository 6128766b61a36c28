// The long runs about deliveries behind `make kill-deliveries`: kills at named points, then a queue that is killed every second.
//
//   --kills N       kills at points (default 200; 0: the queue alone)
//   --documents N   documents in the queue (default 10,000)
//   --seconds N     kills of the queue, one a second (default 60)
//   --seed N        chooses the points (default 1)

import { parseArgs } from 'node:util';
import { Scope } from '../scope.mjs';
import { DeliveryKillRun, deliveryPoints, killQueue } from './deliveries.mjs';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' }, documents: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' },
  },
});
const seed = Number(values.seed);

async function killAtPoints(kills) {
  const scope = new Scope();
  const run = await DeliveryKillRun.start(scope, { seed });
  for (const point of deliveryPoints(kills, seed)) await run.strike(point);
  await run.finish();
  await scope.end();
  console.log(`${run.figures.kills} kills at points, ${run.acknowledged.size} documents were acknowledged, all have arrived once:`);
  for (const [name, count] of [...run.figures.points].sort((a, b) => b[1] - a[1])) console.log(`  ${String(count).padStart(6)}  ${name}`);
}

if (Number(values.kills) > 0) await killAtPoints(Number(values.kills));
const scope = new Scope();
const figures = await killQueue(scope, { documents: Number(values.documents), seconds: Number(values.seconds), say: console.log });
await scope.end();
console.log(`${values.documents} documents, ${figures.kills} kills, one a second: all have arrived once, after ${figures.seconds.toFixed(0)} s`);
