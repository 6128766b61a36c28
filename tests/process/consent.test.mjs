// Consent without a browser: mix-up, replay, other people's browsers, and what a half-done attempt leaves behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { binary, fetchAnswer, run, Session } from '../support/latchkey.mjs';
import { providerFile } from '../support/provider_file.mjs';
import { pin, serverWithProvider } from '../support/scene.mjs';
import { ScriptedProvider } from '../support/scripted_provider.mjs';

const request = { username: 'printer-1', pin, type: 'oidc' };

async function nobodyNamed(admin, name) {
  assert.equal((await admin.must('GET', `/api/v1/users?search=${name}`)).total, 0, 'a half-made user was left');
}

/** Starts an authorization and walks to the callback's door: gives the address the provider sends the browser to. */
async function untilCallback(admin, server, members = request) {
  const started = await admin.startAuthorization(members);
  const walk = await admin.browser.open(started.start_url, { stopAt: (url) => url.startsWith(`${server.url}/oauth/callback/`) });
  return { started, callback: walk.url };
}

test('the authorization request: PKCE S256, state, exact redirect address, nothing of the user in it', async (t) => {
  const { provider, admin } = await serverWithProvider(t);
  await admin.addOAuthUser(request);
  const { query } = provider.seen('authorize')[0];
  assert.equal(query.response_type, 'code');
  assert.equal(query.code_challenge_method, 'S256');
  assert.match(query.code_challenge, /^[A-Za-z0-9_-]{43}$/);
  assert.ok(query.state.length >= 22);
  assert.equal(query.redirect_uri, `${admin.url}/oauth/callback/oidc`);
  assert.equal(query.prompt, 'consent');
  assert.deepEqual(query.scope.split(' ').sort().filter((each) => ['openid', 'offline_access'].includes(each)), ['offline_access', 'openid']);
  assert.ok(!JSON.stringify(query).includes('printer-1'));
  assert.equal(provider.seen('code').length, 1);
});

test('A1: the start address works once', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const { started, callback } = await untilCallback(admin, server);
  const before = provider.seen('authorize').length;
  const again = await admin.browser.open(started.start_url);
  assert.ok(again.status >= 400 || !again.trail.some((url) => url.startsWith(provider.origin)), 'a used ticket leads nowhere');
  assert.equal(provider.seen('authorize').length, before);
  await admin.browser.open(callback);
  assert.equal((await admin.outcome(started.id)).state, 'completed');
});

test('C3: a callback replayed: a precise message, the code used once, nothing half-saved', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const { started, callback } = await untilCallback(admin, server);
  await admin.browser.open(callback);
  assert.equal((await admin.outcome(started.id)).state, 'completed');
  const replay = await admin.browser.open(callback);
  assert.ok(replay.body.length > 0);
  assert.equal(provider.seen('code').length, 1);
  assert.equal((await admin.must('GET', '/api/v1/users?search=printer-1')).total, 1);
});

test('C3: a callback in another browser does not complete the flow', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const { started, callback } = await untilCallback(admin, server);
  await new Browserless().open(callback);
  const attempt = await admin.must('GET', `/api/v1/authorizations/${started.id}`);
  assert.notEqual(attempt.state, 'completed');
  assert.ok(['pending', 'held', 'failed'].includes(attempt.state), attempt.state);
});

test('C3: unknown state, missing state, a code of nobody: refused, and the page says what to do', async (t) => {
  const { server } = await serverWithProvider(t);
  for (const query of ['code=x&state=unknown', 'code=x', 'state=unknown', '', 'error=access_denied', 'code=x&state=a&state=b']) {
    const walk = await new Browserless().open(`${server.url}/oauth/callback/oidc?${query}`);
    assert.ok(walk.status >= 200 && walk.status < 500, `${query}: ${walk.status}`);
    assert.ok(walk.body.length > 0);
    assert.doesNotMatch(walk.url, /code=|state=/, 'the address is clean afterwards');
  }
});

test('C3: two tabs: starting again with the same username cancels the former attempt; only the newer completes', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const first = await untilCallback(admin, server);
  const second = await untilCallback(admin, server);
  await admin.browser.open(first.callback);
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${first.started.id}`)).state, 'cancelled');
  await admin.browser.open(second.callback);
  assert.equal((await admin.outcome(second.started.id)).state, 'completed');
});

/** Presses the button of the owner's confirmation page. */
const confirming = (server) => (url, _response, body) => {
  const form = /<form[^>]*method="?post"?[^>]*>[\s\S]*?<\/form>/i.exec(body)?.[0];
  if (!form || !url.startsWith(server.url)) return undefined;
  const fields = Object.fromEntries([...form.matchAll(/<(?:input|button)[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map((each) => [each[1], each[2]]));
  return { url: /action="([^"]*)"/.exec(form)?.[1] || url, form: fields };
};

test('A4: consent in another browser is held, found by any administrator and by the command line, and takes effect once approved', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  const hold = async (username, state = 'held') => {
    const started = await admin.startAuthorization({ ...request, username });
    await new Browserless().open(started.start_url, { visit: confirming(server) });
    assert.equal((await admin.outcome(started.id)).state, state);
    await nobodyNamed(admin, username);
    return started.id;
  };
  const first = await hold('printer-1');
  const again = new Session(server.url);
  await again.signIn();
  const [waits] = (await again.must('GET', '/api/v1/authorizations?state=asking')).items;
  assert.equal(waits.id, first);
  assert.equal(waits.username, 'printer-1');
  assert.match(waits.confirmation.detail, /another browser/);
  assert.equal((await again.mustAnswer(first, true)).state, 'completed');
  assert.equal((await server.token('printer-1', pin)).status, 200);
  assert.equal((await again.must('GET', '/api/v1/authorizations?state=asking')).total, 0);

  await hold('printer-2', 'needs_confirmation');  // the same account once more (F8)
  const third = await hold('printer-3', 'needs_confirmation');
  const listed = await server.cli(['grant', 'pending']);
  assert.match(listed.stdout, new RegExp(`printer-2 +oidc +needs_confirmation .* ${provider.account.id}  +${provider.account.name}  +The account .*already for printer-1`));
  const approve = (...more) => server.cli(['grant', 'approve', 'PRINTER-2', '--type', 'oidc', ...more]);
  const { id } = provider.account;
  for (const [named, words] of [[[], /--account: .*no terminal/], [['--account', 'acc-9'], /another account has consented/],
    [['--account', id], /--holder/], [['--account', id, '--holder', 'printer-9'], /somebody else has that account/]]) {
    const refused = await approve(...named);
    assert.equal(refused.status, 1, named.join(' '));
    assert.match(refused.stderr, words);
    assert.equal(refused.stdout, '', 'what is asked is read wherever the output goes');
    assert.match(refused.stderr, new RegExp(`already for printer-1[^]*account +${provider.account.name}\n +its id +${id}\n +in use by +printer-1\n`));
    await nobodyNamed(admin, 'printer-2');
  }
  const approved = await approve('--account', id, '--holder', 'printer-1');
  assert.equal(approved.status, 0, approved.stderr);
  assert.equal((await admin.must('GET', '/api/v1/users?search=printer-2')).total, 1);
  assert.equal((await server.cli(['grant', 'approve', 'printer-2'])).status, 1, 'it waits no more');
  for (const wrong of [['--account', 'acc-9'], ['--holder', 'printer-9'], ['--replaces', 'acc-9'], ['--question', 'x']]) {
    assert.equal((await server.cli(['grant', 'approve', third, '--reject', ...wrong])).status, 1, `${wrong}: the other one was meant`);
    assert.equal((await admin.must('GET', `/api/v1/authorizations/${third}`)).state, 'needs_confirmation');
  }
  assert.equal((await server.cli(['grant', 'approve', third, '--reject', '--account', id])).status, 0);
  await nobodyNamed(admin, 'printer-3');
  assert.deepEqual(JSON.parse((await server.cli(['grant', 'pending', '--json'])).stdout), []);

  const waiting = await hold('printer-5', 'needs_confirmation');
  const [{ confirmation }] = JSON.parse((await server.cli(['grant', 'pending', '--json'])).stdout);
  const other = await server.cli(['grant', 'approve', 'printer-5', '--question', `${confirmation.question}x`]);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /something else is asked/);
  await nobodyNamed(admin, 'printer-5');
  const named = await server.cli(['grant', 'approve', 'printer-5', '--question', confirmation.question]);
  assert.equal(named.status, 0, named.stderr);
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${waiting}`)).state, 'completed');

  const fourth = await hold('printer-4', 'needs_confirmation');
  const typing = (word) => run('script', ['-qec', `'${binary}' grant approve printer-4 --data '${server.data}'`, '/dev/null'], { input: `${word}\n`, after: 'to approve it: ' });
  const doubted = await typing('no');
  assert.equal(doubted.status, 1);
  assert.match(doubted.stdout, /in use by +printer-1[^]*Type "yes" to approve it/);
  await nobodyNamed(admin, 'printer-4');
  const agreed = await typing('yes');
  assert.equal(agreed.status, 0, agreed.stdout);
  assert.equal((await admin.must('GET', `/api/v1/authorizations/${fourth}`)).state, 'completed');
});

test('F8: an answer is to the question that was read: another administrator has turned up another one, which names the holder', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const started = await admin.startAuthorization({ ...request, username: 'printer-1' });
  await new Browserless().open(started.start_url, { visit: confirming(server) });
  const read = await admin.outcome(started.id);
  assert.deepEqual(faults(read, answerSchema('GET', '/api/v1/authorizations/{id}')), []);
  assert.equal(read.confirmation.code, 'held');
  await admin.addOAuthUser({ ...request, username: 'printer-2' });
  const confirm = (body) => admin.call('POST', `/api/v1/authorizations/${started.id}/confirm`, body);
  assert.equal((await confirm({ accept: true })).status, 422, 'an answer to nothing');
  const { question } = read.confirmation;
  const turned = await confirm({ accept: true, question });
  assert.equal(turned.body.state, 'needs_confirmation', turned.text);
  assert.equal(turned.body.confirmation.holder, 'printer-2');
  for (const accept of [true, false]) {
    const late = await confirm({ accept, question });
    assert.deepEqual([late.status, late.code], [409, 'question_changed'], late.text);
    assert.match(late.body.detail, /already for printer-2/);
  }
  await nobodyNamed(admin, 'printer-1');
  assert.equal((await confirm({ accept: true, question: turned.body.confirmation.question })).body.state, 'completed');
});

test('Attack: an account named like another one but for what nobody sees is shown by its id', async (t) => {
  const { admin, server, provider } = await serverWithProvider(t);
  provider.account = { id: 'acc-9', name: 'anna@example.com\u200b' };
  const started = await admin.startAuthorization({ ...request, username: 'printer-1', expected_account: 'anna@example.com' });
  await new Browserless().open(started.start_url, { visit: confirming(server) });
  const { confirmation } = await admin.outcome(started.id);
  assert.deepEqual(confirmation.now, { id: 'acc-9', name: 'acc-9' });
  assert.equal(confirmation.code, 'account_differs');
  assert.equal((await admin.answer(started.id, false)).status, 200);
  provider.account = { id: 'acc-9', name: 'anna@example.com' };
  const again = await admin.startAuthorization({ ...request, username: 'printer-1' });
  await new Browserless().open(again.start_url, { visit: confirming(server) });
  assert.match((await admin.outcome(again.id)).confirmation.detail, /^The account "acc-9" named "anna@example\.com" has consented/);
});

for (const [name, change] of Object.entries({
  'the iss of another server': (url, thief) => url.searchParams.set('iss', thief.issuer),
  'no iss although the server advertises it': (url) => url.searchParams.delete('iss'),
})) {
  test(`C2: mix-up: ${name} is rejected and the code goes nowhere`, async (t) => {
    const thief = await ScriptedProvider.start(t);
    const { admin, server, provider } = await serverWithProvider(t, { config: { 'outbound.allow': [`127.0.0.1:${thief.port}`] } });
    const { started, callback } = await untilCallback(admin, server);
    const changed = new URL(callback);
    change(changed, thief);
    await admin.browser.open(changed.href);
    const attempt = await admin.outcome(started.id);
    assert.equal(attempt.state, 'failed');
    assert.equal(attempt.problem.code, 'wrong_provider');
    assert.equal(provider.seen('code').length + thief.seen('code').length, 0);
    await nobodyNamed(admin, 'printer-1');
  });
}

test('C2: a callback on another app’s path is rejected', async (t) => {
  const thief = await ScriptedProvider.start(t, { clientId: 'thief-client' });
  const { admin, server, provider } = await serverWithProvider(t, { config: { 'outbound.allow': [`127.0.0.1:${thief.port}`] } });
  await admin.registerOidc({ app: 'thief', issuer: thief.issuer, clientId: thief.clientId, clientSecret: thief.clientSecret });
  const { started, callback } = await untilCallback(admin, server);
  await admin.browser.open(callback.replace('/oauth/callback/oidc', '/oauth/callback/thief'));
  assert.notEqual((await admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'completed');
  assert.equal(thief.seen('code').length, 0);
  assert.equal(provider.seen('code').length, 0);
});

test('C8: refused, with the error answer’s iss checked too', async (t) => {
  const { admin } = await serverWithProvider(t, { provider: { consent: 'refuse' } });
  const attempt = await admin.authorize(request);
  assert.equal(attempt.state, 'failed');
  assert.equal(attempt.problem.code, 'access_denied');
  await nobodyNamed(admin, 'printer-1');
});

test('C8: an administrator of the provider’s side must approve the app first: said in its words with the next step, nothing left behind', async (t) => {
  const { provider, admin } = await serverWithProvider(t, {
    provider: { consent: 'refuse', refusal: 'consent_required' },
    providerFiles: () => ({ 'scripted.json': providerFile({
      types: { 'scripted-type': {} },
      error_texts: [{ code: 'consent_required', sentence: 'An administrator of the directory has to approve the app first.', next_step: 'Let one press Grant admin consent; then authorize again.' }],
    }) }),
  });
  await admin.registerOidc({ app: 'scripted', provider: 'scripted', issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  const wish = { ...request, type: 'scripted-type' };
  const attempt = await admin.authorize(wish);
  assert.equal(attempt.state, 'failed');
  assert.equal(attempt.problem.code, 'consent_required');
  assert.match(attempt.problem.detail, /administrator of the directory has to approve the app first\. Let one press Grant admin consent/);
  assert.equal(provider.seen('code').length, 0);
  await nobodyNamed(admin, 'printer-1');
  provider.consent = 'auto';  // it has been approved
  assert.equal((await admin.authorize(wish)).state, 'completed', 'the name is free');
});

test('C8: the code exchange fails in every way: said in words, nothing left behind', async (t) => {
  const { admin, provider } = await serverWithProvider(t);
  const plans = [
    { commit: false, status: 400, body: { error: 'invalid_grant' } },
    { commit: false, status: 500, body: '<html>500</html>' },
    { status: 200, body: '{"token_type":"Bearer"}' },
    { cutAfter: 'headers' },
  ];
  for (const plan of plans) {
    provider.next('code', plan);
    const attempt = await admin.authorize(request);
    assert.equal(attempt.state, 'failed', JSON.stringify(plan));
    assert.ok(attempt.problem.title.length > 0 && attempt.problem.detail.length > 10, JSON.stringify(attempt.problem));
    await nobodyNamed(admin, 'printer-1');
  }
  assert.equal((await admin.authorize(request)).state, 'completed');
});

test('linking: a taken username is a field error that offers the link; linking keeps group, PIN and identity', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const group = await admin.group('Reception');
  const user = await admin.must('POST', '/api/v1/users', { username: 'reception', name: 'Front desk', group_id: group });
  const taken = await admin.call('POST', '/api/v1/authorizations', { group_id: group, type: 'oidc', username: 'Reception', pin, allow_token: true });
  assert.equal(taken.status, 409, taken.text);
  assert.equal(taken.code, 'username_taken');
  assert.equal(taken.body.existing_user.id, user.id);
  const result = await admin.addOAuthUser({ link_user_id: user.id, type: 'oidc', pin });
  assert.equal(result.user_id, user.id);
  const after = await admin.must('GET', `/api/v1/users/${user.id}`);
  assert.equal(after.group.name, 'Reception');
  assert.equal(after.name, 'Front desk');
  assert.equal((await server.token('reception', pin)).status, 200);
});

test('C5: re-authorising compares accounts by id: a name that equals the old id is another account', async (t) => {
  const { admin, provider } = await serverWithProvider(t);
  const first = await admin.addOAuthUser(request);
  provider.account = { id: 'acc-mallory', name: first.account.id };
  const attempt = await admin.authorize({ replace_grant_id: first.grant_id, type: 'oidc' });
  assert.equal(attempt.state, 'needs_confirmation', JSON.stringify(attempt.problem));
  provider.account = { id: first.account.id, name: 'Anna Changed' };
  const again = await admin.authorize({ replace_grant_id: first.grant_id, type: 'oidc' });
  assert.equal(again.state, 'completed', 'the same account under another name is the same account');
});

test('A1: sixty accounts authorised one after another in one browser: each flow’s cookie goes with its callback', async (t) => {
  const { admin } = await serverWithProvider(t);
  const first = await admin.addOAuthUser(request);
  for (let number = 2; number <= 60; number++) {
    const attempt = await admin.authorize({ replace_grant_id: first.grant_id, type: 'oidc' });
    assert.equal(attempt.state, 'completed', `account ${number}: ${attempt.walk.body}`);
  }
  assert.deepEqual(admin.browser.jar.names().filter((name) => name.includes('flow')), []);
});

test('linking a grant to oneself leaves one signed in: the notice with account, Check and Undo is seen', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const { user } = await admin.must('GET', '/api/v1/session');
  const result = await admin.addOAuthUser({ link_user_id: user.id, type: 'oidc', pin });
  assert.equal(result.user_id, user.id);
  assert.equal((await server.token(user.username, pin)).status, 200);
  const changed = await admin.call('POST', `/api/v1/users/${user.id}/pin`, { mode: 'change', current_pin: pin, pin: 'another-PIN-27' });
  assert.equal(changed.status, 204, changed.text);
  assert.equal((await admin.must('GET', `/api/v1/users/${user.id}`)).username, user.username, 'and changing the PIN afterwards does too');
  assert.equal((await server.token(user.username, pin)).status, 401);
});

test('F8: a second consent for the same provider account is not taken silently', async (t) => {
  const { admin } = await serverWithProvider(t);
  await admin.addOAuthUser(request);
  const attempt = await admin.authorize({ ...request, username: 'printer-2' });
  assert.notEqual(attempt.state, 'completed');
  assert.equal(attempt.confirmation.code, 'account_held');
  assert.equal(attempt.confirmation.holder, 'printer-1');
  assert.match(attempt.confirmation.detail, /printer-1/);
});

test('A1: without the console session that issued it, the start address asks for a confirmation first', async (t) => {
  const { admin, provider } = await serverWithProvider(t);
  const started = await admin.startAuthorization(request);
  const stranger = await new Browserless().open(started.start_url);
  assert.ok(!stranger.trail.some((url) => url.startsWith(provider.origin)), 'it went straight to the provider');
  assert.match(stranger.body, /<form|<button/i);
  assert.equal(provider.seen('authorize').length, 0);
});

test('the console: nothing works without session or with a stale CSRF token', async (t) => {
  const { admin, server } = await serverWithProvider(t);
  const stranger = new Session(server.url);
  await stranger.begin();
  for (const [method, route] of [['GET', '/api/v1/users'], ['POST', '/api/v1/groups'], ['GET', '/api/v1/apps'], ['GET', '/api/v1/activity'], ['PUT', '/api/v1/registry/oauth.polling_time']]) {
    const answer = await stranger.call(method, route, method === 'GET' ? undefined : {});
    assert.equal(answer.status, 401, `${method} ${route}: ${answer.text}`);
  }
  const good = admin.csrf;
  admin.csrf = 'stale';
  const refused = await admin.call('POST', '/api/v1/groups', { name: 'Never' });
  assert.equal(refused.code, 'csrf_failed');
  admin.csrf = good;
  const unknown = await admin.call('POST', '/api/v1/groups', { name: 'Never', colour: 'red' });
  assert.equal(unknown.status, 400, 'unknown members are refused');
  const page = await fetchAnswer(`${server.url}/`);
  const policy = page.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
});
