// Proves the test tool itself: a scripted provider that does not really cut, delay or count would let every test pass.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import { loopbackCertificate } from './certificates.mjs';
import { temporaryFolder } from './ports.mjs';
import { ScriptedProvider } from './scripted_provider.mjs';
import { gate, until } from './wait.mjs';

const client = { client_id: 'scripted-client', client_secret: 'scripted-secret' };

function refresh(provider, token) {
  return fetch(`${provider.origin}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, ...client }) });
}

/** Sends a refresh over a bare socket and returns every byte that came back until the line ended, and how it ended. */
function rawRefresh(provider, token) {
  return new Promise((resolve) => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, ...client }).toString();
    const socket = net.connect(provider.port, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    let error = null;
    socket.on('data', (chunk) => { bytes = Buffer.concat([bytes, chunk]); });
    socket.on('error', (problem) => { error = problem.code; });
    socket.on('close', () => resolve({ bytes, error }));
    socket.write(`POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
}

test('an honest code flow with PKCE gives tokens that userinfo honours', async (t) => {
  const provider = await ScriptedProvider.start(t);
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: 'scripted-client', response_type: 'code', redirect_uri: 'http://127.0.0.1:1/back', state: 's1', scope: 'openid offline_access',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const authorized = await fetch(`${provider.origin}/authorize?${query}`, { redirect: 'manual' });
  const back = new URL(authorized.headers.get('location'));
  assert.equal(back.searchParams.get('state'), 's1');
  assert.equal(back.searchParams.get('iss'), provider.origin);
  const exchange = (codeVerifier) => fetch(`${provider.origin}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'authorization_code', code: back.searchParams.get('code'), redirect_uri: 'http://127.0.0.1:1/back', code_verifier: codeVerifier, ...client }),
  });
  assert.equal((await exchange('wrong')).status, 400);
  const tokens = await (await exchange(verifier)).json();
  assert.equal(tokens.expires_in, 3600);
  assert.equal((await exchange(verifier)).status, 400, 'a code works once');
  const who = await (await fetch(`${provider.origin}/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } })).json();
  assert.equal(who.sub, 'acc-1');
});

test('counts each refresh token and notices a spent one', async (t) => {
  const provider = await ScriptedProvider.start(t, { rotation: 'single-use', revokesFamily: true });
  const first = provider.issueRefreshToken();
  const { refresh_token: second } = await (await refresh(provider, first)).json();
  assert.notEqual(second, first);
  assert.equal((await refresh(provider, first)).status, 400);
  assert.equal((await refresh(provider, second)).status, 400, 'reuse ends the family');
  assert.equal(provider.postsPerRefreshToken.get(first), 2);
  assert.equal(provider.postsPerRefreshToken.get(second), 1);
  assert.equal(provider.spentUses.length, 1);
});

test('honours a spent token within its grace only', async (t) => {
  let now = 1_000_000;
  const provider = await ScriptedProvider.start(t, { rotation: 'single-use', graceSeconds: 30, now: () => now });
  const first = provider.issueRefreshToken();
  assert.equal((await refresh(provider, first)).status, 200);
  now += 29_000;
  assert.equal((await refresh(provider, first)).status, 200);
  now += 2_000;
  assert.equal((await refresh(provider, first)).status, 400);
});

test('cuts the line after N bytes, and after the headers', async (t) => {
  const provider = await ScriptedProvider.start(t, { rotation: 'single-use' });
  provider.next('refresh', { cutAfter: 7 }, { cutAfter: 'headers' }, { cutAfter: 0, reset: true });
  let answer = await rawRefresh(provider, provider.issueRefreshToken());
  assert.equal(answer.bytes.toString(), 'HTTP/1.');
  answer = await rawRefresh(provider, provider.issueRefreshToken());
  assert.match(answer.bytes.toString(), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
  const token = provider.issueRefreshToken();
  answer = await rawRefresh(provider, token);
  assert.equal(answer.bytes.length, 0);
  assert.equal(answer.error, 'ECONNRESET');
  assert.equal(provider.seen('refresh').length, 3);
  assert.equal((await refresh(provider, token)).status, 400, 'the cut request had spent its token');
});

test('an uncommitted request spends nothing', async (t) => {
  const provider = await ScriptedProvider.start(t, { rotation: 'single-use' });
  const token = provider.issueRefreshToken();
  provider.next('refresh', { commit: false, status: 503, headers: { 'Retry-After': '7' } });
  const refused = await refresh(provider, token);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '7');
  assert.equal((await refresh(provider, token)).status, 200);
});

test('delays, waits at a gate, and holds', async (t) => {
  const provider = await ScriptedProvider.start(t);
  const token = provider.issueRefreshToken();
  provider.next('refresh', { delay: 150 });
  const started = performance.now();
  await refresh(provider, token);
  assert.ok(performance.now() - started >= 145);

  const barrier = gate();
  provider.next('refresh', { gate: barrier.passed });
  let answered = false;
  const waiting = refresh(provider, token).then(() => { answered = true; });
  await until('the request to arrive', () => provider.seen('refresh').length === 2);
  assert.equal(answered, false);
  barrier.open();
  await waiting;
});

test('sends any byte and changed members', async (t) => {
  const provider = await ScriptedProvider.start(t);
  const token = provider.issueRefreshToken();
  provider.next('refresh', { raw: Buffer.from([0, 255, 10]) }, { change: (reply) => ({ ...reply, expires_in: '3600' }) }, { body: '<html>502</html>', status: 502 });
  assert.deepEqual([...(await rawRefresh(provider, token)).bytes], [0, 255, 10]);
  assert.equal((await (await refresh(provider, token)).json()).expires_in, '3600');
  const broken = await refresh(provider, token);
  assert.equal(broken.status, 502);
  assert.equal(await broken.text(), '<html>502</html>');
});

test('goes away and comes back on the same port', async (t) => {
  const provider = await ScriptedProvider.start(t);
  const token = provider.issueRefreshToken();
  await provider.goAway();
  await assert.rejects(refresh(provider, token));
  await provider.comeBack();
  assert.equal((await refresh(provider, token)).status, 200);
});

test('speaks TLS with a certificate for loopback', async (t) => {
  const certificate = await loopbackCertificate(await temporaryFolder(t, 'tls'));
  const provider = await ScriptedProvider.start(t, { certificate });
  const status = await new Promise((resolve, reject) => {
    https.get(`${provider.origin}/.well-known/openid-configuration`, { ca: certificate.cert }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
  assert.equal(status, 200);
});
