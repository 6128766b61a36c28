// Backups and restores by the command line, as an administrator makes them.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { userUnderRules } from './scene.mjs';

export const phrase = 'eleven purple ladders';

export async function backupOf(server, name = 'office.lkb') {
  const passphrase = await server.file('passphrase', `${phrase}\n`);
  const file = path.join(server.folder, name);
  const made = await server.cli(['backup', file, '--passphrase-file', passphrase]);
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /read back and found whole/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  return file;
}

export async function restoreTo(server, file, args = []) {
  const passphrase = await server.file('passphrase', `${phrase}\n`);
  const restored = await server.cli(['restore', file, '--passphrase-file', passphrase, '--json', ...args]);
  assert.equal(restored.status, 0, restored.stderr);
  return JSON.parse(restored.stdout);
}

export const refreshNow = ({ admin, grant_id }) => admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
export const refreshTwice = async (scene) => {
  for (let time = 0; time < 2; time++) assert.equal((await refreshNow(scene)).status, 200);
};

/** A user of a single-use type that ends the whole family when a spent token is seen. */
export const singleUse = (t, options = {}) => userUnderRules(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true }, ...options });
