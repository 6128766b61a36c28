// docs/status.md names, for every promise, the test that holds it; docs/rules.md says what the numbers mean. Neither may go stale.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
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
  const named = [...page.matchAll(/`(\w+): ([^`]+)`/g)];
  assert.deepEqual([...new Set(named.map((found) => found[1]))].filter((short) => !files.has(short)), [], 'not in the legend, so nobody would miss the test');
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

/** The rules and scenarios a text cites: after "RULES", before a colon, an underscore or a capital in a test's name, or in brackets. */
function citedIn(text) {
  const numbers = [];
  for (const [, list] of text.matchAll(/RULES ((?:[KTFAGSRPCD]\d+(?:,\s+|\s+and\s+|\s+to\s+)?)+)/g)) numbers.push(...list.match(/[A-Z]\d+/g));
  for (const [, name] of text.matchAll(/TEST(?:_[FP])?\(\w+, ((?:[KTFAGSRPCD]\d+_?)+)(?=[A-Z_])/g)) numbers.push(...name.match(/[A-Z]\d+/g));
  for (const [, name] of text.matchAll(/\b(?:test|it)\(\s*['"`]((?:[KTFAGSRPCD]\d+(?:, | and )?)+):/g)) numbers.push(...name.match(/[A-Z]\d+/g));
  for (const [, list] of text.matchAll(/[(;] ?((?:[KTFAGSRPCD]\d{1,2}(?:, | and |; ?)?)+)\)/g)) numbers.push(...list.match(/[A-Z]\d+/g));
  return numbers;
}

async function sourcesBelow(folder) {
  const files = [];
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    if (['node_modules', 'dist', '.svelte-kit', 'fixtures'].includes(entry.name)) continue;
    const below = path.join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await sourcesBelow(below)));
    else if (/\.(cpp|h|mjs|ts|svelte|md)$/.test(entry.name) && !entry.name.endsWith('schema.d.ts')) files.push(below);
  }
  return files;
}

test('docs/rules.md: every rule and scenario that is cited has its line, and documents that are not here are not cited', async () => {
  const page = await readFile(path.join(root, 'docs', 'rules.md'), 'utf8');
  const stated = [...page.matchAll(/^- \*\*([A-Z]\d+)\*\* /gm)].map(([, number]) => number);
  assert.equal(new Set(stated).size, stated.length, 'each number once');
  for (const [letter, count] of Object.entries({ K: 10, T: 8, F: 11, A: 7, G: 7, S: 5, R: 29, P: 7, C: 8, D: 10 })) {
    assert.equal(stated.filter((number) => number[0] === letter).length, count, `${letter}1 to ${letter}${count}`);
  }
  let cited = 0;
  const unknown = [];
  for (const folder of ['src', 'tests', 'web', 'fuzz', 'bench', 'docs']) {
    for (const file of await sourcesBelow(folder)) {
      if (file.endsWith('status.test.mjs')) continue; // its numbers are made up
      const text = await readFile(path.join(root, file), 'utf8');
      for (const number of citedIn(text)) {
        cited += 1;
        if (!stated.includes(number)) unknown.push(`${file}: ${number}`);
      }
      if (new RegExp(['DESIGN', 'section'].join(' ')).test(text)) unknown.push(`${file}: a document that is not here`);
    }
  }
  assert.ok(cited > 200, `${cited} citations`);
  assert.deepEqual(unknown, []);
});

test('docs/rules.md: a number that is nowhere stated would be found', () => {
  assert.deepEqual(citedIn('// as it must be (RULES F41, A2 and K3).'), ['F41', 'A2', 'K3']);
  assert.deepEqual(citedIn('TEST_F(Suite, T50_P3_EveryRefusal) {'), ['T50', 'P3']);
  assert.deepEqual(citedIn("test('R77, F1: cut', () => {"), ['R77', 'F1']);
  assert.deepEqual(citedIn('counts as the worst (F99)'), ['F99']);
  assert.deepEqual(citedIn('TEST(Tls, ServesRequests) { f(A1b); }'), []);
});
