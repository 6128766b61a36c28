// Proves the harness round the certified provider: consent without a browser, rotation, reuse detection, revocation.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Browserless } from './browserless.mjs';
import { OidcServer } from './oidc.mjs';

const back = 'http://127.0.0.1:9/oauth/callback/oidc';

async function authorize(server, answer, account) {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: server.clientId, response_type: 'code', redirect_uri: back, scope: 'openid offline_access email', prompt: 'consent', state: 'st',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const walk = await new Browserless().open(`${server.issuer}/auth?${query}`, { visit: server.answering(answer, account), stopAt: (url) => url.startsWith(back) });
  return { walk, verifier, parameters: new URL(walk.url).searchParams };
}

function token(server, form) {
  return fetch(`${server.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${server.clientId}:${server.clientSecret}`).toString('base64')}` },
    body: new URLSearchParams(form),
  });
}

test('the certified provider: code with PKCE, rotation, reuse detection', async (t) => {
  const server = await OidcServer.start(t, { redirectUris: [back], accessLifetime: 7 });
  const { parameters, verifier } = await authorize(server, 'allow', 'bert');
  assert.equal(parameters.get('iss'), server.issuer);
  const first = await (await token(server, { grant_type: 'authorization_code', code: parameters.get('code'), redirect_uri: back, code_verifier: verifier })).json();
  assert.equal(first.expires_in, 7);
  const who = await (await fetch(`${server.issuer}/me`, { headers: { authorization: `Bearer ${first.access_token}` } })).json();
  assert.equal(who.email, 'bert@example.com');

  const second = await (await token(server, { grant_type: 'refresh_token', refresh_token: first.refresh_token })).json();
  assert.notEqual(second.refresh_token, first.refresh_token);
  const reuse = await token(server, { grant_type: 'refresh_token', refresh_token: first.refresh_token });
  assert.equal((await reuse.json()).error, 'invalid_grant');
  const after = await token(server, { grant_type: 'refresh_token', refresh_token: second.refresh_token });
  assert.equal(after.status, 400, 'reuse ends the whole grant');
  assert.equal(server.count('grant.revoked'), 1);
});

test('the certified provider: refusal and revocation', async (t) => {
  const server = await OidcServer.start(t, { redirectUris: [back] });
  assert.equal((await authorize(server, 'refuse')).parameters.get('error'), 'access_denied');
  const { parameters, verifier } = await authorize(server, 'allow', 'anna');
  const tokens = await (await token(server, { grant_type: 'authorization_code', code: parameters.get('code'), redirect_uri: back, code_verifier: verifier })).json();
  await server.revokeGrantsOf('anna');
  assert.equal((await token(server, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).status, 400);
});

test('the certified provider: an unregistered redirect address is refused on its own page', async (t) => {
  const server = await OidcServer.start(t, { redirectUris: ['http://127.0.0.1:9/other'] });
  const { walk } = await authorize(server, 'allow');
  assert.match(walk.body, /redirect_uri/);
});
