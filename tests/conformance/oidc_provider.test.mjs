// The whole life of a grant against a certified authorization server that nobody here wrote (npm oidc-provider).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Latchkey } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** { oidc, server, admin } with the app `oidc` registered; options go to the provider. */
async function scene(t, options = {}) {
  const [port, providerPort] = [await freePort(), await freePort()];
  const oidc = await OidcServer.start(t, { port: providerPort, redirectUris: [`http://127.0.0.1:${port}/oauth/callback/oidc`], ...options });
  const server = await Latchkey.ready(t, { port, config: { 'outbound.allow': [`127.0.0.1:${providerPort}`], 'log.level': 'debug' } });
  await server.admin.registerOidc({ issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret });
  return { oidc, server, admin: server.admin };
}

async function whoseToken(oidc, accessToken) {
  const response = await fetch(`${oidc.issuer}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  return response.status === 200 ? (await response.json()).sub : null;
}

test('code with PKCE: consent, account, token, check, revocation', async (t) => {
  const { oidc, server, admin } = await scene(t);
  const result = await admin.addOAuthUser({ username: 'scanner', pin, type: 'oidc', visit: oidc.answering('allow', 'bert') });
  assert.equal(result.account.id, 'bert');
  assert.ok(result.scopes.includes('openid') && result.scopes.includes('offline_access'));
  assert.match(result.curl, /^curl /);
  assert.ok(!result.curl.includes(pin));

  const handed = await server.token('scanner', pin);
  assert.equal(handed.status, 200, handed.text);
  assert.equal(await whoseToken(oidc, handed.body.access_token), 'bert');

  const check = await admin.must('POST', `/api/v1/grants/${result.grant_id}/check`);
  assert.equal(check.ok, true, check.detail);
  assert.equal(check.account.id, 'bert');

  await admin.must('DELETE', `/api/v1/grants/${result.grant_id}`);
  await until('the provider to have revoked', async () => (await whoseToken(oidc, handed.body.access_token)) === null);
  assert.notEqual((await server.token('scanner', pin)).status, 200);
});

test('RFC 8628: a device code: entered elsewhere, held for approval, a token, a refresh', async (t) => {
  const { oidc, server, admin } = await scene(t);
  await admin.set('authorize.device_code_types', 'oidc');
  const started = await admin.startAuthorization({ username: 'scanner', pin, type: 'oidc', way: 'device_code' });
  const { Browserless } = await import('../support/browserless.mjs');
  const walk = await new Browserless().open(started.device.verification_uri, { visit: oidc.entering(started.device.user_code, 'allow', 'bert') });
  assert.match(walk.body, /successful/, walk.trail.join(' -> '));
  const held = await admin.outcome(started.id, 30_000);
  assert.equal(held.state, 'held', JSON.stringify(held.problem));
  assert.equal(held.confirmation.now.id, 'bert');
  const done = await admin.mustAnswer(started.id, true);
  assert.equal(done.state, 'completed');
  const handed = await server.token('scanner', pin);
  assert.equal(await whoseToken(oidc, handed.body.access_token), 'bert');
  assert.equal((await admin.call('POST', `/api/v1/grants/${done.result.grant_id}/refresh`)).status, 200);

  const refused = await admin.startAuthorization({ username: 'copier', pin, type: 'oidc', way: 'device_code' });
  await new Browserless().open(refused.device.verification_uri, { visit: oidc.entering(refused.device.user_code, 'refuse') });
  const attempt = await admin.outcome(refused.id, 30_000);
  assert.equal(attempt.problem?.code, 'access_denied', JSON.stringify(attempt));
});

test('200 refreshes in a row at a short lifetime, with rotation and reuse detection: the grant is not lost', async (t) => {
  const { oidc, server, admin } = await scene(t, { accessLifetime: 3 });
  const { grant_id } = await admin.addOAuthUser({ username: 'scanner', pin, type: 'oidc', visit: oidc.answering() });
  // The keeper goes on by itself meanwhile; both must never use one refresh token twice.
  let asked = 0;
  while (oidc.events.filter((each) => each.name === 'grant.success' && each.grantType === 'refresh_token').length < 200) {
    const answer = await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
    assert.equal(answer.status, 200, `refresh ${asked}: ${answer.text}`);
    if (++asked % 20 === 0) {
      const handed = await server.token('scanner', pin);
      assert.equal(handed.status, 200);
      assert.equal(await whoseToken(oidc, handed.body.access_token), 'anna', `after ${asked} refreshes`);
    }
    assert.ok(asked < 400, 'refreshes are asked for and do not happen');
  }
  assert.equal(oidc.count('grant.revoked'), 0, 'a refresh token was used twice');
  assert.equal(oidc.count('grant.error'), 0);
  const grant = await admin.grant(grant_id);
  assert.equal(grant.state, 'active');
  assert.ok(grant.generation >= 200);
});

test('the keeper alone keeps a grant of 2 s alive, over a restart too', async (t) => {
  const { oidc, server, admin } = await scene(t, { accessLifetime: 2 });
  await admin.addOAuthUser({ username: 'scanner', pin, type: 'oidc', visit: oidc.answering() });
  const refreshed = () => oidc.events.filter((each) => each.name === 'grant.success' && each.grantType === 'refresh_token').length;
  await until('four refreshes', () => refreshed() >= 4, { timeout: 30_000 });
  await server.restart();
  const before = refreshed();
  await until('two more', () => refreshed() >= before + 2, { timeout: 30_000 });
  const handed = await server.token('scanner', pin);
  assert.equal(await whoseToken(oidc, handed.body.access_token), 'anna');
  assert.equal(oidc.count('grant.revoked'), 0);
});

test('C8: consent refused: said in words, nothing left behind', async (t) => {
  const { oidc, admin } = await scene(t);
  const attempt = await admin.authorize({ username: 'refused', pin, type: 'oidc', visit: oidc.answering('refuse') });
  assert.equal(attempt.state, 'failed');
  assert.equal(attempt.problem.code, 'access_denied');
  assert.ok(attempt.problem.detail.length > 20);
  assert.equal((await admin.must('GET', '/api/v1/users?search=refused')).total, 0);
  const again = await admin.addOAuthUser({ username: 'refused', pin, type: 'oidc', visit: oidc.answering() });
  assert.equal(again.account.id, 'anna');
});

test('a redirect address that is not registered: the provider says so, the attempt stays pending and can be cancelled', async (t) => {
  const { oidc, admin } = await scene(t, { redirectUris: ['http://127.0.0.1:9/elsewhere'] });
  const started = await admin.startAuthorization({ username: 'misdirected', pin, type: 'oidc' });
  const walk = await admin.browser.open(started.start_url, { visit: oidc.answering() });
  assert.match(walk.body, /redirect_uri/);
  const attempt = await admin.must('GET', `/api/v1/authorizations/${started.id}`);
  assert.equal(attempt.state, 'pending');
  assert.equal(attempt.started, true);
  assert.match(attempt.redirect_uri, /\/oauth\/callback\/oidc$/);
  await admin.must('POST', `/api/v1/authorizations/${started.id}/cancel`);
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'cancelled');
  assert.equal((await admin.must('GET', '/api/v1/users?search=misdirected')).total, 0);
});

test('the wrong app secret: said in words, nothing left behind', async (t) => {
  const { oidc, admin } = await scene(t);
  await admin.registerOidc({ issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: 'not-the-secret' });
  const attempt = await admin.authorize({ username: 'unlucky', pin, type: 'oidc', visit: oidc.answering() });
  assert.equal(attempt.state, 'failed');
  assert.equal(attempt.problem.code, 'invalid_client', JSON.stringify(attempt.problem));
  assert.equal((await admin.must('GET', '/api/v1/users?search=unlucky')).total, 0);
});

test('R27: consent withdrawn at the provider is noticed; authorising again in place brings the user back', async (t) => {
  const { oidc, server, admin } = await scene(t, { accessLifetime: 4 });
  const { grant_id } = await admin.addOAuthUser({ username: 'scanner', pin, type: 'oidc', visit: oidc.answering() });
  await oidc.revokeGrantsOf('anna');
  await until('the keeper to notice', async () => (await admin.grant(grant_id)).state === 'needs_authorization', { timeout: 20_000 });
  oidc.accessLifetime = 3600;
  const attempt = await admin.authorize({ replace_grant_id: grant_id, visit: oidc.answering() });
  assert.equal(attempt.state, 'completed', JSON.stringify(attempt.problem));
  assert.equal(attempt.result.grant_id, grant_id);
  const handed = await server.token('scanner', pin);
  assert.equal(handed.status, 200, 'username and PIN are as before');
  assert.equal(await whoseToken(oidc, handed.body.access_token), 'anna');
});

test('C5: another account on re-authorising waits for a confirmation; refused, nothing changes', async (t) => {
  const { oidc, server, admin } = await scene(t);
  const { grant_id } = await admin.addOAuthUser({ username: 'scanner', pin, type: 'oidc', visit: oidc.answering('allow', 'anna') });
  await fetch(`${oidc.issuer}/session/end`).catch(() => {});
  admin.browser.jar.forget();
  await admin.signIn();
  const attempt = await admin.authorize({ replace_grant_id: grant_id, visit: oidc.answering('allow', 'bert') });
  assert.equal(attempt.state, 'needs_confirmation');
  assert.equal(attempt.confirmation.before.id, 'anna');
  assert.equal(attempt.confirmation.now.id, 'bert');
  assert.equal(await whoseToken(oidc, (await server.token('scanner', pin)).body.access_token), 'anna');

  await admin.mustAnswer(attempt.id, false);
  assert.equal((await admin.grant(grant_id)).account.id, 'anna');

  const second = await admin.authorize({ replace_grant_id: grant_id, visit: oidc.answering('allow', 'bert') });
  assert.equal(second.state, 'needs_confirmation');
  await admin.mustAnswer(second.id, true);
  assert.equal((await admin.grant(grant_id)).account.id, 'bert');
  assert.equal(await whoseToken(oidc, (await server.token('scanner', pin)).body.access_token), 'bert');
});
