// Attacks on consent by way of the Cloud Service with two people in two browsers: a starter and a victim, two offices of one relay,
// two providers behind it.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { openPage, startBrowser } from '../support/browser.mjs';
import { assertNotListed } from '../support/console.mjs';
import { Session } from '../support/latchkey.mjs';
import { freePort } from '../support/ports.mjs';
import { assertLogged, enrolledOffice, relayedApp, relayWithClient, relayWithProvider, relayWithTwoProviders } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';

const pin = 'Schlüssel 77';
const insecure = { ignoreHTTPSErrors: true };

/** A person at an office's console, in a browser profile and a session of their own. */
async function personAt(browser, office) {
  const page = await openPage(browser, insecure);
  const session = new Session(office.url);
  await session.signIn();
  const cookies = session.browser.jar.for(office.url).split('; ').map((pair) => ({ name: pair.slice(0, pair.indexOf('=')), value: pair.slice(pair.indexOf('=') + 1), url: office.url }));
  await page.context().addCookies(cookies);
  await page.goto(`${office.url}/users`, { waitUntil: 'domcontentloaded' });
  return page;
}

/** Begins as the console's dialog does, in that page's session, and goes to the relay; gives the attempt's id. */
async function begin(page, office, relay, username, app) {
  const group = await office.admin.group('Office');
  const { id, start_url: address } = await page.evaluate(async (wish) => {
    const { csrf_token: token } = await (await fetch('/api/v1/session')).json();
    const answer = await fetch('/api/v1/authorizations', { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': token }, body: JSON.stringify(wish) });
    return answer.json();
  }, { username, pin, type: 'oidc', group_id: group, allow_token: true, app });
  await page.goto(address);
  await page.waitForURL(`${relay.url}/begin**`);
  return id;
}
/** The relay's button, then the provider's, as that account. */
async function consent(page, account) {
  await page.getByRole('button', { name: /^Continue to/ }).click();
  await page.getByLabel('Account').selectOption(account);
  await page.getByRole('button', { name: 'Allow', exact: true }).click();
}
/** From now on the page is stopped before an address like that; `at` resolves with it, `end` lets it go on. */
async function stopping(page, urlPattern) {
  const devtools = await page.context().newCDPSession(page);
  const at = new Promise((resolve) => {
    devtools.on('Fetch.requestPaused', async ({ requestId, request }) => {
      await devtools.send('Fetch.failRequest', { requestId, errorReason: 'Aborted' });
      resolve(request.url);
    });
  });
  await devtools.send('Fetch.enable', { patterns: [{ urlPattern }] });
  return { at, end: () => devtools.detach() };
}
/** Begins, consents, and is stopped before `pattern`; gives { id, url }. */
async function stoppedBefore(pattern, page, office, relay, username, { account = 'anna', app } = {}) {
  const stop = await stopping(page, pattern);
  const id = await begin(page, office, relay, username, app);
  await consent(page, account);
  const url = await stop.at;
  await stop.end();
  return { id, url };
}
const stateOf = async (office, id) => (await office.admin.must('GET', `/api/v1/authorizations/${id}`)).state;
const withHandleOf = (address, other) => {
  const url = new URL(address);
  url.searchParams.set('handle', new URL(other).searchParams.get('handle'));
  return url.href;
};

test('Attack: results swapped between two offices of one relay: each browser carries the other office\'s handle, and neither office gets anything of it', async (t) => {
  const parts = await relayWithProvider(t);
  const [north, south, browser] = await Promise.all([enrolledOffice(t, parts, 'North Ltd'), enrolledOffice(t, parts, 'South Ltd'), startBrowser(t)]);
  const [starter, victim] = await Promise.all([personAt(browser, north), personAt(browser, south)]);
  const [ours, theirs] = await Promise.all([
    stoppedBefore(`${north.url}/oauth/relayed*`, starter, north, parts.relay, 'scanner-1', { account: 'anna' }),
    stoppedBefore(`${south.url}/oauth/relayed*`, victim, south, parts.relay, 'plotter-1', { account: 'bert' }),
  ]);

  for (const [what, page, address] of [
    ['the victim\'s handle in the starter\'s browser', starter, withHandleOf(ours.url, theirs.url)],
    ['the starter\'s handle in the victim\'s browser', victim, withHandleOf(theirs.url, ours.url)],
  ]) {
    await page.goto(address);
    await page.getByText('The Cloud Service does not know this answer', { exact: false }).waitFor();
    assert.doesNotMatch(page.url(), /handle=/, what);
  }
  await assertLogged(parts.relay, 'handle_unknown', 2);
  assert.equal(parts.oidc.tokenRequests, 0, 'no code went anywhere');
  assert.deepEqual([await stateOf(north, ours.id), await stateOf(south, theirs.id)], ['pending', 'pending']);

  // Each with its own: the accounts stand where they were consented to.
  for (const [page, office, { url, id }, account] of [[starter, north, ours, 'anna@example.com'], [victim, south, theirs, 'bert@example.com']]) {
    await page.goto(url);
    await page.waitForURL(`${office.url}/users**`, { waitUntil: 'commit' });
    const attempt = await office.admin.outcome(id);
    assert.deepEqual([attempt.state, attempt.result.account.name], ['completed', account]);
  }
  await assertNotListed(starter, north, 'plotter-1');
  await assertNotListed(victim, south, 'scanner-1');
  assert.equal((await north.token('plotter-1', pin)).status, 401);
  assert.equal((await south.token('scanner-1', pin)).status, 401);
});

test('C2 Attack: mix-up by a second app: a starter\'s answer of one provider in a victim\'s browser at another\'s callback gives nobody anything', async (t) => {
  const scene = await relayWithTwoProviders(t);
  const { relay, oidc, other } = scene;
  const [office, browser] = await Promise.all([enrolledOffice(t, scene, 'North Ltd', { config: { 'outbound.allow': [`127.0.0.1:${other.port}`] } }), startBrowser(t)]);
  const [ours, theirs] = [await relayedApp(office, 'op'), await relayedApp(office, 'other')];
  const [starter, victim] = await Promise.all([personAt(browser, office), personAt(browser, office), office.admin.group('Office')]);
  const [bad, good] = await Promise.all([
    stoppedBefore(`${relay.url}/callback/*`, starter, office, relay, 'plotter-1', { app: theirs, account: 'bert' }),
    stoppedBefore(`${relay.url}/callback/*`, victim, office, relay, 'scanner-1', { app: ours }),
  ]);
  const at = (address, app) => Object.assign(new URL(address), { pathname: `/callback/${app}` });

  await victim.goto(at(bad.url, 'op').href);
  await victim.getByRole('heading', { name: 'Not begun in this browser' }).waitFor();
  await victim.goto(at(good.url, 'other').href);
  await victim.getByRole('heading', { name: 'The answer came from the wrong place' }).waitFor();
  assert.equal(new URL(victim.url()).origin, relay.url);
  await assertLogged(relay, 'wrong_app', 1);
  assert.deepEqual([await stateOf(office, bad.id), await stateOf(office, good.id)], ['pending', 'pending']);

  // The second provider has learned the victim's state, and answers under it with the starter's code.
  const mixed = at(good.url, 'op');
  for (const name of ['code', 'iss']) mixed.searchParams.set(name, new URL(bad.url).searchParams.get(name));
  await victim.goto(mixed.href);
  await victim.waitForURL(`${office.url}/**`);
  const attempt = await office.admin.outcome(good.id);
  assert.deepEqual([attempt.state, attempt.problem.code], ['failed', 'wrong_provider']);
  assert.deepEqual([oidc.tokenRequests, other.tokenRequests], [0, 0], 'the code was posted to neither');
  await victim.goto(`${office.url}/users`);
  await assertNotListed(victim, office, 'scanner-1');
});

test('C3 Attack: a late handle: the starter has cancelled, and neither the starter\'s browser nor a victim\'s brings the account in any more', async (t) => {
  const parts = await relayWithProvider(t);
  const [office, browser] = await Promise.all([enrolledOffice(t, parts, 'North Ltd'), startBrowser(t)]);
  const starter = await personAt(browser, office);
  const late = await stoppedBefore(`${office.url}/oauth/relayed*`, starter, office, parts.relay, 'scanner-1');
  await office.admin.must('POST', `/api/v1/authorizations/${late.id}/cancel`);
  const victim = await openPage(browser, insecure);
  for (const page of [starter, victim]) {
    await page.goto(late.url);
    await page.getByRole('heading', { name: 'This authorisation is over' }).waitFor();
    assert.doesNotMatch(page.url(), /handle=/);
  }
  assert.equal(parts.oidc.tokenRequests, 0);
  await starter.goto(`${office.url}/users`);
  await assertNotListed(starter, office, 'scanner-1');
});

/** Chromium finds every attacker.example here: a site of its own, of which neither relay nor office is a part. */
const anotherSite = { args: ['--host-resolver-rules=MAP attacker.example 127.0.0.1'] };
/** The attacker's web server: the page that `show` gives for a path. Gives its origin. */
async function siteOf(t, show) {
  const port = await freePort();
  const site = http.createServer((request, response) => response.setHeader('Content-Type', 'text/html').end(`<!doctype html><title>Win a prize</title>${show(request.url)}`));
  await new Promise((resolve) => site.listen(port, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => { site.closeAllConnections(); site.close(resolve); }));
  return `http://attacker.example:${port}`;
}
/** What the button of the relay's confirmation page in that browser would send. */
const fieldsOf = async (page) => Object.fromEntries(await Promise.all(['flow', 'token'].map(async (name) => [name, await page.locator(`input[name=${name}]`).inputValue()])));
/** Everything that browser asks for, from now on, at an origin. */
function askedAt(context, origin) {
  const asked = [];
  context.on('request', (request) => { if (new URL(request.url()).origin === origin) asked.push(request.url()); });
  return asked;
}

test('Attack: the button pressed by another site, in the same browser: with the relay\'s cookie there, no form of another site\'s leads to the provider', async (t) => {
  const parts = await relayWithProvider(t);
  const { relay, oidc } = parts;
  const [office, mallory, browser] = await Promise.all([enrolledOffice(t, parts, 'North Ltd'), ScriptedOffice.enrol(relay), startBrowser(t, anotherSite)]);
  const victim = await personAt(browser, office);
  const context = victim.context();
  const id = await begin(victim, office, relay, 'scanner-1');
  const theirs = await fieldsOf(victim);
  const [cookie] = (await context.cookies(relay.url)).filter((each) => each.name === '__Host-latchkey-relay');
  assert.deepEqual([cookie.sameSite, cookie.secure, cookie.httpOnly], ['Lax', true, true], 'the victim\'s browser has the relay\'s cookie');

  const attacker = await openPage(browser, insecure);
  await attacker.goto(victim.url());
  const sameFlow = await fieldsOf(attacker);
  assert.equal(sameFlow.flow, theirs.flow);
  assert.notEqual(sameFlow.token, theirs.token, 'a token is of one browser');
  await attacker.goto(mallory.beginUrl());
  const ownFlow = await fieldsOf(attacker);

  const forms = [{ flow: theirs.flow }, { flow: theirs.flow, token: '' }, sameFlow, ownFlow, theirs];
  const site = await siteOf(t, (url) => `<form method="post" action="${relay.url}/continue">${Object.entries(forms[Number(url.slice(1))])
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join('')}</form><script>document.forms[0].submit()</script>`);
  const asked = askedAt(context, oidc.issuer);
  const tab = await context.newPage();
  /** The victim's browser opens the attacker's page, which submits that form; gives whether the relay's cookie went along. */
  const press = async (form) => {
    const sent = tab.waitForRequest(`${relay.url}/continue`);
    await tab.goto(`${site}/${forms.indexOf(form)}`, { waitUntil: 'commit' });
    const headers = await (await sent).allHeaders();
    assert.equal(headers['sec-fetch-site'], 'cross-site');
    return (headers.cookie ?? '').includes(cookie.value);
  };
  const refused = async (form, words, withCookie) => {
    assert.equal(await press(form), withCookie, 'the cookie');
    await tab.getByText(words, { exact: false }).waitFor();
    await tab.getByText('sent to the provider', { exact: false }).waitFor();
    assert.equal(await tab.getByRole('button').count(), 0);
    assert.deepEqual(asked, [], 'the browser went to the provider');
  };
  const nothingMade = async () => {
    assert.equal(await stateOf(office, id), 'pending');
    assert.deepEqual((await context.cookies(relay.url)).map((each) => each.name), [cookie.name], 'no flow was joined to this browser');
    assert.equal(await relay.metric('latchkey_relay_flows_total{step="continued"}'), 0);
    assert.equal((await office.admin.must('GET', '/api/v1/users?search=scanner-1')).total, 0);
  };

  // The cookie stays at home: even the victim's own token, if it had leaked, opens nothing from there.
  await refused(forms[0], 'The confirmation came incomplete', false);
  for (const form of forms.slice(1)) await refused(form, '(form_not_ours)', false);
  await nothingMade();

  // A browser that lets it go along all the same, as many did before SameSite: the token alone holds.
  await context.addCookies([{ name: cookie.name, value: cookie.value, url: relay.url, secure: true, httpOnly: true, sameSite: 'None' }]);
  await refused(forms[0], 'The confirmation came incomplete', true);
  for (const form of [forms[1], sameFlow, ownFlow]) await refused(form, '(form_not_ours)', true);
  await nothingMade();
  await assertLogged(relay, 'form_not_ours', 7);

  // With both gone it would have worked, and this test would have seen it.
  assert.equal(await press(theirs), true);
  await tab.waitForURL(`${oidc.issuer}/**`);
  assert.ok(asked.length > 0);
});

test('C4 Attack: another site frames the relay\'s confirmation page: nothing of it shows, and a click where its button would be presses nothing', async (t) => {
  const parts = await relayWithProvider(t);
  const { relay } = parts;
  const [office, browser] = await Promise.all([enrolledOffice(t, parts, 'North Ltd'), startBrowser(t, anotherSite)]);
  const victim = await personAt(browser, office);
  const context = victim.context();
  const id = await begin(victim, office, relay, 'scanner-1');
  const address = victim.url();
  const site = await siteOf(t, () => `<style>body { margin: 0 } iframe { border: 0; opacity: .1 }</style><iframe src="${address}" width="1000" height="850"></iframe>`);
  const pressed = askedAt(context, relay.url);
  const tab = await context.newPage();
  const complaints = [];
  tab.on('console', (message) => complaints.push(message.text()));
  const framed = async () => {
    await tab.goto(`${site}/`);
    pressed.length = 0;
    return tab.frames().find((each) => each !== tab.mainFrame());
  };

  // What the attacker would need: the page without the headers that forbid it shows, and its button is pressed through the frame.
  await context.route(`${relay.url}/begin**`, async (route) => {
    const response = await route.fetch();
    const { 'content-security-policy': policy, 'x-frame-options': options, ...headers } = response.headers();
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(options, 'DENY');
    await route.fulfill({ response, headers });
  });
  const shown = await framed();
  const button = shown.getByRole('button', { name: /^Continue to/ });
  await button.waitFor();
  const { x, y, width, height } = await button.boundingBox();
  const click = () => tab.mouse.click(x + width / 2, y + height / 2);
  const sent = tab.waitForRequest(`${relay.url}/continue`);
  await click();
  await sent;
  await context.unrouteAll({ behavior: 'wait' });

  // As it is served.
  complaints.length = 0;
  const refused = await framed();
  assert.equal(refused.url(), 'chrome-error://chromewebdata/', 'the browser shows a page of its own instead');
  assert.equal(await refused.getByRole('button', { name: /^Continue to/ }).count(), 0);
  assert.doesNotMatch(await refused.locator('body').innerText(), /North Ltd|Connect your account/);
  assert.ok(complaints.some((each) => /frame-ancestors 'none'/.test(each)), complaints.join('\n'));
  await click();
  // Whatever the click had started would be asked before what the page asks for now.
  await tab.evaluate((origin) => fetch(`${origin}/`, { mode: 'no-cors' }).catch(() => {}), relay.url);
  assert.deepEqual(pressed, [`${relay.url}/`]);
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="continued"}'), 0);
  assert.equal(await stateOf(office, id), 'pending');
});

test('Attack: a stolen code: a starter puts a victim\'s authorization code, of another office, into the own answer, in exchange mode, and gets nothing; the victim\'s consent completes', async (t) => {
  const scene = await relayWithClient(t);
  const { relay, oidc } = scene;
  const [north, south, browser] = await Promise.all([enrolledOffice(t, scene, 'North Ltd'), enrolledOffice(t, scene, 'South Ltd'), startBrowser(t)]);
  const [victim, starter] = await Promise.all([personAt(browser, north), personAt(browser, south)]);
  const [theirs, ours] = await Promise.all([
    stoppedBefore(`${relay.url}/callback/*`, victim, north, relay, 'scanner-1'),
    stoppedBefore(`${relay.url}/callback/*`, starter, south, relay, 'plotter-1', { account: 'bert' }),
  ]);
  const stolen = new URL(ours.url);
  stolen.searchParams.set('code', new URL(theirs.url).searchParams.get('code'));
  await starter.goto(stolen.href);
  assert.equal((await south.admin.outcome(ours.id)).state, 'failed');
  await assertNotListed(starter, south, 'plotter-1');

  await victim.goto(theirs.url);
  const attempt = await north.admin.outcome(theirs.id);
  assert.deepEqual([attempt.state, attempt.result.account.name], ['completed', 'anna@example.com']);
  assert.equal(oidc.tokenRequests, 2, 'the provider has told the two apart by their verifiers');
});

test('Attack: a begin address under another office\'s signature, or the button of an honest page with another office\'s flow, in a victim\'s browser: a page that says so, and nothing goes to the provider', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const [north, south, browser] = await Promise.all([
    ScriptedOffice.enrol(relay, 'North Ltd', { origins: ['https://north.example'] }), ScriptedOffice.enrol(relay, 'South Ltd', { origins: ['https://south.example'] }), startBrowser(t),
  ]);
  const [starter, victim] = await Promise.all([openPage(browser, insecure), openPage(browser, insecure)]);
  const forged = Object.assign(new ScriptedOffice(), { relay, id: north.id, view: north.view, relayKeys: north.relayKeys, keys: { ...south.keys, octets: north.keys.octets } });
  await victim.goto(forged.beginUrl());
  await victim.getByText('(signature_wrong)', { exact: false }).waitFor();
  assert.equal(await victim.getByRole('button', { name: /^Continue to/ }).count(), 0);

  // The starter has seen its own page; its flow, and its page's token, go into the page that the victim looks at.
  await starter.goto(south.beginUrl());
  const fields = await starter.$$eval('form input[type=hidden]', (inputs) => inputs.map(({ name, value }) => [name, value]));
  for (const wanted of [['flow'], ['flow', 'token']]) {
    await victim.goto(north.beginUrl());
    await victim.$$eval('form input[type=hidden]', (inputs, planted) => {
      for (const input of inputs) if (planted[input.name] !== undefined) input.value = planted[input.name];
    }, Object.fromEntries(fields.filter(([name]) => wanted.includes(name))));
    await victim.getByRole('button', { name: /^Continue to/ }).click();
    await victim.getByText('(form_not_ours)', { exact: false }).waitFor();
  }
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="continued"}'), 0);
});

test('Attack: words of an office\'s own in the user\'s place: what would turn round, hide or go on for ever shows no page; what looks like the page\'s own words stands in its field, and makes nothing of it', async (t) => {
  const parts = await relayWithProvider(t);
  const { relay, oidc } = parts;
  const [mallory, office, browser] = await Promise.all([ScriptedOffice.enrol(relay), enrolledOffice(t, parts, 'North Ltd'), startBrowser(t)]);
  const [starter, victim] = await Promise.all([openPage(browser, insecure), personAt(browser, office)]);
  const button = (page) => page.getByRole('button', { name: /^Continue to/ });
  for (const username of ['scanner\u202eelpmaxe', 'a\u2028Office: Contoso', 'sca\u200bnner', 'x'.repeat(129)]) {
    const address = mallory.beginUrl({ username });
    for (const page of [starter, victim]) {
      await page.goto(address);
      await page.getByRole('heading', { name: 'This name cannot be shown' }).waitFor();
      assert.equal(await button(page).count(), 0, JSON.stringify(username));
    }
  }
  await assertLogged(relay, 'username_not_shown', 8);

  const words = '</dd><dt>Office</dt><dd>Contoso</dd><script>document.title = "Contoso"</script>';
  await victim.goto(mallory.beginUrl({ username: words }));
  await victim.getByRole('heading', { name: 'Connect your account to Mallory Ltd?' }).waitFor();
  assert.ok((await victim.locator('dd').allTextContents()).includes(words), 'every letter of it, in one field');
  assert.deepEqual((await victim.locator('dt').allTextContents()).filter((each) => /Office|Contoso/.test(each)), ['Office'], 'no field but the page\'s own');
  assert.doesNotMatch(await victim.title(), /Contoso/);
  assert.equal(await victim.locator('dd script').count(), 0);
  const wide = await victim.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the window`);

  // The victim's own consent, meanwhile, shows the name that was typed at the office.
  await victim.goto(`${office.url}/users`, { waitUntil: 'domcontentloaded' });
  await begin(victim, office, relay, 'scanner-1');
  assert.ok((await victim.locator('dd').allTextContents()).includes('scanner-1'));
  assert.equal(oidc.tokenRequests, 0);
});

test('Attack: consents begun and left unfinished in a victim\'s browser: the oldest are let go, no request is refused, and the victim\'s own consent completes', async (t) => {
  const parts = await relayWithProvider(t);
  const { relay } = parts;
  const [mallory, office, browser] = await Promise.all([ScriptedOffice.enrol(relay), enrolledOffice(t, parts, 'North Ltd'), startBrowser(t)]);
  const [starter, victim] = await Promise.all([personAt(browser, office), personAt(browser, office)]);
  const flows = async (page) => (await page.context().cookies(relay.url)).filter(({ name }) => name.startsWith('__Host-latchkey-relay-flow-'));
  for (let number = 0; number < 30; number += 1) {
    await victim.goto(mallory.beginUrl());
    await victim.getByRole('button', { name: /^Continue to/ }).click();
    await victim.waitForURL(`${parts.oidc.issuer}/**`);
  }
  const kept = await flows(victim);
  assert.ok(kept.length > 1 && kept.length <= 20, `${kept.length} cookies of flows`);
  const octets = kept.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  assert.ok(octets <= 6 * 1024, `${octets} octets`);
  assert.equal((await flows(starter)).length, 0, 'another browser has none of them');

  await victim.goto(`${office.url}/users`, { waitUntil: 'domcontentloaded' });
  await begin(victim, office, relay, 'scanner-1');
  await consent(victim, 'anna');
  await victim.waitForURL(`${office.url}/users**`, { waitUntil: 'commit' });
  assert.equal((await office.admin.must('GET', '/api/v1/users?search=scanner-1')).total, 1);
  assert.equal((await office.token('scanner-1', pin)).status, 200);
});
