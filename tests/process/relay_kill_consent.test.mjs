// The relay is killed with SIGKILL while the first code of a consent is exchanged by way of it (exchange mode): the office gets the
// tokens when it is back, or says what happened; a code is never posted twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balancer } from '../support/balancer.mjs';
import { files, operations } from '../support/kill/faults.mjs';
import { slowness } from '../support/latchkey.mjs';
import { certificateOfRelays, consenting, enrolledOffice, relayWithClient } from '../support/relay.mjs';
import { gate, until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const write = { file: files.log, operation: operations.write };
const sync = { file: files.log, operation: operations.sync };
const tokenPath = '/relay/v1/token';
const acknowledgePath = '/relay/v1/token/acknowledge';

/**
 * A relay whose file has begun its log with one consent, and an office at it. The proxy between them knows when the office has asked for something that
 * has not reached the relay yet: what the relay writes next is that request's.
 */
async function scene(t) {
  const balancer = await Balancer.start(t, await certificateOfRelays());
  const publicUrl = `https://localhost:${balancer.port}`;
  const { relay: instance, oidc, faults } = await relayWithClient(t, {
    faults: true, inClear: true, oidc: { redirectUris: [`${publicUrl}/callback/op`] },
    config: { public_url: publicUrl, trusted_proxies: [Balancer.address], 'tls.certificate': undefined, 'tls.key': undefined },
  });
  balancer.instances = [instance];
  const parts = { balancer, instance, oidc, faults, relay: Object.assign(Object.create(instance), { port: balancer.port }) };
  const office = await enrolledOffice(t, parts, 'North Ltd');
  await office.admin.addOAuthUser({ username: 'printer-0', pin, type: 'oidc', visit: consenting(parts) });
  await until('the acknowledgement', () => acknowledged(parts) === 1);
  return { ...parts, office };
}

/** How many acknowledgements the relay has answered. One of what is over already would be written in the midst of the next consent. */
const acknowledged = ({ balancer }) => balancer.served.filter(({ path }) => path === acknowledgePath).length;
/** `work` until the relay has the acknowledgement of what it brought. */
async function toTheEnd(all, work) {
  const before = acknowledged(all);
  const result = await work();
  await until('the acknowledgement', () => acknowledged(all) > before, { timeout: 20_000 * slowness });
  return result;
}

/** One consent, in which the relay dies as `strike` arranges; gives how it ended and how often its code was posted. */
async function struck({ balancer, instance, relay, oidc, faults, office }, n, strike) {
  const started = await office.admin.startAuthorization({ username: `printer-${n}`, pin, type: 'oidc' });
  const stopAt = (url) => url.startsWith(`${office.url}/oauth/relayed`);
  const { url } = await office.admin.browser.open(started.start_url, { visit: consenting({ relay, oidc }), stopAt });
  assert.ok(stopAt(url), url);
  const before = oidc.tokenRequests;
  const held = gate();
  oidc.beforeToken = async () => strike.atProvider?.(held);
  // The first time each is asked for; what is asked again finds the relay dead, or alive again.
  const steps = new Map([[tokenPath, strike.atRequest], [acknowledgePath, strike.atAcknowledgement]].filter(([, act]) => act));
  balancer.before = async (path) => {
    const act = steps.get(path);
    steps.delete(path);
    act?.();
  };
  const walking = office.admin.browser.open(url).catch(() => undefined);
  await until('the relay to die', () => !instance.running, { timeout: 20_000 * slowness });
  assert.equal(steps.size, 0, 'where it was to die');
  balancer.before = async () => {};
  oidc.beforeToken = async () => {};
  held.open();
  faults.disarm();
  await instance.launch();
  await walking;
  let attempt = await office.admin.outcome(started.id, 30_000 * slowness);
  if (attempt.state === 'needs_confirmation') {  // the account is somebody's already
    await office.admin.mustAnswer(started.id, true);
    attempt = await office.admin.must('GET', `/api/v1/authorizations/${started.id}`);
  }
  return { attempt, posted: oidc.tokenRequests - before };
}

test('S4: the relay is killed while the first code of a consent is exchanged: the office gets the tokens or says what happened, and the code is never posted twice', async (t) => {
  const all = await scene(t);
  const { instance, oidc, faults, office } = all;
  const points = [
    ['before the intent is durable', { atRequest: () => faults.arm({ ...write, action: 'before' }) }, 'completed'],
    ['after the intent is durable and before the POST', { atRequest: () => faults.arm({ ...sync, action: 'after' }) }, 'failed', 0],
    ['while the provider has the code', { atProvider: async (held) => { await instance.kill(); await held.passed; } }, 'failed', 1],
    ['when the provider has answered and the reply is not durable', { atProvider: async () => faults.arm({ ...write, action: 'before' }) }, 'failed', 1],
    ['when half of the reply is written', { atProvider: async () => faults.arm({ ...write, action: 'halfway' }) }, 'failed', 1],
    ['when the reply is durable and the office has not got it', { atProvider: async () => faults.arm({ ...sync, action: 'after' }) }, 'completed'],
    ['before the reply is acknowledged', { atAcknowledgement: () => faults.arm({ ...sync, action: 'before' }) }, 'completed'],
  ];
  for (const [n, [what, strike, expected, posts = 1]] of points.entries()) {
    const consent = () => struck(all, n + 1, strike);
    const last = strike.atAcknowledgement !== undefined; // which may be given up while the relay is dead
    const { attempt, posted } = await (last ? consent() : toTheEnd(all, consent));
    assert.equal(attempt.state, expected, `${what}: ${JSON.stringify(attempt.problem)}`);
    assert.equal(posted, posts, `${what}: POSTs of the code`);
    const { total } = await office.admin.must('GET', `/api/v1/users?search=printer-${n + 1}`);
    if (expected === 'completed') {
      assert.equal(total, 1, what);
      assert.equal((await office.token(`printer-${n + 1}`, pin)).status, 200, what);
      const refreshed = () => office.admin.call('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`);
      assert.equal((await toTheEnd(all, refreshed)).status, 200, `${what}: its refresh token works`);
    } else {
      assert.equal(total, 0, `${what}: nothing half-made`);
      assert.equal(attempt.problem.code, 'answer_lost', what);
      assert.match(JSON.stringify(attempt.problem), /again/, `${what}: it says what to do`);
    }
  }
  assert.deepEqual(oidc.events.filter((each) => each.error === 'invalid_grant'), [], 'the provider never saw a code twice');
});
