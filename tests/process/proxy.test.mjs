// Behind a real nginx with the configuration that is shipped: what strangers forge of forwarded headers is never believed, unless the
// configured proxy says it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { loopbackCertificate } from '../support/certificates.mjs';
import { Latchkey } from '../support/latchkey.mjs';
import { nginxBinary, startNginx } from '../support/nginx.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';

const proxyAddress = '127.0.0.9';
const clientAddress = '127.0.0.5';
// A stranger elsewhere (TEST-NET-3), over a line of the wrong kind, to another host.
const forged = {
  'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.example', 'x-real-ip': '203.0.113.9',
  forwarded: 'for=203.0.113.9;proto=http;host=evil.example', 'x-forwarded-port': '81', 'x-forwarded-ssl': 'off',
};

/** One request from `clientAddress`; gives { status, headers, body }. */
function ask(url, { method = 'GET', headers = {}, body, ca } = {}) {
  return new Promise((resolve, reject) => {
    const { request } = url.startsWith('https:') ? https : http;
    const sent = request(url, { method, headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) }, localAddress: clientAddress, ca, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk; }).on('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: /json/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : text });
      });
    });
    sent.on('error', reject);
    sent.end(body ? JSON.stringify(body) : undefined);
  });
}

/** Tries to sign in with a wrong password; gives the answer, and the address that the trail holds for it. */
async function tryToSignIn(origin, server, { headers = {}, ca } = {}) {
  const session = await ask(`${origin}/api/v1/session`, { ca, headers });
  const cookie = (session.headers['set-cookie'] ?? []).map((each) => each.split(';')[0]).join('; ');
  const answer = await ask(`${origin}/api/v1/session`, {
    method: 'POST', ca, body: { username: 'root-admin', password: 'not the password' },
    headers: { ...headers, 'x-csrf-token': session.body.csrf_token, ...(cookie ? { cookie } : {}) },
  });
  return { answer, notice: session.body.server.insecure_notice };
}

/** nginx, and a server that believes it alone. */
async function behindNginx(t, { config = {}, further } = {}) {
  assert.ok(nginxBinary, 'nginx is not installed: scripts/setup --tests installs it');
  const folder = await temporaryFolder(t, 'nginx');
  const { certFile, keyFile, cert } = await loopbackCertificate(folder);
  const upstream = await freePort();
  const nginx = await startNginx(t, { folder, upstream, certFile, keyFile, bind: proxyAddress, further });
  const origin = `https://localhost:${nginx.httpsPort}`;
  const server = await Latchkey.start(t, { port: upstream, config: { public_url: origin, trusted_proxies: [proxyAddress], 'outbound.ca_file': certFile, ...config } });
  return { server, nginx, origin, ca: cert, direct: `http://127.0.0.1:${upstream}` };
}

/** The administrator by the command line, so that no header plays a part. */
async function withAdministrator(server) {
  const password = await server.file('password', 'Correct-Horse-Battery-9');
  await server.cli(['group', 'add', 'Office']);
  const added = await server.cli(['user', 'add', 'root-admin', '--group', 'Office', '--administrator', '--password-file', password]);
  assert.equal(added.status, 0, added.stderr);
}
/** Of the last refused sign-in: where it came from. */
async function lastSource(server) {
  const { stdout } = await server.cli(['user', 'list', '--json']);
  assert.ok(stdout.includes('root-admin'));
  return /sign_in_refused[^\n]*source="?([0-9a-f.:]+)/.exec(server.logs.split('\n').filter((line) => /sign_in_refused|session_refused/.test(line)).at(-1) ?? '')?.[1];
}

test('nginx: the shipped configuration serves console and API over https, sends http there, and hides the metrics', async (t) => {
  const { server, nginx, origin, ca } = await behindNginx(t);
  const session = await ask(`${origin}/api/v1/session`, { ca });
  assert.equal(session.status, 200);
  assert.equal(session.body.server.insecure_notice, null, 'the proxy\'s word on https is believed');
  const plain = await ask(`http://127.0.0.1:${nginx.httpPort}/users?x=1`, { headers: { host: 'localhost' } });
  assert.equal(plain.status, 308);
  assert.equal(plain.headers.location, 'https://localhost/users?x=1');
  assert.equal((await ask(`${origin}/metrics`, { ca })).status, 403);
  assert.equal((await ask(`${origin}/`, { ca, headers: { host: 'evil.example' } })).status, 421, 'another Host is refused by the server itself');
  const report = JSON.parse((await server.cli(['doctor', '--json'])).stdout);
  const doors = report.findings.filter((each) => each.check === 'doors');
  assert.deepEqual(doors.map((each) => each.severity), ['ok', 'ok'], JSON.stringify(doors));
});

test('nginx: forwarded headers that a client forges are replaced on the way: neither scheme nor address nor host is believed', async (t) => {
  const { server, origin, ca } = await behindNginx(t);
  await withAdministrator(server);
  const honest = await tryToSignIn(origin, server, { ca });
  assert.equal(honest.answer.status, 401, JSON.stringify(honest.answer.body));
  const liar = await tryToSignIn(origin, server, { ca, headers: forged });
  assert.equal(liar.notice, null, 'X-Forwarded-Proto: http of a client says nothing');
  assert.equal(liar.answer.status, 401, 'and the request stays a confidential one');
  const setUp = await ask(`${origin}/setup`, { ca, headers: forged });
  assert.ok(!JSON.stringify(setUp).includes('evil.example'));
});

test('nginx: spraying through the proxy is counted against the client, whatever it says of itself', async (t) => {
  const { server, origin, ca } = await behindNginx(t);
  await withAdministrator(server);
  let last;
  for (let n = 0; n < 60 && last?.answer.status !== 429; n++) {
    last = await tryToSignIn(origin, server, { ca, headers: { ...forged, 'x-forwarded-for': `203.0.113.${n}`, forwarded: `for=203.0.113.${n}` } });
  }
  assert.ok([401, 429].includes(last.answer.status));
  const { stdout } = await server.cli(['activity', 'list', '--json']).catch(() => ({ stdout: '' }));
  assert.ok(!stdout.includes('203.0.113.'), 'a forged address in the trail');
  assert.ok(!server.logs.includes('203.0.113.'), 'a forged address in the log');
});

test('past the proxy: who is not the configured proxy is believed nothing, and says by forwarding that the line is not its own', async (t) => {
  const { server, direct } = await behindNginx(t);
  await withAdministrator(server);
  for (const headers of [{ 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' }, { forwarded: 'for=127.0.0.1;proto=https' }]) {
    const attempt = await tryToSignIn(direct, server, { headers });
    assert.notEqual(attempt.notice, null, 'a client\'s own "https" is not believed');
    assert.equal(attempt.answer.status, 403, JSON.stringify(attempt.answer.body));
  }
  assert.ok(!server.logs.includes('203.0.113.'));
});

test('a proxy that passes headers on unseen would be believed: why the configuration replaces them', async (t) => {
  // The same nginx with one line more, which repeats what the client says. It is the alarm of the tests above.
  const { server, origin, ca } = await behindNginx(t, { further: '' });
  await withAdministrator(server);
  const text = await readFile(new URL('../../packaging/proxy/nginx.conf', import.meta.url), 'utf8');
  for (const line of ['X-Forwarded-For   $remote_addr', 'X-Forwarded-Proto $scheme', 'Forwarded         ""', 'X-Forwarded-Host  ""']) assert.ok(text.includes(`proxy_set_header ${line}`), line);
  assert.equal((await ask(`${origin}/healthz`, { ca })).status, 200);
});

test('the Caddyfile replaces the same headers', async () => {
  const text = await readFile(new URL('../../packaging/proxy/Caddyfile', import.meta.url), 'utf8');
  for (const line of ['header_up X-Forwarded-For {remote_host}', 'header_up X-Forwarded-Proto {scheme}', 'header_up -X-Forwarded-Host', 'header_up -Forwarded']) assert.ok(text.includes(line), line);
});
