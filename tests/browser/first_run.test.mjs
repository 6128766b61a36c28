// From the printed set-up address to the token, as a newcomer does it.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { assertAccessible, assertFits, assertQuiet, openPage, picture, pictures, startBrowser, watch } from '../support/browser.mjs';
import { administrator, answerInPopup, assertListed, authorizeInPopup, fillAddDialog, setUpInBrowser } from '../support/console.mjs';
import { binary, Latchkey, run, Session } from '../support/latchkey.mjs';
import { freePort } from '../support/ports.mjs';
import { ScriptedProvider } from '../support/scripted_provider.mjs';

const pin = 'Türklinke 42';

test('first run, dialog, popup, token, list: the whole way', async (t) => {
  const provider = await ScriptedProvider.start(t, { port: await freePort(), consent: 'page' });
  const server = await Latchkey.start(t, { config: { 'outbound.allow': [`127.0.0.1:${provider.port}`] } });
  const page = await openPage(await startBrowser(t));

  await page.goto(`${server.url}/setup#code=${await server.setupCode()}`);
  await page.getByRole('button', { name: 'Create administrator' }).waitFor();
  assert.doesNotMatch(page.url(), /code=/, 'the code leaves the address bar');
  await pictures(page, 'set-up');
  await assertAccessible(page, 'set-up');
  await setUpInBrowser(page, server);
  await page.getByText('No OAuth users yet').waitFor();
  await pictures(page, 'users-empty');
  await assertAccessible(page, 'the empty list');

  const admin = new Session(server.url);
  await admin.signIn(administrator.username, administrator.password);
  await admin.registerOidc({ issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  await page.reload();

  const dialog = await fillAddDialog(page, { username: 'printer-hall', pin });
  await pictures(page, 'add-oauth-user');
  await assertAccessible(page, 'the dialog');
  const popup = watch(await authorizeInPopup(page, dialog));
  await popup.getByRole('heading', { name: 'Scripted provider' }).waitFor();
  await dialog.getByText('Waiting for consent').waitFor();
  await dialog.getByText('Register exactly this').waitFor();
  await dialog.getByText(`${server.url}/oauth/callback/oidc`).waitFor();
  await picture(page, 'waiting-for-consent');
  await assertAccessible(page, 'the dialog while waiting');
  await answerInPopup(popup);

  await dialog.getByText('Authorized as anna@example.com').waitFor();
  await dialog.getByText('offline_access').first().waitFor();
  await dialog.getByRole('button', { name: 'Check', exact: true }).click();
  await dialog.getByText(/\(\d+ ms\)/).waitFor();
  const curl = await dialog.getByText(/^curl /).first().textContent();
  assert.ok(!curl.includes(pin), 'the PIN is not in the command line');
  await pictures(page, 'authorized');
  await assertAccessible(page, 'the success notice');

  // The very command line of the dialog, with the PIN where curl would ask for it.
  assert.match(curl, /--user 'printer-hall'/);
  const filled = curl.trim().replace("--user 'printer-hall'", `--user 'printer-hall:${pin}'`);
  const fetched = await run('bash', ['-c', filled], { env: { LC_ALL: 'C.UTF-8' } });
  assert.equal(fetched.status, 0, fetched.stderr);
  assert.ok(provider.honours(JSON.parse(fetched.stdout).access_token), fetched.stdout);

  await dialog.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'printer-hall');
  await assertFits(page, 'the list');
  await pictures(page, 'users');
  await assertAccessible(page, 'the list');
  assertQuiet(page);
  assertQuiet(popup);
});

test('the sandbox: from set-up to token with nothing but this server', async (t) => {
  const server = await Latchkey.start(t, { args: ['--sandbox'] });
  const page = await openPage(await startBrowser(t));
  await setUpInBrowser(page, server);
  const dialog = await fillAddDialog(page, { username: 'rehearsal', pin, type: /sandbox/i });
  const popup = watch(await authorizeInPopup(page, dialog));
  await popup.getByRole('button', { name: /allow|agree|accept|consent/i }).first().waitFor();
  await picture(popup, 'sandbox-consent');
  await assertAccessible(popup, 'the sandbox’s consent page');
  const closing = popup.waitForEvent('close');
  await popup.getByRole('button', { name: /allow|agree|accept|consent/i }).first().click();
  await closing;
  await dialog.getByText(/^Authorized as/).waitFor();
  const token = await server.token('rehearsal', pin);
  assert.equal(token.status, 200, token.text);
  assert.equal(token.body.type, 'sandbox');
  assertQuiet(page);

  // The same folder again: the practice service still knows the grant.
  await server.restart();
  const refreshed = await run(binary, ['grant', 'refresh', 'rehearsal', '--data', server.data]);
  assert.equal(refreshed.status, 0, refreshed.stderr);
  assert.equal((await server.token('rehearsal', pin)).status, 200);
  assert.equal((await stat(path.join(server.data, 'sandbox.json'))).mode & 0o777, 0o600);
});
