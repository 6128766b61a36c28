// What the second `make run` does before it starts the server: nothing, quickly.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binary, run } from '../support/latchkey.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

test('make build with everything built: nothing is installed, compiled or linked again, within seconds', { skip: !binary.endsWith('build/release/latchkey') && 'about the release build' }, async () => {
  const before = await stat(binary);
  const { status, stdout, stderr, ms } = await run('make', ['-C', root, '--no-print-directory', 'build'], { env: { MAKEFLAGS: '', MAKELEVEL: '', HOME: process.env.HOME ?? '/root' } });
  assert.equal(status, 0, stdout + stderr);
  assert.equal((await stat(binary)).mtimeMs, before.mtimeMs);
  assert.doesNotMatch(stderr, /Installing|Building the console|Building CXX|Linking/);
  assert.ok(ms < 10_000, `${ms} ms`);
});
