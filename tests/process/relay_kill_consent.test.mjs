// The relay is killed with SIGKILL while the first code of a consent is exchanged by way of it (exchange mode): the office gets the
// tokens when it is back, or says what happened; a code is never posted twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { files, operations } from '../support/kill/faults.mjs';
import { slowness } from '../support/latchkey.mjs';
import { consenting, enrolledOffice, relayWithClient } from '../support/relay.mjs';
import { gate, until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const write = { file: files.log, operation: operations.write };
const sync = { file: files.log, operation: operations.sync };

/** A relay whose file has begun its log with one consent, and an office at it. */
async function scene(t) {
  const parts = await relayWithClient(t, { faults: true });
  const office = await enrolledOffice(t, parts, 'North Ltd');
  await office.admin.addOAuthUser({ username: 'printer-0', pin, type: 'oidc', visit: consenting(parts) });
  await until('the acknowledgement', async () => await parts.relay.metric('latchkey_relay_replies_total{event="acknowledged"}') === 1);
  return { ...parts, office };
}

/** One consent, in which the relay dies as `strike` arranges; gives how it ended and how often its code was posted. */
async function struck({ relay, oidc, faults, office }, n, strike) {
  const started = await office.admin.startAuthorization({ username: `printer-${n}`, pin, type: 'oidc' });
  const stopAt = (url) => url.startsWith(`${office.url}/oauth/relayed`);
  const { url } = await office.admin.browser.open(started.start_url, { visit: consenting({ relay, oidc }), stopAt });
  assert.ok(stopAt(url), url);
  const before = oidc.tokenRequests;
  const held = gate();
  oidc.beforeToken = async () => strike.atProvider?.(held);
  strike.atOnce?.();
  const walking = office.admin.browser.open(url).catch(() => undefined);
  await until('the relay to die', () => !relay.running, { timeout: 20_000 * slowness });
  oidc.beforeToken = async () => {};
  held.open();
  faults.disarm();
  await relay.launch();
  await walking;
  let attempt = await office.admin.outcome(started.id, 30_000 * slowness);
  if (attempt.state === 'needs_confirmation') {  // the account is somebody's already
    await office.admin.must('POST', `/api/v1/authorizations/${started.id}/confirm`, { accept: true });
    attempt = await office.admin.must('GET', `/api/v1/authorizations/${started.id}`);
  }
  return { attempt, posted: oidc.tokenRequests - before };
}

test('S4: the relay is killed while the first code of a consent is exchanged: the office gets the tokens or says what happened, and the code is never posted twice', async (t) => {
  const all = await scene(t);
  const { relay, oidc, faults, office } = all;
  const points = [
    ['before the intent is durable', { atOnce: () => faults.arm({ ...write, action: 'before' }) }, 'completed'],
    ['after the intent is durable and before the POST', { atOnce: () => faults.arm({ ...sync, action: 'after' }) }, 'failed', 0],
    ['while the provider has the code', { atProvider: async (held) => { await relay.kill(); await held.passed; } }, 'failed', 1],
    ['when the provider has answered and the reply is not durable', { atProvider: async () => faults.arm({ ...write, action: 'before' }) }, 'failed', 1],
    ['when half of the reply is written', { atProvider: async () => faults.arm({ ...write, action: 'halfway' }) }, 'failed', 1],
    ['when the reply is durable and the office has not got it', { atProvider: async () => faults.arm({ ...sync, action: 'after' }) }, 'completed'],
    ['before the reply is acknowledged', { atProvider: async () => faults.arm({ ...sync, nth: 2, action: 'before' }) }, 'completed'],
  ];
  for (const [n, [what, strike, expected, posts = 1]] of points.entries()) {
    const { attempt, posted } = await struck(all, n + 1, strike);
    assert.equal(attempt.state, expected, `${what}: ${JSON.stringify(attempt.problem)}`);
    assert.equal(posted, posts, `${what}: POSTs of the code`);
    const { total } = await office.admin.must('GET', `/api/v1/users?search=printer-${n + 1}`);
    if (expected === 'completed') {
      assert.equal(total, 1, what);
      assert.equal((await office.token(`printer-${n + 1}`, pin)).status, 200, what);
      assert.equal((await office.admin.call('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`)).status, 200, `${what}: its refresh token works`);
    } else {
      assert.equal(total, 0, `${what}: nothing half-made`);
      assert.equal(attempt.problem.code, 'answer_lost', what);
      assert.match(JSON.stringify(attempt.problem), /again/, `${what}: it says what to do`);
    }
  }
  assert.deepEqual(oidc.events.filter((each) => each.error === 'invalid_grant'), [], 'the provider never saw a code twice');
});
