// What happens to consent in real browsers: blocked popups, severed openers, foreign messages, closed windows, refusals.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertQuiet, openPage, picture, pictures, startBrowser, watch } from '../support/browser.mjs';
import { answerInPopup, assertListed, assertNotListed, authorizeInPopup, fillAddDialog, signInInBrowser, typePin } from '../support/console.mjs';
import { serverWithProvider } from '../support/scene.mjs';

const pin = 'Schlüssel 77';

/** A signed-in console beside a scripted provider with a consent page. */
async function scene(t, { provider = {}, ...options } = {}) {
  const all = await serverWithProvider(t, { provider: { consent: 'page', ...provider }, ...options });
  const page = await openPage(await startBrowser(t));
  await signInInBrowser(page, all.server);
  return { ...all, page };
}

test('C4: the popup is blocked: the whole page goes and comes back with the success notice', async (t) => {
  const { page, server, provider } = await scene(t);
  await page.addInitScript(() => { window.open = () => null; });
  await page.reload();
  const dialog = await fillAddDialog(page, { username: 'blocked', pin });
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  await page.getByRole('heading', { name: 'Scripted provider' }).waitFor();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.waitForURL(`${server.url}/users**`);
  await page.getByText('Authorized as anna@example.com').waitFor();
  assert.doesNotMatch(page.url(), /code=|state=/);
  await page.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'blocked');
  assert.equal(provider.seen('code').length, 1);
  assertQuiet(page);
});

test('C4: the provider severs the opener (COOP): the dialog completes by asking the server', async (t) => {
  const { page } = await scene(t, { provider: { consentHeaders: { 'Cross-Origin-Opener-Policy': 'same-origin' } } });
  const dialog = await fillAddDialog(page, { username: 'severed', pin });
  const popup = await authorizeInPopup(page, dialog);
  await popup.getByRole('button', { name: 'Allow' }).waitFor();
  await dialog.getByText('Waiting for consent').waitFor();
  await popup.getByRole('button', { name: 'Allow' }).click();
  await dialog.getByText('Authorized as anna@example.com').waitFor();
  assertQuiet(page);
});

test('C4: foreign messages and a closed window change nothing; Cancel leaves nothing behind and keeps what was typed', async (t) => {
  const { page, server, provider } = await scene(t);
  const dialog = await fillAddDialog(page, { username: 'cancelled', pin });
  const popup = await authorizeInPopup(page, dialog);
  await popup.getByRole('button', { name: 'Allow' }).waitFor();
  await page.evaluate(() => {
    for (const data of [{ type: 'latchkey', state: 'completed' }, 'completed', { id: 'x', state: 'completed', result: { user_id: 'x' } }]) window.postMessage(data, '*');
  });
  await popup.close();
  await dialog.getByText('Waiting for consent').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.getByText('Nothing was kept.').waitFor();
  await picture(page, 'cancelled');
  await dialog.getByRole('button', { name: 'Back to the form' }).click();
  assert.equal(await dialog.getByLabel('Username').inputValue(), 'cancelled');
  await assertNotListed(page, server, 'cancelled');
  // PIN and repetition have been kept too: nothing needs to be typed again.
  const again = await authorizeInPopup(page, dialog);
  await answerInPopup(again);
  await dialog.getByText('Authorized as anna@example.com').waitFor();
  assert.equal(provider.seen('code').length, 1);
});

test('C8: refused at the provider: said in words with the next step, nothing left behind', async (t) => {
  const { page, server } = await scene(t);
  const dialog = await fillAddDialog(page, { username: 'refused', pin });
  const popup = await authorizeInPopup(page, dialog);
  await popup.getByRole('button', { name: 'Refuse' }).click();
  await dialog.getByText(/refused|declined|not.*consent/i).first().waitFor();
  await pictures(page, 'refused');
  await assertAccessible(page, 'the refusal');
  await assertNotListed(page, server, 'refused');
  await dialog.getByRole('button', { name: 'Back to the form' }).click();
  assert.equal(await dialog.getByLabel('Username').inputValue(), 'refused');
});

test('the app registration is missing: the dialog says so and leads to it; registering it there suffices', async (t) => {
  const { page, server, admin, provider } = await scene(t);
  await admin.must('DELETE', '/api/v1/apps/oidc');
  await page.reload();
  const dialog = await fillAddDialog(page, { username: 'too-early', pin });
  await dialog.getByText('does not know this server yet').waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Authorize', exact: true }).isDisabled());
  await picture(page, 'app-missing');
  await dialog.getByRole('link', { name: /Open OAuth settings/ }).click();
  await page.getByRole('heading', { name: 'Redirect address to register' }).waitFor();
  await page.getByText(`${server.url}/oauth/callback/oidc`).first().waitFor();
  await assertAccessible(page, 'an app’s settings');
  await page.getByLabel('Client id').fill(provider.clientId);
  await page.getByLabel(/issuer/i).first().fill(provider.issuer);
  await page.getByLabel('Secret', { exact: true }).fill(provider.clientSecret);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText(/saved|registered/i).first().waitFor();
  await page.goto(`${server.url}/users/new`);
  const second = await fillAddDialog(page, { username: 'in-time', pin });
  await answerInPopup(await authorizeInPopup(page, second));
  await second.getByText('Authorized as anna@example.com').waitFor();
});

test('a taken username is a field error with "Link to this user"; linking keeps the user', async (t) => {
  const { page, server, admin } = await scene(t);
  const group = await admin.group('Reception');
  await admin.must('POST', '/api/v1/users', { username: 'front-desk', name: 'Front Desk', group_id: group });
  await page.reload();
  const dialog = await fillAddDialog(page, { username: 'Front-Desk', pin });
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  const link = dialog.getByRole('button', { name: /Link to this user/ });
  await link.waitFor();
  await picture(page, 'username-taken');
  await link.click();
  await dialog.getByText(/becomes an OAuth user/).waitFor();
  assert.ok(await dialog.getByLabel('Username').isDisabled());
  await typePin(dialog, pin);
  const tick = dialog.getByRole('checkbox', { name: 'Programs may fetch the token' });
  if (!(await tick.isChecked())) await tick.click();
  await answerInPopup(await authorizeInPopup(page, dialog));
  await dialog.getByText('Authorized as anna@example.com').waitFor();
  const users = await admin.must('GET', '/api/v1/users?search=front-desk');
  assert.equal(users.total, 1);
  assert.equal(users.items[0].group.name, 'Reception');
  assert.equal(users.items[0].name, 'Front Desk');
  assert.equal(users.items[0].grants.length, 1);
  assert.equal((await server.token('front-desk', pin)).status, 200);
});

test('editing: group, username and uses; authorising again in place; C5: another account is refused unless confirmed', async (t) => {
  const { page, server, admin, provider } = await scene(t, { provider: { consent: 'auto' } });
  const { user_id } = await admin.addOAuthUser({ username: 'before', pin, type: 'oidc' });
  provider.consent = 'page';
  await page.goto(`${server.url}/users/${user_id}`);
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Username').fill('after');
  await dialog.getByLabel('Group', { exact: true }).fill('Basement');
  await page.getByRole('option', { name: /Basement/ }).click();
  await dialog.getByRole('button', { name: 'Save changes' }).click();
  await page.getByText('Saved.').first().waitFor();
  assert.equal((await server.token('after', pin)).status, 200);
  await pictures(page, 'edit-oauth-user');
  await assertAccessible(page, 'the dialog for editing');

  await answerInPopup(await authorizeInPopup(page, dialog, 'Authorize again'));
  await dialog.getByText('Authorized as anna@example.com').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();

  provider.account = { id: 'acc-9', name: 'mallory@example.com' };
  const popup = await authorizeInPopup(page, dialog, 'Authorize again');
  await popup.getByRole('button', { name: 'Allow' }).click();
  await dialog.getByText('Another account than before').waitFor();
  await pictures(page, 'another-account');
  await assertAccessible(page, 'the question about another account');
  await dialog.getByRole('button', { name: 'Keep anna@example.com' }).click();
  await dialog.getByText('Nothing was kept.').waitFor();
  const token = await server.token('after', pin);
  assert.equal(token.body.account.name, 'anna@example.com');
  assertQuiet(page);
});

test('C1: a link opened by somebody else shows the server’s name and asks before anything happens', async (t) => {
  const { page, server, admin, provider } = await scene(t);
  const started = await admin.startAuthorization({ username: 'by-link', pin, type: 'oidc' });
  const stranger = await openPage(page.context().browser());
  await stranger.goto(started.start_url);
  await stranger.getByText(new RegExp(new URL(server.url).host.replaceAll('.', '\\.'))).first().waitFor();
  assert.equal(provider.seen('authorize').length, 0, 'a GET changes nothing');
  await pictures(stranger, 'owner-confirmation');
  await assertAccessible(stranger, 'the owner’s confirmation');
  await stranger.getByRole('button').first().click();
  await stranger.getByRole('button', { name: 'Allow' }).click();
  await stranger.waitForURL(`${server.url}/**`);
  const attempt = await admin.outcome(started.id);
  assert.equal(attempt.state, 'held', 'begun by the console, and opened without its session');
  assert.equal((await admin.must('GET', '/api/v1/users?search=by-link')).total, 0);
  assertQuiet(watch(stranger));
});
