// Attacks on the Cloud Service by somebody who has an app, an office or an answer of his own: over sockets, with the real relay,
// real offices, and certified providers.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { openEnvelope } from '../support/cloud_crypto.mjs';
import { assertLogged, codeForm, consenting, enrolledOffice, pressing, relayWithClient, relayWithProvider, relayWithTwoProviders, relayedApp } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';

/** A consent at a provider, as far as the answer that the browser is about to bring to the relay's callback. */
async function answered(office, scene, username, { app, browser = office.admin.browser } = {}) {
  const started = await office.admin.startAuthorization({ username, pin, type: 'oidc', app });
  const { url } = await browser.open(started.start_url, { visit: consenting(scene), stopAt: (each) => each.startsWith(`${scene.relay.url}/callback/`) });
  return { id: started.id, url: new URL(url) };
}
const stateOf = async (office, id) => (await office.admin.must('GET', `/api/v1/authorizations/${id}`)).state;
const nobodyAt = async (office, name) => assert.equal((await office.admin.must('GET', `/api/v1/users?search=${name}`)).total, 0, name);

test('C2 Attack: mix-up by a second app: an answer of one provider, brought to another\'s callback at the relay, is passed on to nobody', async (t) => {
  const scene = await relayWithTwoProviders(t);
  const { relay, oidc, other } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd', { config: { 'outbound.allow': [`127.0.0.1:${other.port}`] } });
  const [ours, theirs] = [await relayedApp(office, 'op'), await relayedApp(office, 'other')];
  const first = await answered(office, scene, 'printer-1', { app: ours });
  const second = await answered(office, { relay, oidc: other }, 'printer-2', { app: theirs });
  assert.equal(first.url.searchParams.get('iss'), oidc.issuer);
  assert.equal(second.url.searchParams.get('iss'), other.issuer);

  const at = (url, app) => Object.assign(new URL(url), { pathname: `/callback/${app}` }).href;
  for (const [what, address] of [['the second\'s answer at the first\'s callback', at(second.url, 'op')], ['the first\'s answer at the second\'s callback', at(first.url, 'other')]]) {
    const page = await office.admin.browser.open(address);
    assert.equal(page.status, 403, what);
    assert.match(page.body, /The answer came from the wrong place/, what);
    assert.equal(new URL(page.url).origin, relay.url, `${what}: no office is sent anything`);
  }
  await assertLogged(relay, 'wrong_app', 2);
  assert.deepEqual([await stateOf(office, first.id), await stateOf(office, second.id)], ['pending', 'pending']);
  assert.deepEqual([oidc.tokenRequests, other.tokenRequests], [0, 0], 'no code went anywhere');

  // What was not used up by the attack is good where it belongs.
  for (const each of [first, second]) await office.admin.browser.open(each.url.href);
  for (const each of [first, second]) assert.ok(['completed', 'needs_confirmation'].includes((await office.admin.outcome(each.id)).state));
  assert.deepEqual([oidc.tokenRequests, other.tokenRequests], [1, 1]);
});

test('C2 Attack: mix-up: a code of one provider under the state of a consent at another ends that consent, and is posted to neither', async (t) => {
  const scene = await relayWithTwoProviders(t);
  const { relay, oidc, other } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd', { config: { 'outbound.allow': [`127.0.0.1:${other.port}`] } });
  const app = await relayedApp(office, 'op');
  const foreign = (await answered(office, { relay, oidc: other }, 'printer-9', { app: await relayedApp(office, 'other') })).url.searchParams;
  for (const [n, [what, iss]] of [['with its own issuer', other.issuer], ['with none', null], ['with one that only looks like it', `${oidc.issuer}/`]].entries()) {
    const username = `printer-${n}`;
    const victim = await answered(office, scene, username, { app });
    victim.url.searchParams.set('code', foreign.get('code'));
    if (iss === null) victim.url.searchParams.delete('iss');
    else victim.url.searchParams.set('iss', iss);
    await office.admin.browser.open(victim.url.href);
    const attempt = await office.admin.outcome(victim.id);
    assert.deepEqual([attempt.state, attempt.problem?.code], ['failed', 'wrong_provider'], what);
    await nobodyAt(office, username);
  }
  assert.deepEqual([oidc.tokenRequests, other.tokenRequests], [0, 0]);
});

test('C3 Attack: a late answer: brought to the relay when the consent\'s time is over, by a browser that has kept its cookie', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await ScriptedOffice.enrol(scene.relay, 'North Ltd', { origins: ['https://north.example'] });
  const browser = new Browserless();
  const end = Date.now() + 4000;
  const { url } = await browser.open(office.beginUrl({ end: new Date(end).toISOString() }), {
    visit: consenting(scene), stopAt: (each) => each.startsWith(`${scene.relay.url}/callback/`),
  });
  assert.ok(Date.now() < end, 'it was answered in time');
  await until('the consent\'s time to be over', () => Date.now() > end + 1000);
  const page = await browser.open(url);
  assert.equal(page.status, 403);
  assert.match(page.body, /This took too long/);
  assert.match(page.body, /press Authorize again/);
  assert.match(page.body, /\(flow_expired\)/);
  await assertLogged(scene.relay, 'flow_expired', 1);
  assert.equal(scene.oidc.tokenRequests, 0);
});

test('C3 Attack: a late handle: brought when the authorisation was cancelled, or to one begun since, it ends and makes nothing', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const stopAt = (url) => url.startsWith(`${office.url}/oauth/relayed`);
  const walk = async (username) => {
    const started = await office.admin.startAuthorization({ username, pin, type: 'oidc' });
    const { url } = await office.admin.browser.open(started.start_url, { visit: consenting(scene), stopAt });
    return { id: started.id, url };
  };
  const late = await walk('printer-1');
  await office.admin.must('POST', `/api/v1/authorizations/${late.id}/cancel`);
  const next = await walk('printer-2');
  const moved = new URL(late.url);
  moved.searchParams.set('attempt', next.id);
  for (const [what, address, words] of [['cancelled', late.url, /is over/i], ['carried to another', moved.href, /another authorisation/i]]) {
    for (const browser of [office.admin.browser, new Browserless()]) {
      const page = await browser.open(address);
      assert.match(page.body, words, what);
      assert.doesNotMatch(page.url, /handle=/, what);
    }
  }
  assert.equal(await stateOf(office, next.id), 'pending');
  assert.equal(scene.oidc.tokenRequests, 0, 'no code was posted');
  await nobodyAt(office, 'printer-1');
  await office.admin.browser.open(next.url);
  assert.equal((await office.admin.outcome(next.id)).state, 'completed');
  assert.equal(scene.oidc.tokenRequests, 1);
});

/** `victim`'s name and key id over somebody else's signature. */
const signingAs = (victim, thief) => Object.assign(new ScriptedOffice(), { relay: victim.relay, id: victim.id, view: victim.view, relayKeys: victim.relayKeys, keys: { ...thief.keys, octets: victim.keys.octets } });

test('Attack: a handle asked for by another office, in its own name, in the victim\'s, under the victim\'s key id: nothing; a recorded request gives nothing new', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const north = await ScriptedOffice.enrol(relay, 'North Ltd', { origins: ['https://north.example'] });
  const south = await ScriptedOffice.enrol(relay, 'South Ltd', { origins: ['https://south.example'] });
  const { url } = await new Browserless().open(north.beginUrl(), { visit: consenting(scene), stopAt: (each) => each.startsWith('https://north.example') });
  const body = JSON.stringify({ handle: new URL(url).searchParams.get('handle') });
  const collect = (office, signing = {}) => office.ask('POST', '/relay/v1/collect', { body, ...signing });

  const foreign = await collect(south);
  assert.deepEqual([foreign.status, foreign.code], [403, 'handle_unknown']);
  assert.match(foreign.body.detail, /press Authorize again/);
  assert.equal((await collect(south, { as: north.id })).code, 'office_unknown', 'the victim\'s name, the thief\'s key');
  assert.equal((await collect(signingAs(north, south))).code, 'signature_wrong', 'the victim\'s name and key id, the thief\'s signature');
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="collected"}'), 0, 'nothing was given');

  // The victim's own request, and the same octets once more from somebody who has recorded them.
  const recorded = { time: Math.floor(Date.now() / 1000), nonce: Buffer.alloc(16, 7) };
  const own = await collect(north, recorded);
  assert.equal(own.status, 200, own.text);
  const sealed = Buffer.from(own.body.result, 'base64url');
  const [attempt, app, query] = openEnvelope(north.keys, 'result', north.id, sealed).toString().split('\n');
  assert.deepEqual([attempt, app], ['attempt-1', 'op']);
  assert.match(query, /code=/);
  const replayed = await collect(north, recorded);
  assert.deepEqual([replayed.status, replayed.body.result], [200, own.body.result], 'nothing that the first time had not');
  assert.throws(() => openEnvelope(south.keys, 'result', north.id, sealed), /sealed to another key/);
  assert.throws(() => openEnvelope(south.keys, 'result', south.id, sealed), /sealed to another key/);

  // A signature is for one method, path, body and office.
  assert.equal((await north.ask('POST', '/relay/v1/collect', { body, sent: body.replace('handle', 'Handle'), ...recorded })).code, 'signature_wrong', 'another body');
  for (const reason of ['handle_unknown', 'office_unknown']) await assertLogged(relay, reason, 1);
});

test('Attack: an authorization code stolen on its way and brought by another office, in exchange mode: no token, and the owner\'s is not lost', async (t) => {
  const scene = await relayWithClient(t);
  const north = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  const south = await ScriptedOffice.enrol(scene.relay, 'South Ltd');
  const form = await codeForm(scene);
  const posted = () => scene.oidc.tokenRequests;

  // The thief has code, intent and grant of the victim, and no verifier.
  const intent = randomUUID();
  for (const [what, verifier] of [['a verifier of its own', 'v'.repeat(43)], ['no verifier', undefined]]) {
    const { code_verifier: _, ...rest } = form;
    const answer = await south.exchange(verifier ? { ...rest, code_verifier: verifier } : rest, { intent, turn: verifier ? 1 : 2, grant: north.grant });
    const tokens = answer.reply?.body ?? answer.body;
    assert.ok(tokens.access_token === undefined && tokens.refresh_token === undefined, what);
    assert.ok(answer.status !== 200 || answer.reply.status >= 400, what);
  }
  const before = posted();
  assert.equal(before, 1, 'without a verifier nothing was posted');
  for (const [what, ask, code] of [
    ['in the victim\'s name', () => south.exchange(form, { intent, as: north.id }), 'office_unknown'],
    ['under the victim\'s key id', () => signingAs(north, south).exchange(form, { intent }), 'signature_wrong'],
  ]) assert.equal((await ask()).code, code, what);
  assert.equal(posted(), before, 'nothing of those was sent');

  const { reply } = await north.exchange(form, { intent });
  assert.equal(reply.status, 200, 'the same intent is each office\'s own, and the code was not spent by the thief');
  const blob = reply.body.refresh_token;
  const stolen = await south.exchange({ grant_type: 'refresh_token', refresh_token: blob, client_id: scene.oidc.clientId }, { grant: north.grant });
  assert.equal(stolen.code, 'refresh_token_foreign');
  const again = await south.exchange(form, { intent: randomUUID() });
  assert.equal(again.reply.body.error, 'invalid_grant', 'spent, by its owner');
});

test('Attack: a begin address of one office under another\'s signature, or its button with another flow, leads nowhere', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const north = await ScriptedOffice.enrol(relay, 'North Ltd', { origins: ['https://north.example'] });
  const south = await ScriptedOffice.enrol(relay, 'South Ltd', { origins: ['https://south.example'] });
  const forged = await new Browserless().open(signingAs(north, south).beginUrl());
  assert.equal(forged.status, 403);
  assert.match(forged.body, /\(signature_wrong\)/);
  assert.doesNotMatch(forged.body, /action="\/continue"/);
  // The victim has looked at an honest page; the button is pressed with the token of that page and the thief's flow.
  const victim = new Browserless();
  const { body } = await victim.open(north.beginUrl());
  const press = pressing(relay)(`${relay.url}/begin`, undefined, body);
  const pressed = await victim.request(press.url, { method: 'POST', body: new URLSearchParams({ ...press.form, flow: south.flow() }), headers: { 'sec-fetch-site': 'same-origin' } });
  assert.equal(pressed.status, 403);
  assert.match(await pressed.text(), /\(form_not_ours\)/);
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="continued"}'), 0);
});
