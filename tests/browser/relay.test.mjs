// Consent by way of the Cloud Service in real browsers: the whole way, and every attack on it with a starter and a victim.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertQuiet, openPage, picture, pictures, startBrowser } from '../support/browser.mjs';
import { assertListed, assertNotListed, fillAddDialog, signInInBrowser } from '../support/console.mjs';
import { enrolledOffice, officeAt, relayWithClient, relayWithProvider } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';

const pin = 'Schlüssel 77';
const insecure = { ignoreHTTPSErrors: true };

/** An enrolled office with its console open, and the browser for further people. */
async function scene(t, label = 'North Ltd') {
  const parts = await relayWithProvider(t);
  const office = await enrolledOffice(t, parts, label);
  const browser = await startBrowser(t);
  const page = await openPage(browser, insecure);
  await signInInBrowser(page, office);
  return { ...parts, office, browser, page };
}

/** Fills the dialog and presses Authorize; the page has then arrived at the relay. */
async function toRelay(page, relay, username) {
  const dialog = await fillAddDialog(page, { username, pin });
  await dialog.getByText('through the Cloud Service').waitFor();
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  await page.waitForURL(`${relay.url}/begin**`);
}
/** The relay's button, then the provider's. */
async function consent(page, answer = 'Allow') {
  await page.getByRole('button', { name: /^Continue to/ }).click();
  await page.getByRole('button', { name: answer, exact: true }).click();
}
/** Stops the page before an address it is redirected to, which is then in `stopped`. */
async function stopping(page, urlPattern) {
  const devtools = await page.context().newCDPSession(page);
  const stopped = new Promise((resolve) => {
    devtools.on('Fetch.requestPaused', async ({ requestId, request }) => {
      await devtools.send('Fetch.failRequest', { requestId, errorReason: 'Aborted' });
      resolve(request.url);
    });
  });
  await devtools.send('Fetch.enable', { patterns: [{ urlPattern }] });
  return { stopped, end: () => devtools.detach() };
}
const attemptOf = async (office) => (await office.admin.must('GET', '/api/v1/authorizations')).items[0];

test('the whole way: enrolled in the OAuth settings, checked, the whole page goes by way of the relay and comes back with the success notice', async (t) => {
  const parts = await relayWithProvider(t);
  const office = await officeAt(t, parts);
  const browser = await startBrowser(t);
  const page = await openPage(browser, insecure);
  await signInInBrowser(page, office);
  const { code } = await parts.relay.issue('North Ltd');
  await page.goto(`${office.url}/settings/apps`);
  await page.getByRole('button', { name: 'Use Cloud Service…' }).click();
  await page.getByRole('button', { name: 'Enrol', exact: true }).click();
  await page.getByText('Paste the code; it begins with LK1-.').waitFor();
  await page.getByLabel('Address').fill(parts.relay.url);
  await page.getByLabel('Enrolment code', { exact: true }).fill('LK1-nothing');
  await page.getByRole('button', { name: 'Enrol', exact: true }).click();
  await page.getByText('This is not a whole enrolment code.', { exact: false }).first().waitFor();
  await page.getByLabel('Enrolment code', { exact: true }).fill(code);
  await pictures(page, 'cloud-enrolling');
  await page.getByRole('button', { name: 'Enrol', exact: true }).click();
  await page.getByText('North Ltd').waitFor();
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await page.getByText('It answers, knows this server, and the clocks agree.').waitFor();
  await pictures(page, 'cloud-enrolled');
  await assertAccessible(page, 'the OAuth settings with a Cloud Service');

  await page.goto(`${office.url}/settings/check`);
  await page.getByRole('button', { name: /^Check/ }).click();
  const found = page.getByRole('region', { name: 'Cloud Service', exact: true });
  await found.getByText('It answers, and knows this server as North Ltd.').waitFor();
  await found.getByRole('link', { name: 'Open it in a new tab' }).waitFor();
  const scopes = page.getByRole('region', { name: 'Scopes', exact: true });
  await scopes.getByText("The Cloud Service's operator sees that its registration allows these scopes.").waitFor();
  await pictures(page, 'check-cloud-service');
  await assertAccessible(page, 'the set-up checked with a Cloud Service');

  await page.goto(`${office.url}/users`);
  await toRelay(page, parts.relay, 'scanner-1');
  await page.getByRole('heading', { name: 'Connect your account to North Ltd?' }).waitFor();
  await page.getByText('scanner-1').waitFor();
  await pictures(page, 'relay-confirmation');
  await assertAccessible(page, 'the relay\'s confirmation page');
  await consent(page);
  await page.waitForURL(`${office.url}/users**`);
  await page.getByText('Authorized as anna@example.com').waitFor();
  await picture(page, 'cloud-success');
  assert.doesNotMatch(page.url(), /handle=|code=|state=/);
  await page.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'scanner-1');
  assert.equal((await office.token('scanner-1', pin)).status, 200);
  assertQuiet(page);
});

test('S3: a relay that has the client\'s secret says before consent that it sees tokens; the settings say so too', async (t) => {
  const parts = await relayWithClient(t);
  const office = await enrolledOffice(t, parts, 'North Ltd');
  const browser = await startBrowser(t);
  const page = await openPage(browser, insecure);
  await signInInBrowser(page, office);
  await page.goto(`${office.url}/settings/apps`);
  await page.getByText('sees them in passing').waitFor();
  await picture(page, 'cloud-settings-exchange');
  await page.goto(`${office.url}/users/new`);
  await toRelay(page, parts.relay, 'scanner-1');
  await page.getByText('sees what gives access to your account in passing').waitFor();
  await pictures(page, 'relay-confirmation-exchange');
  await assertAccessible(page, 'the relay\'s confirmation page in exchange mode');
  await consent(page);
  await page.waitForURL(`${office.url}/users**`);
  await page.getByText('Authorized as anna@example.com').waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'scanner-1');
  assert.equal((await office.token('scanner-1', pin)).status, 200);
});

test('C8: refused at the provider by way of the relay: said in words, and nothing left behind', async (t) => {
  const { page, relay, office } = await scene(t);
  await toRelay(page, relay, 'scanner-1');
  await consent(page, 'Refuse');
  await page.waitForURL(`${office.url}/users**`);
  await page.getByText(/refused|declined/i).first().waitFor();
  await assertNotListed(page, office, 'scanner-1');
});

test('C1 Attack: a begin link mailed to a victim: the page names the office, and what the victim consents is held', async (t) => {
  const { page, relay, office, browser } = await scene(t, 'Mallory Ltd');
  await toRelay(page, relay, 'scanner-1');
  const victim = await openPage(browser, insecure);
  await victim.goto(page.url());
  await victim.getByRole('heading', { name: 'Connect your account to Mallory Ltd?' }).waitFor();
  await victim.getByText('close this window: nothing will happen', { exact: false }).waitFor();
  assert.equal((await attemptOf(office)).state, 'pending', 'looking changes nothing');
  await consent(victim);
  await victim.getByText('An administrator must approve this account').waitFor();
  await picture(victim, 'relay-held');
  assert.deepEqual(await victim.getByRole('link').allTextContents(), ['My authorisations'], 'no way into the console');
  assert.equal((await attemptOf(office)).state, 'held');
  await page.goto(`${office.url}/users`);
  await assertNotListed(page, office, 'scanner-1');
});

test('C3 Attack: fixation: a victim sent to the relay\'s callback, or to the office, with an attacker\'s answer ends nothing and joins nothing', async (t) => {
  const { page, relay, office, browser } = await scene(t);
  const atRelay = await stopping(page, `${relay.url}/callback/*`);
  await toRelay(page, relay, 'scanner-1');
  await page.getByRole('button', { name: /^Continue to/ }).click();
  await page.getByRole('button', { name: 'Allow', exact: true }).click();
  const callback = await atRelay.stopped;
  const victim = await openPage(browser, insecure);
  await victim.goto(callback);
  await victim.getByRole('heading', { name: 'Not begun in this browser' }).waitFor();
  await pictures(victim, 'relay-refusal');
  await assertAccessible(victim, 'the relay\'s refusal');
  assert.equal((await attemptOf(office)).state, 'pending');
  // The attacker goes on alone, and hands over the office's own door instead.
  await atRelay.end();
  const atOffice = await stopping(page, `${office.url}/oauth/relayed*`);
  await page.goto(callback).catch(() => {});
  const relayed = await atOffice.stopped;
  await victim.goto(relayed);
  await victim.getByText('An administrator must approve this account').waitFor();
  assert.equal((await attemptOf(office)).state, 'held');
});

test('Attack: a handle stolen, replayed or truncated is worth nothing in any browser', async (t) => {
  const { page, relay, office, browser } = await scene(t);
  await toRelay(page, relay, 'scanner-1');
  const atOffice = await stopping(page, `${office.url}/oauth/relayed*`);
  await consent(page).catch(() => {});
  const relayed = await atOffice.stopped;
  const thief = await openPage(browser, insecure);
  const own = await page.context().newPage();
  // While the consent is open, and a handle that is whole would end it.
  const handle = new URL(relayed).searchParams.get('handle');
  const altered = `${handle.slice(0, 40)}${handle[40] === 'A' ? 'B' : 'A'}${handle.slice(41)}`;
  for (const [what, address, heading] of [
    ['truncated', relayed.slice(0, -12), 'This answer cannot be used'],
    ['altered', relayed.replace(handle, altered), 'This answer cannot be used'],
    ['for another attempt', relayed.replace(/attempt=[^&]+/, 'attempt=01900000-0000-7000-8000-000000000000'), 'This authorisation is over'],
  ]) {
    for (const each of [thief, own]) {
      await each.goto(address);
      await each.getByRole('heading', { name: heading }).waitFor();
      assert.doesNotMatch(each.url(), /handle=/, what);
      assert.equal((await attemptOf(office)).state, 'pending', what);
    }
  }
  await atOffice.end();
  await page.goto(relayed);
  await page.getByText('Authorized as anna@example.com').waitFor();
  for (const address of [relayed, relayed.slice(0, -12), relayed.replace(/attempt=[^&]+/, 'attempt=01900000-0000-7000-8000-000000000000')]) {
    for (const each of [thief, page]) {
      await each.goto(address);
      await each.getByRole('heading', { name: 'This authorisation is over' }).waitFor();
      assert.doesNotMatch(each.url(), /handle=/);
    }
  }
});

test('Attack: a malicious office that is enrolled sends a browser to no address but its own, and to no client but the relay\'s', async (t) => {
  const parts = await relayWithProvider(t);
  const mallory = await ScriptedOffice.enrol(parts.relay);
  const victim = await openPage(await startBrowser(t), insecure);
  for (const changes of [{ return: 'https://north.example' }, { url: { client_id: 'other' } }, { url: { redirect_uri: 'https://mallory.example/' } }, { url: { scope: 'openid admin' } }, { endpoint: 'https://mallory.example/auth' }]) {
    await victim.goto(mallory.beginUrl(changes));
    await victim.getByRole('heading', { name: 'This cannot go on' }).waitFor();
    assert.equal(await victim.getByRole('button').count(), 0);
    assert.equal(new URL(victim.url()).origin, parts.relay.url);
  }
});
