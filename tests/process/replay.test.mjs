// What a type's own rules change: replay policies (F1), early refresh (R15), error maps, and several types of one user.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorisedUser, pin, userUnderRules } from '../support/scene.mjs';
import { providerFile } from '../support/provider_file.mjs';
import { until } from '../support/wait.mjs';

const refreshNow = ({ admin, grant_id }) => admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
const stateOf = async ({ admin, grant_id }) => (await admin.grant(grant_id)).state;

test('R1, F1 grace: cut after the headers, the same token is sent again within the grace and the grant survives', async (t) => {
  const scene = await userUnderRules(t, { type: { replay: 'grace', grace_s: 60 }, provider: { graceSeconds: 60 } });
  scene.provider.next('refresh', { cutAfter: 'headers' });
  await refreshNow(scene);
  await until('the repetition', async () => (await stateOf(scene)) === 'active' && scene.provider.seen('refresh').length === 2, { timeout: 30_000 });
  const sent = scene.provider.seen('refresh').map((request) => request.form.refresh_token);
  assert.equal(sent[0], sent[1]);
  assert.deepEqual(scene.provider.spentUses, []);
  const token = await scene.server.token('printer-1', pin);
  assert.ok(scene.provider.honours(token.body.access_token));
  assert.equal((await refreshNow(scene)).status, 200, 'the chain goes on');
});

test('R1, F1 harmless: an ambiguous attempt is repeated at once', async (t) => {
  const scene = await userUnderRules(t, { type: { replay: 'harmless', rotation: 'none' }, provider: { rotation: 'none' } });
  scene.provider.next('refresh', { cutAfter: 3 }, { cutAfter: 0, reset: true });
  await refreshNow(scene);
  await until('the repetition', async () => (await stateOf(scene)) === 'active' && scene.provider.seen('refresh').length >= 3, { timeout: 30_000 });
});

test('F1 refused: repeated once, then the refusal is final only with nothing better at hand; the token is served', async (t) => {
  const scene = await userUnderRules(t, { type: { replay: 'refused' } });
  scene.provider.next('refresh', { cutAfter: 'headers' });
  await refreshNow(scene);
  await until('the one repetition', () => scene.provider.seen('refresh').length >= 2, { timeout: 30_000 });
  const token = await scene.server.token('printer-1', pin);
  assert.equal(token.status, 200, 'the access token is still good');
  assert.ok(scene.provider.seen('refresh').length <= 3);
});

test('F1 revokes_family: tried once at the emergency window, when nothing is left to lose', async (t) => {
  const scene = await userUnderRules(t, { provider: { revokesFamily: true, accessLifetime: 24 } });
  scene.provider.next('refresh', { cutAfter: 'headers' });
  const started = Date.now();
  await refreshNow(scene);
  assert.equal(await stateOf(scene), 'uncertain');
  assert.equal(scene.provider.seen('refresh').length, 1);
  assert.equal((await scene.server.token('printer-1', pin)).status, 200);
  await until('the last try', () => scene.provider.seen('refresh').length === 2, { timeout: 30_000 });
  const seconds = (scene.provider.seen('refresh')[1].at - started) / 1000;
  assert.ok(seconds > 8, `tried again after ${seconds} s already`);
});

test('R15: an early refresh is refused by the provider until shortly before expiry: obeyed, the token never stale', async (t) => {
  const scene = await userUnderRules(t, {
    file: { quirks: [{ quirk: 'early_refresh_refused', value: 4 }] }, provider: { accessLifetime: 12 },
  });
  let issued = Date.now();
  let early = 0;
  scene.provider.always('refresh', () => {
    const left = 12 - (Date.now() - issued) / 1000;
    if (left > 4.5) {
      early++;
      return { commit: false, status: 400, body: { error: 'invalid_request', error_description: 'too early' } };
    }
    issued = Date.now();
    return {};
  });
  const end = Date.now() + 27_000;
  let staleSince = 0;
  let longest = 0;
  while (Date.now() < end) {
    const answer = await scene.server.token('printer-1', pin);
    const good = answer.status === 200 && scene.provider.honours(answer.body.access_token);
    staleSince = good ? 0 : staleSince || Date.now();
    if (staleSince) longest = Math.max(longest, Date.now() - staleSince);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(early, 0, 'asked too early');
  assert.ok(longest <= 1000, `stale for ${longest} ms`);
  assert.ok(scene.provider.seen('refresh').length >= 2);
  const asked = await refreshNow(scene);
  assert.ok([200, 409].includes(asked.status));
  if (asked.status === 409) assert.equal(asked.code, 'too_early');
});

test('a type’s own error map: what elsewhere is transient kills here, and the other way round', async (t) => {
  const errors = [
    { where: 'token', error: 'session_ended', meaning: 'dead_grant' },
    { where: 'token', error: 'invalid_grant', match: 'maintenance', meaning: 'transient' },
  ];
  const scene = await userUnderRules(t, { type: { errors } });
  scene.provider.next('refresh', { commit: false, status: 400, body: { error: 'invalid_grant', error_description: 'Maintenance window' } });
  await refreshNow(scene);
  assert.ok(['active', 'unreachable'].includes(await stateOf(scene)));
  scene.provider.always('refresh', { commit: false, status: 400, body: { error: 'session_ended' } });
  await refreshNow(scene);
  await until('the death', async () => (await stateOf(scene)) === 'needs_authorization', { timeout: 20_000 });
});

test('two types of one user: 400 type_required names them, each is handed out by name', async (t) => {
  const scene = await userUnderRules(t);
  await scene.admin.addOAuthUser({ link_user_id: scene.user_id, type: 'oidc' });
  const neither = await scene.server.token('printer-1', pin);
  assert.equal(neither.status, 400);
  assert.equal(neither.code, 'type_required');
  assert.deepEqual(neither.body.types, ['oidc', 'scripted-type']);
  const tokens = [];
  for (const type of ['oidc', 'scripted-type']) {
    const answer = await scene.server.token('printer-1', pin, { type });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.type, type);
    tokens.push(answer.body.access_token);
  }
  assert.notEqual(tokens[0], tokens[1]);
});

test('a provider file with a mistake stops the start and names file, place and remedy', async (t) => {
  const scene = await authorisedUser(t);
  await scene.server.stop();
  scene.server.options.providerFiles = { 'mine.json': { ...providerFile({ types: { mine: {} } }), colour: 'red' } };
  scene.server.stdout = '';
  scene.server.stderr = '';
  await scene.server.launch({ expectReady: false });
  assert.notEqual((await scene.server.ended).status, 0);
  assert.match(scene.server.logs, /mine\.json/);
  assert.match(scene.server.logs, /colour/);
  scene.server.options.providerFiles = { 'mine.json': providerFile({ types: { mine: {} } }) };
  await scene.server.launch();
  assert.equal((await scene.server.token('printer-1', pin)).status, 200);
});
