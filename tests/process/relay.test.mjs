// Consent by way of a Cloud Service: the real relay, real offices, and the certified provider with a public client.

import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { binary, fetchAnswer, run } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { consenting, enrolledOffice, officeAt, pressing, Relay, relayWithClient, relayWithProvider } from '../support/relay.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const request = { username: 'printer-1', pin, type: 'oidc' };

/** Begins at an office and walks until `stopAt` (by default: the office's own door on the way back). */
async function walk(office, scene, { members = request, browser = office.admin.browser, stopAt, seen } = {}) {
  const started = await office.admin.startAuthorization(members);
  const end = await browser.open(started.start_url, {
    visit: consenting(scene, seen), stopAt: stopAt ?? ((url) => url.startsWith(`${office.url}/oauth/relayed`)),
  });
  return { started, url: end.url, body: end.body, status: end.status };
}
/** As far as the relay's confirmation page, whose button `keep` is given and nobody presses yet. */
async function walkToButton(office, scene, members, keep) {
  const started = await office.admin.startAuthorization(members);
  const press = pressing(scene.relay);
  const { url } = await office.admin.browser.open(started.start_url, { visit: (at, response, body) => { keep(press(at, response, body)); } });
  return { started, url };
}
const nobodyAt = async (office, name) => assert.equal((await office.admin.must('GET', `/api/v1/users?search=${name}`)).total, 0);

test('Attack: a relay that names another issuer afterwards gets no code, verifier or token: nothing is used before an administrator has agreed to just that, and grants go on where they were', async (t) => {
  const port = await freePort();
  const callback = (app) => `https://localhost:${port}/callback/${app}`;
  const [oidc, evil] = await Promise.all([['op'], ['op', 'second']].map((apps) => OidcServer.start(t, { redirectUris: apps.map(callback), publicClient: true })));
  const app = ({ issuer, clientId }) => ({ provider: 'oidc', client_id: clientId, params: { issuer, scopes: 'openid offline_access email' }, authorization_endpoint: `${oidc.issuer}/auth` });
  const relay = await Relay.start(t, { port, apps: { op: app(oidc) } });
  const scene = { oidc, relay };
  const office = await enrolledOffice(t, scene, 'North Ltd', { config: { 'outbound.allow': [`127.0.0.1:${evil.port}`] } });
  const offered = async (id) => (await office.admin.must('GET', '/api/v1/cloud-service')).apps.find((each) => each.id.startsWith(`cloud-${id}-`));
  assert.deepEqual([(await offered('op')).params.issuer, (await offered('op')).agreed], [oidc.issuer, true], 'shown, and agreed to by enrolling');
  const started = await office.admin.startAuthorization(request);
  await office.admin.browser.open(started.start_url, { visit: consenting(scene) });
  const { state, result } = await office.admin.outcome(started.id);
  assert.equal(state, 'completed');

  const offers = async (apps) => {
    await relay.stop();
    relay.options.apps = apps;
    await relay.launch();
    await office.admin.must('POST', '/api/v1/cloud-service/check');
  };
  // The same registration: the real provider's consent page, and an issuer whose metadata name another token endpoint.
  await offers({ op: { ...app(oidc), params: { issuer: evil.issuer, scopes: 'openid offline_access email' } } });
  assert.deepEqual([(await offered('op')).params.issuer, (await offered('op')).agreed], [evil.issuer, false]);
  const refused = await office.admin.call('POST', '/api/v1/authorizations', { allow_token: true, group_id: await office.admin.group('Office'), username: 'printer-2', pin, type: 'oidc' });
  assert.deepEqual([refused.status, refused.code], [409, 'cloud_app_not_agreed'], refused.text);
  await office.admin.must('POST', `/api/v1/grants/${result.grant_id}/refresh`);
  await until('the refresh, where it always went', () => oidc.events.some((each) => each.name === 'grant.success' && each.grantType === 'refresh_token'));
  const agree = ({ id, mode, types, params }) => office.cli(['cloud', 'agree', id, '--mode', mode, ...types.flatMap((type) => ['--type', type]), ...Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`])]);
  const inUse = await agree(await offered('op'));
  assert.notEqual(inUse.status, 0);
  assert.match(inUse.stderr, /authorised with other values/);

  // Another registration beside it: nothing of it is used before somebody has agreed to just what is shown.
  await offers({ second: { ...app(evil), authorization_endpoint: `${evil.issuer}/auth` } });
  const second = await offered('second');
  assert.equal(second.agreed, false);
  assert.match((await office.cli(['cloud', 'show'])).stdout, /NO .*issuer=/);
  assert.notEqual((await agree({ ...second, params: { ...second.params, issuer: oidc.issuer } })).status, 0);
  assert.equal(evil.tokenRequests, 0);
  const agreed = await agree(second);
  assert.equal(agreed.status, 0, agreed.stderr);
  assert.equal((await offered('second')).agreed, true);
  const { items } = await office.admin.must('GET', '/api/v1/activity?search=cloud.app_agreed');
  assert.ok(items.some((each) => each.detail.includes(evil.issuer)), JSON.stringify(items));
  const last = await office.admin.startAuthorization({ ...request, username: 'printer-3' });
  await office.admin.browser.open(last.start_url, { visit: consenting({ oidc: evil, relay }) });
  assert.equal((await office.admin.outcome(last.id)).state, 'completed');
});

test('S1 S2 S5: an office without a public name is enrolled and authorises by way of the relay; the page names it, and the grant refreshes without it', async (t) => {
  const scene = await relayWithProvider(t, { oidc: { accessLifetime: 600 } });
  const office = await officeAt(t, scene);
  const { code, office: id } = await scene.relay.issue('North Ltd');
  assert.match(code, /^LK1-[A-Za-z0-9_-]{64}$/);
  const enrolled = await office.cli(['cloud', 'enrol', scene.relay.url, '--json'], { input: `${code}\n` });
  assert.equal(enrolled.status, 0, enrolled.stderr);
  const status = JSON.parse(enrolled.stdout);
  assert.deepEqual([status.enrolled, status.used, status.label, status.office], [true, true, 'North Ltd', id]);
  assert.equal((await office.cli(['cloud', 'check'])).status, 0);

  const seen = [];
  const { started, url } = await walk(office, scene, { seen });
  assert.equal(started.presentation, 'page', 'whatever was asked, the whole page goes');
  assert.equal(started.redirect_uri, `${scene.relay.url}/callback/op`);
  assert.equal(seen.length, 1);
  assert.match(seen[0], /North Ltd/);
  assert.match(seen[0], /printer-1/);
  assert.doesNotMatch(url, /code=|state=/, 'the browser carries a handle alone');
  const back = await office.admin.browser.open(url);
  assert.equal(new URL(back.url).pathname, '/users');
  const attempt = await office.admin.outcome(started.id);
  assert.equal(attempt.state, 'completed', JSON.stringify(attempt.problem));
  assert.equal(attempt.result.account.name, 'anna@example.com');

  // C7: the relay is gone; what is authorised goes on.
  await scene.relay.stop();
  await office.admin.must('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`);
  await until('the refresh', () => scene.oidc.events.some((each) => each.name === 'grant.success' && each.grantType === 'refresh_token'));
  assert.equal((await office.token('printer-1', pin)).status, 200);
  const refused = await office.admin.call('POST', '/api/v1/authorizations', { ...request, username: 'printer-2', group_id: await office.admin.group('Office') });
  assert.equal(refused.status, 503);
  assert.equal(refused.code, 'cloud_service_unreachable');
  assert.match(refused.body.detail, /says nothing of the provider/);
  assert.match(await office.metrics(), /latchkey_cloud_service_requests_total\{outcome="unreachable"\} [1-9]/);
});

test('S1: a code works once, another relay with the same address is found out, and leaving keeps what is authorised', async (t) => {
  const scene = await relayWithProvider(t);
  const north = await officeAt(t, scene);
  const south = await officeAt(t, scene);
  const { code } = await scene.relay.issue('North Ltd');
  await north.admin.must('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: code });
  const again = await south.admin.call('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: code });
  assert.equal(again.code, 'cloud_code_unknown');
  assert.equal((await north.admin.call('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: code })).code, 'cloud_enrolled');
  const garbled = await south.admin.call('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: `${code.slice(0, -1)}` });
  assert.equal(garbled.code, 'invalid_fields');
  const foreign = await relayWithProvider(t);
  const { code: theirs } = await foreign.relay.issue('South Ltd');
  const elsewhere = await south.admin.call('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: theirs });
  assert.equal(elsewhere.code, 'not_allowed', 'the proof is bound to the keys the code names');
  assert.equal((await south.admin.must('GET', '/api/v1/cloud-service')).enrolled, false);

  const { url, started } = await walk(north, scene);
  await north.admin.browser.open(url);
  const { result } = await north.admin.outcome(started.id);
  assert.equal((await north.cli(['cloud', 'leave'])).status, 0);
  assert.equal((await north.admin.must('GET', '/api/v1/cloud-service')).enrolled, false);
  assert.equal((await north.token('printer-1', pin)).status, 200);
  const renewed = await north.admin.call('POST', '/api/v1/authorizations', { replace_grant_id: result.grant_id });
  assert.equal(renewed.status, 409);
  assert.match(renewed.body.detail, /not enrolled any more/);
});

test('an app of one\'s own is used where there is one, in a popup; the relay\'s cannot be edited', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const type = async () => (await office.admin.must('GET', '/api/v1/types')).items.find((each) => each.id === 'oidc');
  const [relayed] = (await type()).apps;
  assert.equal(relayed.from_cloud_service, true);
  assert.match(relayed.id, /^cloud-op-[0-9a-f]{32}$/);
  // In forward mode the client has no secret, so that the office asks for a device code itself.
  await office.admin.set('authorize.device_code_types', 'oidc');
  assert.equal((await type()).apps[0].device_code, true);
  const typed = await office.admin.must('POST', '/api/v1/authorizations', { ...request, username: 'printer-9', group_id: await office.admin.group('Office'), way: 'device_code' });
  assert.match(typed.device.user_code, /^[A-Z]{4}-[A-Z]{4}$/);
  const refused = await office.admin.call('PUT', `/api/v1/apps/${relayed.id}`, { provider: 'oidc', client_id: 'x', params: { issuer: scene.oidc.issuer }, secrets: [] });
  assert.equal(refused.status, 422);
  await office.admin.registerOidc({ issuer: scene.oidc.issuer, clientId: 'own-client' });
  const { apps } = await type();
  assert.deepEqual(apps.map((each) => each.from_cloud_service), [false, true], 'one\'s own stands first');
  const started = await office.admin.startAuthorization(request);
  assert.equal(started.presentation, 'popup');
  assert.equal(started.redirect_uri, `${office.url}/oauth/callback/oidc`);
  const chosen = await office.admin.startAuthorization({ ...request, app: relayed.id });
  assert.equal(chosen.presentation, 'page');
  await office.admin.must('PUT', '/api/v1/registry/oauth.use_cloud_service', { value: 'false' });
  await office.admin.must('DELETE', '/api/v1/apps/oidc');
  assert.deepEqual((await type()).apps.map((each) => each.state), ['missing'], 'switched off');
});

test('latchkey grant add: the address it prints goes by way of the Cloud Service, through the relay\'s page; brought back by another browser, the consent is held until grant approve', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  await office.admin.group('Office');
  const pinFile = await office.file('pin', pin);
  const must = async (...args) => {
    const { status, stdout, stderr } = await office.cli(args);
    assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const added = async (name) => {
    const printed = await must('grant', 'add', name, '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile, '--allow', 'token');
    assert.ok(!printed.includes(pin));
    return new RegExp(`${office.url}/oauth/start/\\S+`).exec(printed)[0];
  };
  const grantOf = async (name) => JSON.parse(await must('grant', 'list', '--json')).find((each) => each.username === name);

  const address = await added('dora');
  const browser = new Browserless();
  const looked = await browser.open(address);
  assert.equal(looked.url, address, 'looking goes nowhere');
  assert.equal(await scene.relay.metric('latchkey_relay_flows_total{step="shown"}'), 0);
  const seen = [];
  const { body, trail } = await browser.open({ url: address, form: {} }, { visit: consenting(scene, seen) });
  assert.equal(seen.length, 1);
  assert.match(seen[0], /North Ltd/);
  assert.match(seen[0], /dora/);
  const steps = [`${scene.relay.url}/begin`, `${scene.relay.url}/continue`, `${scene.oidc.issuer}/auth`, `${scene.relay.url}/callback/op`, `${office.url}/oauth/relayed`]
    .map((prefix) => trail.findIndex((each) => each.startsWith(prefix)));
  assert.ok(steps.every((each, n) => each > (steps[n - 1] ?? 0)), trail.join('\n'));
  assert.match(body, /anna@example\.com/);
  const { state, account } = await grantOf('dora');
  assert.deepEqual([state, account.name], ['active', 'anna@example.com']);
  assert.equal((await office.token('dora', pin)).status, 200);
  assert.match((await new Browserless().open(trail[steps.at(-1)])).body, /is over/i);

  const [press, answer] = [pressing(scene.relay), scene.oidc.answering('allow', 'bert')];
  const walked = await new Browserless().open({ url: await added('erik'), form: {} }, {
    visit: (...page) => press(...page) ?? answer(...page), stopAt: (url) => url.startsWith(`${office.url}/oauth/relayed`),
  });
  assert.match((await new Browserless().open(walked.url)).body, /administrator must approve/);
  assert.match(await must('grant', 'pending'), /erik +oidc +held/);
  assert.equal(await grantOf('erik'), undefined);
  await must('grant', 'approve', 'erik', '--account', 'bert');
  assert.equal((await grantOf('erik')).state, 'active');
});

test('two offices on one relay never see each other\'s anything', async (t) => {
  const scene = await relayWithProvider(t);
  const north = await enrolledOffice(t, scene, 'North Ltd');
  const south = await enrolledOffice(t, scene, 'South Ltd');
  const ours = await walk(north, scene);
  const theirs = await walk(south, scene, { members: { ...request, username: 'plotter-1' } });
  const handle = (url) => new URL(url).searchParams.get('handle');
  // Handles swapped between two flows that are open at this moment, in the browsers that began them.
  const swapped = new URL(ours.url);
  swapped.searchParams.set('handle', handle(theirs.url));
  const refused = await north.admin.browser.open(swapped.href);
  assert.match(refused.body, /cannot be used|another authorisation/i);
  const across = new URL(theirs.url);
  across.searchParams.set('attempt', new URL(ours.url).searchParams.get('attempt'));
  await south.admin.browser.open(across.href);
  assert.equal((await north.admin.must('GET', `/api/v1/authorizations/${ours.started.id}`)).state, 'pending', 'a wrong handle ends nobody\'s attempt');
  // Each with its own: both complete.
  await north.admin.browser.open(ours.url);
  await south.admin.browser.open(theirs.url);
  assert.equal((await north.admin.outcome(ours.started.id)).state, 'completed');
  assert.equal((await south.admin.outcome(theirs.started.id)).state, 'completed');
  await nobodyAt(north, 'plotter-1');
  await nobodyAt(south, 'printer-1');
  // One office's signature opens nothing of the other's, whatever it asks for.
  const stolen = await fetchAnswer(`${scene.relay.url}/relay/v1/collect`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ handle: handle(ours.url) }) });
  assert.equal(stolen.status, 400, 'unsigned');
});

test('Attack: a handle replayed, truncated or altered is worth nothing, and is said so', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { url, started } = await walk(office, scene);
  for (const [what, change] of [['truncated', (handle) => handle.slice(0, -9)], ['altered', (handle) => `${handle.slice(0, 40)}${handle[40] === 'A' ? 'B' : 'A'}${handle.slice(41)}`], ['missing', () => '']]) {
    const bad = new URL(url);
    bad.searchParams.set('handle', change(bad.searchParams.get('handle')));
    const page = await office.admin.browser.open(bad.href);
    assert.match(page.body, /cannot be used/i, what);
    assert.doesNotMatch(page.url, /handle=/, 'the address is clean');
    assert.equal((await office.admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'pending', what);
  }
  await office.admin.browser.open(url);
  assert.equal((await office.admin.outcome(started.id)).state, 'completed');
  const replayed = await office.admin.browser.open(url);
  assert.match(replayed.body, /is over/i);
  assert.equal(scene.oidc.events.filter((each) => each.name === 'grant.success' && each.grantType === 'authorization_code').length, 1);
});

test('A4 S5: a handle that comes to another browser than the one that began is held until the account is approved', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { url, started } = await walk(office, scene);
  const elsewhere = await new Browserless().open(url);
  assert.match(elsewhere.body, /administrator must approve/i);
  assert.doesNotMatch(elsewhere.body, /href="\/users/, 'no way into the console');
  assert.equal((await office.admin.outcome(started.id)).state, 'held');
  await nobodyAt(office, 'printer-1');
  await office.admin.mustAnswer(started.id, true);
  assert.equal((await office.token('printer-1', pin)).status, 200);
});

test('A4 A5 S5: an owner\'s link by way of the relay: an answer that is brought in another browser than the link was gone on with in is held, and is nobody\'s pass there', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const link = await office.admin.startAuthorization({ ...request, way: 'owner_link' });
  const goingOn = (url, _response, body) => (url.startsWith(`${office.url}/oauth/start/`) && /<form method="post"/.test(body) ? { url, form: {} } : undefined);
  const walked = consenting(scene);
  const atOffice = (url) => url.startsWith(`${office.url}/oauth/relayed`);
  const owner = new Browserless();
  const { url } = await owner.open(link.start_url, { visit: (...page) => goingOn(...page) ?? walked(...page), stopAt: atOffice });
  assert.ok(atOffice(url), url);
  const other = new Browserless();
  const brought = await other.open(url);
  assert.match(brought.body, /administrator must approve/i);
  assert.deepEqual(other.jar.names(), ['latchkey-last-page'], 'whoever brings a handle is not therefore the owner');
  assert.equal((await office.admin.outcome(link.id)).state, 'held');
  await nobodyAt(office, 'printer-1');
  assert.match((await owner.open(url)).body, /is over/i, 'one use');
  assert.equal((await office.admin.mustAnswer(link.id, true)).state, 'completed');
  assert.equal((await office.token('printer-1', pin)).status, 200);
});

test('Attack: what an office has not signed, or signed otherwise, leads nowhere at the relay', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const started = await office.admin.startAuthorization(request);
  const { url } = await office.admin.browser.open(started.start_url, { stopAt: (each) => each.startsWith(`${scene.relay.url}/begin`) });
  const flow = new URL(url).searchParams.get('flow');
  for (const bad of ['', 'x', flow.slice(0, -4), `${flow.slice(0, 60)}${flow[60] === 'A' ? 'B' : 'A'}${flow.slice(61)}`, 'A'.repeat(7000)]) {
    const page = await new Browserless().open(`${scene.relay.url}/begin?flow=${bad}`);
    assert.ok(page.status >= 400 && page.status < 500, `${bad.slice(0, 20)}: ${page.status}`);
    assert.match(page.body, /Nothing was linked/);
    assert.doesNotMatch(page.body, /action="\/continue"/);
  }
  // The button without the page, and the page's button in another browser.
  const looked = new Browserless();
  const page = await looked.open(url);
  const token = /name="token" value="([^"]+)"/.exec(page.body)[1];
  for (const browser of [new Browserless(), await (async () => { const other = new Browserless(); await other.open(url); return other; })()]) {
    const pressed = await browser.request(`${scene.relay.url}/continue`, { method: 'POST', body: new URLSearchParams({ flow, token }) });
    assert.equal(pressed.status, 403);
    assert.match(await pressed.text(), /form_not_ours/);
  }
  // A victim sent to the callback with an attacker's answer.
  const attacker = await walk(office, scene, { members: { ...request, username: 'printer-2' }, stopAt: (each) => each.startsWith(`${scene.relay.url}/callback/`) });
  const victim = await new Browserless().open(attacker.url);
  assert.equal(victim.status, 403);
  assert.match(victim.body, /Not begun in this browser/);
  assert.match(await (await fetch(`${scene.relay.url}/metrics`)).text(), /latchkey_relay_refused_total\{reason="flow_not_of_this_browser"\} 1/);
});

test('S1: an enrolment revoked in mid-flow ends it, and the office is told so', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { url } = await walk(office, scene, { stopAt: (each) => each.startsWith(`${scene.relay.url}/callback/`) });
  await scene.relay.revoke(office.office);
  const back = await office.admin.browser.open(url);
  assert.equal(back.status, 403);
  assert.match(back.body, /not served here/);
  const refused = await office.admin.call('POST', '/api/v1/authorizations', { ...request, username: 'printer-2', group_id: await office.admin.group('Office') });
  assert.equal(refused.code, 'cloud_enrolment_revoked');
  assert.equal((await office.cli(['cloud', 'check'])).status, 1);
  assert.equal((await scene.relay.list())[0].state, 'revoked');
});

test('the doctor asks the Cloud Service: reach, enrolment, the way back for browsers, and accounts of one that was left', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { started, url } = await walk(office, scene);
  await office.admin.browser.open(url);
  assert.equal((await office.admin.outcome(started.id)).state, 'completed');
  // A report is given for two seconds to whoever asks next.
  const findings = (check, isSo, what) => until(what, async () => {
    const found = (await office.admin.must('POST', '/api/v1/doctor')).findings.filter((each) => each.check === check);
    return isSo(found) ? found : undefined;
  }, { timeout: 30_000, every: 300 });
  const [back, own] = await findings('cloud_service', (found) => found.length === 2, 'the service, and the way back');
  assert.deepEqual([own.severity, own.subject, back.severity], ['ok', scene.relay.url, 'note']);
  assert.match(own.seen, /North Ltd/);
  assert.equal(back.handovers[0].text, office.url);
  for (const check of ['outgoing', 'clock']) {
    const found = await findings(check, (all) => all.some((each) => each.subject === scene.relay.url), `${check} looks at the service`);
    assert.equal(found.find((each) => each.subject === scene.relay.url).severity, 'ok', check);
  }

  await scene.relay.stop();
  const [away] = await findings('cloud_service', (found) => found[0]?.severity === 'error', 'the service to be missed');
  assert.match(away.remedy, /outbound\.proxy/);
  await scene.relay.launch();
  await scene.relay.revoke(office.office);
  const [revoked] = await findings('cloud_service', (found) => /enrolment code/.test(found[0]?.remedy), 'the revocation to be seen');
  assert.equal(revoked.severity, 'error');
  const told = await office.cli(['doctor']);
  assert.equal(told.status, 1);
  assert.match(told.stdout, /ERROR +cloud_service/);

  assert.equal((await office.cli(['cloud', 'leave'])).status, 0);
  const [left] = await findings('cloud_service', (found) => found.length === 1 && found[0].severity === 'note', 'the accounts left behind');
  assert.match(left.seen, /1 account of .*was authorised/);
});

test('the relay is killed at each step: a step that has been taken is not lost, and one that was not can be taken again', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const steps = [
    ['before the page', (url) => url.startsWith(`${scene.relay.url}/begin`)],
    ['before the button', undefined],
    ['before the provider', (url) => url.startsWith(scene.oidc.issuer)],
    ['before the callback', (url) => url.startsWith(`${scene.relay.url}/callback/`)],
    ['before the collection', (url) => url.startsWith(`${office.url}/oauth/relayed`)],
  ];
  for (const [n, [what, stopAt]] of steps.entries()) {
    const members = { ...request, username: `printer-${n}` };
    // The person looks at the confirmation page while the relay dies.
    let pressed;
    const { started, url } = stopAt
      ? await walk(office, scene, { members, stopAt })
      : await walkToButton(office, scene, members, (button) => { pressed = button; });
    await scene.relay.kill();
    // The office asks for what the browser has brought while nobody answers, and the browser waits.
    const waiting = what === 'before the collection' ? office.admin.browser.open(url) : undefined;
    if (waiting) {
      await until('the office to have asked', async () => /outcome="unreachable"\} [1-9]/.test(await office.metrics()));
      assert.equal((await office.admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'pending', what);
    }
    await scene.relay.launch();
    if (waiting) await waiting;
    else await office.admin.browser.open(pressed ?? url, { visit: consenting(scene) });
    const attempt = await office.admin.outcome(started.id);
    assert.ok(['completed', 'needs_confirmation'].includes(attempt.state), `${what}: ${attempt.state} ${JSON.stringify(attempt.problem)}`);
    if (attempt.state === 'needs_confirmation') await office.admin.mustAnswer(started.id, true);
    assert.equal((await office.token(`printer-${n}`, pin)).status, 200, what);
  }
});

test('forged forwarded headers: whoever is no trusted proxy vouches for nothing; behind one, only https goes on', async (t) => {
  const scene = await relayWithProvider(t);
  const { certFile, keyFile } = scene.relay.certificate;
  assert.ok(certFile && keyFile);
  const port = await freePort();
  const folder = await temporaryFolder(t, 'relay-clear');
  const clear = async (name, config) => {
    const relay = new Relay();
    Object.assign(relay, { folder, data: path.join(folder, name), configFile: path.join(folder, `${name}.toml`), port, certificate: scene.relay.certificate });
    relay.options = { apps: scene.relay.options.apps, inClear: true, config: { 'tls.certificate': undefined, 'tls.key': undefined, ...config } };
    await relay.launch();
    return relay;
  };
  const ask = (headers) => fetchAnswer(`http://localhost:${port}/begin?flow=x`, { headers });
  const untrusted = await clear('untrusted', {});
  try {
    for (const headers of [{ 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }, { forwarded: 'for=203.0.113.9;proto=https' }]) {
      const answer = await ask(headers);
      assert.match(answer.text, /not_https/, JSON.stringify(headers));
    }
    const metrics = (headers) => fetchAnswer(`http://localhost:${port}/metrics`, { headers });
    assert.equal((await metrics({})).status, 200, 'this machine itself');
    for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'x-real-ip', 'via']) {
      const answer = await metrics({ [name]: '203.0.113.9' });
      assert.notEqual(answer.status, 200, name);
      assert.doesNotMatch(answer.text, /latchkey_relay/, name);
    }
    const host = await fetchAnswer(`http://localhost:${port}/begin?flow=x`, { headers: { 'x-forwarded-host': 'evil.example' } });
    assert.doesNotMatch(host.text, /evil\.example/);
  } finally {
    await untrusted.stop();
  }
  const trusted = await clear('trusted', { trusted_proxies: ['127.0.0.1'] });
  try {
    assert.match((await ask({ 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' })).text, /not_https/);
    assert.match((await ask({ 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' })).text, /flow_malformed|envelope_rejected/);
    const elsewhere = await fetchAnswer(`http://localhost:${port}/metrics`, { headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' } });
    assert.equal(elsewhere.status, 404, 'whom the proxy names is no operator');
    // The other header than the configured one is the client's own word.
    assert.match((await ask({ forwarded: 'for=203.0.113.9;proto=https', 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' })).text, /not_https/);
  } finally {
    await trusted.stop();
  }
});

test('S1: a request whose clock is off by more than a minute, or that says one thing and was signed for another, is refused in words', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await ScriptedOffice.enrol(scene.relay, 'South Ltd');
  const now = Math.floor(Date.now() / 1000);
  assert.equal((await office.ask('GET', '/relay/v1/office')).status, 200);
  for (const [off, word] of [[-90, 'behind'], [90, 'ahead']]) {
    const answer = await office.ask('GET', '/relay/v1/office', { time: now + off });
    assert.equal(answer.code, 'clock_differs');
    assert.match(answer.body.detail, new RegExp(`the office's is ${word}`));
  }
  assert.equal((await office.ask('GET', '/relay/v1/office', { time: now - 50 })).status, 200);
  const other = await ScriptedOffice.enrol(scene.relay, 'North Ltd');
  assert.equal((await office.ask('GET', '/relay/v1/office', { as: other.id })).code, 'office_unknown', 'another key than that office\'s');
  assert.equal((await office.ask('POST', '/relay/v1/collect', { body: '{"handle":"x"}', sent: '{"handle":"y"}' })).code, 'signature_wrong');
  assert.equal((await office.ask('POST', '/relay/v1/collect', { body: '{"handle":"x"}' })).code, 'handle_unknown');
  await scene.relay.revoke(office.id);
  assert.equal((await office.ask('GET', '/relay/v1/office')).code, 'office_unknown');
});

test('Attack: a malicious office is enrolled, and still sends nobody where it likes: foreign origin, client, redirect, scope, endpoint, type, end', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await ScriptedOffice.enrol(scene.relay);
  const honest = await new Browserless().open(office.beginUrl());
  assert.equal(honest.status, 200, honest.body);
  assert.match(honest.body, /Mallory Ltd/);
  const [app] = office.view.apps;
  for (const [what, changes, reason] of [
    ['a return origin that is not enrolled', { return: 'https://north.example' }, 'return_not_enrolled'],
    ['another client', { url: { client_id: 'other' } }, 'address_refused'],
    ['another redirect', { url: { redirect_uri: 'https://mallory.example/callback' } }, 'address_refused'],
    ['more scope', { url: { scope: 'openid offline_access admin' } }, 'address_refused'],
    ['another endpoint', { endpoint: 'https://mallory.example/auth' }, 'address_refused'],
    ['a look-alike endpoint', { endpoint: `${app.params.issuer}@mallory.example/auth` }, 'address_refused'],
    ['no PKCE', { url: { code_challenge: null, code_challenge_method: null } }, 'address_refused'],
    ['plain PKCE', { url: { code_challenge_method: 'plain' } }, 'address_refused'],
    ['a token in the address', { url: { response_type: 'code token' } }, 'address_refused'],
    ['a response mode', { url: { response_mode: 'form_post' } }, 'address_refused'],
    ['a foreign parameter', { url: { request_uri: 'https://mallory.example/r' } }, 'address_refused'],
    ['no state', { url: { state: null } }, 'address_refused'],
    ['another type', { type: 'dropbox' }, 'type_not_enrolled'],
    ['another app', { app: 'dropbox' }, 'app_unknown'],
    ['an end long ago', { end: '2020-01-01T00:00:00.000Z' }, 'flow_expired'],
    ['an end a year away', { end: '2099-01-01T00:00:00.000Z' }, 'clock_differs'],
    ['another office\'s name', { office: '01900000-0000-7000-8000-000000000000' }, 'office_unknown'],
  ]) {
    const page = await new Browserless().open(office.beginUrl(changes));
    assert.ok(page.status >= 400 && page.status < 500, `${what}: ${page.status}`);
    assert.match(page.body, new RegExp(`\\(${reason}\\)`), what);
    assert.doesNotMatch(page.body, /action="\/continue"/, what);
  }
});

test('S1: a DNS name is verified at the office itself and shown before consent; another office cannot have it, and an untrusted certificate proves nothing', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const { certFile, keyFile } = relay.certificate;
  const port = await freePort();
  const office = await enrolledOffice(t, scene, 'North Ltd', { port, tls: { certFile, keyFile }, publicUrl: `https://localhost:${port}` });
  const proof = await fetchAnswer(`${office.url}/.well-known/latchkey-office`);
  assert.equal(proof.status, 200);
  assert.equal(proof.text.split('\n')[0], office.office);
  const begun = await office.admin.startAuthorization(request);
  const { url } = await office.admin.browser.open(begun.start_url, { stopAt: (each) => each.startsWith(`${relay.url}/begin`) });
  assert.doesNotMatch((await new Browserless().open(url)).body, /verified/);

  const untrusted = await relay.cli(['verify', office.office]);
  assert.equal(untrusted.status, 1);
  assert.match(untrusted.stderr, /latchkey-office cannot be fetched from here/);
  const mallory = await ScriptedOffice.enrol(relay, 'Mallory Ltd', { origins: [office.url] });
  const stolen = await relay.cli(['verify', mallory.id, '--ca-file', certFile]);
  assert.equal(stolen.status, 1);
  assert.match(stolen.stderr, /does not show this office's enrolment and keys/);
  assert.ok((await relay.list()).every((each) => each.verified_name === null));

  const verified = await relay.cli(['verify', office.office, '--ca-file', certFile]);
  assert.equal(verified.status, 0, verified.stderr);
  const listed = (await relay.list()).find((each) => each.office === office.office);
  assert.equal(listed.verified_name, `localhost:${port}`);
  const page = await until('the running service to know the name', async () => {
    const { body } = await new Browserless().open(url);
    return body.includes('Its address, verified') ? body : undefined;
  });
  assert.ok(page.includes(`localhost:${port}`) && page.includes('North Ltd'));
  const unenrolled = await officeAt(t, scene);
  assert.equal((await fetchAnswer(`${unenrolled.url}/.well-known/latchkey-office`)).status, 404);

  const name = async () => (await relay.list()).find((each) => each.office === office.office).verified_name;
  assert.equal((await relay.cli(['verify', office.office])).status, 1);
  assert.equal(await name(), `localhost:${port}`, 'what cannot be reached at this moment is known no worse than before');
  assert.equal((await office.cli(['cloud', 'leave'])).status, 0);
  const refused = await relay.cli(['verify', office.office, '--ca-file', certFile]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /taken back/);
  assert.equal(await name(), null, 'the address shows the enrolment no longer');
});

test('S1: the address policy holds for a verification: an office\'s name that leads into the relay\'s own network is not fetched', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const office = await ScriptedOffice.enrol(relay, 'Mallory Ltd', { origins: [`https://localhost:${scene.oidc.port}`] });
  const strict = path.join(relay.folder, 'strict.toml');
  await writeFile(strict, relay.toml.replace('loopback_providers = true\n', '').replace(/params = .*\n/, 'params = { issuer = "https://op.example" }\n').replace(/authorization_endpoint = .*\n/, 'authorization_endpoint = "https://op.example/auth"\n'));
  const { status, stderr } = await run(binary, ['relay', 'verify', office.id, '--config', strict]);
  assert.equal(status, 1);
  assert.match(stderr, /cannot be fetched from here: .*(not allowed|outbound)/i);
});

test('S1: the relay\'s keys are rotated: what was begun before goes on, offices follow, and a code from before is still good', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { service_key: before } = await office.admin.must('GET', '/api/v1/cloud-service');
  const { code } = await relay.issue('South Ltd');
  const { started, url } = await walk(office, scene, { stopAt: (each) => each.startsWith(`${relay.url}/begin`) });
  const rotated = await relay.cli(['rotate-keys', '--json']);
  assert.equal(rotated.status, 0, rotated.stderr);
  const { former, keys } = JSON.parse(rotated.stdout);
  assert.equal(former, before);
  await relay.stop();
  await relay.launch();

  await office.admin.browser.open(url, { visit: consenting(scene) });
  assert.equal((await office.admin.outcome(started.id)).state, 'completed', 'sealed to the former keys');
  const next = await walk(office, scene, { members: { ...request, username: 'printer-2' } });
  assert.equal((await office.admin.must('GET', '/api/v1/cloud-service')).service_key, keys, 'the office has followed');
  await office.admin.browser.open(next.url);
  const second = await office.admin.outcome(next.started.id);
  assert.ok(['completed', 'needs_confirmation'].includes(second.state), JSON.stringify(second.problem));
  const south = await officeAt(t, scene);
  const enrolled = await south.admin.must('PUT', '/api/v1/cloud-service', { address: relay.url, enrolment_code: code });
  assert.equal(enrolled.service_key, keys);
  // Keys that nobody has vouched for are not followed.
  await relay.stop();
  await rm(path.join(relay.data, 'relay.keys'));
  await relay.launch();
  const refused = await office.admin.call('POST', '/api/v1/authorizations', { ...request, username: 'printer-3', group_id: await office.admin.group('Office') });
  assert.equal(refused.code, 'cloud_keys_differ');
});

test('quota: an office begins no more consents in a minute than its enrolment allows', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await officeAt(t, scene);
  const { code } = await scene.relay.issue('North Ltd', ['--flows-per-minute', '2']);
  await office.admin.must('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: code });
  const atProvider = (url) => url.startsWith(scene.oidc.issuer);
  for (const name of ['a-1', 'a-2']) assert.equal((await walk(office, scene, { members: { ...request, username: name }, stopAt: atProvider })).status, 0);
  const third = await walk(office, scene, { members: { ...request, username: 'a-3' }, stopAt: atProvider });
  assert.equal(third.status, 429);
  assert.match(third.body, /Too many at once/);
});

test('types: what an enrolment does not allow is not offered, and refused when asked for all the same', async (t) => {
  const scene = await relayWithProvider(t);
  const bad = await scene.relay.cli(['enrol', 'South Ltd', '--type', 'dropbox']);
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /dropbox is no type that this service forwards: oidc/);
  const office = await officeAt(t, scene);
  const { code } = await scene.relay.issue('North Ltd', ['--type', 'oidc']);
  const status = await office.admin.must('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: code });
  assert.deepEqual(status.apps.map((each) => each.types), [['oidc']]);
});

/** Whatever form of it might stand in a log: as it is, percent-encoded, its octets in base64 and hex; and its halves, in case it was cut. */
function formsOf(secret) {
  const octets = Buffer.from(secret);
  const raw = Buffer.from(secret, 'base64url');
  const half = secret.length / 2;
  const forms = [secret, encodeURIComponent(secret), octets.toString('base64'), octets.toString('hex'), secret.slice(0, half), secret.slice(half)];
  return raw.toString('base64url') === secret ? [...forms, raw.toString('base64'), raw.toString('hex')] : forms;
}

for (const [mode, withApp] of [['forward', relayWithProvider], ['exchange', relayWithClient]]) {
  test(`P7: nothing that opens anything is logged by the relay or the office: looked for by its value, in ${mode} mode`, async (t) => {
    const scene = await withApp(t);
    const replies = [];
    scene.oidc.provider.on('grant.success', ({ body }) => replies.push(body));
    const office = await officeAt(t, scene);
    const { code: enrolmentCode } = await scene.relay.issue('North Ltd');
    await office.admin.must('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: enrolmentCode });
    const seen = [];
    const started = await office.admin.startAuthorization(request);
    const { trail } = await office.admin.browser.open(started.start_url, { visit: consenting(scene, seen) });
    const attempt = await office.admin.outcome(started.id);
    assert.equal(attempt.state, 'completed', JSON.stringify(attempt.problem));
    await office.admin.must('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`);
    const { body: { access_token: handedOut } } = await office.token('printer-1', pin);
    // Refusals are logged at greater length: those of a handle used up, of a callback that is over, and of a button without its token.
    const way = (start) => new URL(trail.find((each) => each.startsWith(start)));
    const [begin, callback, relayed] = [`${scene.relay.url}/begin`, `${scene.relay.url}/callback/`, `${office.url}/oauth/relayed`].map(way);
    for (const again of [callback, relayed]) await office.admin.browser.open(again.href);
    const flow = begin.searchParams.get('flow');
    const [, token] = /name="token" value="([^"]+)"/.exec(seen[0]);
    await new Browserless().request(`${scene.relay.url}/continue`, { method: 'POST', body: new URLSearchParams({ flow, token }) });

    assert.equal(replies.length, 2, 'the exchange and the refresh');
    assert.notEqual(replies[0].refresh_token, replies[1].refresh_token);
    const secrets = {
      'the PIN': pin, 'the start address': started.start_url.split('/').pop(), flow, 'the form token': token,
      state: callback.searchParams.get('state'), 'the authorization code': callback.searchParams.get('code'), handle: relayed.searchParams.get('handle'),
      'the enrolment code': enrolmentCode.slice('LK1-'.length), 'its secret': Buffer.from(enrolmentCode.slice('LK1-'.length), 'base64url').subarray(16, 32).toString('base64url'),
      'the token handed out': handedOut, ...(mode === 'exchange' && { 'the client secret': scene.oidc.clientSecret }),
      ...Object.fromEntries(replies.flatMap((each, n) => ['access_token', 'refresh_token', 'id_token'].map((name) => [`${name} ${n + 1}`, each[name]]))),
    };
    await until('the refusals to be logged', () => ['flow_not_of_this_browser', 'form_not_ours'].every((reason) => scene.relay.logs.includes(reason)));
    await Promise.all([office.stop(), scene.relay.stop()]); // all that they ever say
    for (const [who, { logs }] of [['the relay', scene.relay], ['the office', office]]) {
      assert.match(logs, /stopped/, `${who} logs`);
      for (const [what, secret] of Object.entries(secrets)) {
        assert.ok(secret.length >= 12, `${what}: ${secret}`);
        for (const form of formsOf(secret)) assert.ok(!logs.includes(form), `${who} has logged ${what}`);
      }
    }
    assert.doesNotMatch(scene.relay.logs, /code=|state=|flow=|handle=|LK1-/);
    assert.doesNotMatch(office.logs, /handle=|LK1-/);
    assert.equal((await readFile(path.join(scene.relay.data, 'relay.keys'))).length, 96);
  });
}
