// P7: with debug logging on, none of the issued secrets is found where it must not be: logs, error pages, the process's
// environment and command line, the data folder in clear, the metrics.

import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { doorOf, sha256 } from '../support/delivering.mjs';
import { fetchAnswer, Latchkey } from '../support/latchkey.mjs';
import { providerFile } from '../support/provider_file.mjs';
import { authorisedUser, pin, serverWithProvider } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((each) => each.isFile()).map((each) => path.join(each.parentPath, each.name));
}

/** Every way a secret may be written down. */
function spellings(secret) {
  const bytes = Buffer.from(secret);
  return [secret, encodeURIComponent(secret), new URLSearchParams({ s: secret }).toString().slice(2), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
}

/** What of the secrets stands where, in any spelling. */
function foundIn(haystacks, secrets) {
  const found = [];
  for (const [what, secret] of Object.entries(secrets)) {
    for (const spelling of new Set(spellings(secret))) {
      const inBytes = Buffer.from(spelling).toString('latin1');
      for (const [where, text] of Object.entries(haystacks)) {
        if (text.includes(spelling) || text.includes(inBytes)) found.push(`${what} in ${where}`);
      }
    }
  }
  return found;
}

test('P7: no issued secret in logs, error pages, /proc, metrics or the data folder', async (t) => {
  const { server, provider, admin, grant_id } = await authorisedUser(t, { provider: { rotation: 'single-use' }, config: { 'log.level': 'debug' } });
  const pages = [];
  const first = await server.token('printer-1', pin);
  await admin.must('POST', `/api/v1/grants/${grant_id}/refresh`);
  const second = await server.token('printer-1', pin);
  assert.notEqual(first.body.access_token, second.body.access_token);

  // Provoke everything that might quote what it was given.
  provider.next('refresh', { commit: false, status: 400, body: { error: 'invalid_request', error_description: `bad token ${second.body.access_token}` } });
  await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
  provider.next('refresh', { commit: false, status: 400, body: { error: `Token ${second.body.access_token} is bad` } });
  await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
  const { why } = await admin.must('GET', `/api/v1/grants/${grant_id}`);
  assert.match(why, /Token \u2026 is bad/, 'the words are kept, without the token');
  pages.push((await server.token('printer-1', 'canary-wrong-PIN-7193')).text);
  const code = provider.seen('code')[0].form.code;
  const { state } = provider.seen('authorize')[0].query;
  pages.push((await fetchAnswer(`${server.url}/oauth/callback/oidc?code=canary-code-5521&state=canary-state-5521`)).text);
  pages.push((await fetchAnswer(`${server.url}/oauth/callback/oidc?code=${code}&state=${state}&iss=${encodeURIComponent(provider.issuer)}`)).text);
  pages.push((await fetchAnswer(`${server.url}/oauth/start/canary-ticket-8812`)).text);
  pages.push((await admin.call('POST', '/api/v1/session', { username: 'root-admin', password: 'canary-password-1177' })).text);
  pages.push((await fetchAnswer(`${server.url}/no/such/page?access_token=canary-query-3391`)).text);
  pages.push(JSON.stringify(await admin.must('GET', `/api/v1/grants/${grant_id}/timeline`)));
  pages.push(JSON.stringify(await admin.must('GET', '/api/v1/activity')));
  pages.push(JSON.stringify(await admin.must('GET', '/api/v1/apps')));

  const secrets = {
    PIN: pin,
    'wrong PIN': 'canary-wrong-PIN-7193',
    'first access token': first.body.access_token,
    'second access token': second.body.access_token,
    'app secret': provider.clientSecret,
    'administrator password': 'Correct-Horse-Battery-9',
    'wrong password': 'canary-password-1177',
    'authorization code': code,
    state,
    verifier: provider.seen('code')[0].form.code_verifier,
    'foreign code': 'canary-code-5521',
    'foreign state': 'canary-state-5521',
    ticket: 'canary-ticket-8812',
    query: 'canary-query-3391',
    cookie: admin.browser.jar.find('latchkey').value,
    'CSRF token': admin.csrf,
  };
  provider.seen('refresh').forEach((request, index) => { secrets[`refresh token ${index}`] = request.form.refresh_token; });
  assert.ok(secrets['refresh token 0'].startsWith('rt-') && secrets['first access token'].startsWith('at-'));

  const haystacks = {
    'the log': server.logs,
    'an error page or API answer': pages.join('\n'),
    metrics: await server.metrics(),
    environ: await readFile(`/proc/${server.pid}/environ`, 'latin1'),
    cmdline: await readFile(`/proc/${server.pid}/cmdline`, 'latin1'),
  };
  await server.stop();
  for (const file of await filesBelow(server.data)) haystacks[path.relative(server.data, file)] = await readFile(file, 'latin1');
  assert.ok(Object.keys(haystacks).length > 6, 'the data folder was searched too');
  assert.ok(server.logs.length > 500, 'there is a debug log to search');

  const found = foundIn(haystacks, secrets);
  assert.deepEqual(found, []);
});

/** A destination whose every answer quotes the Authorization it was asked with; `status` and `told` are those of the next ones. */
async function echoingDestination(t) {
  const destination = { status: 500, tokens: new Set(), told: () => ({}) };
  const server = http.createServer(async (request, response) => {
    for await (const piece of request) void piece;
    const token = request.headers.authorization.slice('Bearer '.length);
    destination.tokens.add(token);
    const body = JSON.stringify({ you_said: request.headers.authorization, encoded: encodeURIComponent(token), ...destination.told(token) });
    response.writeHead(destination.status, { 'content-type': 'application/json', 'x-you-said': token }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return Object.assign(destination, { url: `http://127.0.0.1:${server.address().port}`, port: server.address().port });
}

test('P7: what a destination echoes of the Authorization header is neither logged, shown nor stored', async (t) => {
  const destination = await echoingDestination(t);
  const { server, admin, provider } = await serverWithProvider(t, {
    provider: { rotation: 'single-use' },
    providerFiles: () => ({ 'scripted.json': providerFile({ types: { 'scripted-drive': { kind: 'practice', resource: destination.url } } }) }),
    config: { 'outbound.allow': [`127.0.0.1:${destination.port}`], 'log.level': 'debug' },
  });
  await admin.registerOidc({ app: 'scripted', provider: 'scripted', issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
  await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-drive', allow_token: false });
  await admin.addOAuthUser({ username: 'printer-2', pin, type: 'oidc', allow_token: false });
  const wish = { account: 'caller', groups: [await admin.group('Office')] };
  await admin.must('POST', '/api/v1/connectors', { id: 'drive', name: 'Drive', type: 'scripted-drive', ...wish });
  await admin.must('POST', '/api/v1/connectors', { id: 'files', name: 'Files', type: 'oidc', url: destination.url, app: 'oidc', ...wish });
  const { deliver, road } = doorOf(server);
  const pages = [];
  const tried = async (to, username, states) => {
    const answer = await deliver('a document', { to, username, wait: 0 });
    assert.equal(answer.status, 202, answer.text);
    const told = await until(`${to} to have answered ${destination.status}`, async () => {
      const { body } = await road(answer.body.id, { username });
      return states.includes(body.state) && (body.state !== 'queued' || body.why !== '') ? body : undefined;
    });
    pages.push(answer.text, JSON.stringify(told), JSON.stringify(await admin.must('GET', `/api/v1/deliveries/${answer.body.id}`)));
  };
  for (const status of [500, 400, 403, 401, 200]) {
    destination.status = status;
    for (const [to, username] of [['drive', 'printer-1'], ['files', 'printer-2']]) {
      await tried(to, username, ['queued', 'failed', 'parked']);
      pages.push((await fetchAnswer(`${server.url}/v1/connectors/${to}/list`, { headers: { authorization: `Basic ${btoa(`${username}:${pin}`)}` } })).text);
    }
  }
  destination.status = 201;
  const file = (token) => ({ path: `In/${token}`, url: `${destination.url}/${token}`, size: 10, sha256: sha256('a document') });
  destination.told = (token) => ({ upload: `${destination.url}/drive/uploads/1`, file: file(token) });
  await tried('drive', 'printer-1', ['delivered']);
  const receipt = pages.at(-1);
  pages.push(JSON.stringify(await admin.must('GET', '/api/v1/deliveries')), JSON.stringify(await admin.must('GET', '/api/v1/activity')));
  assert.ok(destination.tokens.size >= 2, 'both accounts have shown a token');
  assert.match(server.logs, /not_delivered.*you_said/, 'the destination\'s own words are in the log');

  const haystacks = { 'the log': server.logs, 'an API answer': pages.join('\n') };
  await server.stop();
  for (const file of await filesBelow(server.data)) haystacks[path.relative(server.data, file)] = await readFile(file, 'latin1');
  const tokens = Object.fromEntries([...destination.tokens].map((token, index) => [`access token ${index}`, token]));
  assert.deepEqual(foundIn(haystacks, tokens), []);
  assert.match(receipt, /In\/\u2026/, 'the receipt is kept, without the token');
});

test('P7: no core dump can hold them: the limit is zero and the process is not dumpable', async (t) => {
  // The kernel gives /proc/PID of a process that is not dumpable to root: visible when it runs as somebody else.
  const other = process.getuid() === 0 ? 65_534 : process.getuid();
  const server = await Latchkey.start(t, { runAs: other });
  const limits = await readFile(`/proc/${server.pid}/limits`, 'utf8');
  assert.match(limits, /^Max core file size\s+0\s+0\s/m);
  assert.match(await readFile(`/proc/${server.pid}/status`, 'utf8'), new RegExp(`^Uid:\\s+${other}\\s`, 'm'));
  assert.equal((await stat(`/proc/${server.pid}/environ`)).uid, 0);
});
