// Attacks on consent by way of the Cloud Service with two people in two browsers: a starter and a victim, two offices of one relay,
// two providers behind it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, startBrowser } from '../support/browser.mjs';
import { assertNotListed } from '../support/console.mjs';
import { Session } from '../support/latchkey.mjs';
import { assertLogged, enrolledOffice, relayedApp, relayWithProvider, relayWithTwoProviders } from '../support/relay.mjs';

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
