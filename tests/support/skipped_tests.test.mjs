// A test that is skipped is told with its reason, and fails the run where it should have run.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { maySkip, skippedLines, skipReason } from '../../scripts/skipped_tests.mjs';
import { run } from './latchkey.mjs';
import { temporaryFolder } from './ports.mjs';

const reporter = fileURLToPath(new URL('../../scripts/node_test_reporter.mjs', import.meta.url));

test('the reporter hands on why a test was skipped', async (t) => {
  const file = path.join(await temporaryFolder(t), 'some.test.mjs');
  await writeFile(file, `import { describe, test } from 'node:test';
test('runs', () => {});
test('needs it', { skip: 'it is not here' }, () => {});
test('sees that it is not there', (t) => t.skip('it is not here either'));
describe('all', { skip: 'nothing is here' }, () => { test('one', () => {}); });
`);
  const { stdout } = await run('node', ['--test', `--test-reporter=${reporter}`, file], { env: { NODE_TEST_CONTEXT: undefined } });
  const cases = [...stdout.matchAll(/^#case (.*)$/gm)].map(([, text]) => JSON.parse(text));
  assert.deepEqual(cases, [
    { name: 'runs', state: 'passed' }, { name: 'needs it', state: 'skipped', reason: 'it is not here' },
    { name: 'sees that it is not there', state: 'skipped', reason: 'it is not here either' }, { name: 'all', state: 'skipped', reason: 'nothing is here' },
  ]);
});

test('root skips nothing for want of a package; whoever else does is told, each reason once', () => {
  const reason = 'Samba is not installed (scripts/setup --tests installs it)';
  assert.equal(maySkip(reason, { isRoot: true }), false);
  assert.equal(maySkip(reason, { isRoot: false }), true);
  assert.equal(maySkip('a mount namespace is not permitted here', { isRoot: true }), true);
  assert.equal(maySkip(undefined, { isRoot: true }), true);
  assert.deepEqual(skippedLines([{ suite: 'a', reason }, { suite: 'a', reason }, { suite: 'b' }]), [`  a: ${reason} (2 tests)`, '  b: no reason given']);
});

test('what a GoogleTest program says of a test that it has skipped', () => {
  const output = '[ RUN      ] A.One\n[       OK ] A.One (0 ms)\n[ RUN      ] A.Two\na_test.cpp:3: Skipped\nneeds root\n\n[  SKIPPED ] A.Two (0 ms)\n[ RUN      ] A.Three\nb_test.cpp:3: Skipped\n\n[  SKIPPED ] A.Three (0 ms)\n';
  assert.equal(skipReason(output, 'A.Two'), 'needs root');
  assert.equal(skipReason(output, 'A.Three'), undefined);
});
