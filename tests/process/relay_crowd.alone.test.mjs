// A thousand consents under way at once by way of one relay, for two offices, in forward mode and in exchange mode, where the relay posts their codes.
// Takes the whole machine: runs alone.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Browserless, CookieJar } from '../support/browserless.mjs';
import { Latchkey, slowness } from '../support/latchkey.mjs';
import { populate } from '../support/population.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { pressing, Relay } from '../support/relay.mjs';
import { ScriptedProvider } from '../support/scripted_provider.mjs';
import { until } from '../support/wait.mjs';

const flowsEach = slowness > 1 ? 50 : 500;
const patience = 120_000 * slowness;
const words = (error) => new Error(`${error.message}${error.cause ? `: ${error.cause.message}` : ''}`, { cause: error });
const populationPin = 'bench-PIN-42';

/** `work` for every item, at most `lanes` at a time; the results in the items' order. */
async function each(items, lanes, work) {
  const results = [];
  let next = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at], at).catch((error) => { throw words(error); });
  }));
  return results;
}

/** An office with `flowsEach` users who have PINs already, enrolled at the relay. */
async function crowdedOffice(t, relay, provider, label) {
  const data = path.join(await temporaryFolder(t, 'crowd'), 'data');
  await populate(data, { users: flowsEach, kind: 'later' });
  const office = await Latchkey.ready(t, {
    data, config: { 'outbound.ca_file': relay.certificate.certFile, 'outbound.allow': [`127.0.0.1:${provider.port}`, `localhost:${relay.port}`] },
  });
  const { code } = await relay.issue(label, ['--flows-per-minute', '0']);
  await office.admin.must('PUT', '/api/v1/cloud-service', { address: relay.url, enrolment_code: code });
  office.label = label;
  office.users = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await office.admin.must('GET', `/api/v1/users?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    office.users.push(...page.items.filter((user) => user.username.startsWith('user')));
    cursor = page.next_cursor ?? null;
  }
  return office;
}

/** The relay's app at the provider, by mode. */
async function appAt(t, provider, mode) {
  const app = { provider: 'oidc', client_id: provider.clientId, params: { issuer: provider.issuer }, authorization_endpoint: `${provider.issuer}/authorize` };
  if (mode === 'forward') return app;
  const secret = path.join(await temporaryFolder(t, 'crowd-secret'), 'op.secret');
  await writeFile(secret, `${provider.clientSecret}\n`, { mode: 0o600 });
  return { ...app, token_endpoint: `${provider.issuer}/token`, client_secret_file: secret };
}

for (const [name, mode] of [['S1, S2, S5: in forward mode', 'forward'], ['S1, S4, S5: in exchange mode', 'exchange']]) test(`${name}, ${2 * flowsEach} authorisations under way at once for two offices: each ends at its own office and user, with its own account`, async (t) => {
  const accounts = new Map(); // by state
  const accountFor = ({ state }) => {
    if (!accounts.has(state)) accounts.set(state, { id: `acc-${accounts.size}`, name: `owner-${accounts.size}@example.com` });
    return accounts.get(state);
  };
  const provider = await ScriptedProvider.start(t, { port: await freePort(), ...(mode === 'forward' ? { clientSecret: null } : { rotation: 'single-use' }), accountFor });
  const relay = await Relay.start(t, {
    config: { 'log.level': 'error' },
    apps: { op: await appAt(t, provider, mode) },
  });
  const offices = [await crowdedOffice(t, relay, provider, 'North Ltd'), await crowdedOffice(t, relay, provider, 'South Ltd')];
  const wishes = offices.flatMap((office) => office.users.map((user) => ({ office, user })));
  assert.equal(wishes.length, 2 * flowsEach);

  // All of them as far as the provider's redirect; nobody has come back yet.
  const flows = await each(wishes, 32, async ({ office, user }) => {
    const started = await office.admin.startAuthorization({ link_user_id: user.id, type: 'oidc' });
    const seen = [];
    const browser = new Browserless(new CookieJar(), { patience });
    const opened = await fetch(started.start_url, { redirect: 'manual', headers: { cookie: office.admin.browser.jar.for(office.url) } });
    browser.jar.take(started.start_url, opened);
    const { url } = await browser.open(opened.headers.get('location'), { visit: pressing(relay, seen), stopAt: (address) => address.startsWith(`${relay.url}/callback/`) });
    assert.ok(seen[0].includes(office.label) && seen[0].includes(user.username), 'the page names the flow\'s own office and user');
    return { office, user, started, browser, url };
  });
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="returned"}'), 0);

  // A hundred browsers come back at a time: more connections than that are made by no one process in ten seconds everywhere.
  const ends = await each(flows, 100, ({ browser, url }) => browser.open(url, { stopAt: (address) => address.includes('/users?authorization=') }));
  ends.forEach(({ url }, n) => assert.ok(url.startsWith(`${flows[n].office.url}/users?authorization=`), `${n} came to ${url}`));
  await each(flows, 16, async ({ office, user, started, url }) => {
    const attempt = await office.admin.outcome(started.id, patience);
    assert.equal(attempt.state, 'completed', JSON.stringify(attempt.problem));
    assert.equal(attempt.result.user_id, user.id);
    assert.equal(attempt.result.account.id, accounts.get(new URL(url).searchParams.get('state')).id);
  });
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="collected"}'), 2 * flowsEach);
  assert.equal(provider.seen('code').length, 2 * flowsEach, 'every code is spent once');
  assert.equal(new Set(provider.seen('code').map((request) => request.form.code)).size, 2 * flowsEach);
  if (mode === 'exchange') {
    assert.equal(await relay.metric('latchkey_relay_exchanges_total{outcome="answered"}'), 2 * flowsEach, 'by the relay, each');
    assert.equal(await relay.metric('latchkey_relay_exchanges_total{outcome="unknown"}'), 0);
    await until('every reply to be acknowledged', async () => await relay.metric('latchkey_relay_replies_total{event="acknowledged"}') === 2 * flowsEach, { timeout: patience });
  }
  // What one office has got opens nothing at the other.
  const [north, south] = offices;
  const token = await north.token(north.users[0].username, populationPin, { type: 'oidc' });
  assert.equal(token.status, 200, token.text);
  assert.ok(provider.honours(token.body.access_token));
  assert.equal((await south.admin.call('GET', `/api/v1/authorizations/${flows[0].started.id}`)).status, 404);
  for (const { office, started } of mode === 'exchange' ? [flows[0], flows.at(-1)] : []) {
    const { result } = await office.admin.must('GET', `/api/v1/authorizations/${started.id}`);
    assert.equal((await office.admin.call('POST', `/api/v1/grants/${result.grant_id}/refresh`)).status, 200, 'what came of it is renewed by the relay');
    assert.equal((await office.admin.grant(result.grant_id)).generation, 2);
  }
});
