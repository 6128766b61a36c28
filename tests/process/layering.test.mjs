// The build itself refuses what the layer table does not allow: shown by breaking it on purpose, in a copy.

import assert from 'node:assert/strict';
import { appendFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../support/latchkey.mjs';
import { temporaryFolder } from '../support/ports.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A copy of what configuring reads. */
async function copyOfTheHouse(t) {
  const folder = await temporaryFolder(t, 'layers');
  for (const part of ['CMakeLists.txt', 'cmake', 'src', 'providers', 'api', 'bench/population', 'tests/simulation']) await cp(path.join(root, part), path.join(folder, part), { recursive: true });
  return folder;
}
/** What CMake says, its lines unwrapped. */
async function configure(folder) {
  const { status, stderr } = await run('cmake', ['-G', 'Ninja', '-S', folder, '-B', path.join(folder, 'build'), '-DCMAKE_C_COMPILER=clang-19', '-DCMAKE_CXX_COMPILER=clang++-19'], { timeout: 100_000 });
  return { status, said: stderr.replace(/\s+/g, ' ') };
}

test('layers: the house as it stands is accepted; a header from a floor above, a header of a room not in the row, and a room without a row are not', async (t) => {
  const folder = await copyOfTheHouse(t);
  const sound = await configure(folder);
  assert.equal(sound.status, 0, sound.said);

  const upwards = path.join(folder, 'src/oauth/upwards.cpp');
  await writeFile(upwards, '#include "grants/keeper.h"\n');
  const refused = await configure(folder);
  assert.notEqual(refused.status, 0);
  assert.match(refused.said, /upwards\.cpp: #include "grants\/keeper\.h" The room 'oauth' may use only: base crypto \(cmake/);

  await writeFile(upwards, '#include "net/url.h"\n'); // on a lower floor, but the row does not name it
  const sideways = await configure(folder);
  assert.notEqual(sideways.status, 0);
  assert.match(sideways.said, /The room 'oauth' may use only/);

  await writeFile(upwards, '#include "base/result.h"\n');
  assert.equal((await configure(folder)).status, 0);
  await appendFile(path.join(folder, 'src/oauth/CMakeLists.txt'), '\nlatchkey_room(annexe)\n');
  const homeless = await configure(folder);
  assert.notEqual(homeless.status, 0);
  assert.match(homeless.said, /The room 'annexe' has no row/);
});

test('every cause of an alert that is named where it is raised has its title and severity', async () => {
  const kinds = new Set([...(await readFile(path.join(root, 'src/grants/alert_kinds.cpp'), 'utf8')).matchAll(/^ +\{"(\w+)", Severity/gm)].map((match) => match[1]));
  assert.ok(kinds.size > 20, [...kinds].join(' '));
  const raised = new Map();
  for (const file of await readdir(path.join(root, 'src'), { recursive: true })) {
    if (!file.endsWith('.cpp') || file.endsWith('_test.cpp')) continue;
    for (const [, cause] of (await readFile(path.join(root, 'src', file), 'utf8')).matchAll(/\b(?:raise|tell)\(\s*"(\w+)/g)) raised.set(cause, file);
  }
  assert.ok(raised.size > 10, 'the calls are found');
  assert.deepEqual([...raised].filter(([cause]) => !kinds.has(cause)), []);
});
