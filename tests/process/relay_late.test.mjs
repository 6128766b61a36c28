// What comes late to a consent by way of the Cloud Service: an owner's link from before the service's keys were changed, and a page that
// was left open until the browser had forgotten its cookies.

import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { assertLogged, consenting, enrolledOffice, pressing, relayWithProvider } from '../support/relay.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const request = { username: 'printer-1', pin, type: 'oidc' };

/** A link of an office for the owner of an account: { id, start_url }. */
const linkFor = (office, username) => office.admin.startAuthorization({ ...request, username, way: 'owner_link' });
/** Presses the button of the page that the owner's link opens. */
const goingOn = (office) => (url, _response, body) => (url.startsWith(`${office.url}/oauth/start/`) && /<form method="post"/.test(body) ? { url, form: {} } : undefined);
/** Through the pages of office, relay and provider, as that account's owner. */
function owning(scene, office, account) {
  const [going, press, answer] = [goingOn(office), pressing(scene.relay), scene.oidc.answering('allow', account)];
  return (...page) => going(...page) ?? press(...page) ?? answer(...page);
}
const keysAt = (relay) => path.join(relay.data, 'relay.keys');

/** `latchkey relay rotate-keys`, so many times, and so many days ago; the service has been started with the new keys since. */
async function rotated(relay, { times, days }) {
  for (let n = 0; n < times; n++) {
    const { status, stderr } = await relay.cli(['rotate-keys']);
    assert.equal(status, 0, stderr);
  }
  const octets = await readFile(keysAt(relay));
  assert.equal(octets.length, 96 + times * 136);
  for (let n = 0; n < times; n++) octets.writeBigUInt64BE(BigInt(Date.now() - days * 86_400_000), 96 + n * 136 + 64); // when each was retired
  await relay.stop();
  await writeFile(keysAt(relay), octets);
  await relay.launch();
}

test('S1 A5: links made before the relay’s keys were changed, twice and days ago, one of them opened before: both work, and the office has followed', async (t) => {
  const scene = await relayWithProvider(t);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { service_key: before } = await office.admin.must('GET', '/api/v1/cloud-service');
  const [fresh, opened] = [await linkFor(office, 'printer-1'), await linkFor(office, 'printer-2')];
  const browser = new Browserless();
  const shown = await browser.open(opened.start_url, { visit: goingOn(office) });
  assert.ok(shown.url.startsWith(`${scene.relay.url}/begin`), shown.url);
  await rotated(scene.relay, { times: 2, days: 2 });

  // What was sealed to keys that are days old is opened no more: the page that lay open says what to do.
  const stale = await browser.open(shown.url);
  assert.equal(stale.status, 403);
  assert.match(stale.body, /open the link you were sent once more/);
  assert.match(stale.body, /Nothing was linked/);
  for (const [{ id, start_url }, owner, account, name] of [[fresh, new Browserless(), 'anna', 'printer-1'], [opened, browser, 'bert', 'printer-2']]) {
    const end = await owner.open(start_url, { visit: owning(scene, office, account) });
    assert.match(end.body, /administrator must approve/, `${name}: ${end.url}`);
    assert.equal((await office.admin.outcome(id)).state, 'held', name);
    assert.equal((await office.admin.mustAnswer(id, true)).state, 'completed', name);
    assert.equal((await office.token(name, pin)).status, 200, name);
  }
  const { service_key: now } = await office.admin.must('GET', '/api/v1/cloud-service');
  assert.notEqual(now, before, 'the office has followed');
  assert.equal(scene.oidc.count('grant.error'), 0);
});

test('S1 A5: a link when the relay has keys that nobody vouches for: its owner is told what to do, nothing is used up, and it works once the office is enrolled anew', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const link = await linkFor(office, 'printer-1');
  await relay.stop();
  await rm(keysAt(relay));
  await relay.launch();
  for (const browser of [new Browserless(), new Browserless()]) {
    const page = await browser.open(link.start_url, { visit: goingOn(office) });
    assert.equal(new URL(page.url).origin, office.url, 'nobody is sent there');
    assert.equal(page.status, 409);
    assert.match(page.body, /answers with other keys/);
    assert.match(page.body, /has not been used up: open it again in a while/);
    assert.match(page.body, /tell whoever sent it to you/);
    assert.doesNotMatch(page.body, /console/, 'an owner has none');
  }
  const waiting = await office.admin.must('GET', `/api/v1/authorizations/${link.id}`);
  assert.deepEqual([waiting.state, waiting.started], ['pending', false]);
  assert.equal((await office.admin.must('GET', '/api/v1/users?search=printer')).total, 0);

  assert.equal((await office.cli(['cloud', 'leave'])).status, 0);
  const { code } = await relay.issue('North Ltd');
  await office.admin.must('PUT', '/api/v1/cloud-service', { address: relay.url, enrolment_code: code });
  const end = await new Browserless().open(link.start_url, { visit: owning(scene, office, 'anna') });
  assert.match(end.body, /administrator must approve/, end.url);
  assert.equal((await office.admin.outcome(link.id)).state, 'held');
});

test('C3: a page whose button is pressed, and an answer that is brought, after a quarter of an hour, and a handle after a minute: the owner reads that it took too long, and no grant is changed', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay, oidc } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { browser } = office.admin;
  const { grant_id: grantId } = await office.admin.addOAuthUser({ ...request, visit: consenting(scene) });
  // A handle of a consent that lives for ten minutes, and is brought when all the others are over.
  const atOffice = (url) => url.startsWith(`${office.url}/oauth/relayed`);
  const dawdled = await office.admin.startAuthorization({ replace_grant_id: grantId });
  const { url: handle } = await browser.open(dawdled.start_url, { visit: consenting(scene), stopAt: atOffice });
  assert.ok(atOffice(handle), handle);
  await office.admin.set('authorize.pending_lifetime', '1m');
  const kept = async () => {
    const { generation, state, account, authorized_at: at } = await office.admin.grant(grantId);
    return { generation, state, account, at, posted: oidc.tokenRequests };
  };
  const before = await kept();
  const begin = () => office.admin.startAuthorization({ replace_grant_id: grantId });
  const atCallback = (url) => url.startsWith(`${relay.url}/callback/`);

  const [left, slow] = [await begin(), await begin()];
  const shown = await browser.open(left.start_url);
  const button = pressing(relay)(shown.url, undefined, shown.body);
  assert.ok(button, shown.url);
  assert.equal(browser.jar.find('latchkey-relay').left, 900);
  const { url: answer } = await browser.open(slow.start_url, { visit: consenting(scene), stopAt: atCallback });
  assert.ok(atCallback(answer), answer);
  const state = async ({ id }) => (await office.admin.must('GET', `/api/v1/authorizations/${id}`)).state;
  await until('their minute to be over', async () => (await state(left)) === 'expired' && (await state(slow)) === 'expired', { timeout: 90_000, every: 250 });

  const tooLate = await browser.open(handle);
  assert.match(tooLate.body, /This took too long/);
  assert.doesNotMatch(tooLate.url, /handle=/, 'the address is clean');
  assert.equal(await state(dawdled), 'pending', 'which ends nobody’s attempt');
  assert.deepEqual(await kept(), before);
  await office.admin.must('POST', `/api/v1/authorizations/${dawdled.id}/cancel`);
  for (const minutes of [0, 15]) {
    browser.jar.pass(minutes * 60);
    const late = await browser.open(button);
    assert.equal(late.status, 403, `${minutes} minutes`);
    assert.match(late.body, /This took too long/, `${minutes} minutes`);
    assert.match(late.body, /press Authorize again, or open the link you were sent once more/);
    assert.match(late.body, /Nothing was linked\./);
    assert.doesNotMatch(late.body, /cookies/, 'it is not the browser that is wrong');
  }
  assert.equal(browser.jar.find('latchkey-relay'), undefined);
  const late = await browser.open(answer);
  assert.equal(late.status, 403);
  assert.match(late.body, /or took too long\. If you began it here, go back to Latchkey and press Authorize again/);
  assert.match(late.body, /Nothing was linked\./);
  await assertLogged(relay, 'flow_expired', 2);
  await assertLogged(relay, 'flow_not_of_this_browser', 1);
  assert.deepEqual(await kept(), before);
  assert.equal((await office.token('printer-1', pin)).status, 200);

  const once_more = await begin();
  await browser.open(once_more.start_url, { visit: consenting(scene) });
  assert.equal((await office.admin.outcome(once_more.id)).state, 'completed');
});
