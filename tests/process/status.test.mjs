// docs/status.md names, for every promise, the test that holds it. A test that is renamed or removed takes its row along.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The names of a file's tests as far as they stand in its text: first arguments and keys of tables of cases. */
function namesIn(file, text) {
  if (file.endsWith('.cpp')) return [...text.matchAll(/^\s*(?:TYPED_)?TEST(?:_[FP])?\(\s*\w+,\s*(\w+)/gm)].map((found) => found[1]);
  return [...text.matchAll(/(['"`])((?:\\.|(?!\1)[^\\\n])+)\1/g)].map((found) => found[2].replace(/\\(.)/g, '$1'));
}

test('docs/status.md: every test it names exists in the file its legend says', async () => {
  const page = await readFile(path.join(root, 'docs', 'status.md'), 'utf8');
  const files = new Map([...page.matchAll(/\| `(\w+)` \| `([\w./-]+)` (?=\|)/g)].map((found) => [found[1], found[2]]));
  assert.ok(files.size > 40, `the legend has ${files.size} rows`);
  const named = [...page.matchAll(/`(\w+): ([^`]+)`/g)].filter((found) => files.has(found[1]));
  assert.ok(named.length > 100, `${named.length} tests are named`);
  const missing = [];
  for (const [, short, start] of named) {
    const file = files.get(short);
    const prefix = start.replace(/…$/, '');
    if (!namesIn(file, await readFile(path.join(root, file), 'utf8')).some((name) => name.startsWith(prefix))) missing.push(`${short}: ${start} (${file})`);
  }
  assert.deepEqual(missing, []);
});

test('docs/status.md: a name that no test has would be found', () => {
  assert.deepEqual(namesIn('x.cpp', 'TEST_F(Suite, T5_Real) {\n// TEST_F(Suite, Gone)\n'), ['T5_Real']);
  assert.ok(!namesIn('x.mjs', "test('T1: real', () => {});").some((name) => name.startsWith('T2:')));
});
