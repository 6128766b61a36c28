// The bad day in the console: every grant is looked at, revoked by typed words, and given back to its provider.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertFits, assertQuiet, openPage, pictures, startBrowser } from '../support/browser.mjs';
import { signInInBrowser } from '../support/console.mjs';
import { providerFile } from '../support/provider_file.mjs';
import { pin, serverWithProvider } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** A provider of the operator's own that offers no revocation. */
const withoutRevocation = (provider) => providerFile({
  id: 'silent', types: { 'silent-type': { name: 'Silent archive' } }, name: 'Silent', discovery: undefined, endpoints_from_discovery: undefined, revocation: undefined,
  endpoints: { issuer: '{issuer}', authorization: `${provider.origin}/authorize`, token: `${provider.origin}/token`, userinfo: `${provider.origin}/userinfo` },
});

test('the bad day in the browser: counted, confirmed by words, ended here and at the provider', async (t) => {
  const { server, admin, provider } = await serverWithProvider(t, { providerFiles: (scripted) => ({ 'silent.json': withoutRevocation(scripted) }) });
  await admin.registerOidc({ app: 'silent', provider: 'silent', issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  const held = [];
  for (const [n, [username, type]] of [['printer-1', 'oidc'], ['printer-2', 'oidc'], ['archive', 'silent-type']].entries()) {
    provider.account = { id: `acc-${n + 1}`, name: `owner-${n + 1}@example.com` };
    const { grant_id } = await admin.addOAuthUser({ username, pin, type });
    const token = await server.token(username, pin);
    assert.equal(token.status, 200, token.text);
    held.push({ username, grant_id, access: token.body.access_token });
  }

  const page = await openPage(await startBrowser(t));
  await signInInBrowser(page, server);
  await page.goto(`${server.url}/health`);
  await page.getByRole('link', { name: 'Revoke all grants…' }).click();
  await page.getByText('3grants would be revoked').waitFor();
  const fates = page.getByRole('main').getByRole('listitem');
  await fates.filter({ hasText: '1 grantTo be ended by hand' }).getByText('Silent 1').waitFor();
  await fates.filter({ hasText: '2 grantsMay turn out not to be asked' }).waitFor();
  await pictures(page, 'revoke-all');
  await assertAccessible(page, 'the bad day');
  await assertFits(page, 'the bad day');

  // One type only, chosen and left alone again.
  await page.getByRole('combobox', { name: /^Type/ }).click();
  await page.getByRole('option', { name: 'Silent archive' }).click();
  await page.getByRole('button', { name: 'Revoke 1 grant…' }).waitFor();
  assert.match(page.url(), /\/health\/revoke\?type=silent-type$/);
  await page.getByRole('combobox', { name: /^Type/ }).click();
  await page.getByRole('option', { name: 'Every type' }).click();

  // The keyboard alone, from the button on. Without the words nothing happens.
  await page.getByRole('button', { name: 'Revoke 3 grants…' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('alertdialog', { name: 'Revoke 3 grants?' });
  const words = dialog.getByLabel('Type “revoke all” to go on');
  const focused = () => until('the words to have the focus', () => words.evaluate((field) => field === document.activeElement));
  await focused();
  await page.keyboard.type('yes');
  await page.keyboard.press('Enter');
  assert.ok(await dialog.getByRole('button', { name: 'Revoke 3 grants' }).isDisabled());
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  for (const { grant_id } of held) assert.equal((await admin.grant(grant_id)).state, 'active', 'nothing happened yet');

  await provider.goAway();
  await page.keyboard.press('Enter');
  await focused();
  await page.keyboard.type('revoke all');
  await pictures(page, 'revoke-all-confirm');
  await assertAccessible(page, 'the bad day confirmed');
  await words.focus();  // being drawn in other colours has cost it
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Revoked', exact: true }).waitFor();
  await page.getByText('3grants have ended here').waitFor();
  for (const { username, grant_id } of held) {
    assert.equal((await admin.grant(grant_id)).state, 'revoked');
    assert.equal((await server.token(username, pin)).status, 409, 'no token leaves any more');
  }
  await page.getByText('2 grants given up here wait for the provider to take it back').waitFor();
  await page.getByText(/cannot be reached/).first().waitFor({ timeout: 30_000 });
  assert.ok(provider.honours(held[0].access), 'the provider has not heard of it yet');
  await pictures(page, 'revoke-all-done');
  await assertAccessible(page, 'the bad day done');
  await assertFits(page, 'the bad day done');

  await provider.comeBack();
  await page.getByText('Nothing waits to be revoked.').waitFor({ timeout: 60_000 });
  await until('the provider to have ended both', () => !provider.honours(held[0].access) && !provider.honours(held[1].access));
  assert.ok(provider.honours(held[2].access), 'the one that cannot be asked is left to a hand');

  await page.getByRole('link', { name: 'Users to authorize again' }).click();
  for (const { username } of held) await page.getByRole('row', { name: new RegExp(username) }).first().waitFor();
  const users = await admin.must('GET', '/api/v1/users?state=revoked');
  assert.deepEqual([users.total, users.items.every((user) => user.has_pin)], [3, true], 'users and PINs stay');
  assertQuiet(page);
});

test('a webhook\'s secret is set, changed and taken away on the health page, and never comes out', async (t) => {
  const { server, admin } = await serverWithProvider(t);
  await admin.set('notices.webhook_url', 'https://hooks.example.com/latchkey');
  const webhook = async () => (await admin.must('GET', '/api/v1/notices')).items.find((each) => each.channel === 'webhook');
  const page = await openPage(await startBrowser(t));
  await signInInBrowser(page, server);
  await page.goto(`${server.url}/health`);
  await page.getByText('Posts are not signed: no secret is set.').waitFor();
  await page.getByRole('button', { name: 'Set secret… of Webhook' }).click();
  const dialog = page.getByRole('dialog', { name: 'Secret of the webhook' });
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText('Type the secret, or let one be made.').waitFor();
  assert.equal((await webhook()).secret_set, false);
  await dialog.getByRole('button', { name: 'Generate' }).click();
  const secret = await dialog.getByLabel('Secret', { exact: true }).inputValue();
  assert.match(secret, /^[0-9a-f]{64}$/);
  await pictures(page, 'notice-secret');
  await assertAccessible(page, 'the secret of a channel');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByText('Posts are signed.').waitFor();
  assert.equal((await webhook()).secret_set, true);
  assert.ok(!(await page.content()).includes(secret) && !server.logs.includes(secret));
  await page.getByRole('button', { name: 'Change secret… of Webhook' }).click();
  await dialog.getByRole('button', { name: 'Take it away' }).click();
  await page.getByText('Posts are not signed: no secret is set.').waitFor();
  assert.equal((await webhook()).secret_set, false);
  const { items } = await admin.must('GET', '/api/v1/activity?action=notices.');
  assert.equal(items.filter((each) => each.action === 'notices.secret_set').length, 2);
  assertQuiet(page);
});
