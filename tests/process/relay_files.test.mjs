// What the operator of a Cloud Service writes: its file, and the one that is packaged.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { binary, run } from '../support/latchkey.mjs';
import { temporaryFolder } from '../support/ports.mjs';

test('configuration: every mistake is told at once, with its line; nothing starts', async (t) => {
  const folder = await temporaryFolder(t, 'relay-config');
  const file = path.join(folder, 'relay.toml');
  await writeFile(file, 'listen = "here"\npublic_url = "http://relay.example"\ncolour = "blue"\n[apps.box]\nclient_id = "x"\n');
  const { status, stderr } = await run(binary, ['relay', '--config', file]);
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`${file}:1: listen`));
  assert.match(stderr, new RegExp(`${file}:2: public_url`));
  assert.match(stderr, new RegExp(`${file}:3: colour`));
  assert.match(stderr, new RegExp(`${file}:4: apps.box.provider: Box wants a client secret`));
});

test('packaging: the packaged relay.toml and unit are what the program reads: every key switched on is one it knows', async (t) => {
  const folder = await temporaryFolder(t, 'relay-packaged');
  const packaged = await readFile(new URL('../../packaging/relay.toml', import.meta.url), 'utf8');
  const keys = [...packaged.matchAll(/^#?(\w+) = /gm)].map((each) => each[1]);
  assert.ok(keys.length >= 14, keys.join(' '));
  // These are for other providers than the example's, for apps with a secret or a key, which relay_exchange has, and for a database,
  // which relay_postgres has.
  const switchedOn = packaged.replace(/^#(?!params|authorization_endpoint|token_endpoint|revocation_endpoint|client_|second_client_|assertion_|store)(\w+ = )/gm, '$1').replace('/var/lib/latchkey-relay', path.join(folder, 'data'));
  const file = path.join(folder, 'relay.toml');
  await writeFile(file, switchedOn);
  const listed = await run(binary, ['relay', 'list', '--json', '--config', file]);
  assert.equal(listed.status, 0, listed.stderr);
  assert.deepEqual(JSON.parse(listed.stdout), []);
  const wrong = await run(binary, ['relay', 'list', '--config', file.replace('relay.toml', 'absent.toml')]);
  assert.equal(wrong.status, 1);
  const unit = await readFile(new URL('../../packaging/latchkey-relay.service', import.meta.url), 'utf8');
  const { stdout } = await run(binary, ['relay', '--help']);
  assert.ok(stdout.includes('/etc/latchkey/relay.toml') && unit.includes('relay --config /etc/latchkey/relay.toml'));
});
