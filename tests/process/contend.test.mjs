// Two nodes that want to refresh the same grants at the same moment (R5). The longer run is `make contend`.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Contest } from '../support/contend/contest.mjs';
import { slowness } from '../support/latchkey.mjs';
import { withoutPostgres } from '../support/postgres.mjs';

const generations = slowness > 1 ? 100 : 300;

describe('two nodes that contend', { skip: withoutPostgres }, () => {
  test('R5: whatever both nodes are asked for at once is asked of the provider once, and the newest token is the one in use', { timeout: 300_000 }, async (t) => {
    const contest = await Contest.start(t, { people: 8 });
    await contest.run(generations);
    if (contest.faults.length === 0) await contest.finish();
    const { figures } = contest;
    t.diagnostic(`${figures.contended} generations contended in ${figures.rounds} rounds, ${contest.posts} POSTs, ${figures.lostClaims} claims lost`);
    assert.deepEqual(contest.faults, []);
    // What the run is for must have happened in it.
    assert.equal(figures.kinds.size, 3);
    for (const [name, count] of figures.kinds) assert.ok(count > 0, `nothing was contended for by ${name}`);
    assert.ok(figures.lostClaims > 0, 'no two claims ever met at the store');
  });

  test('R5: the alarm works: with nothing between the nodes, each on a copy of the database, a generation is sent twice', { timeout: 120_000 }, async (t) => {
    const contest = await Contest.start(t, { people: 4, apart: true });
    await contest.run(generations);
    assert.ok(contest.faults.some((words) => /generation \d+ was sent 2 times/.test(words)), contest.faults.join('\n'));
  });
});
