// What an office gives up that was authorised by way of a Cloud Service is revoked at the provider: by the relay, which alone
// has the client's secret, or with what it has signed. The real relay, real offices, the certified provider.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { slowness } from '../support/latchkey.mjs';
import { codeForm, consenting, enrolledOffice, relayWithClient } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';

/** Consents at the office by way of the relay; gives the grant's id. */
async function authorised(office, scene) {
  const { grant_id: grantId } = await office.admin.addOAuthUser({ username: `printer-${randomUUID()}`, pin, type: 'oidc', visit: consenting(scene) });
  return grantId;
}
const queue = async (office) => (await office.admin.must('GET', '/api/v1/health')).revocations;
const emptied = (office) => until('the queue to be empty', async () => (await queue(office)).waiting === 0);
const revoked = (scene) => scene.oidc.count('grant.revoked');
const remove = (office, grant) => office.admin.must('DELETE', `/api/v1/grants/${grant}`);

test('F7: in exchange mode what is deleted is revoked by way of the relay; one that is away keeps it waiting, and it goes by itself', async (t) => {
  const scene = await relayWithClient(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  assert.equal((await remove(office, await authorised(office, scene))).revocation, 'perhaps', 'what such a provider offers it says itself');
  await until('the provider to be told', () => revoked(scene) === 1);
  await emptied(office);
  assert.equal(await scene.relay.metric('latchkey_relay_revocations_total{outcome="revoked"}'), 1);
  const trail = await office.admin.must('GET', '/api/v1/activity?action=grant.');
  assert.equal(trail.items.filter((each) => each.action === 'grant.revoked_at_provider').length, 1);

  const next = await authorised(office, scene);
  await scene.relay.stop();
  await remove(office, next);
  await until('a try to have failed', async () => {
    const { items } = await queue(office);
    return items.length === 1 && items[0].attempts === 1 && /The Cloud Service at .* does not answer/.test(items[0].why);
  }, { timeout: 30_000 * slowness });
  await office.kill();
  await scene.relay.launch();
  await office.launch();
  await office.admin.signIn();
  await until('the provider to be told', () => revoked(scene) === 2, { timeout: 80_000 * slowness });
  await emptied(office);
  for (const logs of [scene.relay.logs, office.logs]) {
    assert.ok(!logs.includes(scene.oidc.clientSecret));
    assert.doesNotMatch(logs, /lkr1\.|token=|client_secret=/);
  }
});

test('F7: what is switched off for long is revoked in both modes, and needs a new consent', async (t) => {
  for (const mode of [{}, { assertion: 'ES256' }]) {
    const scene = await relayWithClient(t, mode);
    const office = await enrolledOffice(t, scene, 'North Ltd');
    await office.admin.set('revoke.disabled_after', '1s');
    const grant = await authorised(office, scene);
    await office.admin.must('PATCH', `/api/v1/grants/${grant}`, { enabled: false });
    await until('the provider to be told', () => revoked(scene) === 1, { timeout: 30_000 * slowness });
    await emptied(office);
    assert.equal((await office.admin.grant(grant)).state, 'revoked');
  }
});

test('F7: in assertion mode the office revokes by itself, with what the relay has signed', async (t) => {
  const scene = await relayWithClient(t, { assertion: 'ES256' });
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const grant = await authorised(office, scene);
  const signed = await scene.relay.metric('latchkey_relay_assertions_total');
  await remove(office, grant);
  await until('the provider to be told', () => revoked(scene) === 1);
  await emptied(office);
  assert.equal(await scene.relay.metric('latchkey_relay_assertions_total'), signed + 1);
  assert.equal(await scene.relay.metric('latchkey_relay_revocations_total{outcome="revoked"}'), 0);
});

test('Attack: another office\'s token, a form of one\'s own making, a request recorded and sent again, an enrolment revoked: nothing more is revoked', async (t) => {
  const scene = await relayWithClient(t);
  const north = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const south = await ScriptedOffice.enrol(scene.relay, 'South Ltd');
  const { reply: { body: tokens } } = await north.exchange(await codeForm(scene));
  const form = { token: tokens.refresh_token, token_type_hint: 'refresh_token', client_id: scene.oidc.clientId };
  assert.equal((await south.revoke(form, { grant: north.grant })).code, 'refresh_token_foreign');
  assert.equal((await north.revoke(form, { grant: randomUUID() })).code, 'refresh_token_foreign', 'another account\'s');
  for (const [what, changes] of [
    ['an access token', { token: tokens.access_token, token_type_hint: 'access_token' }],
    ['another client', { client_id: 'other' }],
    ['a secret of its own', { client_secret: 'x' }],
  ]) assert.equal((await north.revoke({ ...form, ...changes })).code, 'token_request_refused', what);
  assert.equal((await north.revoke(form, { target: { type: 'box' } })).code, 'type_not_enrolled');
  assert.equal(revoked(scene), 0);
  const blob = (await north.exchange({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: scene.oidc.clientId })).reply.body.refresh_token;

  const recorded = { nonce: randomBytes(16), time: Math.floor(Date.now() / 1000) };
  const mine = await north.revoke({ ...form, token: blob }, recorded);
  assert.deepEqual([mine.status, mine.body], [200, { status: 200, error: '' }]);
  assert.equal(revoked(scene), 1);
  const again = await north.revoke({ ...form, token: blob }, recorded);
  assert.deepEqual([again.status, again.body], [200, { status: 200, error: '' }], 'recorded and sent again it revokes what is revoked, and says no more than that');
  assert.equal((await north.exchange({ grant_type: 'refresh_token', refresh_token: blob, client_id: scene.oidc.clientId })).reply.body.error, 'invalid_grant');
  await scene.relay.revoke(north.id);
  assert.equal((await north.revoke(form)).code, 'office_unknown');
});
