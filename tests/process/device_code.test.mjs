// Consent with a device code (RFC 8628): who may begin, how the provider is asked, and what a restart or a crash leaves.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { answerSchema, faults } from '../support/contract.mjs';
import { readJournal } from '../support/kill/journal_file.mjs';
import { slowness } from '../support/latchkey.mjs';
import { readPrintedQr } from '../support/qr.mjs';
import { pin, serverWithProvider } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const request = { username: 'printer-1', pin, type: 'oidc', way: 'device_code' };

/** A scene in which the type oidc may be authorised with a device code. */
async function scene(t, options = {}) {
  const all = await serverWithProvider(t, options);
  await all.admin.set('authorize.device_code_types', 'oidc');
  return all;
}

const polls = (provider) => provider.seen('poll');
/** Waits until the provider has been asked so often about device codes. */
const asked = (provider, times) => until(`${times} questions`, () => polls(provider).length >= times, { timeout: 60_000 * slowness });
/** Milliseconds between the answer to a question and the next question. */
const gaps = (provider) => polls(provider).slice(1).map((each, n) => each.at - polls(provider)[n].answeredAt);

async function nobodyNamed(admin, name) {
  assert.equal((await admin.must('GET', `/api/v1/users?search=${name}`)).total, 0, 'a half-made user was left');
}

test('A5: off by default, for each type; a provider without device codes is named', async (t) => {
  const { admin, provider } = await serverWithProvider(t);
  const offered = async () => (await admin.must('GET', '/api/v1/types')).items.find((each) => each.id === 'oidc').device_code;
  const refused = async (code) => {
    const answer = await admin.call('POST', '/api/v1/authorizations', { allow_token: true, group_id: await admin.group('Office'), ...request });
    assert.equal(answer.status, 409, answer.text);
    assert.equal(answer.code, code);
    await nobodyNamed(admin, request.username);
  };
  assert.equal(await offered(), false);
  await refused('device_code_off');
  await admin.set('authorize.device_code_types', 'box, onedrive');
  await refused('device_code_off');
  assert.equal(provider.seen('device').length, 0, 'the provider is not even asked');
  assert.equal((await admin.call('PUT', '/api/v1/registry/authorize.device_code_types', { value: 'box, One Drive' })).status, 422);
  await admin.set('authorize.device_code_types', 'box, oidc');
  assert.equal(await offered(), true);
  provider.next('device', { commit: false, status: 400, body: { error: 'unauthorized_client' } });
  await refused('misconfigured');
  provider.next('device', { commit: false, status: 503, body: '<html>' });
  const trouble = await admin.call('POST', '/api/v1/authorizations', { allow_token: true, group_id: await admin.group('Office'), ...request });
  assert.equal(trouble.code, 'provider_unreachable', trouble.text);
});

test('A5: a provider whose description names no address for device codes', async (t) => {
  const { admin, provider } = await scene(t);
  provider.always('discovery', { change: ({ device_authorization_endpoint: _, ...rest }) => rest });
  const answer = await admin.call('POST', '/api/v1/authorizations', { allow_token: true, group_id: await admin.group('Office'), ...request });
  assert.equal(answer.code, 'device_code_unsupported', answer.text);
});

test('A4: a consent by device code is held until the account shown has been approved', async (t) => {
  const { admin, server, provider } = await scene(t);
  const started = await admin.startAuthorization(request);
  assert.deepEqual(faults(started, answerSchema('POST', '/api/v1/authorizations', 201)), []);
  assert.equal(started.way, 'device_code');
  assert.equal(started.start_url, '');
  assert.match(started.device.user_code, /^WDJB-/);
  assert.equal(started.device.verification_uri, `${provider.origin}/device`);
  assert.ok(Date.parse(started.expires_at) - Date.now() > 9 * 60_000, 'as long as the provider says');
  await asked(provider, 2);
  const pending = await admin.must('GET', `/api/v1/authorizations/${started.id}`);
  assert.deepEqual(faults(pending, answerSchema('GET', '/api/v1/authorizations/{id}')), []);
  assert.equal(pending.state, 'pending');
  assert.deepEqual(pending.device, started.device);
  assert.ok(gaps(provider).every((gap) => gap >= 990), `asked again after ${gaps(provider)} ms`);
  provider.enterCode(started.device.user_code);
  const held = await admin.outcome(started.id);
  assert.equal(held.state, 'held', JSON.stringify(held));
  assert.equal(held.device, null);
  assert.equal(held.confirmation.now.name, 'anna@example.com');
  await nobodyNamed(admin, request.username);
  assert.equal((await server.token(request.username, pin)).status, 401);
  assert.equal((await admin.mustAnswer(started.id, true)).state, 'completed');
  assert.equal((await server.token(request.username, pin)).status, 200);
  const times = polls(provider).length;
  await asked(provider, times);
  assert.equal(provider.seen('refresh').length, 0);
  const metrics = await server.metrics();
  assert.match(metrics, /latchkey_device_codes_begun_total 1\n/);
  assert.match(metrics, /latchkey_device_codes_total\{outcome="granted"\} 1\n/);
  assert.match(metrics, new RegExp(`latchkey_device_polls_total ${times}\\n`));
});

test('A4: rejected: nothing is kept, and the tokens are given back', async (t) => {
  const { admin, provider } = await scene(t);
  const started = await admin.startAuthorization(request);
  provider.enterCode(started.device.user_code, 'allow', { id: 'acc-9', name: 'mallory@example.com' });
  assert.equal((await admin.outcome(started.id)).confirmation.now.name, 'mallory@example.com');
  assert.equal((await admin.mustAnswer(started.id, false)).state, 'cancelled');
  await until('the tokens to be given back', () => provider.seen('revoke').length > 0);
  await nobodyNamed(admin, request.username);
});

test('A4: an account pinned beforehand needs no approval; another one than pinned or than before is asked about', async (t) => {
  const { admin, provider } = await scene(t);
  const pinned = await admin.startAuthorization({ ...request, expected_account: provider.account.id });
  provider.enterCode(pinned.device.user_code);
  const first = await admin.outcome(pinned.id);
  assert.equal(first.state, 'completed', JSON.stringify(first));
  const again = await admin.startAuthorization({ replace_grant_id: first.result.grant_id, way: 'device_code' });
  provider.enterCode(again.device.user_code);
  assert.equal((await admin.outcome(again.id)).state, 'completed');
  const other = await admin.startAuthorization({ replace_grant_id: first.result.grant_id, way: 'device_code' });
  provider.enterCode(other.device.user_code, 'allow', { id: 'acc-9', name: 'mallory@example.com' });
  const question = await admin.outcome(other.id);
  assert.equal(question.state, 'needs_confirmation');
  assert.equal(question.confirmation.code, 'account_differs');
});

test('RFC 8628 3.5: slow_down adds five seconds for good, over a restart as well', async (t) => {
  const { admin, server, provider } = await scene(t);
  provider.next('poll', { commit: false, status: 400, body: { error: 'slow_down' } });
  const started = await admin.startAuthorization(request);
  await asked(provider, 2);
  assert.ok(gaps(provider)[0] >= 5990, `asked again after ${gaps(provider)[0]} ms`);
  await server.restart();
  const readyAt = Date.now();
  await asked(provider, 3);
  assert.ok(polls(provider)[2].at - readyAt > 4500, `asked ${polls(provider)[2].at - readyAt} ms after the restart`);
  provider.enterCode(started.device.user_code);
  assert.equal((await admin.outcome(started.id, 20_000 * slowness)).state, 'held');
});

test('RFC 8628 3.5: without an answer, or with the provider in trouble, the wait doubles, and the code is not given up', async (t) => {
  const { admin, provider } = await scene(t);
  provider.next('poll', { commit: false, cutAfter: 0 }, { commit: false, status: 503, body: '<html>503</html>' });
  const started = await admin.startAuthorization(request);
  await asked(provider, 3);
  const [first, second] = gaps(provider);
  assert.ok(first >= 1990 && second >= 3990, `asked again after ${first} and ${second} ms`);
  provider.enterCode(started.device.user_code);
  assert.equal((await admin.outcome(started.id)).state, 'held');
});

test('RFC 8628 3.5: denied, expired, refused: said in words, nothing left behind, no question more', async (t) => {
  const { admin, server, provider } = await scene(t);
  const ends = async (error, state, code) => {
    provider.next('poll', { commit: false, status: 400, body: { error } });
    const started = await admin.startAuthorization(request);
    const attempt = await admin.outcome(started.id);
    assert.equal(attempt.state, state, `${error}: ${JSON.stringify(attempt)}`);
    assert.equal(attempt.problem.code, code);
    assert.ok(attempt.problem.detail.length > 10, attempt.problem.detail);
    await nobodyNamed(admin, request.username);
  };
  await ends('access_denied', 'failed', 'access_denied');
  await ends('expired_token', 'expired', 'expired');
  await ends('invalid_grant', 'failed', 'invalid_grant');
  const metrics = await server.metrics();
  for (const outcome of ['denied', 'expired', 'failed']) assert.match(metrics, new RegExp(`latchkey_device_codes_total\\{outcome="${outcome}"\\} 1\\n`));
  assert.equal(polls(provider).length, 3);
});

test('a cancelled code is asked about no more, and what it brings in that moment is given back', async (t) => {
  const { admin, provider } = await scene(t);
  let answer;
  provider.next('poll', { gate: new Promise((resolve) => { answer = resolve; }) });
  const started = await admin.startAuthorization(request);
  provider.enterCode(started.device.user_code);
  await asked(provider, 1);
  assert.equal((await admin.must('POST', `/api/v1/authorizations/${started.id}/cancel`)).state, 'cancelled');
  answer();
  await until('the tokens to be given back', () => provider.seen('revoke').length > 0);
  await nobodyNamed(admin, request.username);
  assert.equal(polls(provider).length, 1);
});

test('F5, F7: the server is restarted and killed while a code waits: it goes on, and is asked about by one alone', async (t) => {
  const { admin, server, provider } = await scene(t);
  const started = await admin.startAuthorization(request);
  await asked(provider, 1);
  await server.restart();
  const before = polls(provider).length;
  await asked(provider, before + 1);
  await server.kill();
  const seen = polls(provider).length;
  provider.enterCode(started.device.user_code);
  await server.launch();
  const held = await admin.outcome(started.id, 20_000 * slowness);
  assert.equal(held.state, 'held', JSON.stringify(held));
  assert.equal(polls(provider).length, seen + 1, 'one question brought the answer');
});

test('F5: killed when the provider has granted: a kept answer is held for approval, one that was lost says so', async (t) => {
  const { admin, server, provider } = await scene(t);
  await admin.group('Office');
  const outcomes = { held: 0, failed: 0 };
  for (const wait of [null, 0, 1, 2, 4, 30]) {
    const username = `person-${wait}`;
    const recorded = () => readJournal(`${server.data}/journal`).records.filter((record) => record.generation === 0).length;
    const known = recorded();
    const started = await admin.startAuthorization({ ...request, username });
    await until('the first answer to be recorded', () => recorded() === known + 1);
    provider.enterCode(started.device.user_code, 'allow', { id: `acc-${username}`, name: `${username}@example.com` });
    provider.watch = (stage, each) => {
      if (each.leg !== 'poll' || each.form.device_code === undefined) return;
      if (stage === 'committed' && wait === null) server.child.kill('SIGKILL');
      if (stage === 'sent' && wait !== null) setTimeout(() => server.child.kill('SIGKILL'), wait);
    };
    await server.ended;
    provider.watch = () => {};
    const kept = recorded() > known + 1;
    await server.launch();
    const attempt = await admin.outcome(started.id, 20_000 * slowness);
    assert.equal(attempt.state, kept ? 'held' : 'failed', `${wait}: ${JSON.stringify(attempt)}`);
    outcomes[attempt.state]++;
    if (kept) await admin.mustAnswer(started.id, true);
    assert.equal((await admin.must('GET', `/api/v1/users?search=${username}`)).total, kept ? 1 : 0);
  }
  assert.ok(outcomes.held > 0 && outcomes.failed > 0, JSON.stringify(outcomes));
});

test('P7: neither device code nor user code stands in clear in the data folder or the log', async (t) => {
  const { admin, server, provider } = await scene(t);
  const started = await admin.startAuthorization(request);
  await asked(provider, 2);
  const secrets = [polls(provider)[0].form.device_code, started.device.user_code];
  const places = [['the log', server.logs]];
  for (const name of await readdir(server.data, { recursive: true })) {
    const text = await readFile(path.join(server.data, name)).catch(() => undefined);
    if (text) places.push([name, text]);
  }
  assert.ok(places.length > 3);
  for (const [name, text] of places) for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} stands in ${name}`);
});

test('grant add --device-code prints address, code and a QR code that a reader reads; with --wait how it ended', async (t) => {
  const { server, provider, admin } = await scene(t);
  await admin.group('Office');
  const pinFile = await server.file('pin', pin);
  const adding = server.cli(['grant', 'add', 'dora', '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile, '--device-code', '--qr', '--wait']);
  await asked(provider, 1);
  const [attempt] = (await admin.must('GET', '/api/v1/authorizations')).items;
  provider.enterCode(attempt.device.user_code);
  const added = await adding;
  assert.equal(added.status, 1, 'it waits for approval');
  assert.ok(added.stdout.includes(attempt.device.user_code) && added.stdout.includes(`${provider.origin}/device`), added.stdout);
  assert.equal(readPrintedQr(added.stdout), attempt.device.verification_uri_complete || attempt.device.verification_uri, added.stdout);
  assert.match(added.stdout, /anna@example\.com[^]*its id +acc-1\n[^]*latchkey grant approve/);
  assert.equal((await server.cli(['grant', 'approve', 'dora', '--account', provider.account.id])).status, 0);
  assert.equal((await server.cli(['grant', 'add', 'emil', '--group', 'Office', '--type', 'box', '--pin-file', pinFile, '--device-code'])).status, 1);
});
