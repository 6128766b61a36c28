// A device code in real browsers: the administrator's dialog in one, the owner at the provider's verification page in another.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertFits, assertQuiet, openPage, picture, pictures, shows, startBrowser } from '../support/browser.mjs';
import { assertListed, assertNotListed, fillAddDialog, signInInBrowser } from '../support/console.mjs';
import { Latchkey } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort } from '../support/ports.mjs';
import { readQr } from '../support/qr.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Schlüssel 77';

async function scene(t) {
  const [port, providerPort] = [await freePort(), await freePort()];
  const oidc = await OidcServer.start(t, { port: providerPort, redirectUris: [`http://127.0.0.1:${port}/oauth/callback/oidc`] });
  const server = await Latchkey.ready(t, { port, config: { 'outbound.allow': [`127.0.0.1:${providerPort}`], 'log.level': 'debug' } });
  await server.admin.registerOidc({ issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret });
  await server.admin.set('authorize.device_code_types', 'oidc');
  const browser = await startBrowser(t);
  const page = await openPage(browser);
  await signInInBrowser(page, server);
  return { oidc, server, browser, page };
}

/** The dialog as far as the code; gives { dialog, code }. */
async function showCode(page, username) {
  const dialog = await fillAddDialog(page, { username, pin });
  await dialog.getByRole('radio', { name: /With a device code/ }).click();
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  await shows(dialog.getByText('Waiting for the code to be entered'), dialog);
  return { dialog, code: (await dialog.getByLabel('2. Enter this code').innerText()).trim() };
}

/** The owner at the provider: types the code in, confirms it, signs in, and answers. */
async function enterCode(browser, address, { code, account = 'anna@example.com', answer = 'Allow' }) {
  const owner = await openPage(browser);
  await owner.goto(address);
  if (code) {
    await owner.getByPlaceholder('Enter code').fill(code);
    await owner.getByRole('button', { name: 'Continue' }).click();
  }
  await owner.getByRole('heading', { name: 'Confirm Device' }).waitFor();
  await owner.getByRole('button', { name: 'Continue' }).click();
  await owner.getByLabel('Account').selectOption({ label: account });
  await owner.getByRole('button', { name: answer, exact: true }).click();
  return owner;
}

test('A4, A5: a device code, entered in another browser, completes live once the account shown is approved', async (t) => {
  const { oidc, page, browser, server } = await scene(t);
  const { dialog, code } = await showCode(page, 'by-code');
  await pictures(page, 'device-code');
  await assertAccessible(page, 'a device code');
  await assertFits(page, 'a device code');
  await dialog.getByText(`${oidc.issuer}/device`, { exact: true }).waitFor();
  const scanned = await readQr(page, dialog.getByRole('img', { name: /QR code/ }));
  assert.equal(scanned, `${oidc.issuer}/device?user_code=${code}`);

  const owner = await enterCode(browser, `${oidc.issuer}/device`, { code, account: 'bert@example.com' });
  await owner.getByText(/successful/).waitFor();
  await dialog.getByRole('heading', { name: 'bert waits for your approval' }).waitFor({ timeout: 30_000 });
  await assertNotListed(page, server, 'by-code');
  await picture(page, 'device-code-held');
  await dialog.getByRole('button', { name: 'Approve bert' }).click();
  await dialog.getByText('Authorized as bert').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'by-code');
  assertQuiet(page);
});

test('A4: the dialog may be closed meanwhile: the consent is found above every page', async (t) => {
  const { page, browser, server } = await scene(t);
  const { dialog } = await showCode(page, 'closed-early');
  const scanned = await readQr(page, dialog.getByRole('img', { name: /QR code/ }));
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await enterCode(browser, scanned, {});
  await until('the consent to arrive', async () => (await server.admin.must('GET', '/api/v1/authorizations?state=asking')).total === 1, { timeout: 30_000 });
  await page.goto(`${server.url}/groups`);
  await page.getByText(/anna" has consented with the device code/).first().waitFor({ timeout: 30_000 });
  await page.getByRole('button', { name: /Approve/ }).first().click();
  await page.goto(`${server.url}/users`);
  await assertListed(page, 'closed-early');
});

test('C8: refused at the verification page: said in words, nothing left behind; Cancel ends a code', async (t) => {
  const { oidc, page, browser, server } = await scene(t);
  const { dialog, code } = await showCode(page, 'refused');
  await enterCode(browser, `${oidc.issuer}/device`, { code, answer: 'Refuse' });
  await dialog.getByText(/refused|declined|not.*consent/i).first().waitFor({ timeout: 30_000 });
  await assertNotListed(page, server, 'refused');
  await dialog.getByRole('button', { name: 'Back to the form' }).click();
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  await dialog.getByText('Waiting for the code to be entered').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.getByText('Nothing was kept.').waitFor();
  assertQuiet(page);
});
