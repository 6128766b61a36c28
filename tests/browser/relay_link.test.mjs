// People without a console who consent by way of the Cloud Service, in browsers of their own: an owner who was sent a link, and one
// who authorises their own account again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertQuiet, openPage, picture, startBrowser } from '../support/browser.mjs';
import { assertListed, assertNotListed, fillAddDialog, signInInBrowser } from '../support/console.mjs';
import { readQr } from '../support/qr.mjs';
import { consenting, enrolledOffice, relayWithProvider } from '../support/relay.mjs';

const pin = 'Schlüssel 77';
const insecure = { ignoreHTTPSErrors: true };
const flows = (relay, step) => relay.metric(`latchkey_relay_flows_total{step="${step}"}`);

test('A4 S2: the owner\'s link by way of the Cloud Service: office, relay and provider in the owner\'s browser; held until the administrator, who sees it live, approves', async (t) => {
  const parts = await relayWithProvider(t);
  const { relay, oidc } = parts;
  const [office, browser] = await Promise.all([enrolledOffice(t, parts, 'North Ltd'), startBrowser(t)]);
  const page = await openPage(browser, insecure);
  await signInInBrowser(page, office);
  const dialog = await fillAddDialog(page, { username: 'by-link', pin });
  await dialog.getByRole('radio', { name: /Ask the owner/ }).click();
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  await dialog.getByRole('heading', { name: 'Waiting for the owner' }).waitFor();
  const link = await readQr(page, dialog.getByRole('img', { name: /QR code/ }));
  assert.ok(link.startsWith(`${office.url}/oauth/start/`), link);

  const owner = await openPage(browser, insecure);
  await owner.goto(link);
  await owner.getByText('root-admin').first().waitFor();
  assert.equal(await flows(relay, 'shown'), 0, 'looking at the link goes nowhere');
  await owner.getByRole('button', { name: /^Continue to/ }).click();
  await owner.waitForURL(`${relay.url}/begin**`);
  await owner.getByRole('heading', { name: 'Connect your account to North Ltd?' }).waitFor();
  await owner.getByText('by-link').waitFor();
  await picture(owner, 'relay-confirmation-of-a-link');
  assert.equal(await flows(relay, 'continued'), 0);
  const [opened] = (await office.admin.must('GET', '/api/v1/authorizations')).items;
  assert.deepEqual([opened.state, opened.started], ['pending', true]);
  await owner.getByRole('button', { name: /^Continue to/ }).click();
  await owner.waitForURL(`${oidc.issuer}/**`);
  await owner.getByRole('button', { name: 'Allow', exact: true }).click();
  await owner.getByText(/administrator must approve/).waitFor();
  assert.equal(new URL(owner.url()).origin, office.url);
  assert.doesNotMatch(owner.url(), /handle=|code=|state=/);
  assert.equal(await flows(relay, 'collected'), 1);

  await dialog.getByRole('heading', { name: 'anna@example.com waits for your approval' }).waitFor();
  await assertNotListed(page, office, 'by-link');
  const { id } = opened;
  assert.equal((await office.admin.must('GET', `/api/v1/authorizations/${id}`)).state, 'held');
  assert.equal((await office.token('by-link', pin)).status, 401);
  await dialog.getByRole('button', { name: 'Approve anna@example.com' }).click();
  await dialog.getByText('Authorized as anna@example.com').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'by-link');
  const { result } = await office.admin.must('GET', `/api/v1/authorizations/${id}`);
  assert.equal((await office.admin.grant(result.grant_id)).state, 'active');
  assert.equal((await office.token('by-link', pin)).status, 200);
  assertQuiet(page);
  assertQuiet(owner);
});

test('my authorisations by way of the Cloud Service: an owner without a console authorises their own again, through the relay\'s page, and comes back to theirs', async (t) => {
  const parts = await relayWithProvider(t);
  const { relay, oidc } = parts;
  const [office, browser] = await Promise.all([enrolledOffice(t, parts, 'North Ltd'), startBrowser(t)]);
  const { grant_id: grant } = await office.admin.addOAuthUser({ username: 'hall', pin, type: 'oidc', visit: consenting(parts) });
  const before = await office.admin.grant(grant);
  const owner = await openPage(browser, insecure);
  await owner.goto(`${office.url}/my`);
  await owner.getByLabel('Username').fill('hall');
  await owner.getByLabel('PIN', { exact: true }).fill(pin);
  await owner.getByRole('button', { name: 'Show my authorisations' }).click();
  await owner.getByText('anna@example.com').waitFor();
  await owner.getByRole('button', { name: 'Authorise again' }).click();
  await owner.getByRole('button', { name: /^Continue to/ }).click();
  await owner.waitForURL(`${relay.url}/begin**`);
  await owner.getByRole('heading', { name: 'Connect your account to North Ltd?' }).waitFor();
  await owner.getByText('hall').waitFor();
  await owner.getByRole('button', { name: /^Continue to/ }).click();
  await owner.waitForURL(`${oidc.issuer}/**`);
  await owner.getByRole('button', { name: 'Allow', exact: true }).click();
  await owner.getByText('anna@example.com is authorised').waitFor();
  assert.equal(new URL(owner.url()).origin, office.url);
  assert.doesNotMatch(owner.url(), /handle=|code=|state=/);
  assert.equal(await flows(relay, 'collected'), 2);
  assert.equal(await owner.getByRole('link', { name: /console/i }).count(), 0, 'no way into the console');
  const after = await office.admin.grant(grant);
  assert.ok(after.generation > before.generation);
  assert.deepEqual([after.state, after.account.name], ['active', 'anna@example.com']);
  assert.equal((await office.token('hall', pin)).status, 200);
  await owner.getByRole('link', { name: 'My authorisations' }).click();
  await owner.getByText('anna@example.com').waitFor();
  await owner.getByRole('button', { name: 'Authorise again' }).waitFor();
  assertQuiet(owner);
});
