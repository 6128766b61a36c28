// "My authorisations" in a real browser, without a console session: by username and PIN, and by the link one consented through.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertFits, assertQuiet, openPage, picture, pictures, startBrowser } from '../support/browser.mjs';
import { serverWithProvider } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Schlüssel 77';

test('an owner comes in with username and PIN, authorises again, and revokes', async (t) => {
  const { server, admin, provider } = await serverWithProvider(t);
  const { grant_id } = await admin.addOAuthUser({ username: 'hall', pin, type: 'oidc' });
  provider.consent = 'page';
  const page = await openPage(await startBrowser(t));
  await page.goto(`${server.url}/`);
  await page.getByRole('link', { name: 'your authorisations' }).click();
  await page.getByRole('heading', { name: 'My authorisations' }).waitFor();
  await pictures(page, 'my-authorisations-sign-in');
  await assertAccessible(page, 'the door to one’s authorisations');
  await page.getByLabel('Username').fill('hall');
  await page.getByLabel('PIN', { exact: true }).fill('wrong');
  await page.getByRole('button', { name: 'Show my authorisations' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('PIN', { exact: true }).fill(pin);
  await page.getByRole('button', { name: 'Show my authorisations' }).click();
  await page.getByText('anna@example.com').waitFor();
  await pictures(page, 'my-authorisations');
  await assertAccessible(page, 'one’s authorisations');
  await assertFits(page, 'one’s authorisations');

  const before = (await admin.grant(grant_id)).generation;
  await page.getByRole('button', { name: 'Authorise again' }).click();
  await page.getByRole('button', { name: /Continue to/ }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByText('anna@example.com is authorised').waitFor();
  assert.doesNotMatch(page.url(), /code=|state=/);
  assert.ok((await admin.grant(grant_id)).generation > before);
  await page.goto(`${server.url}/my`);
  await page.getByRole('button', { name: 'Revoke…' }).click();
  await page.getByRole('alertdialog').or(page.getByRole('dialog')).getByText(/forgets the tokens for anna@example.com/).waitFor();
  await picture(page, 'my-authorisations-revoke');
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('heading', { name: 'Nothing is authorised' }).waitFor();
  await until('the provider to be asked', () => provider.seen('revoke').length > 0);
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.getByRole('button', { name: 'Show my authorisations' }).waitFor();
  assertQuiet(page);
});

test('an owner who consented by a link finds it in that browser, and nobody else does', async (t) => {
  const { server, admin } = await serverWithProvider(t, { provider: { consent: 'page' } });
  const started = await admin.startAuthorization({ username: 'by-link', pin, type: 'oidc', way: 'owner_link' });
  const browser = await startBrowser(t);
  const owner = await openPage(browser);
  await owner.goto(started.start_url);
  await owner.getByRole('button', { name: /Continue to/ }).click();
  await owner.getByRole('button', { name: 'Allow' }).click();
  await owner.getByText(/administrator must approve/).waitFor();
  await admin.mustAnswer(started.id, true);
  await owner.goto(started.start_url);
  await owner.getByRole('link', { name: 'My authorisations' }).click();
  await owner.getByText('anna@example.com').waitFor();
  await owner.getByText('through which you consented').waitFor();
  await picture(owner, 'my-authorisations-by-link');
  const stranger = await openPage(browser);
  await stranger.goto(`${server.url}/my`);
  await stranger.getByRole('button', { name: 'Show my authorisations' }).waitFor();
  assertQuiet(owner);
});
