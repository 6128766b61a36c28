// "My authorisations": what people without a console session see and do, by username and PIN or by the link they consented through.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { fetchAnswer, Session } from '../support/latchkey.mjs';
import { authorisedUser, pin, serverWithProvider } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** A browser that knows nothing of the console, with its CSRF token. */
async function visitor(server, browser) {
  const owner = new Session(server.url);
  if (browser) owner.browser = browser;
  await owner.begin();
  return owner;
}
const comeIn = (owner, username, secret) => owner.call('POST', '/api/v1/owner/session', { username, pin: secret });
const goingOn = (server) => (url, _response, body) => (url.startsWith(server.url) && /<form method="post"/.test(body) ? { url, form: {} } : undefined);

test('by username and PIN: state, no token, no console; leaving', async (t) => {
  const { server, admin, grant_id } = await authorisedUser(t);
  const owner = await visitor(server);
  const nobody = await owner.must('GET', '/api/v1/owner');
  assert.deepEqual(faults(nobody, answerSchema('GET', '/api/v1/owner')), []);
  assert.equal(nobody.signed_in, false);
  const came = await comeIn(owner, 'Printer-1', pin);
  assert.equal(came.status, 201, came.text);
  assert.deepEqual(faults(came.body, answerSchema('POST', '/api/v1/owner/session', 201)), []);
  const cookie = came.headers.getSetCookie().find((each) => each.startsWith('latchkey-owner='));
  assert.match(cookie, /HttpOnly; SameSite=Strict; Max-Age=1800/);
  const shown = await owner.must('GET', '/api/v1/owner');
  assert.equal(shown.by, 'pin');
  assert.equal(shown.username, 'printer-1');
  assert.deepEqual(shown.grants.map((each) => [each.id, each.state, each.account.name]), [[grant_id, 'active', 'anna@example.com']]);
  assert.ok(!JSON.stringify(shown).includes('at-'), 'no token');
  for (const [method, route] of [['GET', '/api/v1/users'], ['GET', `/api/v1/grants/${grant_id}`], ['POST', `/api/v1/grants/${grant_id}/refresh`], ['GET', '/api/v1/types']]) {
    assert.equal((await owner.call(method, route)).status, 401, `${method} ${route}: the pass opens nothing else (A6)`);
  }
  assert.equal((await owner.call('DELETE', '/api/v1/owner/session')).status, 204);
  assert.equal((await owner.must('GET', '/api/v1/owner')).signed_in, false);
  assert.equal((await owner.call('DELETE', `/api/v1/owner/grants/${grant_id}`)).code, 'not_signed_in');
  assert.match(await server.metrics(), /latchkey_owner_deeds_total\{deed="sign_in"\} 1\n/);
  assert.equal((await admin.grant(grant_id)).state, 'active');
});

test('T4, T5: wrong PINs are counted and answered like unknown users, as at the token door', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t);
  await admin.set('auth.pin_failures_unknown', '3');
  const owner = await visitor(server);
  const wrong = await comeIn(owner, 'printer-1', 'wrong-pin-0');
  const unknown = await comeIn(owner, 'nobody-of-that-name', 'wrong-pin-0');
  for (const answer of [wrong, unknown]) {
    assert.equal(answer.status, 401);
    assert.equal(answer.code, 'invalid_credentials');
    assert.ok(answer.ms >= 295, `answered after ${answer.ms} ms`);
  }
  assert.equal(wrong.body.detail, unknown.body.detail);
  // One count for both doors: what is guessed here is not guessed there again.
  for (let n = 1; n <= 6; n++) await comeIn(owner, 'printer-1', `wrong-pin-${n}`);
  const user = await admin.must('GET', `/api/v1/users/${user_id}`);
  assert.ok(user.throttle.locked, JSON.stringify(user.throttle));
  assert.notEqual((await comeIn(owner, 'printer-1', pin)).status, 201, 'not even the right one, from here');
});

test('T7: the PIN is taken over TLS or loopback only; other sites’ pages and requests without the token are refused', async (t) => {
  const { server, grant_id } = await authorisedUser(t);
  const body = JSON.stringify({ username: 'printer-1', pin });
  const send = (headers) => fetchAnswer(`${server.url}/api/v1/owner/session`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  assert.equal((await send({})).code, 'csrf_failed');
  const owner = await visitor(server);
  const cookie = owner.browser.jar.for(`${server.url}/`);
  assert.equal((await send({ cookie, 'x-csrf-token': owner.csrf, origin: 'https://evil.example' })).code, 'csrf_failed');
  assert.equal((await send({ cookie, 'x-csrf-token': owner.csrf, 'sec-fetch-site': 'cross-site' })).code, 'csrf_failed');
  assert.equal((await comeIn(owner, 'printer-1', pin)).status, 201);
  owner.csrf = 'forged';
  for (const [method, route] of [['DELETE', `/api/v1/owner/grants/${grant_id}`], ['POST', `/api/v1/owner/grants/${grant_id}/authorize`], ['DELETE', '/api/v1/owner/session']]) {
    assert.equal((await owner.call(method, route)).code, 'csrf_failed', route);
  }
});

test('revoking one’s own: gone here and at the provider; somebody else’s is not found', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t);
  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  const other = await admin.addOAuthUser({ username: 'printer-2', pin, type: 'oidc' });
  const owner = await visitor(server);
  await comeIn(owner, 'printer-1', pin);
  for (const [method, route] of [['DELETE', `/api/v1/owner/grants/${other.grant_id}`], ['POST', `/api/v1/owner/grants/${other.grant_id}/authorize`], ['DELETE', '/api/v1/owner/grants/none']]) {
    assert.equal((await owner.call(method, route)).status, 404, route);
  }
  const revoked = await owner.must('DELETE', `/api/v1/owner/grants/${grant_id}`);
  assert.deepEqual(faults(revoked, answerSchema('DELETE', '/api/v1/owner/grants/{id}')), []);
  await until('the provider to be asked', () => provider.seen('revoke').length > 0);
  assert.deepEqual((await owner.must('GET', '/api/v1/owner')).grants, []);
  assert.notEqual((await server.token('printer-1', pin)).status, 200);
  assert.equal((await server.token('printer-2', pin)).status, 200);
  const [line] = (await admin.must('GET', '/api/v1/activity?action=grant.deleted')).items;
  assert.equal(line.actor.name, 'printer-1');
});

test('authorising one’s own again: the same account completes at once, another one is asked about in the console (C5)', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t);
  const owner = await visitor(server);
  await comeIn(owner, 'printer-1', pin);
  const generation = (await admin.grant(grant_id)).generation;
  const again = await owner.must('POST', `/api/v1/owner/grants/${grant_id}/authorize`);
  assert.deepEqual(faults(again, answerSchema('POST', '/api/v1/owner/grants/{id}/authorize', 201)), []);
  const page = await owner.browser.open(again.start_url, { visit: goingOn(server) });
  assert.match(page.body, /anna@example.com is authorised/);
  assert.match(page.body, /href="\/my"/, 'back to the page it came from');
  assert.doesNotMatch(page.body, /Back to the console/);
  assert.ok((await admin.grant(grant_id)).generation > generation);
  provider.account = { id: 'acc-9', name: 'mallory@example.com' };
  const other = await owner.must('POST', `/api/v1/owner/grants/${grant_id}/authorize`);
  await owner.browser.open(other.start_url, { visit: goingOn(server) });
  const [question] = (await admin.must('GET', '/api/v1/authorizations?state=asking')).items;
  assert.equal(question.confirmation.code, 'account_differs');
  assert.equal((await admin.grant(grant_id)).account.name, 'anna@example.com');
});

test('what an administrator has switched off or revoked is not offered to authorise again: the words name whom to ask', async (t) => {
  const { server, admin, grant_id } = await authorisedUser(t);
  const owner = await visitor(server);
  await comeIn(owner, 'printer-1', pin);
  const shown = async () => (await owner.must('GET', '/api/v1/owner')).grants[0];
  assert.equal((await shown()).may_authorize, true);
  const locked = async (state) => {
    const seen = await owner.must('GET', '/api/v1/owner');
    assert.deepEqual(faults(seen, answerSchema('GET', '/api/v1/owner')), []);
    assert.deepEqual([seen.grants[0].state, seen.grants[0].may_authorize], [state, false]);
    assert.match(seen.grants[0].why, /Ask an administrator/);
    assert.doesNotMatch(seen.grants[0].why, /Authorise it again/);
    assert.equal((await owner.call('POST', `/api/v1/owner/grants/${grant_id}/authorize`)).status, 409);
  };
  await admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: false });
  await locked('disabled');
  await admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: true });
  assert.equal((await shown()).may_authorize, true);
  await admin.must('POST', '/api/v1/grants/revoke', {});
  await locked('revoked');
});

test('K8, P4: a pass ends with the PIN, the user and its time; a forged one opens nothing', async (t) => {
  const { server, admin, user_id, grant_id } = await authorisedUser(t);
  const signedIn = async (owner) => (await owner.must('GET', '/api/v1/owner')).signed_in;
  const owner = await visitor(server);
  await comeIn(owner, 'printer-1', pin);
  const value = owner.browser.jar.find('latchkey-owner').value;
  const with_cookie = (cookie) => fetchAnswer(`${server.url}/api/v1/owner`, { headers: { cookie: `latchkey-owner=${cookie}` } });
  assert.equal((await with_cookie(value)).body.signed_in, true);
  const [text, mac] = value.split('.');
  const inside = JSON.parse(Buffer.from(text, 'base64url'));
  const changed = Buffer.from(JSON.stringify({ ...inside, grant: grant_id, account: 'acc-1', ends: inside.ends + 1e9 })).toString('base64url');
  for (const forged of [`${changed}.${mac}`, `${text}.${mac.slice(0, -2)}AA`, text, '.', `${text}.`, 'x'.repeat(4000)]) {
    assert.equal((await with_cookie(forged)).body.signed_in, false, forged.slice(0, 60));
  }
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: false });
  assert.equal(await signedIn(owner), false, 'disabled');
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: true });
  const again = await visitor(server);
  await comeIn(again, 'printer-1', pin);
  assert.equal(await signedIn(again), true);
  await admin.must('POST', `/api/v1/users/${user_id}/pin`, { mode: 'change', pin: 'another-Pin-55', current_pin: pin });
  assert.equal(await signedIn(again), false, 'the PIN was changed');
});

test('by link: the browser that consented sees that one grant once it is approved, as long as it is of that account', async (t) => {
  const { server, admin, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization({ username: 'printer-1', pin, type: 'oidc', way: 'owner_link' });
  const browser = new Browserless();
  const thanks = await browser.open(started.start_url, { visit: goingOn(server) });
  assert.match(thanks.body, /href="\/my"/);
  const owner = await visitor(server, browser);
  assert.equal((await owner.must('GET', '/api/v1/owner')).signed_in, false, 'nothing to see before it is approved');
  await admin.mustAnswer(started.id, true);
  const shown = await owner.must('GET', '/api/v1/owner');
  assert.equal(shown.by, 'link');
  assert.deepEqual(shown.grants.map((each) => [each.state, each.account.name]), [['active', 'anna@example.com']]);
  const stranger = await visitor(server);
  assert.equal((await stranger.must('GET', '/api/v1/owner')).signed_in, false);
  // Whoever gets hold of a later link and consents with an account of their own sees nothing and ends nothing.
  provider.account = { id: 'acc-9', name: 'mallory@example.com' };
  const stolen = await admin.startAuthorization({ replace_grant_id: shown.grants[0].id, way: 'owner_link' });
  const thief = new Browserless();
  await thief.open(stolen.start_url, { visit: goingOn(server) });
  const mallory = await visitor(server, thief);
  assert.equal((await mallory.must('GET', '/api/v1/owner')).signed_in, false);
  assert.equal((await mallory.call('DELETE', `/api/v1/owner/grants/${shown.grants[0].id}`)).code, 'not_signed_in');
  const revoked = await owner.call('DELETE', `/api/v1/owner/grants/${shown.grants[0].id}`);
  assert.equal(revoked.status, 200, revoked.text);
  assert.equal((await owner.must('GET', '/api/v1/owner')).signed_in, false);
});
