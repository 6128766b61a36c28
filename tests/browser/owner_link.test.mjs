// "Ask the owner" in two real browsers that share nothing: the administrator who makes the link, and whoever gets it.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { assertAccessible, assertFits, assertQuiet, openPage, picture, pictures, startBrowser, watch } from '../support/browser.mjs';
import { assertListed, assertNotListed, fillAddDialog, signInInBrowser } from '../support/console.mjs';
import { freePort } from '../support/ports.mjs';
import { readQr } from '../support/qr.mjs';
import { serverWithProvider } from '../support/scene.mjs';

const pin = 'Schlüssel 77';

async function scene(t, { provider = {}, ...options } = {}) {
  const all = await serverWithProvider(t, { provider: { consent: 'page', ...provider }, ...options });
  const browser = await startBrowser(t);
  const page = await openPage(browser);
  await signInInBrowser(page, all.server);
  return { ...all, browser, page };
}

/** The dialog as far as the link; gives { dialog, link }. */
async function makeLink(page, username, account) {
  const dialog = await fillAddDialog(page, { username, pin });
  await dialog.getByRole('radio', { name: /Ask the owner/ }).click();
  if (account) await dialog.getByLabel(/Account that must consent/).fill(account);
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).click();
  await dialog.getByRole('heading', { name: 'Waiting for the owner' }).waitFor();
  return { dialog, link: await readQr(page, dialog.getByRole('img', { name: /QR code/ })) };
}

test('C1, A4: the owner gets the link, sees who asks and for what, consents; the administrator sees it live and approves the account', async (t) => {
  const { page, browser, server, provider } = await scene(t);
  const { dialog, link } = await makeLink(page, 'by-link');
  assert.ok(link.startsWith(`${server.url}/oauth/start/`), link);
  await dialog.getByText(link, { exact: true }).waitFor();
  await dialog.getByText(`The owner's browser must reach ${server.url}: if that stands in the office network, from inside it or by VPN.`).waitFor();
  await dialog.getByText('The phone must reach that address as well.').waitFor();
  assert.ok(!(await dialog.innerText()).includes(pin));
  await pictures(page, 'owner-link');
  await assertAccessible(page, 'a link for the owner');
  await assertFits(page, 'a link for the owner');

  const owner = await openPage(browser);
  await owner.goto(link);
  for (const word of [new URL(server.url).host, 'by-link', 'root-admin']) await owner.getByText(word).first().waitFor();
  await owner.reload();
  assert.equal(provider.seen('authorize').length, 0, 'a GET changes nothing');
  await pictures(owner, 'owner-link-page');
  await assertAccessible(owner, 'the owner’s page');
  await assertFits(owner, 'the owner’s page');
  await owner.getByRole('button', { name: /Continue to/ }).click();
  await owner.getByRole('button', { name: 'Allow' }).waitFor();
  await owner.getByRole('button', { name: 'Allow' }).click();
  await owner.getByText(/administrator must approve/).waitFor();
  await picture(owner, 'owner-link-thanks');

  await dialog.getByRole('heading', { name: 'anna@example.com waits for your approval' }).waitFor();
  await dialog.getByText('acc-1', { exact: true }).waitFor();
  await assertNotListed(page, server, 'by-link');
  await dialog.getByRole('button', { name: 'Approve anna@example.com' }).click();
  await dialog.getByText('Authorized as anna@example.com').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await assertListed(page, 'by-link');
  assertQuiet(page);
  assertQuiet(owner);
});

test('a link that waits is found above the list, shown once more, followed, and cancelled there', async (t) => {
  const { page, browser } = await scene(t);
  const { dialog, link } = await makeLink(page, 'patient');
  await dialog.getByRole('button', { name: 'Close, and let it wait' }).click();
  const asked = page.getByRole('region', { name: 'Waiting for their owners' });
  await asked.getByText('link not opened yet').waitFor();
  await pictures(page, 'asked-owners');
  await assertAccessible(page, 'the list of those who wait');
  await asked.getByRole('button', { name: /^Show what patient/ }).click();
  assert.equal(await readQr(page, page.getByRole('dialog').getByRole('img', { name: /QR code/ })), link, 'the same link');

  const owner = await openPage(browser);
  await owner.goto(link);
  await owner.getByRole('button', { name: /Continue to/ }).click();
  await owner.getByRole('button', { name: 'Allow' }).waitFor();
  await page.getByRole('heading', { name: 'The owner has opened the link' }).waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the link' }).click();
  await page.getByText('Nothing was kept.').waitFor();
  await owner.getByRole('button', { name: 'Allow' }).click();
  await owner.getByText(/is over/).first().waitFor();
  assertQuiet(page);
});

test('C1: a link opened by a victim whom a stranger sent it: nothing happens without the button, and what was consented is shown by name', async (t) => {
  const { page, browser, server, provider } = await scene(t, { provider: { account: { id: 'acc-v', name: 'victim@elsewhere.example' } } });
  const { dialog, link } = await makeLink(page, 'trap', 'anna@example.com');
  const victim = await openPage(browser);
  await victim.goto(link);
  await victim.getByText('anna@example.com').waitFor();
  assert.equal(provider.seen('authorize').length, 0);
  await victim.getByRole('button', { name: /Continue to/ }).click();
  await victim.getByRole('button', { name: 'Allow' }).click();
  await victim.getByText(/One question is left|expected/).first().waitFor();
  await dialog.getByText('Another account than expected').waitFor();
  await dialog.getByText('victim@elsewhere.example').first().waitFor();
  await assertNotListed(page, server, 'trap');
  await dialog.getByRole('button', { name: 'Refuse it' }).click();
  await dialog.getByText('Nothing was kept.').waitFor();
  await assertNotListed(page, server, 'trap');
});

test('C1, C3: fixation: the starter’s conversation does not complete in the victim’s browser, nor the victim’s link in the starter’s', async (t) => {
  const { page, browser, server, provider, admin } = await scene(t);
  const { link } = await makeLink(page, 'fixed');
  const starter = await openPage(browser);
  const victim = await openPage(browser);
  await starter.goto(link);
  await starter.getByRole('button', { name: /Continue to/ }).click();
  await starter.getByRole('button', { name: 'Allow' }).waitFor();
  // The attacker sends on the provider's address, with the state of their own conversation in it.
  await victim.goto(starter.url());
  await victim.getByRole('button', { name: 'Allow' }).click();
  await victim.getByText('Finish in the browser you started with').waitFor();
  assert.doesNotMatch(victim.url(), /code=|state=/);
  assert.equal(provider.seen('code').length, 0, 'the victim’s code goes nowhere');
  await victim.goto(link);
  await victim.getByText(/has been used/).first().waitFor();
  const [attempt] = (await admin.must('GET', '/api/v1/authorizations')).items;
  assert.equal(attempt.state, 'pending');
  await assertNotListed(page, server, 'fixed');
  // Two tabs of the same browser: the newer conversation counts, the older one says that it is over.
  const tab = await starter.context().newPage();
  await tab.goto(link);
  await tab.getByRole('button', { name: /Continue to/ }).click();
  await tab.getByRole('button', { name: 'Allow' }).waitFor();
  await starter.getByRole('button', { name: 'Allow' }).click();
  await starter.getByText(/is over/).first().waitFor();
  await tab.getByRole('button', { name: 'Allow' }).click();
  await tab.getByText(/administrator must approve/).waitFor();
  assert.equal(provider.seen('code').length, 1);
  const callback = provider.seen('consent').length;
  await tab.goBack().catch(() => undefined);
  assert.equal(provider.seen('code').length, 1, `going back spends nothing more (${callback})`);
});

test('C4: another site can neither frame the owner’s page nor press its button', async (t) => {
  const { page, browser, provider } = await scene(t);
  const { link } = await makeLink(page, 'framed');
  const port = await freePort();
  const evil = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(request.url === '/frame' ? `<iframe src="${link}" width=600 height=600></iframe>` : `<form method="post" action="${link}"><button>Win a prize</button></form>`);
  });
  await new Promise((resolve) => evil.listen(port, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => { evil.closeAllConnections(); evil.close(resolve); }));
  const victim = await openPage(browser);
  watch(victim);
  await victim.goto(`http://localhost:${port}/frame`);
  const framed = victim.frames().find((each) => each !== victim.mainFrame());
  assert.equal(await framed.getByRole('button', { name: /Continue to/ }).count(), 0, 'the page shows in a frame');
  for (const host of ['localhost', '127.0.0.1']) {
    await victim.goto(`http://${host}:${port}/press`);
    await victim.getByRole('button', { name: 'Win a prize' }).click();
    await victim.getByText('Not from here').waitFor();
  }
  assert.equal(provider.seen('authorize').length, 0);
});
