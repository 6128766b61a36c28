// "Ask the owner": a link that somebody without a console opens. What opening it does, who may go on with it, what the administrator
// sees, and what whoever sends it to a victim gets out of it.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { fetchAnswer } from '../support/latchkey.mjs';
import { authorisedUser, pin, serverWithProvider } from '../support/scene.mjs';
import { SmtpSink } from '../support/smtp_sink.mjs';
import { until } from '../support/wait.mjs';

const request = { username: 'printer-1', pin, type: 'oidc', way: 'owner_link' };

async function nobodyNamed(admin, name) {
  assert.equal((await admin.must('GET', `/api/v1/users?search=${name}`)).total, 0, 'a half-made user was left');
}

/** Presses the button of the owner's page. */
const goingOn = (server) => (url, _response, body) => (url.startsWith(server.url) && /<form method="post"/.test(body) ? { url, form: {} } : undefined);
/** Opens the link and goes on, as far as the callback's door: gives the address the provider sends the browser to. */
async function untilCallback(server, link, browser = new Browserless()) {
  const walk = await browser.open(link, { visit: goingOn(server), stopAt: (url) => url.startsWith(`${server.url}/oauth/callback/`) });
  return { browser, callback: walk.url, walk };
}

test('A5: opening a link changes nothing, however often and by whom; the page names server, user, service and who asks', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  assert.deepEqual(faults(started, answerSchema('POST', '/api/v1/authorizations', 201)), []);
  assert.ok(Date.parse(started.expires_at) - Date.now() > 71 * 3_600_000, started.expires_at);
  for (const browser of [new Browserless(), new Browserless(), admin.browser]) {
    const page = await browser.open(started.start_url);
    assert.equal(page.status, 200);
    for (const word of [new URL(server.url).host, 'printer-1', 'OpenID Connect', 'root-admin']) assert.ok(page.body.includes(word), `${word} is not on the page`);
    assert.ok(!page.body.includes(pin));
    assert.match(page.headers.get('content-security-policy'), /frame-ancestors 'none'/);
    assert.equal(page.headers.getSetCookie().filter((each) => each.includes('flow')).length, 0);
  }
  assert.equal(provider.seen('authorize').length, 0);
  const pending = await admin.must('GET', `/api/v1/authorizations/${started.id}`);
  assert.deepEqual(faults(pending, answerSchema('GET', '/api/v1/authorizations/{id}')), []);
  assert.equal(pending.started, false);
  assert.equal(pending.link, started.start_url, 'it can be shown again');
});

test('A4: consent by link is held until the account shown has been approved; the administrator sees each step', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  const { browser, callback } = await untilCallback(server, started.start_url);
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${started.id}`)).started, true);
  const page = await browser.open(callback);
  assert.match(page.body, /administrator must approve/);
  assert.doesNotMatch(page.url, /code=|state=/);
  assert.doesNotMatch(page.body, /To the console|Back to the console/, 'the owner has no console');
  const held = await admin.outcome(started.id);
  assert.equal(held.state, 'held', JSON.stringify(held));
  assert.equal(held.link, '');
  await nobodyNamed(admin, 'printer-1');
  assert.equal((await admin.mustAnswer(started.id, true)).state, 'completed');
  assert.equal((await server.token('printer-1', pin)).status, 200);
  assert.equal(provider.seen('code').length, 1);
  const metrics = await server.metrics();
  for (const stage of ['made', 'opened', 'consented']) assert.match(metrics, new RegExp(`latchkey_owner_links_total\\{stage="${stage}"\\} 1\\n`));
});

test('A4: held as well in the browser of the administrator who made the link', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  await admin.browser.open(started.start_url, { visit: goingOn(server) });
  assert.equal((await admin.outcome(started.id)).state, 'held');
});

test('A4: an account named beforehand by its id needs no approval, by a name it does; another one is asked about', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const named = await admin.startAuthorization({ ...request, expected_account: 'anna@example.com' });
  const shown = await new Browserless().open(named.start_url);
  assert.ok(shown.body.includes('anna@example.com'), 'the owner sees which account is wanted');
  await new Browserless().open(named.start_url, { visit: goingOn(server) });
  const held = await admin.outcome(named.id);
  assert.equal(held.state, 'held', JSON.stringify(held));
  assert.equal((await admin.mustAnswer(named.id, false)).state, 'cancelled');
  const started = await admin.startAuthorization({ ...request, expected_account: provider.account.id });
  await new Browserless().open(started.start_url, { visit: goingOn(server) });
  const first = await admin.outcome(started.id);
  assert.equal(first.state, 'completed', JSON.stringify(first));
  provider.account = { id: 'acc-9', name: 'mallory@example.com' };
  const again = await admin.startAuthorization({ replace_grant_id: first.result.grant_id, way: 'owner_link' });
  await new Browserless().open(again.start_url, { visit: goingOn(server) });
  const other = await admin.outcome(again.id);
  assert.equal(other.state, 'needs_confirmation');
  assert.equal(other.confirmation.code, 'account_differs');
  const approve = (...named) => server.cli(['grant', 'approve', again.id, '--account', 'acc-9', ...named]);
  for (const [named, words] of [[[], /--replaces/], [['--replaces', 'acc-8'], /until now it was another account/]]) {
    const refused = await approve(...named);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, words);
    assert.match(refused.stderr, new RegExp(` until now +${first.result.account.name}\n +its id +${first.result.account.id}\n`));
  }
  const approved = await approve('--replaces', first.result.account.id);
  assert.equal(approved.status, 0, approved.stderr);
});

test('C3: a link works in the browser that went on with it, again if need be, and in no other', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  const { browser, callback } = await untilCallback(server, started.start_url);
  for (const method of ['GET', 'POST']) {
    const stranger = await fetchAnswer(started.start_url, { method, headers: { origin: server.url, 'sec-fetch-site': 'same-origin' } });
    assert.equal(stranger.status, 409, stranger.text);
    assert.match(stranger.text, /used/);
  }
  const before = provider.seen('authorize').length;
  const second = await untilCallback(server, started.start_url, browser);
  assert.equal(provider.seen('authorize').length, before + 1, 'the owner came back to it');
  assert.match((await browser.open(callback)).body, /over/i, 'the former conversation is none any more');
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'pending');
  await browser.open(second.callback);
  assert.equal((await admin.outcome(started.id)).state, 'held');
  assert.ok((await browser.open(started.start_url)).status >= 400, 'consent has come back: the link is over');
  assert.ok((await browser.open(second.callback)).body.length > 0);
  assert.equal(provider.seen('code').length, 1, 'the code is used once');
});

test('C1: fixation: an attacker goes on with the link and lets a victim consent: the answer in the victim’s browser is not used', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  const { callback } = await untilCallback(server, started.start_url);  // the attacker's browser has the flow's cookie
  const victim = await new Browserless().open(callback);
  assert.match(victim.body, /browser/);
  assert.equal(provider.seen('code').length, 0, 'the code goes nowhere');
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'pending');
});

test('C1: the button cannot be pressed by another site’s page', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' }]) {
    const answer = await fetchAnswer(started.start_url, { method: 'POST', headers });
    assert.equal(answer.status, 403, JSON.stringify(headers));
  }
  assert.equal(provider.seen('authorize').length, 0);
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${started.id}`)).started, false);
  await new Browserless().open(started.start_url, { visit: goingOn(server) });
  assert.equal((await admin.outcome(started.id)).state, 'held');
});

test('Attack: a link that was sent before the user, the grant or everything was locked unlocks nothing', async (t) => {
  const { admin, server, provider, user_id, grant_id } = await authorisedUser(t);
  await admin.set('revoke.disabled_after', '1h');
  const again = { replace_grant_id: grant_id, way: 'owner_link' };
  const lockings = [
    ['the user', () => admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: false }), () => admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: true })],
    ['the grant', () => admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: false }), () => admin.must('PATCH', `/api/v1/grants/${grant_id}`, { enabled: true })],
    ['everything', () => server.cli(['grant', 'revoke', '--all', '--confirm', 'revoke all']), undefined],
  ];
  const spent = provider.seen('code').length;
  for (const [what, lock, unlock] of lockings) {
    const sent = await admin.startAuthorization(again);
    const gone_on = await admin.startAuthorization(again);
    const { browser, callback } = await untilCallback(server, gone_on.start_url);
    await lock();
    for (const { id } of [sent, gone_on]) {
      const ended = await until(`the attempts to end with ${what}`, async () => {
        const seen = await admin.must('GET', `/api/v1/authorizations/${id}`);
        return seen.state === 'pending' ? undefined : seen;
      });
      assert.equal(ended.state, 'cancelled', JSON.stringify(ended));
      assert.match(ended.problem.detail, what === 'everything' ? /revoked/ : /switched off/);
    }
    assert.equal((await new Browserless().open(sent.start_url)).status, 404, what);
    assert.match((await browser.open(callback)).body, /over/i, what);
    const locked = await admin.grant(grant_id);
    assert.equal(locked.state, { 'the user': 'active', 'the grant': 'disabled', everything: 'revoked' }[what]);
    assert.notEqual((await server.token('printer-1', pin)).status, 200, what);
    if (!unlock) continue;
    assert.equal((await admin.call('POST', '/api/v1/authorizations', again)).status, 409, `${what} is enabled first`);
    await unlock();
  }
  assert.equal(provider.seen('code').length, spent, 'no code was spent');
  const meant = await admin.startAuthorization(again);
  await new Browserless().open(meant.start_url, { visit: goingOn(server) });
  assert.equal((await admin.outcome(meant.id)).state, 'completed', 'an administrator who begins afterwards means it');
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

test('C8: refused at the provider, cancelled here: said in words, and the link is over', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t, { provider: { consent: 'refuse' } });
  const refused = await admin.startAuthorization(request);
  const page = await new Browserless().open(refused.start_url, { visit: goingOn(server) });
  assert.match(page.body, /refused|declined|not.*consent/i);
  assert.equal((await admin.outcome(refused.id)).problem.code, 'access_denied');
  const cancelled = await admin.startAuthorization(request);
  await admin.must('POST', `/api/v1/authorizations/${cancelled.id}/cancel`);
  for (const link of [refused.start_url, cancelled.start_url]) {
    const late = await new Browserless().open(link);
    assert.equal(late.status, 404);
    assert.match(late.body, /ask whoever sent it for a new one/);
  }
  await nobodyNamed(admin, 'printer-1');
  assert.equal(provider.seen('authorize').length, 1);
});

test('a link outlives a restart, before and after it was opened', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  await server.restart();
  const { browser, callback } = await untilCallback(server, started.start_url);
  await server.kill();
  await server.launch();
  const page = await browser.open(callback);
  assert.doesNotMatch(page.body, /console/, 'the owner has no console');
  assert.equal((await admin.outcome(started.id)).state, 'held');
});

test('P7: a link’s secret stands in clear neither in the data folder nor in the log', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  await untilCallback(server, started.start_url);
  const ticket = started.start_url.slice(started.start_url.lastIndexOf('/') + 1);
  assert.ok(ticket.length >= 43);
  assert.ok(!server.logs.includes(ticket), 'it stands in the log');
  for (const name of await readdir(server.data, { recursive: true })) {
    const text = await readFile(path.join(server.data, name)).catch(() => undefined);
    assert.ok(!text?.includes(ticket), `it stands in ${name}`);
  }
});

test('mailed: one mail to one address, with the link, without a PIN; refused without a relay, for what is no address, and when it is over', async (t) => {
  const sink = await SmtpSink.start(t);
  const { admin, server } = await serverWithProvider(t, { config: { 'outbound.allow': [`127.0.0.1:${sink.port}`] } });
  const started = await admin.startAuthorization(request);
  const send = (to, id = started.id) => admin.call('POST', `/api/v1/authorizations/${id}/mail`, { to });
  assert.equal((await send('anna@example.com')).code, 'channel_off');
  for (const [key, value] of [['smtp_host', '127.0.0.1'], ['smtp_port', sink.port], ['smtp_security', 'none'], ['mail_from', 'latchkey@office.example']]) await admin.set(`notices.${key}`, value);
  for (const bad of ['anna', 'a@b, c@d', 'anna@example.com\r\nBcc: x@y.example', '<anna@example.com>', 'anna@@example.com']) {
    const answer = await send(bad);
    assert.equal(answer.status, 422, `${JSON.stringify(bad)}: ${answer.text}`);
  }
  assert.equal(sink.mails.length, 0);
  const sent = await send('anna@example.com');
  assert.equal(sent.status, 200, sent.text);
  assert.deepEqual(sent.body, { to: 'anna@example.com' });
  const [mail] = sink.mails;
  assert.deepEqual(mail.to, ['anna@example.com']);
  assert.equal(mail.from, 'latchkey@office.example');
  for (const word of [started.start_url, 'printer-1', 'OpenID Connect', server.url, 'root-admin']) assert.ok(mail.text.includes(word), `${word}: ${mail.text}`);
  assert.ok(!mail.text.includes(pin));
  assert.match(mail.text.replaceAll('=\r\n', '').replaceAll(/\s+/g, ' '), /Your browser must reach that server: if the page does not open, try it from inside the office network/);
  await untilCallback(server, started.start_url);
  assert.equal((await send('anna@example.com')).code, 'not_waiting', 'it works in no other browser any more');
  const byCode = await admin.startAuthorization({ ...request, username: 'printer-2', way: 'browser' });
  assert.equal((await send('anna@example.com', byCode.id)).code, 'not_waiting');
  assert.equal(sink.mails.length, 1);
  assert.match(await server.metrics(), /latchkey_owner_links_total\{stage="mailed"\} 1\n/);
  const { items } = await admin.must('GET', '/api/v1/activity?action=authorization.mailed');
  assert.equal(items.length, 1);
});

test('grant add --ask-owner prints the link; --mail-to mails it; --account pins; grant pending lists it', async (t) => {
  const sink = await SmtpSink.start(t);
  const { admin, server } = await serverWithProvider(t, { config: { 'outbound.allow': [`127.0.0.1:${sink.port}`] } });
  for (const [key, value] of [['smtp_host', '127.0.0.1'], ['smtp_port', sink.port], ['smtp_security', 'none'], ['mail_from', 'latchkey@office.example']]) await admin.set(`notices.${key}`, value);
  await admin.group('Office');
  const pinFile = await server.file('pin', pin);
  const add = (...more) => server.cli(['grant', 'add', 'dora', '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile, ...more]);
  const added = await add('--ask-owner', '--mail-to', 'anna@example.com', '--account', 'acc-1');
  assert.equal(added.status, 0, added.stderr);
  const link = new RegExp(`${server.url}/oauth/start/\\S+`).exec(added.stdout)[0];
  assert.match(added.stdout, /whose browser must reach this server/);
  await until('the mail', () => sink.mails.length === 1);
  assert.ok(sink.mails[0].text.includes(link));
  assert.match((await server.cli(['grant', 'pending'])).stdout, /dora +oidc +pending/);
  await new Browserless().open(link, { visit: goingOn(server) });
  await until('the grant', async () => JSON.parse((await server.cli(['grant', 'list', '--json'])).stdout).some((each) => each.username === 'dora' && each.state === 'active'));
  for (const wrong of [['--ask-owner', '--device-code'], ['--mail-to', 'a@b.example']]) assert.equal((await add(...wrong)).status, 1, wrong.join(' '));
});
