// The keeper on the real binary, against a provider that misbehaves on command. Names are those of the scenarios.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { slowness } from '../support/latchkey.mjs';
import { authorisedUser, pin, serverWithProvider } from '../support/scene.mjs';
import { gate, until } from '../support/wait.mjs';

const served = new Set(['active', 'unreachable', 'uncertain', 'paused']);

function refreshNow({ admin, grant_id }) {
  return admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
}

/** The token door gives a token that the provider honours. */
async function assertServed({ server, provider }, message) {
  const answer = await server.token('printer-1', pin);
  assert.equal(answer.status, 200, `${message}: ${answer.text}`);
  assert.ok(provider.honours(answer.body.access_token), message);
  return answer.body.access_token;
}

/** No new refresh request arrives while `milliseconds` pass; watching is the point here. */
async function assertNoMoreRefreshes(provider, milliseconds) {
  const before = provider.seen('refresh').length;
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  assert.equal(provider.seen('refresh').length, before, 'another refresh was sent');
}

function pickedLink(scene) {
  return scene.provider.seen('refresh').at(-1).form.refresh_token;
}

test('the keeper refreshes by itself before expiry, and each single-use token is sent once', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true, accessLifetime: 4 } });
  await until('five refreshes', () => scene.provider.seen('refresh').length >= 5, { timeout: 40_000 });
  await assertServed(scene, 'after five refreshes');
  assert.deepEqual(scene.provider.spentUses, []);
  assert.ok([...scene.provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
  const grant = await scene.admin.grant(scene.grant_id);
  assert.equal(grant.state, 'active');
  assert.ok(grant.generation >= 5);
  assert.ok(grant.last_refreshed_at !== null);
});

test('R1: cut after the headers, no grace known: uncertain, the token still served, a person told, no second POST', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
  scene.provider.next('refresh', { cutAfter: 'headers' });
  await refreshNow(scene);
  const grant = await scene.admin.grant(scene.grant_id);
  assert.equal(grant.state, 'uncertain');
  assert.ok(grant.why.length > 20, 'in words');
  await assertServed(scene, 'while uncertain');
  await assertNoMoreRefreshes(scene.provider, 4000);
  assert.deepEqual(scene.provider.spentUses, []);
  const summary = await scene.admin.must('GET', '/api/v1/health-summary');
  assert.equal(summary.by_state.uncertain, 1, 'the console’s first page tells a person');
  assert.match(await scene.server.metrics(), /^latchkey_grants\{state="uncertain"\} 1$/m);
});

for (const [where, plan] of Object.entries({
  'after 9 bytes': { cutAfter: 9 },
  'in the middle of the body': { cutAfter: 260 },
  'with a reset before any byte': { cutAfter: 0, reset: true },
  'before any byte': { cutAfter: 0 },
})) {
  test(`R1: cut ${where}: never silently dead, and the POST is not repeated`, async (t) => {
    const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
    scene.provider.next('refresh', plan);
    await refreshNow(scene);
    const grant = await scene.admin.grant(scene.grant_id);
    assert.ok(['uncertain', 'active'].includes(grant.state), grant.state);
    await assertServed(scene, 'after the cut');
    await assertNoMoreRefreshes(scene.provider, 2500);
    assert.deepEqual(scene.provider.spentUses, []);
    assert.ok([...scene.provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
  });
}

test('F4: a POST is not repeated by the transport when a connection that was kept alive dies under it', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
  assert.equal((await refreshNow(scene)).status, 200);
  scene.provider.next('refresh', { cutAfter: 0 });
  await refreshNow(scene);
  await assertNoMoreRefreshes(scene.provider, 1500);
  assert.equal(scene.provider.postsPerRefreshToken.get(pickedLink(scene)), 1);
  assert.ok(scene.provider.seen('refresh').every((request) => request.version === 'HTTP/1.1'));
});

test('R2: kill -9 while the reply arrives, again and again: no spent token is sent after the restart', async (t) => {
  const scene = await serverWithProvider(t, { provider: { rotation: 'single-use', revokesFamily: true } });
  const { server, admin, provider } = scene;
  const rounds = 8;
  const grants = [];
  for (let round = 0; round < rounds; round++) {
    provider.account = { id: `acc-${round}`, name: `person-${round}@example.com` };
    grants.push(await admin.addOAuthUser({ username: `person-${round}`, pin, type: 'oidc' }));
  }
  for (let round = 0; round < rounds; round++) {
    const before = provider.seen('refresh').length;
    const asked = admin.call('POST', `/api/v1/grants/${grants[round].grant_id}/refresh`).catch(() => undefined);
    await until('the answer to have left', () => provider.seen('refresh').length > before && provider.seen('refresh').at(-1).answeredAt, { every: 1 });
    const lag = round * 2;
    const struck = performance.now() + lag;
    while (performance.now() < struck) await new Promise((resolve) => setImmediate(resolve));
    await server.kill();
    await asked;
    await server.launch();
    await admin.signIn();
    const grant = await admin.grant(grants[round].grant_id);
    assert.ok(served.has(grant.state), `round ${round}: ${grant.state}: ${grant.why}`);
    const answer = await server.token(`person-${round}`, pin);
    assert.equal(answer.status, 200, `round ${round}: ${answer.text}`);
    assert.ok(provider.honours(answer.body.access_token), `round ${round}`);
  }
  await assertNoMoreRefreshes(provider, 1500);
  assert.deepEqual(provider.spentUses, []);
});

test('R7: while the token endpoint takes its time, callers get the still-valid token within 50 ms; one POST', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use' } });
  await assertServed(scene, 'the first call pays for Argon2id');
  const slow = gate();
  scene.provider.next('refresh', { gate: slow.passed });
  const refreshing = refreshNow(scene);
  await until('the refresh to arrive', () => scene.provider.seen('refresh').length === 1);
  for (let call = 0; call < 20; call++) {
    const answer = await scene.server.token('printer-1', pin);
    assert.equal(answer.status, 200);
    assert.ok(answer.ms < 50 * slowness, `call ${call} took ${answer.ms} ms`);
  }
  const second = refreshNow(scene);
  // The gate opens only when the second wish has long arrived: later requests of the same kind have been answered.
  for (let probe = 0; probe < 10; probe++) await scene.admin.grant(scene.grant_id);
  slow.open();
  assert.equal((await refreshing).status, 200);
  assert.equal((await second).status, 200);
  assert.equal(scene.provider.seen('refresh').length, 1, 'the second wish joined the first');
  await assertServed(scene, 'afterwards');
});

/** Leaves the user with an expired token and its one refresh waiting at a gate. */
async function expiredWithRefreshAtGate(t) {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true, accessLifetime: 4 } });
  await assertServed(scene, 'the PIN is known from here on');
  const barrier = gate();
  scene.provider.accessLifetime = 3600;
  scene.provider.next('refresh', { gate: barrier.passed });
  await until('the keeper to ask', () => scene.provider.seen('refresh').length === 1, { timeout: 20_000 });
  await until('the token to run out', async () => Date.parse((await scene.admin.grant(scene.grant_id)).access_expires_at) < Date.now());
  return { ...scene, barrier };
}

test('R8: the first caller hangs up in mid-refresh: the exchange completes and is kept', async (t) => {
  const scene = await expiredWithRefreshAtGate(t);
  const hangUp = new AbortController();
  const first = scene.server.token('printer-1', pin, undefined, { signal: hangUp.signal });
  const hung = assert.rejects(first, { name: 'AbortError' });
  // Requests are read in order: once ten later ones have been answered, the first is waiting inside.
  for (let probe = 0; probe < 10; probe++) await fetch(`${scene.server.url}/healthz`).then((response) => response.arrayBuffer());
  hangUp.abort();
  await hung;
  scene.barrier.open();
  await until('the refresh to be kept', async () => (await scene.admin.grant(scene.grant_id)).generation >= 1 && (await scene.server.token('printer-1', pin)).status === 200);
  await assertServed(scene, 'the next caller');
  assert.equal(scene.provider.seen('refresh').length, 1);
});

test('R9: 200 callers find an expired token: one POST, all served', async (t) => {
  const scene = await expiredWithRefreshAtGate(t);
  const callers = Array.from({ length: 200 }, () => scene.server.token('printer-1', pin));
  setTimeout(() => scene.barrier.open(), 500);
  const answers = await Promise.all(callers);
  assert.deepEqual([...new Set(answers.map((each) => each.status))], [200]);
  assert.equal(new Set(answers.map((each) => each.body.access_token)).size, 1);
  assert.ok(scene.provider.honours(answers[0].body.access_token));
  assert.equal(scene.provider.seen('refresh').length, 1);
});

test('P4: a group deleted with its users while a hand-out waits for the refresh: no token leaves', async (t) => {
  const scene = await expiredWithRefreshAtGate(t);
  const { server, admin, provider } = scene;
  const waiting = server.token('printer-1', pin);
  // Requests are read in order: once ten later ones have been answered, this one is waiting inside.
  for (let probe = 0; probe < 10; probe++) await fetch(`${server.url}/healthz`).then((response) => response.arrayBuffer());
  const user = await admin.must('GET', `/api/v1/users/${scene.user_id}`);
  await admin.must('DELETE', `/api/v1/groups/${user.group.id}?delete_users=true`);
  scene.barrier.open();
  const answer = await waiting;
  assert.ok(answer.status === 401 || answer.status === 404, answer.text);
  assert.doesNotMatch(answer.text, /access_token/);
  assert.equal((await server.token('printer-1', pin)).status, 401);
  assert.equal(provider.seen('refresh').length, 1);
  // The answer that came for nobody is given back; what it held is good for nothing any more.
  await until('the tokens to be given back', () => provider.seen('revoke').length > 0, { timeout: 20_000 });
});

for (const [how, change] of Object.entries({
  omitted: ({ refresh_token: _dropped, ...rest }) => rest,
  empty: (reply) => ({ ...reply, refresh_token: '' }),
  null: (reply) => ({ ...reply, refresh_token: null }),
})) {
  test(`R10: refresh token ${how} in the reply: the old one is kept`, async (t) => {
    const scene = await authorisedUser(t);
    scene.provider.always('refresh', { change });
    assert.equal((await refreshNow(scene)).status, 200);
    assert.equal((await refreshNow(scene)).status, 200);
    const [first, second] = scene.provider.seen('refresh').map((request) => request.form.refresh_token);
    assert.equal(second, first);
    await assertServed(scene, 'afterwards');
  });
}

test('R11: a new refresh token equal to the old: nothing spurious, the next refresh works', async (t) => {
  const scene = await authorisedUser(t);
  scene.provider.always('refresh', (request) => ({ change: (reply) => ({ ...reply, refresh_token: request.form.refresh_token }) }));
  for (let round = 0; round < 3; round++) assert.equal((await refreshNow(scene)).status, 200);
  assert.equal(new Set(scene.provider.seen('refresh').map((request) => request.form.refresh_token)).size, 1);
  const grant = await scene.admin.grant(scene.grant_id);
  assert.equal(grant.state, 'active');
  assert.equal(grant.generation, 4, 'the code exchange and three refreshes');
});

test('R12: new refresh token, no access token: kept, the failure reported, the next refresh uses it', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
  let fresh;
  scene.provider.next('refresh', { change: ({ access_token: _dropped, ...rest }) => { fresh = rest.refresh_token; return rest; } });
  await refreshNow(scene);
  await assertServed(scene, 'the old access token');
  const grant = await scene.admin.grant(scene.grant_id);
  assert.ok(served.has(grant.state), grant.state);
  assert.match(grant.why, /no access token/, 'the failure is reported');
  await until('the next refresh', async () => {
    if (scene.provider.seen('refresh').length < 2) await refreshNow(scene);
    return scene.provider.seen('refresh').length >= 2;
  });
  assert.equal(scene.provider.seen('refresh')[1].form.refresh_token, fresh);
  assert.deepEqual(scene.provider.spentUses, []);
  await assertServed(scene, 'afterwards');
});

describe('F2: a new refresh token beside an error', () => {
  const answers = {
    'HTTP 200 with an error of its own': { change: (honest) => ({ ...honest, error: 'partial_scope' }) },
    'HTTP 200 with an object for an error': { change: (honest) => ({ ...honest, error: { code: 'warning' } }) },
    'HTTP 400': { status: 400, change: (honest) => ({ ...honest, error: 'temporarily_unavailable' }) },
    'HTTP 500 that says nothing else': { status: 500, change: (honest) => honest },
    'HTTP 503': { status: 503, change: (honest) => ({ ...honest, error: 'server_error' }) },
  };
  for (const [name, plan] of Object.entries(answers)) {
    test(`F2: ${name}: kept, the error reported, the spent one not sent again`, async (t) => {
      const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
      let fresh;
      scene.provider.next('refresh', { ...plan, change: (honest) => { fresh = honest.refresh_token; return plan.change(honest); } });
      await refreshNow(scene);
      const grant = await scene.admin.grant(scene.grant_id);
      assert.ok(served.has(grant.state), `${grant.state}: ${grant.why}`);
      assert.match(grant.why, /new refresh token/, 'the failure is reported');
      await assertServed(scene, 'the old access token');
      await until('the next refresh', async () => {
        if (scene.provider.seen('refresh').length < 2) await refreshNow(scene);
        return scene.provider.seen('refresh').length >= 2;
      });
      assert.equal(scene.provider.seen('refresh')[1].form.refresh_token, fresh);
      assert.deepEqual(scene.provider.spentUses, []);
      await until('it to be in order again', async () => (await scene.admin.grant(scene.grant_id)).state === 'active');
    });
  }
});

test('R10: what stands in the refresh token’s place is none: the one sent may be spent, and is not sent again', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
  scene.provider.next('refresh', { change: (honest) => ({ ...honest, refresh_token: 4711 }) });
  await refreshNow(scene);
  assert.equal((await scene.admin.grant(scene.grant_id)).state, 'uncertain');
  await assertServed(scene, 'while uncertain');
  await assertNoMoreRefreshes(scene.provider, 2500);
  assert.deepEqual(scene.provider.spentUses, []);
});

describe('R13: expires_in', () => {
  for (const [name, value] of Object.entries({ missing: undefined, text: '3600', zero: 0, negative: -1, absurd: 1e12, fraction: 3600.5, word: 'soon', null: null, object: {} })) {
    test(`R13: expires_in ${name}: a sane due time, never "never", never a hot loop`, async (t) => {
      const scene = await authorisedUser(t);
      scene.provider.always('refresh', { change: (reply) => ({ ...reply, expires_in: value }) });
      assert.equal((await refreshNow(scene)).status, 200);
      const grant = await scene.admin.grant(scene.grant_id);
      const due = (Date.parse(grant.next_refresh_at) - Date.now()) / 1000;
      assert.ok(due > 60 && due <= 20 * 60 + 5, `due in ${due} s`);
      const answer = await scene.server.token('printer-1', pin);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.body.expires_in === null || answer.body.expires_in > 0);
      await assertNoMoreRefreshes(scene.provider, 1200);
    });
  }
});

test('R14: a lifetime shorter than the margin: no storm, the token never stale', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', accessLifetime: 2 } });
  const before = scene.provider.seen('refresh').length;
  const end = performance.now() + 8000;
  let stale = 0;
  while (performance.now() < end) {
    const answer = await scene.server.token('printer-1', pin);
    assert.equal(answer.status, 200, answer.text);
    // The provider counts from its answer's departure, this test looks after another answer's arrival: not the server's time.
    if (!scene.provider.honours(answer.body.access_token, { lateMs: 500 })) stale++;
  }
  const refreshes = scene.provider.seen('refresh').length - before;
  assert.ok(refreshes >= 3 && refreshes <= 14, `${refreshes} refreshes in 8 s for a lifetime of 2 s`);
  assert.equal(stale, 0);
});

describe('R16: strange shapes', () => {
  const shapes = {
    'form-encoded': (honest) => ({ headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(honest).toString() }),
    'JSON served as text/plain': (honest) => ({ headers: { 'Content-Type': 'text/plain' }, body: JSON.stringify(honest) }),
    'JSON with a byte order mark': (honest) => ({ headers: { 'Content-Type': 'application/json' }, body: `\uFEFF${JSON.stringify(honest)}` }),
  };
  for (const [name, shape] of Object.entries(shapes)) {
    test(`R16: ${name}: parsed`, async (t) => {
      const scene = await authorisedUser(t);
      const token = scene.provider.seen('code').at(-1).honest;
      const honest = { ...JSON.parse(token.body), access_token: 'at-shaped-by-hand-0123456789' };
      scene.provider.next('refresh', { status: 200, ...shape({ access_token: honest.access_token, token_type: 'Bearer', expires_in: 3600 }) });
      assert.equal((await refreshNow(scene)).status, 200);
      assert.equal((await scene.server.token('printer-1', pin)).body.access_token, honest.access_token);
    });
  }
  const rejected = {
    '2 MB of JSON': JSON.stringify({ access_token: 'x'.repeat(2_000_000), token_type: 'Bearer' }),
    '1 MB of padding': `{"pad":"${'y'.repeat(1_100_000)}","access_token":"at-late"}`,
    'nested 100,000 deep': '['.repeat(100_000),
    'NUL bytes': Buffer.concat([Buffer.from('{"access_token":"at-'), Buffer.alloc(4), Buffer.from('nul","token_type":"Bearer"}')]),
    'an access token with a line feed': '{"access_token":"at-\\nSet-Cookie: x","token_type":"Bearer","expires_in":60}',
    'an empty body': '',
    'half a JSON object': '{"access_token":"at-ha',
  };
  for (const [name, body] of Object.entries(rejected)) {
    test(`R16: ${name}: cleanly rejected, the old token served`, async (t) => {
      const scene = await authorisedUser(t);
      const before = await assertServed(scene, 'before');
      scene.provider.next('refresh', { status: 200, headers: { 'Content-Type': 'application/json' }, body });
      await refreshNow(scene);
      assert.equal(await assertServed(scene, 'afterwards'), before);
      assert.ok(scene.server.running);
      assert.ok(served.has((await scene.admin.grant(scene.grant_id)).state));
    });
  }
});

test('R17: HTTP 200 that carries an error is an error', async (t) => {
  const scene = await authorisedUser(t);
  const before = await assertServed(scene, 'before');
  scene.provider.always('refresh', { commit: false, status: 200, body: { error: 'invalid_grant', error_description: 'revoked' } });
  await refreshNow(scene);
  await until('it to be taken seriously', async () => (await scene.admin.grant(scene.grant_id)).state === 'needs_authorization');
  assert.equal(await assertServed(scene, 'the old token is still good'), before);
});

describe('R18 and R19: not dead', () => {
  const answers = {
    'R18: an HTML 502': { status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html><h1>Bad gateway</h1></html>' },
    'R18: 503 with Retry-After': { status: 503, headers: { 'Retry-After': '120' }, body: '' },
    'R18: 429 without Retry-After': { status: 429, body: '' },
    'R19: 400 temporarily_unavailable': { status: 400, body: { error: 'temporarily_unavailable' } },
    'R19: 401 without a body': { status: 401, body: '' },
    'R19: 403 from a firewall': { status: 403, headers: { 'Content-Type': 'text/html' }, body: '<html>Request blocked. Incident 12345</html>' },
  };
  for (const [name, plan] of Object.entries(answers)) {
    test(`${name}: transient, honoured, bounded`, async (t) => {
      const scene = await authorisedUser(t);
      scene.provider.always('refresh', { commit: false, ...plan });
      await refreshNow(scene);
      const grant = await scene.admin.grant(scene.grant_id);
      assert.ok(served.has(grant.state), `${grant.state}: ${grant.why}`);
      await assertServed(scene, 'meanwhile');
      const wait = (Date.parse(grant.next_refresh_at) - Date.now()) / 1000;
      if (plan.headers?.['Retry-After']) assert.ok(wait > 100 && wait < 300, `tries again in ${wait} s`);
      // Not before its time, which on a slow machine may be near by now.
      const left = Date.parse(grant.next_refresh_at) - Date.now() - 300;
      if (left > 0) await assertNoMoreRefreshes(scene.provider, Math.min(1000, left));
      scene.provider.always('refresh', undefined);
      await until('the recovery', async () => (await refreshNow(scene)).status === 200, { timeout: 30_000, every: 500 });
      assert.equal((await scene.admin.grant(scene.grant_id)).state, 'active');
    });
  }
});

test('R20: invalid_grant once, then success: the user is not lost', async (t) => {
  const scene = await authorisedUser(t);
  scene.provider.next('refresh', { commit: false, status: 400, body: { error: 'invalid_grant' } });
  await refreshNow(scene);
  await until('a second look that succeeds', async () => scene.provider.seen('refresh').length >= 2 && (await scene.admin.grant(scene.grant_id)).state === 'active', { timeout: 20_000 });
  await assertServed(scene, 'afterwards');
});

test('R21: invalid_client for everybody: the app is paused, nobody marked dead, one alert, recovery when mended', async (t) => {
  const { server, admin, provider } = await serverWithProvider(t);
  const grants = [];
  for (let index = 0; index < 5; index++) {
    provider.account = { id: `acc-${index}`, name: `person-${index}@example.com` };
    grants.push(await admin.addOAuthUser({ username: `person-${index}`, pin, type: 'oidc' }));
  }
  const states = async () => Promise.all(grants.map(async ({ grant_id }) => (await admin.grant(grant_id)).state));
  const app = async () => (await admin.must('GET', '/api/v1/apps')).items.find((each) => each.id === 'oidc');
  provider.clientSecret = 'the-new-secret';
  await admin.call('POST', `/api/v1/grants/${grants[0].grant_id}/refresh`);
  await until('the app to be paused', async () => (await app()).state === 'paused');
  assert.deepEqual((await states()).filter((state) => !['paused', 'active'].includes(state)), [], 'nobody is marked dead');
  const asked = provider.seen('refresh').length;
  for (const { grant_id } of grants) await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
  assert.ok(provider.seen('refresh').length - asked <= grants.length, 'a paused app is not hammered');
  const alerts = (await admin.must('GET', '/api/v1/alerts')).items.filter((each) => /oidc/.test(each.title + each.detail + each.link));
  assert.equal(alerts.length, 1, JSON.stringify(alerts));
  assert.equal((await server.token('person-3', pin)).status, 200, 'valid tokens are served meanwhile');

  await admin.registerOidc({ issuer: provider.issuer, clientId: provider.clientId, clientSecret: 'the-new-secret' });
  await until('the recovery', async () => (await states()).every((state) => state === 'active'), { timeout: 100_000, every: 500 });
  assert.equal((await admin.call('POST', `/api/v1/grants/${grants[4].grant_id}/refresh`)).status, 200);
});

test('R23: scope reduced at refresh or at consent: detected and named', async (t) => {
  const scene = await serverWithProvider(t);
  const { admin, provider } = scene;
  await admin.registerOidc({
    clientId: provider.clientId, clientSecret: provider.clientSecret, params: { issuer: provider.issuer, scopes: 'openid offline_access files.read files.write' },
  });
  const whole = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc' });
  assert.deepEqual(whole.missing_scopes, []);
  provider.next('refresh', { change: (reply) => ({ ...reply, scope: 'openid offline_access files.read' }) });
  assert.equal((await refreshNow({ admin, grant_id: whole.grant_id })).status, 200);
  assert.deepEqual((await admin.grant(whole.grant_id)).missing_scopes, ['files.write']);

  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  provider.next('code', { change: (reply) => ({ ...reply, scope: 'openid offline_access files.write' }) });
  const less = await admin.addOAuthUser({ username: 'printer-2', pin, type: 'oidc' });
  assert.deepEqual(less.missing_scopes, ['files.read']);
});

test('R27: revoked at the provider: noticed within one cycle, and not called network trouble', async (t) => {
  const scene = await authorisedUser(t, { provider: { accessLifetime: 6 } });
  scene.provider.revokeEverything();
  const grant = await until('the keeper to notice', async () => {
    const seen = await scene.admin.grant(scene.grant_id);
    return seen.state === 'needs_authorization' ? seen : undefined;
  }, { timeout: 15_000 });
  assert.doesNotMatch(grant.why, /network|unreachable|timeout/i);
  assert.equal((await scene.admin.must('GET', '/api/v1/health-summary')).by_state.needs_authorization, 1);
});

test('C6: a redirect of the token endpoint is not followed and the secret goes nowhere else', async (t) => {
  const { ScriptedProvider } = await import('../support/scripted_provider.mjs');
  const thief = await ScriptedProvider.start(t);
  const scene = await authorisedUser(t, { config: { 'outbound.allow': [`127.0.0.1:${thief.port}`] } });
  for (const status of [302, 307, 308]) {
    scene.provider.next('refresh', { commit: false, status, headers: { Location: `${thief.origin}/token` }, body: '' });
    await refreshNow(scene);
  }
  assert.equal(thief.requests.length, 0);
  await assertServed(scene, 'afterwards');
});

test('C6: an issuer at a link-local, metadata or unlisted loopback address is refused', async (t) => {
  const { admin } = await serverWithProvider(t);
  for (const issuer of ['http://169.254.169.254', 'https://169.254.169.254', 'http://127.0.0.1:1', 'https://[::ffff:169.254.169.254]', 'https://[fe80::1]']) {
    const put = await admin.call('PUT', '/api/v1/apps/elsewhere', { provider: 'oidc', client_id: 'x', params: { issuer } });
    if (put.status < 300) {
      const attempt = await admin.call('POST', '/api/v1/authorizations', {
        group_id: await admin.group('Office'), type: 'oidc', app: 'elsewhere', username: 'nobody-yet', pin, allow_token: true,
      });
      assert.ok(attempt.status >= 400, `${issuer} was accepted`);
    } else {
      assert.equal(put.status, 422, `${issuer}: ${put.text}`);
    }
  }
});

test('shutdown waits for an exchange in flight and keeps its reply', async (t) => {
  const scene = await authorisedUser(t, { provider: { rotation: 'single-use', revokesFamily: true } });
  const slow = gate();
  scene.provider.next('refresh', { gate: slow.passed });
  const asked = refreshNow(scene).catch(() => undefined);
  await until('the refresh to arrive', () => scene.provider.seen('refresh').length === 1);
  const stopping = scene.server.stop();
  setTimeout(() => slow.open(), 700);
  const { status, signal } = await stopping;
  assert.deepEqual({ status, signal }, { status: 0, signal: null });
  await asked;
  await scene.server.launch();
  await scene.admin.signIn();
  assert.equal((await refreshNow(scene)).status, 200);
  assert.deepEqual(scene.provider.spentUses, []);
});
