// Every page of the console: nothing found by axe-core, nothing wider than the window, no complaint, pictures kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertCellsFit, assertFits, assertQuiet, openPage, pictures, startBrowser } from '../support/browser.mjs';
import { signInInBrowser } from '../support/console.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

test('every page, light and dark, wide and narrow', async (t) => {
  const { server, admin, provider, user_id } = await authorisedUser(t);
  const group = await admin.group('Reception');
  const regular = await admin.must('POST', '/api/v1/users', { username: 'regular', name: 'Rita Regular', group_id: group, password: 'Quite-Another-Secret-1' });
  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  const { grant_id: dead } = await admin.addOAuthUser({ username: 'printer-2', pin, type: 'oidc' });
  provider.revokeEverything();
  await admin.call('POST', `/api/v1/grants/${dead}/refresh`);
  await server.token('printer-1', pin);
  provider.account = { id: 'acc-3', name: 'cora@example.com' };
  const { grant_id: living } = await admin.addOAuthUser({ username: 'printer-3', pin, type: 'oidc' });
  provider.next('refresh', { commit: false, status: 503, body: { error: 'temporarily_unavailable', error_description: 'Down for maintenance' } });
  const [held] = (await admin.must('GET', `/api/v1/users/${user_id}`)).grants;
  await admin.call('POST', `/api/v1/grants/${held.id}/refresh`);
  for (let n = 0; n < 4; n++) await admin.call('POST', `/api/v1/grants/${living}/refresh`);
  await admin.set('notices.webhook_url', 'https://hooks.example.com/latchkey');
  await admin.call('POST', '/api/v1/notices/test', { channel: 'webhook' });

  const browser = await startBrowser(t);
  const page = await openPage(browser);
  const look = async (name) => {
    await pictures(page, name);
    await assertAccessible(page, name);
    for (const width of [360, 768, 1024, 1110, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      await assertFits(page, `${name} at ${width} px`);
      await assertCellsFit(page, `${name} at ${width} px`);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  };

  await page.goto(`${server.url}/`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await look('sign-in');
  await page.getByLabel('Username').fill('root-admin');
  await page.getByLabel('Password', { exact: true }).fill('not the password');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').or(page.getByRole('status')).first().waitFor();
  await look('sign-in-refused');
  await signInInBrowser(page, server);

  const views = {
    users: ['/users', () => page.getByRole('row', { name: /printer-1/ }).first()],
    'user-details': [`/users/${user_id}/details`, () => page.getByRole('dialog').getByLabel('Mail address')],
    'user-activity': [`/users/${user_id}/activity`, () => page.getByRole('dialog').getByRole('list').first()],
    'user-life': [`/users/${user_id}/activity`, async () => {
      await page.getByRole('dialog').getByRole('combobox', { name: /^Show/ }).click();
      await page.getByRole('option', { name: /^Life of/ }).first().click();
      return page.getByText('HTTP 503 temporarily_unavailable').first();
    }],
    health: ['/health', () => page.getByRole('img', { name: /^Grants by state/ })],
    'revoke-all': ['/health/revoke', () => page.getByRole('heading', { name: 'At their providers', exact: true })],
    'user-regular': [`/users/${regular.id}`, () => page.getByText('No grants yet')],
    'add-regular-user': ['/users/regular', () => page.getByRole('button', { name: 'Create user' })],
    groups: ['/groups', () => page.getByRole('heading', { name: 'Reception', exact: true })],
    apps: ['/settings/apps', () => page.getByRole('heading', { name: 'Registered', exact: true })],
    app: ['/settings/apps/oidc', () => page.getByRole('heading', { name: 'Here', exact: true })],
    'app-not-registered': ['/settings/apps/microsoft', () => page.getByRole('heading', { name: 'Here', exact: true })],
    deliveries: ['/deliveries', () => page.getByRole('heading', { name: 'No document has come yet', exact: true })],
    connectors: ['/settings/connectors', () => page.getByText('No connector yet')],
    servers: ['/settings/servers', () => page.getByText('This server', { exact: true })],
    check: ['/settings/check', async () => {
      await page.getByRole('button', { name: /^Check (now|again)$/ }).click();
      return page.getByRole('heading', { name: 'Redirect URIs', exact: true });
    }],
    certificate: ['/settings/certificate', () => page.getByRole('heading', { name: 'Listener', exact: true })],
    keys: ['/settings/keys', () => page.getByRole('heading', { name: 'Master key', exact: true })],
    registry: ['/settings/registry', () => page.getByRole('button', { name: 'Change oauth.polling_time', exact: true })],
    activity: ['/activity', () => page.getByRole('row').nth(1)],
    'my-grants': ['/me', () => page.getByRole('heading', { name: 'My grants', exact: true })],
  };
  for (const [name, [path, there]] of Object.entries(views)) {
    await page.goto(server.url + path);
    await (await there()).waitFor();
    await look(name);
  }
  assertQuiet(page);
  await page.goto(`${server.url}/nowhere`);
  await page.getByRole('heading', { name: 'No such page' }).waitFor();
  await look('not-found');
});

test('a changed polling time takes effect at once', async (t) => {
  const { server, admin, grant_id } = await authorisedUser(t);
  const page = await openPage(await startBrowser(t));
  await signInInBrowser(page, server);
  await page.goto(`${server.url}/settings/registry`);
  await page.getByRole('button', { name: 'Change oauth.polling_time', exact: true }).click();
  await page.getByLabel('Value').fill('3m');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: /^Set oauth.polling_time back/ }).waitFor();
  const due = async () => (Date.parse((await admin.grant(grant_id)).next_refresh_at) - Date.now()) / 1000;
  await until('the grant that waited for the longer time to fall due sooner', async () => (await due()) <= 180);
  assert.ok((await due()) > 90, `due in ${await due()} s`);
});

test('the keyboard alone: skip link, dialog, focus kept inside and given back', async (t) => {
  const { server } = await authorisedUser(t);
  const page = await openPage(await startBrowser(t));
  await signInInBrowser(page, server);
  await page.keyboard.press('Tab');
  const add = page.getByRole('button', { name: 'Add OAuth user', exact: true }).first();
  await add.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  for (let step = 0; step < 40; step++) {
    await page.keyboard.press('Tab');
    assert.ok(await dialog.evaluate((element) => element.contains(document.activeElement) || document.activeElement.closest('[role=listbox],[data-bits-focus-guard],[data-focus-guard]') !== null || document.activeElement === document.body), `focus left the dialog at step ${step}`);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
});
