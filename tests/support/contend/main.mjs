// The long run behind `make contend`: two nodes that want the same grants, until so many generations were contended.
//
//   --rounds N    generations that callers at both nodes must have contended for (default 10000)
//   --people N    grants, all of them asked for at once in every round (default 24)
//   --seed N      chooses delays and orders, not the moments at which processes run (default 1)

import { parseArgs } from 'node:util';
import { withoutPostgres } from '../postgres.mjs';
import { Scope } from '../scope.mjs';
import { Contest } from './contest.mjs';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '10000' }, people: { type: 'string', default: '24' }, seed: { type: 'string', default: '1' } },
});
if (withoutPostgres) throw new Error(withoutPostgres);

const scope = new Scope();
const begun = performance.now();
let contest;
let broken;
try {
  contest = await Contest.start(scope, { people: Number(options.people), seed: Number(options.seed) });
  let next = 1000;
  const told = ({ contended }) => {
    if (contended < next) return;
    next = (Math.floor(contended / 1000) + 1) * 1000;
    console.log(`${contended} generations contended, ${contest.posts} POSTs, ${contest.faults.length} faults, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  };
  await contest.run(Number(options.rounds), { told });
  if (contest.faults.length === 0) await contest.finish();
} catch (error) {
  broken = error;
}
if (contest) {
  const { figures, faults } = contest;
  console.log(`
PostgreSQL, two nodes, ${contest.grants.length} grants, seed ${options.seed}, ${((performance.now() - begun) / 60_000).toFixed(1)} minutes
  ${figures.contended} generations contended at both nodes, in ${figures.rounds} rounds
  ${contest.posts} POSTs, ${figures.byNode?.join(' and ') ?? '?'} of them by each node
  ${figures.lostClaims ?? '?'} claims lost at the store: both nodes had come that far
  ${faults.length} faults: a generation sent twice, a token that is not the newest, a caller without an answer
Contended:`);
  for (const [name, count] of figures.kinds) console.log(`  ${String(count).padStart(6)}  by ${name}`);
  for (const words of faults) console.log(`FAULT ${words}`);
}
if (broken) console.log(`broke off: ${broken.stack}`);
await scope.end();
process.exitCode = broken || contest.faults.length > 0 ? 1 : 0;
