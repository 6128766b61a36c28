// The bugs that the simulation can switch on are in the simulation's programs and nowhere else.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { binary, run } from '../support/latchkey.mjs';

/** Whether a program holds the switch: in the server canary() is a constant, which leaves no function behind. */
async function holdsTheSwitch(program) {
  const { status, stdout, stderr } = await run('nm', ['--defined-only', program], { timeout: 100_000 });
  assert.equal(status, 0, stderr);
  assert.match(stdout, / _ZN8latchkey6grants6Keeper/, 'the symbols of the engine can be read');
  return / T _ZN8latchkey6grants6canaryE/.test(stdout);
}

test('canaries: the server has no way to switch one on; the simulation has', async () => {
  assert.equal(await holdsTheSwitch(path.join(path.dirname(binary), 'simulation_tests')), true);
  assert.equal(await holdsTheSwitch(binary), false);
});
