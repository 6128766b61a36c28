// The doctor at the real server: against the certified provider, and against providers that fail at each stage.

import assert from 'node:assert/strict';
import { chmod, readdir } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { loopbackCertificate } from '../support/certificates.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { Latchkey, Session } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const examine = (admin) => admin.must('POST', '/api/v1/doctor');
const of = (report, check, subject) => report.findings.filter((each) => each.check === check && (subject === undefined || each.subject === subject));

/** Listens on loopback with `accept` for each connection; closed with the test. */
async function listener(t, accept) {
  const server = net.createServer((socket) => { socket.on('error', () => {}); accept(socket); });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return server.address().port;
}

/** A provider file whose endpoints are all at one origin. */
function fileFor(id, origin, { steps = [] } = {}) {
  return {
    schema: 1, id, name: `Provider ${id}`, seen_on: '2026-11-27', parameters: [],
    endpoints: { authorization: `${origin}/authorize`, token: `${origin}/token` },
    client_authentication: ['client_secret_post'], redirect: { https_required: false, http_localhost: true },
    account: { source: 'reply', id: ['id'], name: ['name'] },
    steps: [{ text: 'One.' }, { text: 'Two.' }, { text: 'Three.' }, ...steps],
    types: [{ id: `${id}-type`, name: `Type ${id}`, kind: 'generic', scopes: { request: [{ scope: 'files', why: 'to put files' }] }, rotation: 'none', replay: 'harmless' }],
  };
}
const register = (admin, id) => admin.must('PUT', `/api/v1/apps/${id}`, { provider: id, client_id: `client-of-${id}`, params: {}, secrets: [{ value: 'secret', expires_at: '2036-01-01T00:00:00.000Z' }] });

test('the certified provider knows a registered redirect URI, refuses another, and a client it does not know', async (t) => {
  const [port, providerPort] = [await freePort(), await freePort()];
  const registered = `http://127.0.0.1:${port}/oauth/callback/oidc`;
  const oidc = await OidcServer.start(t, { port: providerPort, redirectUris: [registered] });
  const server = await Latchkey.ready(t, { port, config: { 'outbound.allow': [`127.0.0.1:${providerPort}`] } });
  const { admin } = server;
  await admin.registerOidc({ issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret });
  await admin.registerOidc({ app: 'second', issuer: oidc.issuer, clientId: oidc.clientId, clientSecret: oidc.clientSecret });
  await admin.registerOidc({ app: 'third', issuer: oidc.issuer, clientId: 'nobody', clientSecret: 'x' });
  const report = await examine(admin);
  const [known] = of(report, 'redirect_uris', 'oidc');
  assert.equal(known.severity, 'ok', known.seen);
  assert.deepEqual(known.handovers.map((each) => each.text), [registered]);
  const [refused] = of(report, 'redirect_uris', 'second');
  assert.equal(refused.severity, 'error', refused.seen);
  assert.match(refused.seen, /refuses this redirect URI/);
  assert.equal(refused.handovers[0].text, `http://127.0.0.1:${port}/oauth/callback/second`);
  const [stranger] = of(report, 'redirect_uris', 'third');
  assert.equal(stranger.severity, 'error', stranger.seen);
  assert.match(stranger.seen, /does not know the client ID nobody/);
  assert.equal(of(report, 'outgoing', oidc.issuer)[0].severity, 'ok', 'the provider is reached');
  assert.equal(of(report, 'clock', oidc.issuer)[0].severity, 'ok');
  assert.equal(of(report, 'doors').find((each) => each.subject === server.url).severity, 'ok', 'the public address leads here');
  assert.equal(report.worst, 'error');
  assert.deepEqual(faults(report, answerSchema('POST', '/api/v1/doctor')), []);
  assert.deepEqual(await admin.must('GET', '/api/v1/doctor'), report, 'the last report is kept');
});

test('no token is spent, no authorization begins, nothing is left behind', async (t) => {
  const { admin, server, provider, grant_id } = await authorisedUser(t);
  const before = await admin.must('GET', `/api/v1/grants/${grant_id}`);
  const tokens = provider.seen('token').length;
  const files = async () => (await readdir(server.data)).filter((name) => name.startsWith('.doctor-'));
  await examine(admin);
  const after = await admin.must('GET', `/api/v1/grants/${grant_id}`);
  assert.equal(after.generation, before.generation);
  assert.equal(provider.seen('token').length, tokens, 'nothing was posted to the token endpoint');
  assert.deepEqual(await files(), []);
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

test('DNS, TCP, TLS and HTTP are told apart, and what hangs hides nothing else', async (t) => {
  const closed = await freePort();
  const clear = await listener(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
  const mute = await listener(t, (socket) => socket.resume());
  const server = await Latchkey.ready(t, {
    providerFiles: {
      'tcp.json': fileFor('tcp', `https://127.0.0.1:${closed}`), 'tls.json': fileFor('tls', `https://127.0.0.1:${clear}`),
      'mute.json': fileFor('mute', `http://127.0.0.1:${mute}`), 'policy.json': fileFor('policy', 'https://169.254.169.254'),
    },
    config: { 'outbound.allow': [`127.0.0.1:${closed}`, `127.0.0.1:${clear}`, `127.0.0.1:${mute}`] },
  });
  const { admin } = server;
  for (const id of ['tcp', 'tls', 'mute', 'policy']) await register(admin, id);
  const started = performance.now();
  const report = await examine(admin);
  assert.ok(performance.now() - started < 20_000, 'within its patience');
  const seen = (origin) => of(report, 'outgoing', origin)[0].seen;
  assert.match(seen(`https://127.0.0.1:${closed}`), /^TCP: /);
  assert.match(seen(`https://127.0.0.1:${clear}`), /^TLS: /);
  assert.match(seen(`http://127.0.0.1:${mute}`), /^HTTP: |came to no end/);
  assert.match(seen('https://169.254.169.254'), /^Address policy: .*metadata/);
  assert.equal(of(report, 'disk')[0].check, 'disk', 'the others have come to their end');
});

test('a clock that is not the provider\'s', async (t) => {
  const provider = http.createServer((request, response) => {
    response.sendDate = false;
    response.writeHead(401, { date: new Date(Date.now() - 600_000).toUTCString() }).end();
  });
  await new Promise((resolve) => provider.listen(0, '127.0.0.1', resolve));
  t.after(() => { provider.closeAllConnections(); provider.close(); });
  const origin = `http://127.0.0.1:${provider.address().port}`;
  const server = await Latchkey.ready(t, { providerFiles: { 'slow.json': fileFor('slow', origin) }, config: { 'outbound.allow': [origin.slice(7)] } });
  await register(server.admin, 'slow');
  const [finding] = of(await examine(server.admin), 'clock');
  assert.equal(finding.severity, 'error');
  assert.match(finding.seen, /\b(59\d|600) s ahead of the provider's/);
});

test('consent links are made of the provider\'s file', async (t) => {
  const step = { text: 'Send it to an administrator.', url: 'https://login.example/adminconsent?client_id={client_id}' };
  const server = await Latchkey.ready(t, { providerFiles: { 'acme.json': fileFor('acme', 'https://login.example', { steps: [step] }) } });
  await register(server.admin, 'acme');
  const [finding] = of(await examine(server.admin), 'tenant_consent');
  assert.deepEqual(finding.handovers, [{ kind: 'link', label: 'Consent for the whole organization at Provider acme', text: 'https://login.example/adminconsent?client_id=client-of-acme' }]);
  const app = (await server.admin.must('GET', '/api/v1/apps')).items.find((each) => each.id === 'acme');
  assert.ok(app.steps.every((each) => !each.url?.includes('{')), 'no template is shown as an address');
});

test('master key, disk and certificate of this machine; the command line says the same', async (t) => {
  const folder = await temporaryFolder(t, 'tls');
  const tls = await loopbackCertificate(folder);
  const server = await Latchkey.start(t, { config: { 'log.level': 'info' } });
  const sound = await server.cli(['doctor']);
  assert.equal(sound.status, 1, 'no copy of the master key is known of');
  assert.match(sound.stdout, /ERROR +master_key +copy\n[^]*latchkey backup FILE/);
  assert.match(sound.stdout, /ok +disk /);
  assert.match(sound.stdout, /Something does not work until a person acts\./);
  const key = path.join(server.data, 'master.key');
  assert.equal(of(JSON.parse((await server.cli(['doctor', '--json'])).stdout), 'master_key', key)[0].severity, 'ok');
  await chmod(key, 0o644);
  // An examination of a moment ago is given to whoever asks next.
  const open = await until('an examination that sees it', async () => {
    const report = JSON.parse((await server.cli(['doctor', '--json'])).stdout);
    return of(report, 'master_key', key)[0].severity === 'error' ? report : undefined;
  });
  const [file] = of(open, 'master_key', key);
  assert.match(file.remedy, /chmod 600/);
  const metrics = await server.metrics();
  for (const severity of ['ok', 'note', 'warning', 'error']) {
    const count = open.findings.filter((each) => each.severity === severity).length;
    assert.match(metrics, new RegExp(`^latchkey_doctor_findings\\{severity="${severity}"\\} ${count}$`, 'm'));
  }
  assert.match(metrics, /^latchkey_doctor_examined_timestamp_seconds 1/m);

  const port = await freePort();
  const secure = await Latchkey.start(t, { port, tls, config: { 'outbound.ca_file': tls.certFile }, expectReady: false });
  const report = await until('an answer', async () => {
    const { status, stdout } = await secure.cli(['doctor', '--json']);
    return status === 1 && stdout.startsWith('{') ? JSON.parse(stdout) : undefined;
  });
  const [certificate] = of(report, 'certificate');
  assert.equal(certificate.subject, `127.0.0.1:${port}`);
  assert.equal(certificate.severity, 'ok', certificate.seen);
  assert.match(certificate.seen, /TLSv1\.3, a certificate of localhost for localhost, 127\.0\.0\.1: good until/);
});

test('nobody but an administrator examines', async (t) => {
  const server = await Latchkey.ready(t);
  const stranger = new Session(server.url);
  await stranger.begin();
  assert.equal((await stranger.call('POST', '/api/v1/doctor')).status, 401);
  const group = await server.admin.group('Reception');
  await server.admin.must('POST', '/api/v1/users', { username: 'regular', group_id: group, password: 'Quite-Another-Secret-1' });
  const regular = new Session(server.url);
  await regular.signIn('regular', 'Quite-Another-Secret-1');
  for (const method of ['GET', 'POST']) assert.equal((await regular.call(method, '/api/v1/doctor')).status, 403);
});
