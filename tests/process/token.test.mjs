// The contract of POST /v1/token, on the real binary over real sockets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchAnswer } from '../support/latchkey.mjs';
import { authorisedUser, pin, serverWithProvider } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const challenge = 'Basic realm="Latchkey", charset="UTF-8"';

function assertProblem(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.code, code);
  assert.match(answer.headers.get('content-type'), /^application\/problem\+json/);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.equal(answer.body.status, status);
  assert.ok(answer.body.title.length > 0 && answer.body.detail.length > 0, 'a person is told what and what next');
}

// When to come again, in the header and, the same figure, in the body.
function assertRetryAfter(answer) {
  assert.ok(Number.isInteger(answer.body.retry_after) && answer.body.retry_after > 0, answer.text);
  assert.equal(answer.headers.get('retry-after'), String(answer.body.retry_after));
}

test('the hand-out: members, headers, and a token the provider honours', async (t) => {
  const { server, provider } = await authorisedUser(t);
  const answer = await server.token('printer-1', pin);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.deepEqual(Object.keys(answer.body).sort(), ['access_token', 'account', 'expires_in', 'extras', 'scope', 'token_type', 'type']);
  assert.ok(provider.honours(answer.body.access_token));
  assert.equal(answer.body.token_type, 'Bearer');
  assert.equal(answer.body.type, 'oidc');
  assert.ok(answer.body.expires_in > 3000 && answer.body.expires_in <= 3600, `expires_in ${answer.body.expires_in}`);
  assert.deepEqual(answer.body.account, { id: 'acc-1', name: 'anna@example.com' });
  assert.ok(answer.body.scope.split(' ').includes('offline_access'));
  assert.doesNotMatch(answer.text, /rt-\d/, 'the refresh token never leaves');
});

test('type and min_valid as form fields and as JSON members; nothing in the address', async (t) => {
  const { server } = await authorisedUser(t);
  const json = { 'content-type': 'application/json' };
  assert.equal((await server.token('printer-1', pin, { type: 'oidc', min_valid: '60' })).status, 200);
  assert.equal((await server.token('printer-1', pin, JSON.stringify({ type: 'oidc', min_valid: 60 }), { headers: json })).status, 200);
  assert.equal((await server.token('printer-1', pin, '{}', { headers: json })).status, 200);
  assert.equal((await server.token('PRINTER-1', pin)).status, 200, 'usernames are case-folded');

  assertProblem(await server.token('printer-1', pin, { min_valid: '-1' }), 400, 'invalid_request');
  assertProblem(await server.token('printer-1', pin, { min_valid: 'soon' }), 400, 'invalid_request');
  assertProblem(await server.token('printer-1', pin, '{"type":', { headers: json }), 400, 'invalid_request');
  assertProblem(await server.token('printer-1', pin, '[]', { headers: json }), 400, 'invalid_request');
  const large = await server.token('printer-1', pin, 'x'.repeat(70_000)); // refused by the listener, before the body is read
  assert.equal(large.status, 413, large.text);
  assert.equal(large.code, 'body_too_large');
});

test('the method and the path are exact', async (t) => {
  const { server } = await authorisedUser(t);
  const authorization = `Basic ${Buffer.from(`printer-1:${pin}`).toString('base64')}`;
  const get = await fetchAnswer(`${server.url}/v1/token`, { headers: { authorization } });
  assert.equal(get.status, 405);
  assert.match(get.headers.get('allow') ?? '', /POST/);
  assert.equal((await fetchAnswer(`${server.url}/v1/tokens`, { method: 'POST', headers: { authorization } })).status, 404);
});

test('401: a wrong PIN and an unknown user read the same, and so do all requests without readable credentials', async (t) => {
  const { server } = await authorisedUser(t);
  const withHeader = (authorization) => fetchAnswer(`${server.url}/v1/token`, { method: 'POST', headers: authorization === undefined ? {} : { authorization } });
  const basic = (bytes) => `Basic ${Buffer.from(bytes).toString('base64')}`;
  const groups = [
    [await withHeader(undefined), await withHeader('Bearer abc'), await withHeader('Basic !!!'), await withHeader(basic('no-colon'))],
    [await server.token('printer-1', 'wrong'), await server.token('nobody', pin), await withHeader(basic([0x70, 0x3a, 0xff, 0xfe]))],
  ];
  for (const answers of groups) {
    for (const answer of answers) {
      assertProblem(answer, 401, 'invalid_credentials');
      assert.equal(answer.headers.get('www-authenticate'), challenge);
    }
    assert.equal(new Set(answers.map((each) => each.text)).size, 1, 'one wording');
  }
});

test('403 use_not_allowed when the use token was not ticked; ticking it takes effect at once', async (t) => {
  const { server, admin } = await serverWithProvider(t);
  const { user_id } = await admin.addOAuthUser({ username: 'quiet', pin, type: 'oidc', allow_token: false });
  assertProblem(await server.token('quiet', pin), 403, 'use_not_allowed');
  assertProblem(await server.token('quiet', 'wrong'), 401, 'invalid_credentials');
  const { uses } = await admin.must('GET', `/api/v1/users/${user_id}`);
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { uses: [...uses, 'token'] });
  assert.equal((await server.token('quiet', pin)).status, 200);
});

test('404 no_such_grant for a type not held and for an unknown one', async (t) => {
  const { server } = await authorisedUser(t);
  assertProblem(await server.token('printer-1', pin, { type: 'box' }), 404, 'no_such_grant');
  assertProblem(await server.token('printer-1', pin, { type: 'no-such-type' }), 404, 'no_such_grant');
});

test('409 authorization_needed once the grant is dead and its token has run out; the console page is named, no link', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t, { provider: { accessLifetime: 4 } });
  provider.revokeEverything();
  await until('the keeper to notice', async () => (await admin.grant(grant_id)).state === 'needs_authorization', { timeout: 30_000 });
  const answer = await until('the token to run out', async () => {
    const last = await server.token('printer-1', pin);
    return last.status === 200 ? undefined : last;
  });
  assertProblem(answer, 409, 'authorization_needed');
  assert.doesNotMatch(answer.text, /\/oauth\/start\//, 'never a live consent link');
});

test('503 provider_unreachable with Retry-After once the token has run out; recovery by itself', async (t) => {
  const { server, provider } = await authorisedUser(t, { provider: { accessLifetime: 4 } });
  await provider.goAway();
  const answer = await until('the token to run out', async () => {
    const last = await server.token('printer-1', pin);
    return last.status === 200 ? undefined : last;
  }, { timeout: 20_000 });
  assertProblem(answer, 503, 'provider_unreachable');
  assertRetryAfter(answer);
  await provider.comeBack();
  await until('the recovery', async () => (await server.token('printer-1', pin)).status === 200, { timeout: 60_000, every: 200 });
});

test('503 app_misconfigured with Retry-After when the app secret is refused', async (t) => {
  const { server, provider } = await authorisedUser(t, { provider: { accessLifetime: 4 } });
  provider.always('refresh', { commit: false, status: 401, body: { error: 'invalid_client' } });
  const answer = await until('the token to run out', async () => {
    const last = await server.token('printer-1', pin);
    return last.status === 200 ? undefined : last;
  }, { timeout: 20_000 });
  assertProblem(answer, 503, 'app_misconfigured');
  assertRetryAfter(answer);
});

test('G3: a foreign Host, Origin or Sec-Fetch-Site is refused before anything is handed out', async (t) => {
  const { server } = await authorisedUser(t);
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    const answer = await server.token('printer-1', pin, undefined, { headers });
    assert.equal(answer.status, 403, JSON.stringify(headers));
    assert.doesNotMatch(answer.text, /at-\d/);
  }
  const { request } = await import('node:http');
  const status = await new Promise((resolve, reject) => {
    request({
      host: '127.0.0.1', port: server.port, path: '/v1/token', method: 'POST',
      headers: { host: 'evil.example', authorization: `Basic ${Buffer.from(`printer-1:${pin}`).toString('base64')}`, 'content-length': 0 },
    }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject).end();
  });
  assert.ok(status === 421 || status === 400 || status === 403, `a foreign Host got ${status}`);
});

test('P4: a changed PIN, a disabled and a deleted user take effect at once', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t);
  assert.equal((await server.token('printer-1', pin)).status, 200);
  await admin.must('POST', `/api/v1/users/${user_id}/pin`, { pin: 'Brand-new-PIN', mode: 'change', current_pin: pin });
  assert.equal((await server.token('printer-1', pin)).status, 401, 'the old PIN is dead, cached or not');
  const fresh = await server.token('printer-1', 'Brand-new-PIN');
  assert.equal(fresh.status, 200, fresh.text);
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: false });
  assert.equal((await server.token('printer-1', 'Brand-new-PIN')).status, 401);
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: true });
  assert.equal((await server.token('printer-1', 'Brand-new-PIN')).status, 200);
  await admin.must('DELETE', `/api/v1/users/${user_id}`);
  assert.equal((await server.token('printer-1', 'Brand-new-PIN')).status, 401);
});

test('the command line prints the access token alone', async (t) => {
  const { server, provider } = await authorisedUser(t);
  const file = await server.file('pin', `${pin}\n`);
  const printed = await server.client(['token', 'printer-1', '--pin-file', file]);
  assert.equal(printed.status, 0, printed.stderr);
  assert.match(printed.stdout, /^\S+\n$/);
  assert.ok(provider.honours(printed.stdout.trim()));
  const environment = await server.client(['token', 'printer-1', '--type', 'oidc', '--min-valid', '30'], { env: { LATCHKEY_PIN: pin } });
  assert.equal(environment.status, 0, environment.stderr);
  const wrong = await server.client(['token', 'printer-1'], { env: { LATCHKEY_PIN: 'wrong' } });
  assert.notEqual(wrong.status, 0);
  assert.equal(wrong.stdout, '');
  assert.equal(wrong.stderr.trim().split('\n').length, 1, 'one line says why');
});
