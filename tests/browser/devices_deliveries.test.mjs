// Connectors, devices and deliveries in the console, as an administrator sets them up and looks after them: the real server, a
// scripted drive behind it, curl as the device.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assertAccessible, assertFits, assertQuiet, openPage, pictures, startBrowser } from '../support/browser.mjs';
import { signInInBrowser } from '../support/console.mjs';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { run } from '../support/latchkey.mjs';
import { freePort } from '../support/ports.mjs';
import { readQr } from '../support/qr.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** A delivering server, its console open and signed in. */
async function scene(t, options = {}) {
  const made = await deliveringServer(t, options);
  const page = await openPage(await startBrowser(t), { acceptDownloads: true });
  await signInInBrowser(page, made.server);
  const connector = async (id) => (await made.admin.must('GET', '/api/v1/connectors')).items.find((one) => one.id === id);
  return { ...made, page, connector };
}

const choose = async (page, within, label, option) => {
  await within.getByRole('combobox', { name: label }).click();
  await page.getByRole('option', { name: option }).first().click();
};

/** A fixed connector whose owner's PIN has been given. */
const fixed = (admin, more = {}) => admin.must('POST', '/api/v1/connectors', { id: 'invoices', name: 'Invoices', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [], folder: 'Accounts', ...more });

/** curl as a device does it. */
const curl = (server, name, secret, file, { to = 'invoices', as = 'scan.pdf' } = {}) =>
  run('curl', ['-sS', '--fail-with-body', '-u', `${name}:${secret}`, '--data-binary', `@${file}`, '-H', `Content-Disposition: attachment; filename="${as}"`, `${server.url}/v1/deliver/${to}`]);

test('a connector with username and PIN: live preview of names, the account tried at once, tested again, ended, removed', async (t) => {
  const { page, server, admin, connector } = await scene(t);
  await admin.must('DELETE', '/api/v1/connectors/scans');
  await page.goto(`${server.url}/settings/connectors`);
  await page.getByText('No connector yet').waitFor();
  await page.getByRole('button', { name: 'Add the first connector' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('Invoices & receipts');
  assert.equal(await dialog.getByLabel('Id', { exact: true }).inputValue(), 'invoices-receipts');
  await choose(page, dialog, /^Type/, /scripted-drive/);
  await choose(page, dialog, /^Account/, /^One user's/);
  await dialog.getByLabel('Username').fill('printer-1');
  await dialog.getByLabel("The owner's PIN", { exact: true }).fill('not the PIN');
  const preview = dialog.getByRole('status', { name: /^The name of a document/ });
  await dialog.getByLabel('Folder').fill('Accounts/{date}');
  await dialog.getByLabel('Names').fill('{name} by {user}');
  assert.match(await preview.innerText(), /^Accounts\/\d{4}-\d\d-\d\d\/invoice by anna\.pdf$/);
  await dialog.getByLabel('Names').fill('{counter:4} {device}');
  assert.match(await preview.innerText(), /^Accounts\/\d{4}-\d\d-\d\d\/0017 Copier 2\.pdf$/);
  await dialog.getByLabel('Largest document').fill('2.5');
  await dialog.getByLabel('Types of documents').fill('application/pdf, IMAGE/*; .dwg');
  await pictures(page, 'add-connector');
  await assertAccessible(page, 'the connector dialog');

  await dialog.getByRole('button', { name: 'Add connector' }).click();
  await dialog.locator('.error, [role=alert]').first().waitFor();
  assert.equal(await connector('invoices-receipts'), undefined, 'a wrong PIN makes no connector');
  await dialog.getByLabel("The owner's PIN", { exact: true }).fill(pin);
  await dialog.getByRole('button', { name: 'Add connector' }).click();
  await dialog.waitFor({ state: 'hidden' });
  const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'Invoices & receipts' }) });
  await card.getByText(/^without PIN, since /).waitFor();
  await card.getByText('2.5 MB').waitFor();
  await card.getByText('application/pdf, image/*, .dwg').waitFor();
  assert.equal((await connector('invoices-receipts')).size_bytes_max, 2_500_000);

  await card.getByRole('button', { name: /^Test / }).click();
  await page.getByText('The service behind Invoices & receipts has answered.').waitFor();
  await card.getByText('How documents get here').click();
  await card.getByText(`${server.url}/dav/invoices-receipts/`, { exact: true }).waitFor();
  await pictures(page, 'connectors');
  await assertAccessible(page, 'the connectors');

  // What was set stays set when something else is changed.
  await card.getByRole('button', { name: /^Edit / }).click();
  await dialog.getByLabel('Name', { exact: true }).fill('Invoices');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'hidden' });
  const kept = await connector('invoices-receipts');
  assert.deepEqual([kept.name, kept.size_bytes_max, kept.folder, kept.content_types, kept.delegation.ended], ['Invoices', 2_500_000, 'Accounts/{date}', ['application/pdf', 'image/*', '.dwg'], false]);

  await page.getByRole('button', { name: 'Edit Invoices' }).click();
  await dialog.getByRole('button', { name: 'End that' }).click();
  await page.getByText(/^only with the owner's PIN$/).waitFor();
  await page.getByRole('button', { name: 'Remove Invoices' }).click();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await page.getByText('No connector yet').waitFor();
  assertQuiet(page);
});

test('a device: its secret shown once, on a card with a QR code, with the lines for mail, WebDAV and HTTP; printed alone; made anew', async (t) => {
  const smtp = await freePort();
  const { page, server, admin } = await scene(t, { config: { 'smtp.submission': `127.0.0.1:${smtp}`, 'smtp.drop_domain': 'drop.internal' } });
  await fixed(admin);
  await page.goto(`${server.url}/settings/devices`);
  await page.getByRole('button', { name: 'Add the first device' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('printer-1');
  await dialog.getByRole('checkbox', { name: 'Invoices' }).click();
  await pictures(page, 'add-device');
  await assertAccessible(page, 'the device dialog');
  await dialog.getByRole('button', { name: 'Add device' }).click();
  await dialog.locator('.error, [role=alert]').first().waitFor();
  await dialog.getByLabel('Name', { exact: true }).fill('Copier in the hall');
  await dialog.getByRole('button', { name: 'Add device' }).click();

  const card = dialog.getByRole('region', { name: 'Card of Copier in the hall' });
  await card.waitFor();
  const secret = (await dialog.locator('.copy code').innerText()).trim();
  assert.match(secret, /^[0-9a-z]{52}$/);
  const words = (await card.innerText()).replaceAll(/\s+/g, ' ');
  assert.ok(words.includes(`Password ${secret.match(/.{1,4}/g).join(' ')}`), words);
  for (const line of [`By mail (SMTP) Host 127.0.0.1 Port ${smtp} Security none Send to invoices@drop.internal`,
    `By WebDAV Host 127.0.0.1 Port ${server.port} Security none (http) Folder /dav/invoices/`, `By HTTP Post to ${server.url}/v1/deliver/invoices`]) {
    assert.ok(words.includes(line), `${line} in ${words}`);
  }
  assert.equal(await readQr(page, card.getByRole('img')), `Server: 127.0.0.1:${server.port}\nUser name: Copier in the hall\nPassword: ${secret}`);
  await pictures(page, 'device-card');
  await assertAccessible(page, 'the card');
  await page.emulateMedia({ media: 'print' });
  const visible = () => page.evaluate(() => [...document.querySelectorAll('h1, h2, h3, .btn')].filter((each) => getComputedStyle(each).visibility === 'visible').map((each) => each.textContent.trim()));
  await until('the card to be all that is printed', async () => (await visible()).join() === 'Copier in the hall');
  await page.emulateMedia({ media: 'screen' });

  await dialog.getByRole('button', { name: 'It is in the device' }).click();
  await dialog.waitFor({ state: 'hidden' });
  assert.ok(!(await page.content()).includes(secret), 'the secret is shown once');
  const file = await server.file('scan.pdf', documentOf(30_000));
  assert.equal((await curl(server, 'Copier in the hall', secret, file)).status, 0);
  await page.reload();
  await page.getByText(/^Seen .*, from 127\.0\.0\.1$/).waitFor();

  await page.getByRole('button', { name: 'New secret for Copier in the hall' }).click();
  await page.getByRole('button', { name: 'Make it' }).click();
  await card.waitFor();
  const renewed = (await dialog.locator('.copy code').innerText()).trim();
  assert.notEqual(renewed, secret);
  assert.notEqual((await curl(server, 'Copier in the hall', secret, file)).status, 0, 'the one before is worth nothing');
  await dialog.getByRole('button', { name: 'It is in the device' }).click();
  await admin.must('DELETE', '/api/v1/connectors/invoices/delegation');
  await page.reload();
  await page.getByText(/^It is refused at Invoices/).waitFor();
  await pictures(page, 'devices');
  await assertAccessible(page, 'the devices');
  await page.getByRole('button', { name: 'Remove Copier in the hall' }).click();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await page.getByText('No device yet').waitFor();
  assertQuiet(page);
});

test('a document of curl appears by itself, moves, arrives; its timeline is there', async (t) => {
  const { page, server, admin, drive } = await scene(t);
  await fixed(admin);
  const { secret } = await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['invoices'] });
  const document = documentOf(24_000_000);
  const file = await server.file('plans.tif', document);
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  t.after(() => release());
  // Progress is noted every 8 MiB: the part behind it waits until the page has shown it.
  drive.plan = async ({ range }) => { if (range && Number(/\d+/.exec(range)[0]) > 10_000_000) await held; };
  await page.goto(`${server.url}/deliveries`);
  await page.getByText('No document has come yet').waitFor();
  assert.equal((await curl(server, 'copier', secret, file, { as: 'plans.tif' })).status, 0);

  const row = page.getByRole('row', { name: /plans\.tif/ });
  await row.getByText('Being sent').waitFor();
  const bar = row.getByRole('progressbar');
  await until('the bar to move', async () => Number(await bar.getAttribute('aria-valuenow')) > 0);
  const percent = Number(await bar.getAttribute('aria-valuenow'));
  assert.ok(percent >= 30 && percent < 100, `${percent} %`);
  await row.getByText(/24 MB · from copier/).waitFor();
  await page.getByRole('button', { name: 'plans.tif', exact: true }).click();
  const road = page.getByRole('dialog');
  await road.getByText(new RegExp(`of 24 MB, ${percent} %`)).waitFor();
  await pictures(page, 'delivery-under-way');
  await assertAccessible(page, 'a delivery under way');
  release();
  await road.getByText('The destination states the same hash.').waitFor();
  const steps = road.getByRole('list').last().getByRole('listitem');
  assert.match(await steps.first().innerText(), /^Accepted/);
  assert.match(await steps.last().innerText(), /^Delivered/);
  await road.getByText(sha256(document)).waitFor();
  assert.equal(drive.files.get('Accounts/plans.tif').sha256, sha256(document));
  await page.keyboard.press('Escape');
  await row.getByText('Delivered').waitFor();
  assert.ok(await page.getByRole('button', { name: 'plans.tif', exact: true }).evaluate((element) => element === document.activeElement), 'focus comes back to what opened the timeline');
  assertQuiet(page);
});

test('what waits for a person: retried, sent elsewhere, downloaded, deleted; found by its state', async (t) => {
  const { page, server, admin, drive } = await scene(t);
  await fixed(admin);
  await fixed(admin, { id: 'archive', name: 'Archive', folder: 'Archive' });
  const { secret } = await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['invoices', 'archive'] });
  const document = documentOf(40_000);
  const file = await server.file('scan.pdf', document);
  drive.plan = ({ method }) => (method === 'POST' ? { status: 403, body: { error: 'storage_full' } } : undefined);
  for (const as of ['again.pdf', 'elsewhere.pdf', 'away.pdf']) assert.equal((await curl(server, 'copier', secret, file, { as })).status, 0);
  await page.goto(`${server.url}/deliveries?state=parked`);
  const row = (name) => page.getByRole('row', { name: new RegExp(name) });
  await until('all three to wait', async () => (await page.getByRole('row').filter({ hasText: 'Needs a person' }).count()) === 3);
  await pictures(page, 'deliveries-parked');
  await assertAccessible(page, 'the deliveries');
  await assertFits(page, 'the deliveries');

  const coming = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download away.pdf' }).click();
  const download = await coming;
  assert.equal(download.suggestedFilename(), 'away.pdf');
  assert.equal(sha256(await readFile(await download.path())), sha256(document));
  await page.getByRole('button', { name: 'Delete away.pdf' }).click();
  await page.getByRole('alertdialog').getByText('Nobody else has it.', { exact: false }).waitFor();
  await page.getByRole('button', { name: 'Delete it' }).click();
  await row('away').waitFor({ state: 'detached' });

  drive.plan = () => undefined;
  await page.getByRole('button', { name: 'Send elsewhere.pdf elsewhere' }).click();
  const dialog = page.getByRole('dialog');
  await choose(page, dialog, /^To/, /^Archive/);
  await dialog.getByRole('button', { name: 'Send there' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await until('it to arrive elsewhere', () => drive.files.get('Archive/elsewhere.pdf'));
  await page.getByRole('button', { name: 'Try again.pdf again' }).click();
  await until('it to arrive', () => drive.files.get('Accounts/again.pdf'));
  assert.equal(drive.files.get('Accounts/again.pdf').sha256, sha256(document));
  await page.getByText('Nothing matches').waitFor();
  await choose(page, page.getByRole('search'), /^State/, /^Every state/);
  await row('again').getByText('Delivered').waitFor();

  // Each deed in the trail, as what it is about.
  await page.goto(`${server.url}/activity`);
  await choose(page, page.getByRole('search'), /^What/, /^All about delivery/);
  await page.getByText('Document sent to another connector').waitFor();
  for (const words of ['Document of a delivery downloaded', 'Delivery tried again by hand', 'Delivery deleted, with its document']) await page.getByText(words).first().waitFor();
  const kinds = (await admin.must('GET', '/api/v1/activity?limit=200')).items.filter((one) => /^(delivery|device|connector)\./.test(one.action));
  assert.ok(kinds.length >= 6, JSON.stringify(kinds));
  for (const one of kinds) assert.equal(one.subject.kind, one.action.split('.')[0]);
  assertQuiet(page);
});
