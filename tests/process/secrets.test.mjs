// P7: with debug logging on, none of the issued secrets is found where it must not be: logs, error pages, the process's
// environment and command line, the data folder in clear, the metrics.

import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fetchAnswer, Latchkey } from '../support/latchkey.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((each) => each.isFile()).map((each) => path.join(each.parentPath, each.name));
}

/** Every way a secret may be written down. */
function spellings(secret) {
  const bytes = Buffer.from(secret);
  return [secret, encodeURIComponent(secret), new URLSearchParams({ s: secret }).toString().slice(2), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
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

  const found = [];
  for (const [what, secret] of Object.entries(secrets)) {
    for (const spelling of new Set(spellings(secret))) {
      const inBytes = Buffer.from(spelling).toString('latin1');
      for (const [where, text] of Object.entries(haystacks)) {
        if (text.includes(spelling) || text.includes(inBytes)) found.push(`${what} in ${where}`);
      }
    }
  }
  assert.deepEqual(found, []);
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
