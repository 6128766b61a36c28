// Tokens that wait at an office go where its registration says at that moment: what it says is not changed under them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort } from '../support/ports.mjs';
import { consenting, enrolledOffice, Relay } from '../support/relay.mjs';
import { until } from '../support/wait.mjs';

const pin = 'correct-horse-7';

/** An office with a registration whose issuer the relay's operator then changes to one of their own (`evil`). */
async function turncoat(t) {
  const port = await freePort();
  const redirectUris = [`https://localhost:${port}/callback/op`];
  const [oidc, evil] = await Promise.all([0, 1].map(() => OidcServer.start(t, { redirectUris, publicClient: true })));
  const app = (issuer) => ({ provider: 'oidc', client_id: oidc.clientId, params: { issuer, scopes: 'openid offline_access email' }, authorization_endpoint: `${oidc.issuer}/auth` });
  const relay = await Relay.start(t, { port, apps: { op: app(oidc.issuer) } });
  const scene = { oidc, relay };
  const office = await enrolledOffice(t, scene, 'North Ltd', { config: { 'outbound.allow': [`127.0.0.1:${evil.port}`] } });
  const turn = async () => {
    await relay.stop();
    relay.options.apps = { op: app(evil.issuer) };
    await relay.launch();
    await office.admin.must('POST', '/api/v1/cloud-service/check');
  };
  const agree = async () => {
    const [offered] = (await office.admin.must('GET', '/api/v1/cloud-service')).apps;
    assert.deepEqual([offered.params.issuer, offered.agreed], [evil.issuer, false]);
    return office.admin.call('POST', `/api/v1/cloud-service/apps/${offered.id}/agree`, { mode: offered.mode, types: offered.types, params: offered.params });
  };
  const refused = async (words) => {
    const answer = await agree();
    assert.deepEqual([answer.status, answer.code], [409, 'cloud_app_in_use'], answer.text);
    assert.match(answer.text, words);
  };
  return { oidc, evil, relay, scene, office, turn, agree, refused };
}
/** Consent by an owner's link waits for approval. */
async function held({ scene, office }) {
  const started = await office.admin.startAuthorization({ username: 'printer-1', pin, type: 'oidc', way: 'owner_link' });
  const pressed = (url, _response, body) => (url.startsWith(office.url) && /<form method="post"/.test(body) ? { url, form: {} } : undefined);
  const walked = consenting(scene);
  await new Browserless().open(started.start_url, { visit: (...at) => pressed(...at) ?? walked(...at) });
  assert.equal((await office.admin.outcome(started.id)).state, 'held');
  return started.id;
}
const revoked = (oidc) => oidc.events.some((each) => each.name === 'grant.revoked');

for (const accept of [true, false]) {
  test(`Attack: F8: a consent that waits holds its registration to the issuer it came from until it is ${accept ? 'approved' : 'rejected'}, and its token goes there`, async (t) => {
    const all = await turncoat(t);
    const { oidc, evil, office, turn, refused, agree } = all;
    const id = await held(all);
    await turn();
    await refused(/waits for an answer.*Approve, reject/);
    await office.admin.mustAnswer(id, accept);
    if (accept) {
      const { result } = await office.admin.outcome(id);
      await refused(/Accounts here were authorised with other values/);
      await office.admin.must('POST', `/api/v1/grants/${result.grant_id}/refresh`);
      assert.ok(oidc.events.some((each) => each.name === 'grant.success' && each.grantType === 'refresh_token'), 'where it always went');
    } else {
      await until('nothing waits to be given back', async () => (await office.admin.must('GET', '/api/v1/health')).revocations.waiting === 0);
      const agreed = await agree();
      assert.equal(agreed.status, 200, agreed.text);
    }
    assert.equal(evil.tokenRequests, 0);
    assert.equal(revoked(evil), false);
  });
}

test('Attack: F7: deleted while the provider is away, as the error says, an account holds its registration until its token has been given back', async (t) => {
  const all = await turncoat(t);
  const { oidc, evil, scene, office, turn, refused } = all;
  const started = await office.admin.startAuthorization({ username: 'printer-1', pin, type: 'oidc' });
  await office.admin.browser.open(started.start_url, { visit: consenting(scene) });
  const { result, state } = await office.admin.outcome(started.id);
  assert.equal(state, 'completed');
  await turn();
  await oidc.close();
  await refused(/Delete these accounts first and wait until their tokens have been given back/);
  await office.admin.must('DELETE', `/api/v1/grants/${result.grant_id}`);
  await refused(/wait to be given back/);
  // Nor does leaving, and coming back, let go of it.
  await office.admin.must('DELETE', '/api/v1/cloud-service');
  const { code } = await all.relay.issue('North Ltd again');
  await office.admin.must('PUT', '/api/v1/cloud-service', { address: all.relay.url, enrolment_code: code });
  const app = (await office.admin.must('GET', '/api/v1/apps')).items.find((each) => each.id.startsWith('cloud-op-'));
  assert.equal(app.params.issuer, oidc.issuer, 'the registration is as it was');
  assert.equal(evil.tokenRequests, 0);
  assert.equal(revoked(evil), false);
});
