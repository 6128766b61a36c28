// The long run behind `make kill`: rounds of kills, each with a server, providers and a seed of its own, and the figures.
//
//   --kills N     how many (default 1000)
//   --round N     kills a round (default 100)
//   --seed N      of the first round (default 1); a round's seed chooses its points and grants, not the moments at which
//                 processes run
//   --jobs N      rounds at a time (default 2)
//   --store NAME  sqlite (default) or postgres

import { parseArgs } from 'node:util';
import { Scope } from '../scope.mjs';
import { KillRun, makePoints } from './run.mjs';
import * as stores from './stores.mjs';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' }, round: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' }, store: { type: 'string', default: 'sqlite' },
  },
});
const store = stores[options.store];
if (!store) throw new Error(`there is no store ${options.store}: ${Object.keys(stores).join(', ')}`);
if (store.skip) throw new Error(`${store.name} cannot be had here: ${store.skip}`);

const total = { kills: 0, starts: 0, forced: 0, rested: 0, torn: 0, posts: 0, refreshes: 0, spentAgain: 0, keptAnswers: 0, lostAnswers: 0 };
const points = new Map();
const begun = performance.now();
let failed = 0;
let brokenOff = 0; // rounds that a machine too busy, say, has kept from going on

function add(run) {
  for (const figure of ['kills', 'starts', 'forced', 'rested', 'torn']) total[figure] += run.figures[figure];
  for (const figure of ['posts', 'refreshes', 'spentAgain', 'keptAnswers', 'lostAnswers']) total[figure] += run.sum(figure);
  for (const [name, count] of run.figures.points) points.set(name, (points.get(name) ?? 0) + count);
}

async function round({ seed, count }) {
  const scope = new Scope();
  let run;
  try {
    run = await KillRun.start(scope, { store, seed });
    for (const point of makePoints(count, seed)) await run.strike(point);
    await run.finish();
  } catch (error) {
    failed += run?.faults.length ?? 0;
    brokenOff += run?.faults.length ? 0 : 1;
    console.log(`round with seed ${seed}: ${error.message}\n${run?.faults.length ? '' : `${error.stack}\n${error.cause?.stack ?? ''}`}`);
  }
  if (run) add(run);
  await scope.end();
  const minutes = (performance.now() - begun) / 60_000;
  console.log(`seed ${seed}: ${total.kills} kills so far, ${total.refreshes} refreshes, ${failed} faults, ${(total.kills / minutes).toFixed(0)} kills a minute`);
}

const rounds = [];
for (let left = Number(options.kills), seed = Number(options.seed); left > 0; seed++) {
  const count = Math.min(left, Number(options.round));
  left -= count;
  rounds.push({ seed, count });
}
await Promise.all(Array.from({ length: Number(options.jobs) }, async () => {
  for (let next = rounds.shift(); next; next = rounds.shift()) await round(next);
}));

console.log(`
${store.name}, from seed ${options.seed}, ${((performance.now() - begun) / 60_000).toFixed(1)} minutes
  ${total.kills} kills, ${total.starts} starts
  ${total.posts} refresh requests, ${total.refreshes} of them brought a new token
  ${total.keptAnswers} answers had been kept in lives that were killed, ${total.lostAnswers} had not (the provider committed, the answer was not recorded)
  ${total.spentAgain} requests with a spent token, all within their type's rule${failed ? ' but for the faults above' : ''}
  ${total.forced} grants needed a person because the provider's rules leave no other way, ${total.rested} rested for its emergency window
  ${total.torn} torn records seen, none of them read
  ${failed} grants lost, or other faults${brokenOff ? `; ${brokenOff} rounds broke off for another reason, given above` : ''}
Where the kills struck:`);
for (const [name, count] of [...points].sort((a, b) => b[1] - a[1])) console.log(`  ${String(count).padStart(6)}  ${name}`);
process.exitCode = failed || brokenOff ? 1 : 0;
