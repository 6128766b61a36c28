// Revocation and leaving: what is given up here is given back at the provider, however often the server dies meanwhile.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { authorisedUser, pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const waiting = async (admin) => (await admin.must('GET', '/api/v1/health')).revocations.waiting;
const revoked = (provider) => provider.seen('revoke').length;

test('F7: a deleted grant is revoked, also after the provider was down and the server was killed', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t);
  await provider.goAway();
  const answer = await admin.must('DELETE', `/api/v1/grants/${grant_id}`);
  assert.equal(answer.revocation, 'perhaps', 'what such a provider offers it says itself');
  assert.match(answer.detail, /is asked to revoke it if it offers a way/);
  await until('a try to have failed', async () => {
    const { items } = (await admin.must('GET', '/api/v1/health')).revocations;
    return items.length === 1 && items[0].attempts === 1 && /cannot be reached/.test(items[0].why);
  });
  await server.kill();
  await provider.comeBack();
  await server.launch();
  await admin.signIn();
  assert.equal(await waiting(admin), 1, 'the work survived the kill');
  assert.match(await server.metrics(), /latchkey_revocations_waiting 1/);
  const health = await server.cli(['health', '--json']);
  assert.equal(JSON.parse(health.stdout).revocations.waiting, 1);
  await until('the provider to be told', () => revoked(provider) === 1, { timeout: 60_000 });
  await until('the queue to be empty', async () => (await waiting(admin)) === 0);
  const trail = await admin.must('GET', '/api/v1/activity?action=grant.');
  assert.ok(trail.items.some((each) => each.action === 'grant.revoked_at_provider'));
});

test('what waits goes through a new master key, a backup and a restore', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t);
  await admin.set('keys.rotation_rest', '1s');
  await provider.goAway();
  await admin.must('DELETE', `/api/v1/grants/${grant_id}`);
  await until('a try to have failed', async () => (await admin.must('GET', '/api/v1/health')).revocations.items[0]?.attempts === 1);
  const rotated = await server.cli(['keys', 'rotate', '--json']);
  assert.equal(rotated.status, 0, rotated.stderr);
  const passphrase = await server.file('passphrase', 'eleven purple ladders\n');
  const file = path.join(server.folder, 'office.lkb');
  const made = await server.cli(['backup', file, '--passphrase-file', passphrase]);
  assert.equal(made.status, 0, made.stderr);
  await server.stop();
  await rm(server.data, { recursive: true });
  const restored = await server.cli(['restore', file, '--passphrase-file', passphrase]);
  assert.equal(restored.status, 0, restored.stderr);
  await provider.comeBack();
  await server.launch();
  await until('the provider to be told', () => revoked(provider) === 1, { timeout: 80_000 });
  assert.match(server.logs, /given_back/);
});

test('disabling revokes, but not when it is taken back in time', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t);
  await admin.set('revoke.disabled_after', '15s');
  await admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: false });
  await admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: true });
  await until('the queue to have let go', async () => (await waiting(admin)) === 0, { timeout: 60_000 });
  assert.equal(revoked(provider), 0);
  assert.equal((await server.token('printer-1', pin)).status, 200, 'nothing was lost');
  await admin.set('revoke.disabled_after', '1s');

  await admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: false });
  const gone = await until('the grant to be revoked', async () => {
    const seen = await admin.grant(grant_id);
    return seen.state === 'revoked' ? seen : undefined;
  }, { timeout: 60_000 });
  assert.match(gone.why, /Authorise it again/);
  await until('the provider to be told', () => revoked(provider) === 1);
  assert.equal((await server.token('printer-1', pin)).status, 409);
  const enabled = await admin.call('PATCH', `/api/v1/grants/${grant_id}`, { enabled: true });
  assert.equal(enabled.status, 409);
  assert.equal(enabled.code, 'authorization_needed');
  const again = await admin.authorize({ replace_grant_id: grant_id });
  assert.equal(again.state, 'completed', JSON.stringify(again.problem));
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

test('switching a user off revokes what the user holds', async (t) => {
  const { admin, provider, user_id, grant_id } = await authorisedUser(t);
  await admin.set('revoke.disabled_after', '1s');
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: false });
  await until('the provider to be told', () => revoked(provider) === 1, { timeout: 60_000 });
  assert.equal((await admin.grant(grant_id)).state, 'revoked');
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: true });
  assert.equal((await admin.grant(grant_id)).state, 'revoked', 'a revoked consent does not come back by itself');
});

test('nothing is revoked while another grant rests on the same consent, and it is when that one goes', async (t) => {
  const { admin, provider, grant_id } = await authorisedUser(t);
  const attempt = await admin.authorize({ username: 'printer-2', pin, type: 'oidc' });
  if (attempt.state === 'needs_confirmation' || attempt.state === 'held') await admin.mustAnswer(attempt.id, true);
  const other = (await admin.must('GET', '/api/v1/users?search=printer-2')).items[0].grants[0].id;
  await admin.must('DELETE', `/api/v1/grants/${grant_id}`);
  await until('the queue to say why it waits', async () => {
    const { items } = (await admin.must('GET', '/api/v1/health')).revocations;
    return items.some((each) => /rests on the same consent/.test(each.why));
  });
  assert.equal(revoked(provider), 0);
  await admin.must('DELETE', `/api/v1/grants/${other}`);
  await until('the last one to be told', () => revoked(provider) >= 1);
});

test('the bad day: every grant revoked at once, users and PINs stay', async (t) => {
  const { server, admin, provider, grant_id } = await authorisedUser(t);
  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  await admin.addOAuthUser({ username: 'printer-2', pin, type: 'oidc' });
  const dry = await server.cli(['grant', 'revoke', '--all', '--dry-run', '--json']);
  assert.deepEqual(JSON.parse(dry.stdout), { grants: 2, by_hand: {}, perhaps: { 'Any OpenID Connect server': 2 }, dry_run: true });
  const unsure = await server.cli(['grant', 'revoke', '--all'], { input: 'yes\n' });
  assert.equal(unsure.status, 1);
  assert.match(unsure.stderr, /nothing was revoked/);
  assert.equal((await admin.grant(grant_id)).state, 'active');
  const other = await server.cli(['grant', 'revoke', '--all', '--app', 'another', '--confirm', 'revoke all']);
  assert.equal(other.status, 1, 'a misspelt app is not "nothing to revoke"');
  assert.match(other.stderr, /no app named another/);
  const type = await server.cli(['grant', 'revoke', '--all', '--type', 'gmail', '--confirm', 'revoke all']);
  assert.match(type.stdout, /^0 grants of the type gmail would be revoked/);
  assert.equal((await admin.grant(grant_id)).state, 'active', 'other types stay as they are');
  const of_type = await server.cli(['grant', 'revoke', '--all', '--type', 'oidc', '--dry-run']);
  assert.match(of_type.stdout, /^2 grants of the type oidc would be revoked/);
  const done = await server.cli(['grant', 'revoke', '--all'], { input: 'revoke all\n' });
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, /2 grants are revoked here/);
  await until('both to be told to the provider', () => revoked(provider) === 2);
  assert.equal((await server.token('printer-1', pin)).status, 409);
  const users = await admin.must('GET', '/api/v1/users?state=revoked');
  assert.equal(users.total, 2);
  assert.equal(users.items[0].has_pin, true);
  const again = await admin.authorize({ replace_grant_id: grant_id, });
  assert.equal(again.state === 'completed' || again.state === 'needs_confirmation', true, JSON.stringify(again.problem));
});
