// A provider that wants a secret, by way of a Cloud Service that has it (exchange mode), and one that takes signed assertions
// (assertion mode): the real relay, real offices, and the certified provider with rotation and reuse detection.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { files, operations } from '../support/kill/faults.mjs';
import { binary, run, slowness } from '../support/latchkey.mjs';
import { codeForm, consenting, enrolledOffice, Relay, relayWithClient } from '../support/relay.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { gate, until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const request = { username: 'printer-1', pin, type: 'oidc' };

/** Consents at an enrolled office; gives { office, grantId, seen }. */
async function authorised(t, scene, { label = 'North Ltd', members = request } = {}) {
  const office = await enrolledOffice(t, scene, label);
  const seen = [];
  const { grant_id: grantId } = await office.admin.addOAuthUser({ ...members, visit: consenting(scene, seen) });
  return { office, grantId, seen };
}
const refreshes = (scene) => scene.oidc.events.filter((each) => each.name === 'grant.success' && each.grantType === 'refresh_token').length;
const refresh = (office, grantId) => office.admin.call('POST', `/api/v1/grants/${grantId}/refresh`);
const settled = (office, grantId, what, state) => until(what, async () => {
  const grant = await office.admin.grant(grantId);
  return state(grant) ? grant : undefined;
}, { timeout: 45_000 * slowness });
async function assertServed(office, message) {
  const answer = await office.token('printer-1', pin);
  assert.equal(answer.status, 200, `${message}: ${answer.text}`);
}

test('S3 S4: the page says before consent that the relay sees tokens; consent and refreshes go by way of it, and what it kept is acknowledged', async (t) => {
  const scene = await relayWithClient(t);
  const { office, grantId, seen } = await authorised(t, scene);
  assert.match(seen[0], /sees what gives access to your account in passing/);
  assert.doesNotMatch(seen[0], /gives no access to your account/);
  assert.ok(seen[0].indexOf('What gives access to your account, in passing') < seen[0].indexOf('<button'), 'above the button');
  const { apps: [app] } = await office.admin.must('GET', '/api/v1/cloud-service');
  assert.deepEqual([app.mode, app.types], ['exchange', ['oidc']]);
  assert.match((await office.cli(['cloud', 'show'])).stdout, /exchange/);
  for (const generation of [2, 3]) {
    const refreshed = await refresh(office, grantId);
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.equal((await office.admin.grant(grantId)).generation, generation);
  }
  assert.equal(refreshes(scene), 2);
  assert.equal(scene.oidc.count('grant.error'), 0);
  await assertServed(office, 'after two refreshes');
  await until('the acknowledgements', async () => /replies_total\{event="acknowledged"\} 3/.test(await (await fetch(`${scene.relay.url}/metrics`)).text()));
  const metrics = await (await fetch(`${scene.relay.url}/metrics`)).text();
  assert.match(metrics, /latchkey_relay_exchanges_total\{outcome="answered"\} 3/);
  assert.match(metrics, /latchkey_relay_replies_total\{event="repeated"\} 0/);

  // P7: nothing that opens anything is logged.
  for (const logs of [scene.relay.logs, office.logs]) {
    assert.ok(!logs.includes(scene.oidc.clientSecret));
    assert.doesNotMatch(logs, /lkr1\.|refresh_token=|code_verifier|client_secret=/);
  }

  // What cannot be had this way says so.
  await office.admin.set('authorize.device_code_types', 'oidc');
  const device = await office.admin.call('POST', '/api/v1/authorizations', { ...request, username: 'printer-2', group_id: await office.admin.group('Office'), way: 'device_code' });
  assert.equal(device.code, 'device_code_unsupported', device.text);
  const type = (await office.admin.must('GET', '/api/v1/types')).items.find((each) => each.id === 'oidc');
  const [{ id, device_code: offered }] = type.apps;
  assert.deepEqual([type.device_code, offered], [true, false], 'nor is it offered');
  const imported = await office.cli(['grant', 'import', 'printer-3', '--group', 'Office', '--type', 'oidc', '--app', id, '--pin-file', await office.file('pin', pin), '--refresh-token-file', await office.file('token', 'rt')]);
  assert.equal(imported.status, 1);
  assert.match(imported.stderr, /app of one's own only/);
});

describe('the relay is killed with SIGKILL', () => {
  /** A grant that has been refreshed once in this life of the relay, so that its file's log has begun. */
  async function killable(t, oidc = {}) {
    const scene = await relayWithClient(t, { faults: true, oidc });
    const parts = await authorised(t, scene);
    await until('the acknowledgement', async () => /acknowledged"\} 1/.test(await (await fetch(`${scene.relay.url}/metrics`)).text()));
    return { ...scene, ...parts, scene };
  }
  /** The request that is under way while the relay dies, and the relay started again. */
  async function killedDuring({ scene, office, grantId }, what) {
    const answer = refresh(office, grantId);
    await until(`the relay to die ${what}`, () => !scene.relay.running);
    scene.faults.disarm();
    const asked = scene.oidc.tokenRequests;
    await scene.relay.launch();
    return { answer, asked };
  }
  const write = { file: files.log, operation: operations.write };
  const sync = { file: files.log, operation: operations.sync };

  test('S4: before the intent is durable, after the reply is durable, and before it is acknowledged: the refresh comes to its end, and is posted once', async (t) => {
    const all = await killable(t);
    const { scene, office, grantId } = all;
    let generation = 1;
    const ends = async (what, { asked, answer }, repeated) => {
      await answer;
      generation += 1;
      await settled(office, grantId, `the refresh after a death ${what}`, (grant) => grant.generation === generation && grant.state === 'active');
      assert.equal(scene.oidc.tokenRequests, asked, what);
      assert.equal(scene.oidc.count('grant.error'), 0, what);
      assert.equal(await scene.relay.metric('latchkey_relay_replies_total{event="repeated"}'), repeated, what);
    };
    scene.faults.arm({ ...write, action: 'before' });
    const before = await killedDuring(all, 'before the intent');
    before.asked += 1;  // it is posted after the restart
    await ends('before the intent', before, 0);

    scene.oidc.beforeToken = async () => scene.faults.arm({ ...sync, action: 'after' });
    const durable = await killedDuring(all, 'after the reply is durable');
    scene.oidc.beforeToken = async () => {};
    await ends('after the reply is durable', durable, 1);

    scene.oidc.beforeToken = async () => scene.faults.arm({ ...sync, nth: 2, action: 'before' });
    const unacknowledged = await killedDuring(all, 'before the acknowledgement');
    scene.oidc.beforeToken = async () => {};
    await ends('before the acknowledgement', unacknowledged, 0);

    const once_more = await refresh(office, grantId);
    assert.equal(once_more.status, 200, once_more.text);
    assert.equal((await office.admin.grant(grantId)).generation, generation + 1);
  });

  test('S4 F1: after the intent and before the POST: nobody knows, so nothing is posted again before nothing is left to lose; then it is, and works', async (t) => {
    const all = await killable(t, { accessLifetime: 40 });
    const { scene, office, grantId } = all;
    scene.faults.arm({ ...sync, action: 'after' });
    const { asked, answer } = await killedDuring(all, 'before the POST');
    await answer;
    const grant = await settled(office, grantId, 'the grant to say so', (each) => each.state === 'uncertain');
    assert.match(grant.why, /does not know what came of it/);
    assert.equal(scene.oidc.tokenRequests, asked, 'the same turn is never posted twice');
    await assertServed(office, 'meanwhile');
    await settled(office, grantId, 'the refresh near the token\'s end', (each) => each.state === 'active' && each.generation === 2);
    assert.equal(scene.oidc.tokenRequests, asked + 1);
    assert.equal(scene.oidc.count('grant.error'), 0);
  });

  test('S4 F1: between the POST and the durable reply: the provider has rotated and nobody knows; the token is served, and the spent one is not sent again', async (t) => {
    const all = await killable(t);
    const { scene, office, grantId } = all;
    scene.oidc.beforeToken = async () => scene.faults.arm({ ...write, action: 'before' });
    const { asked, answer } = await killedDuring(all, 'before the reply is durable');
    scene.oidc.beforeToken = async () => {};
    await answer;
    await settled(office, grantId, 'the grant to say so', (each) => each.state === 'uncertain');
    assert.equal(refreshes(scene), 1);
    await refresh(office, grantId);
    assert.equal(scene.oidc.tokenRequests, asked);
    assert.equal(scene.oidc.count('grant.error'), 0, 'the family lives');
    await assertServed(office, 'the token that is there');
  });
});

test('S4 R2: an office killed after the relay has the reply gets it when it is back; nothing is posted again', async (t) => {
  const scene = await relayWithClient(t, { oidc: { accessLifetime: 40 } });
  const { office, grantId } = await authorised(t, scene);
  const asked = gate();
  scene.oidc.beforeToken = async () => {
    await office.kill();
    asked.open();
  };
  refresh(office, grantId).catch(() => {});
  await asked.passed;
  scene.oidc.beforeToken = async () => {};
  await until('the reply at the relay', () => scene.relay.metric('latchkey_relay_exchanges_total{outcome="answered"}').then((count) => count === 2));
  const posted = scene.oidc.tokenRequests;
  await office.launch();
  await office.admin.signIn();
  await settled(office, grantId, 'the kept reply', (each) => each.state === 'active' && each.generation === 2);
  assert.equal(scene.oidc.tokenRequests, posted);
  assert.equal(scene.oidc.count('grant.error'), 0);
  await assertServed(office, 'with what was kept');
});

test('C7: relay down: existing tokens are served, the grant says whose outage it is, the provider\'s breaker stays closed, and it goes on by itself', async (t) => {
  const scene = await relayWithClient(t);
  const { office, grantId } = await authorised(t, scene);
  await scene.relay.stop();
  const posted = scene.oidc.tokenRequests;
  await refresh(office, grantId);
  const grant = await settled(office, grantId, 'the grant to say so', (each) => each.state === 'unreachable');
  assert.match(grant.why, /Cloud Service at https:\/\/localhost:\d+ does not answer/);
  assert.match(grant.why, /says nothing of the provider/);
  await assertServed(office, 'while the relay is down');
  await refresh(office, grantId);
  const alerted = async () => JSON.stringify(await office.admin.must('GET', '/api/v1/alerts')).includes('Cloud Service at');
  await until('the alert', alerted, { timeout: 40_000 * slowness });
  const { apps } = await office.admin.must('GET', '/api/v1/health');
  assert.ok(apps.every((each) => each.circuit === 'closed' && each.failures === 0), JSON.stringify(apps));
  assert.equal(scene.oidc.tokenRequests, posted);
  await scene.relay.launch();
  await settled(office, grantId, 'the refresh after the outage', (each) => each.state === 'active' && each.generation === 2);
  await until('the alert to end', async () => !(await alerted()));
});

test('C7: provider down: that is the provider\'s, and said so; an enrolment that is revoked is the operator\'s', async (t) => {
  const scene = await relayWithClient(t);
  const { office, grantId } = await authorised(t, scene);
  await scene.oidc.close();
  await refresh(office, grantId);
  const down = await settled(office, grantId, 'the grant to say so', (each) => each.state === 'unreachable');
  assert.doesNotMatch(down.why, /Cloud Service/);
  await scene.relay.revoke(office.office);
  await refresh(office, grantId);
  const revoked = await settled(office, grantId, 'the grant to say so', (each) => /Cloud Service refuses/.test(each.why));
  assert.notEqual(revoked.state, 'needs_authorization', 'nobody dies of it');
  await assertServed(office, 'the token that is there');
});

const refreshForm = (scene, token) => ({ grant_type: 'refresh_token', refresh_token: token, client_id: scene.oidc.clientId });

test('Attack: two offices on one relay: neither gets the other\'s replies, nor anything for the other\'s refresh tokens', async (t) => {
  const scene = await relayWithClient(t);
  const north = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const south = await ScriptedOffice.enrol(scene.relay, 'South Ltd');
  const intent = randomUUID();
  const form = await codeForm(scene);
  const { reply } = await north.exchange(form, { intent });
  assert.equal(reply.status, 200);
  assert.match(reply.body.refresh_token, /^lkr1\./);
  const posted = scene.oidc.tokenRequests;

  // The same intent, in the other's name, is the other's own.
  const theirs = await south.exchange(await codeForm(scene, 'bert'), { intent });
  assert.notEqual(theirs.reply.body.refresh_token, reply.body.refresh_token);
  assert.equal(scene.oidc.tokenRequests, posted + 1);
  await south.acknowledge(intent);
  assert.equal((await north.exchange(form, { intent })).reply.body.refresh_token, reply.body.refresh_token, 'and acknowledges nothing of the first one\'s');

  const blob = reply.body.refresh_token;
  assert.equal((await south.exchange(refreshForm(scene, blob), { grant: north.grant })).code, 'refresh_token_foreign', 'another office\'s');
  assert.equal((await north.exchange(refreshForm(scene, blob), { grant: randomUUID() })).code, 'refresh_token_foreign', 'another account\'s');
  assert.equal((await north.exchange(refreshForm(scene, `${blob.slice(0, -6)}AAAAAA`))).code, 'refresh_token_foreign', 'altered');
  assert.equal((await north.exchange(refreshForm(scene, 'a-token-of-somebody'))).code, 'refresh_token_foreign', 'none');
  assert.equal(scene.oidc.tokenRequests, posted + 1, 'nothing of it was sent');
  assert.equal((await north.exchange(refreshForm(scene, blob))).reply.status, 200);
});

test('S4: the same turn is posted once, whatever is asked, and a later one only after the reply has been acknowledged', async (t) => {
  const scene = await relayWithClient(t);
  const office = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const { reply: { body: first } } = await office.exchange(await codeForm(scene));
  const form = refreshForm(scene, first.refresh_token);
  const intent = randomUUID();
  const held = gate();
  scene.oidc.beforeToken = () => held.passed;
  const posted = scene.oidc.tokenRequests;
  const many = [1, 1, 2].map((turn) => office.exchange(form, { intent, turn }));
  await until('the POST', () => scene.oidc.tokenRequests > posted);
  held.open();
  const answers = await Promise.all(many);
  assert.equal(new Set(answers.map((each) => each.body.turn)).size, 1, 'all hear of the one that was posted');
  const { turn } = answers[0].body;
  const again = await office.exchange(form, { intent, turn: 7 });
  assert.equal(again.body.turn, turn);
  assert.equal(again.reply.body.refresh_token, answers[0].reply.body.refresh_token);
  assert.equal(scene.oidc.tokenRequests, posted + 1);
  await scene.relay.kill();
  await scene.relay.launch();
  assert.equal((await office.exchange(form, { intent, turn: 7 })).body.turn, turn, 'after a restart as well');
  await office.acknowledge(intent, turn);
  assert.equal((await office.exchange(form, { intent, turn })).reply, null, 'gone, and not posted for that');
  assert.equal(scene.oidc.tokenRequests, posted + 1);
  assert.equal((await office.exchange(form, { intent, turn: turn + 5 })).reply.body.error, 'invalid_grant', 'a new turn, with a token that is spent');
  assert.equal(scene.oidc.tokenRequests, posted + 2);
  assert.equal((await office.exchange(form, { intent, turn })).code, undefined);
});

test('F8 S4: while the client\'s secret is being changed the second is used when the provider refuses the first, and no account notices', async (t) => {
  const scene = await relayWithClient(t);
  const { office, grantId } = await authorised(t, scene);
  const { op } = scene.relay.options.apps;
  const old = path.join(scene.folder, 'old.secret');
  await writeFile(old, 'a-secret-that-has-ended\n', { mode: 0o600 });
  await scene.relay.stop();
  Object.assign(op, { client_secret_file: old, second_client_secret_file: op.client_secret_file });
  await scene.relay.launch();
  const refreshed = await refresh(office, grantId);
  assert.equal(refreshed.status, 200, refreshed.text);
  assert.equal((await office.admin.grant(grantId)).generation, 2);
  assert.equal(refreshes(scene), 1);
  assert.match(scene.relay.logs, /first_secret_refused/);
  assert.ok(!scene.relay.logs.includes('a-secret-that-has-ended') && !scene.relay.logs.includes(scene.oidc.clientSecret));

  // Both refused: the office hears what the provider says of the client, as if it had asked itself.
  await scene.relay.stop();
  op.second_client_secret_file = old;
  await scene.relay.launch();
  await refresh(office, grantId);
  assert.equal((await office.admin.grant(grantId)).generation, 2, 'nothing new, and nothing lost');
  assert.equal(refreshes(scene), 1);
  await assertServed(office, 'while the operator mends the secret');
});

test('S4: a reply that is kept is given though the registration has another mode since', async (t) => {
  const scene = await relayWithClient(t);
  const office = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const form = await codeForm(scene);
  const intent = randomUUID();
  const { reply } = await office.exchange(form, { intent });
  assert.equal(reply.status, 200);
  await scene.relay.stop();
  Object.assign(scene.relay.options.apps.op, { client_secret_file: undefined, token_endpoint: undefined, revocation_endpoint: undefined });
  await scene.relay.launch();
  const again = await office.exchange(form, { intent, turn: 2 });
  assert.equal(again.status, 200, again.text);
  assert.deepEqual(again.reply, reply);
  assert.equal((await office.exchange(form)).code, 'not_exchanged', 'what is new is not posted');
  assert.equal((await office.acknowledge(intent)).status, 200);
  assert.equal((await office.exchange(form, { intent, turn: 2 })).code, 'not_exchanged');
});

test('C7: a provider that hangs takes an office\'s places there and no more; what is too much is said as that, with the time to wait', async (t) => {
  const scene = await relayWithClient(t);
  const north = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const south = await ScriptedOffice.enrol(scene.relay, 'South Ltd');
  const { reply: { body: { refresh_token: blob } } } = await north.exchange(await codeForm(scene));
  const form = await codeForm(scene);
  const held = gate();
  scene.oidc.beforeToken = () => held.passed;
  const before = scene.oidc.tokenRequests;
  let posted = 0;
  const waiting = [];
  const refusedAfter = async (places, one, what, again) => {
    waiting.push(...Array.from({ length: places }, () => north.exchange(one)));
    posted += places;
    await until(`the places of ${what} to be taken`, () => scene.oidc.tokenRequests === before + posted);
    const refused = await north.exchange(one);
    assert.deepEqual([refused.status, refused.code, refused.headers.get('retry-after')], [429, 'too_many_exchanges', again], what);
  };
  await refusedAfter(16, refreshForm(scene, blob), 'refreshes', '5');
  await refusedAfter(128, form, 'codes', '1');  // which live for half a minute, and have places of their own
  const theirs = south.exchange(form);
  await until('the other office\'s request to go on', () => scene.oidc.tokenRequests === before + posted + 1);
  held.open();
  for (const each of [...await Promise.all(waiting), await theirs]) assert.equal(each.status, 200, each.text);
});

test('S4: a hundred codes that live for half a minute, at a provider that takes six seconds for each and while refreshes have all their places: none is over before it is posted', async (t) => {
  const scene = await relayWithClient(t, { oidc: { codeLifetime: 30 * slowness } });
  const office = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const { reply: { body: { refresh_token: blob } } } = await office.exchange(await codeForm(scene));
  const before = scene.oidc.tokenRequests;
  const held = gate();
  scene.oidc.beforeToken = () => held.passed;
  const refreshing = Array.from({ length: 16 }, () => office.exchange(refreshForm(scene, blob)));
  await until('the refreshes to be under way', () => scene.oidc.tokenRequests === before + 16);
  scene.oidc.beforeToken = () => new Promise((resolve) => setTimeout(resolve, 6_000 * slowness));
  const crowd = Array.from({ length: 100 }, async () => {
    const form = await codeForm(scene);
    const intent = randomUUID();
    for (;;) {
      const answer = await office.exchange(form, { intent });
      if (answer.status !== 429) return answer;
      assert.equal(answer.headers.get('retry-after'), '1');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  });
  for (const { status, text, reply } of await Promise.all(crowd)) {
    assert.equal(status, 200, text);
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
  }
  held.open();
  await Promise.all(refreshing);
});

test('Attack: a signed request replayed, a form of one\'s own making, a type or app that is not the office\'s, an enrolment revoked: refused, nothing sent', async (t) => {
  const scene = await relayWithClient(t);
  const office = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const form = await codeForm(scene);
  const posted = scene.oidc.tokenRequests;
  for (const [what, changes, code] of [
    ['another grant type', { grant_type: 'client_credentials' }, 'token_request_refused'],
    ['another client', { client_id: 'other' }, 'token_request_refused'],
    ['another redirect', { redirect_uri: 'https://mallory.example/' }, 'token_request_refused'],
    ['a secret of its own', { client_secret: 'x' }, 'token_request_refused'],
    ['an audience', { audience: 'https://other.example' }, 'token_request_refused'],
    ['more scope', { scope: 'admin' }, 'token_request_refused'],
  ]) assert.equal((await office.exchange({ ...form, ...changes })).code, code, what);
  assert.equal((await office.exchange(form, { target: { app: 'other' } })).code, 'app_unknown');
  assert.equal((await office.exchange(form, { target: { type: 'box' } })).code, 'type_not_enrolled');
  assert.equal((await office.exchange(form, { turn: -1 })).code, 'token_request_malformed');
  assert.equal((await office.exchange({ ...form, code: 'x'.repeat(100_000) })).status, 413);
  assert.equal((await office.ask('POST', '/relay/v1/assertion', { body: JSON.stringify({ app: 'op', type: 'oidc', params: {}, learned: {} }) })).code, 'not_asserted');
  const unsigned = await fetch(`${scene.relay.url}/relay/v1/token`, { method: 'POST', body: '{}' });
  assert.equal(unsigned.status, 400);
  assert.equal(scene.oidc.tokenRequests, posted);

  const nonce = randomBytes(16);
  const time = Math.floor(Date.now() / 1000);
  const intent = randomUUID();
  assert.equal((await office.exchange(form, { intent, nonce, time })).reply.status, 200);
  assert.equal((await office.exchange(form, { intent, nonce, time })).code, 'request_repeated');
  await scene.relay.kill();
  await scene.relay.launch();
  assert.equal((await office.exchange(form, { intent, nonce, time })).code, 'request_repeated', 'after a restart as well');
  await scene.relay.revoke(office.id);
  assert.equal((await office.exchange(form, { intent })).code, 'office_unknown');
  assert.equal(scene.oidc.tokenRequests, posted + 1);
});

async function assertionMode(t, algorithm) {
  const scene = await relayWithClient(t, { assertion: algorithm });
  const { office, grantId, seen } = await authorised(t, scene);
  assert.match(seen[0], /vouches for itself to the provider: what it sees gives no access to your account without a key/);
  const refreshed = await refresh(office, grantId);
  assert.equal(refreshed.status, 200, refreshed.text);
  assert.equal(refreshes(scene), 1);
  assert.equal(scene.oidc.count('grant.error'), 0);
  assert.equal(await scene.relay.metric('latchkey_relay_assertions_total'), 2);
  const { apps: [app] } = await office.admin.must('GET', '/api/v1/cloud-service');
  assert.equal(app.mode, 'assertion');
  await scene.relay.stop();
  await refresh(office, grantId);
  const grant = await settled(office, grantId, 'the grant to say so', (each) => each.state === 'unreachable');
  assert.match(grant.why, /Cloud Service .* does not answer/);
  await assertServed(office, 'while the relay is down');
  await scene.relay.launch();
  await settled(office, grantId, 'the refresh after the outage', (each) => each.state === 'active' && each.generation === 3);
}
test('S3: assertion mode, ES256: the relay signs, the office exchanges and refreshes by itself', (t) => assertionMode(t, 'ES256'));
test('S3: assertion mode, RS256: the relay signs, the office exchanges and refreshes by itself', (t) => assertionMode(t, 'RS256'));

test('S3 Attack: an assertion is for the type\'s own token endpoint, for a minute, and for the office that asked, though its request is recorded and sent again', async (t) => {
  const scene = await relayWithClient(t, { assertion: 'ES256' });
  const office = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const body = JSON.stringify({ app: 'op', type: 'oidc', params: {}, learned: {} });
  const recorded = { body, nonce: randomBytes(16), time: Math.floor(Date.now() / 1000) };
  const answer = await office.ask('POST', '/relay/v1/assertion', recorded);
  assert.equal(answer.status, 200, answer.text);
  const replayed = await office.ask('POST', '/relay/v1/assertion', recorded);
  assert.doesNotMatch(replayed.text, /eyJ[\w-]+\.eyJ/, 'whoever has recorded the request and sends it again reads nothing in the answer');
  const thief = await ScriptedOffice.enrol(scene.relay, 'Thief Ltd');
  assert.throws(() => thief.openAssertion(replayed.body.assertion), 'nor can another office open it');
  const [head, claims] = office.openAssertion(answer.body.assertion).split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  assert.equal(head.alg, 'ES256');
  assert.deepEqual([claims.iss, claims.sub, claims.aud], [scene.oidc.clientId, scene.oidc.clientId, `${scene.oidc.issuer}/token`]);
  assert.ok(claims.exp - claims.iat <= 60 && claims.jti.length >= 22);
  assert.equal((await office.exchange(await codeForm(scene))).code, 'exchanges_nothing', 'where there is no book, nobody has looked');
  assert.equal((await office.ask('POST', '/relay/v1/assertion', { body: body.replace('"oidc"', '"box"') })).code, 'type_not_enrolled');
});

test('S3: an office has as many assertions signed within a minute as one may, and another is not made to wait for it', async (t) => {
  const scene = await relayWithClient(t, { assertion: 'ES256' });
  const north = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const south = await ScriptedOffice.enrol(scene.relay, 'South Ltd');
  const ask = (office) => office.ask('POST', '/relay/v1/assertion', { body: JSON.stringify({ app: 'op', type: 'oidc', params: {}, learned: {} }) });
  let served = 0;
  const begun = Date.now();
  const refused = await until('the quota to be used up', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(north)));
    served += answers.filter((each) => each.status === 200).length;
    return answers.find((each) => each.status !== 200);
  }, { timeout: 60_000 * slowness });
  assert.deepEqual([refused.status, refused.code, refused.headers.get('retry-after')], [429, 'too_many_assertions', '5']);
  assert.ok(served >= 600, `${served} were signed`);
  const most = 600 + Math.ceil((Date.now() - begun) / 100);  // and one more in each tenth of a second
  assert.ok(served <= most, `${served} were signed, and no more than ${most} may be`);
  assert.equal((await ask(south)).status, 200);
});

test('configuration: a secret or a key that cannot be used is told with its line; one process has the replies', async (t) => {
  const scene = await relayWithClient(t);
  const folder = await temporaryFolder(t, 'relay-modes');
  const file = path.join(folder, 'relay.toml');
  const wrong = async (lines) => {
    await writeFile(file, `public_url = "https://relay.example"\ndata = "${folder}/data"\n[apps.op]\nprovider = "oidc"\nclient_id = "x"\nparams = { issuer = "https://op.example" }\nauthorization_endpoint = "https://op.example/auth"\n${lines}\n`);
    return (await run(binary, ['relay', '--config', file])).stderr;
  };
  const secret = path.join(folder, 'secret');
  await writeFile(secret, 's3cret');
  assert.match(await wrong(`client_secret_file = "${folder}/absent"`), /relay\.toml:3: apps\.op\.client_secret_file: .*cannot be read/);
  assert.match(await wrong(`client_secret_file = "${secret}"`), /apps\.op\.token_endpoint: is missing/);
  assert.match(await wrong(`assertion_key_file = "${secret}"`), /apps\.op\.assertion_key_file: holds no private key/);
  assert.match(await wrong('client_authentication = "client_secret_post"'), /client_authentication: says how a client secret is sent, and there is none/);
  assert.match(await wrong('revocation_endpoint = "https://op.example/revoke"'), /revocation_endpoint: is for apps with a secret/);
  assert.match(await wrong('client_authentication = "tls"'), /client_authentication: must be/);
  assert.match(await wrong('client_secret = "s3cret"'), /client_secret: there is no such key/, 'secrets stand in files of their own');
  const second = new Relay();
  Object.assign(second, { folder, data: scene.relay.data, configFile: file, port: scene.relay.port, certificate: scene.relay.certificate, options: scene.relay.options });
  await writeFile(file, second.toml);
  const beside = await run(binary, ['relay', '--config', file]);
  assert.equal(beside.status, 1);
  assert.match(beside.stderr, /Another Latchkey server \(process \d+\) is using the data directory/);
  assert.equal((await run(binary, ['relay', 'list', '--config', file])).status, 0, 'the operator\'s verbs work beside it');
  assert.ok(!scene.relay.logs.includes((await readFile(scene.relay.options.apps.op.client_secret_file, 'utf8')).trim()));
});
