// What a device said last, on its page: spoken to the real mail door, read in the console.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertQuiet, openPage, pictures, startBrowser } from '../support/browser.mjs';
import { signInInBrowser } from '../support/console.mjs';
import { deviceServer, plainOf, speak } from '../support/smtp.mjs';

test('a conversation is shown line by line, without the secret, and can be copied', async (t) => {
  const { server, port, device } = await deviceServer(t);
  const copier = await device({ name: 'copier' });
  await speak(t, port, `EHLO COPIER\r\nAUTH PLAIN ${plainOf('copier', copier.secret)}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nowhere@drop.internal>\r\nQUIT\r\n`, /221/);
  const page = await openPage(await startBrowser(t));
  await signInInBrowser(page, server);
  await page.goto(`${server.url}/settings/devices`);
  await page.getByRole('button', { name: 'Conversations of copier' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('RCPT TO:<nowhere@drop.internal>').first().waitFor();
  const words = await dialog.innerText();
  assert.match(words, /550 5\.1\.1/);
  assert.ok(!words.includes(copier.secret) && !words.includes(plainOf('copier', copier.secret)), words);
  await dialog.getByRole('button', { name: 'Copy this conversation' }).waitFor();
  await pictures(page, 'device-conversations');
  await assertAccessible(page, 'a device\'s conversations');
  assertQuiet(page);
});
