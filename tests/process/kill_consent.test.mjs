// kill -9 of the real server while a consent's code is exchanged: what the provider answered and the journal kept becomes the
// user that was asked for; what was not kept leaves nothing behind (F7, R2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Faults } from '../support/kill/faults.mjs';
import { readJournal, unconfirmed } from '../support/kill/journal_file.mjs';
import { slowness } from '../support/latchkey.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { pin, serverWithProvider } from '../support/scene.mjs';
import { gate, until } from '../support/wait.mjs';

const actions = ['before', 'after', 'halfway'];
const points = [
  // Operations on the data folder, counted from when the browser sets out, and from when the provider has the code.
  ...Array.from({ length: 8 }, (_, number) => ({ from: 'start', nth: 1 + 3 * number, action: actions[number % 3] })),
  ...Array.from({ length: 12 }, (_, number) => ({ from: 'code', nth: 1 + number, action: actions[number % 3] })),
  ...['received', 'committed', 'sent', 'committed', 'sent', 'sent'].map((stage) => ({ stage })),
];

test('F7, R2: killed while codes are exchanged: a kept answer becomes the user, one that was not leaves nothing', async (t) => {
  const folder = await temporaryFolder(t, 'kill-consent');
  const disk = new Faults(folder, `${folder}/data`);
  t.after(() => disk.close());
  const { server, provider, admin } = await serverWithProvider(t, { provider: { rotation: 'single-use', revokesFamily: true }, data: `${folder}/data`, env: disk.environment });
  await admin.group('Office');
  const codesRecorded = () => readJournal(`${server.data}/journal`).records.filter((record) => record.generation === 0);
  const outcomes = { completed: 0, nothing: 0 };

  for (const [number, point] of points.entries()) {
    const username = `person-${number}`;
    provider.account = { id: `acc-${number}`, name: `${username}@example.com` };
    const started = await admin.startAuthorization({ username, pin, type: 'oidc' });
    const before = codesRecorded().length;
    const held = gate();
    const strike = () => server.child.kill('SIGKILL');
    if (point.from === 'start') disk.arm(point);
    else {
      provider.next('code', () => {
        if (point.from === 'code') {
          disk.arm(point);
          return {};
        }
        if (point.stage === 'received') strike();
        else if (point.stage === 'committed') setImmediate(strike);
        else setTimeout(strike, number % 4);
        return point.stage === 'sent' ? {} : { gate: held.passed };
      });
    }
    const walking = admin.browser.open(started.start_url).catch(() => undefined);
    const patience = setTimeout(strike, 1500 * slowness);
    await server.ended;
    clearTimeout(patience);
    held.open();
    await walking;
    disk.disarm();
    await until('the dead process’s lines to close', () => provider.lines === 0);
    const kept = codesRecorded().length > before;

    await server.launch();
    const name = `${JSON.stringify(point)}, struck: ${disk.what}`;
    if (kept) {
      const attempt = await admin.outcome(started.id, 20_000 * slowness);
      assert.equal(attempt.state, 'completed', `${name}: ${JSON.stringify(attempt)}`);
      const refreshed = await admin.call('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`);
      assert.equal(refreshed.status, 200, `${name}: ${refreshed.text}`);
      outcomes.completed++;
    } else {
      const attempt = await admin.must('GET', `/api/v1/authorizations/${started.id}`);
      assert.notEqual(attempt.state, 'completed', name);
      assert.equal((await admin.must('GET', `/api/v1/users?search=${username}`)).total, 0, `${name}: a half-made user was left`);
      if (attempt.state === 'pending') await admin.call('POST', `/api/v1/authorizations/${started.id}/cancel`);
      outcomes.nothing++;
    }
    await until('the journal to be drained', () => unconfirmed(readJournal(`${server.data}/journal`)).length === 0);
  }
  assert.ok(outcomes.completed > 3 && outcomes.nothing > 3, JSON.stringify(outcomes));
  assert.deepEqual(provider.spentUses, []);
});
