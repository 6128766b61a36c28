// The console as a person uses it: fields and buttons by the names they show.

import assert from 'node:assert/strict';

export const administrator = { username: 'root-admin', password: 'Correct-Horse-Battery-9', name: 'The Administrator' };

/** First run: opens the printed address and creates the administrator. */
export async function setUpInBrowser(page, server) {
  await page.goto(`${server.url}/setup#code=${await server.setupCode()}`);
  await page.getByRole('heading', { name: 'Welcome to Latchkey' }).waitFor();
  await page.getByLabel('Username').fill(administrator.username);
  await page.getByLabel('Name', { exact: false }).nth(1).fill(administrator.name).catch(() => {});
  await page.getByLabel('Password', { exact: true }).fill(administrator.password);
  await page.getByLabel('Repeat password', { exact: true }).fill(administrator.password);
  await page.getByRole('button', { name: 'Create administrator' }).click();
  await page.getByRole('heading', { name: 'Users', exact: true }).waitFor();
}

export async function signInInBrowser(page, server, { username, password } = administrator) {
  await page.goto(`${server.url}/`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('link', { name: 'My grants' }).first().waitFor();
}

/** Fills the dialog "Add OAuth user" as far as Authorize; gives the dialog. */
export async function fillAddDialog(page, { group = 'Office', type = /OpenID Connect/, username, pin, allowToken = true }) {
  const dialog = page.getByRole('dialog');
  const comesByItself = new URL(page.url()).pathname === '/users/new';
  if (!comesByItself && !(await dialog.isVisible())) await page.getByRole('button', { name: 'Add OAuth user', exact: true }).first().click();
  await dialog.getByRole('button', { name: 'Authorize', exact: true }).waitFor();
  if (group) {
    await dialog.getByLabel('Group', { exact: true }).fill(group);
    await page.getByRole('option', { name: new RegExp(`^${group}|Create group .${group}`) }).first().click();
  }
  await chooseType(page, dialog, type);
  if (username) await dialog.getByLabel('Username').fill(username);
  if (pin) await typePin(dialog, pin);
  if (allowToken) await dialog.getByRole('checkbox', { name: 'Programs may fetch the token' }).click();
  return dialog;
}

export async function typePin(dialog, pin) {
  await dialog.getByLabel('PIN', { exact: true }).fill(pin);
  await dialog.getByLabel('Repeat PIN', { exact: true }).fill(pin);
}

export async function chooseType(page, dialog, type) {
  await dialog.getByRole('combobox', { name: /^Type/ }).click();
  await page.getByRole('option', { name: type }).first().click();
}

/** Presses Authorize (or another button that authorises) and gives the popup. */
export async function authorizeInPopup(page, dialog, button = 'Authorize') {
  const opening = page.waitForEvent('popup');
  await dialog.getByRole('button', { name: button, exact: true }).first().click();
  return opening;
}

/** Presses a button of the provider's page in the popup, and waits until the popup has gone. */
export async function answerInPopup(popup, answer = 'Allow') {
  const closing = popup.isClosed() ? Promise.resolve() : popup.waitForEvent('close');
  await popup.getByRole('button', { name: answer, exact: true }).click();
  await closing;
}

/** The user's row in the list is there and says so. */
export async function assertListed(page, username) {
  await page.getByRole('row', { name: new RegExp(username) }).first().waitFor();
}

export async function assertNotListed(page, server, username) {
  const answer = await page.evaluate(async (name) => (await fetch(`/api/v1/users?search=${encodeURIComponent(name)}`)).json(), username);
  assert.equal(answer.total, 0, `${username} is listed`);
}
