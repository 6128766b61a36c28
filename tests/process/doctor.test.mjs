// The doctor at the real server: against the certified provider, and against providers that fail at each stage.

import assert from 'node:assert/strict';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { loopbackCertificate } from '../support/certificates.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { deliveringServer } from '../support/delivering.mjs';
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
  assert.match(finding.seen, /\b(59\d|600) s ahead of the one there/);
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

test('what takes documents in: a listener in clear, an address without a device, drop folders, a connector without its PIN, the spool', async (t) => {
  const [submission, plain] = [await freePort(), await freePort()];
  const drop = path.join(await temporaryFolder(t, 'drop'), 'drop');
  await mkdir(path.join(drop, 'scans'), { recursive: true });
  const { server, admin } = await deliveringServer(t, {
    connector: { account: 'fixed', owner: 'printer-1', groups: [], folder: 'In' },
    config: {
      'smtp.submission': `127.0.0.1:${submission}`, 'smtp.plain': `127.0.0.1:${plain}`, 'smtp.plain_sources': ['127.0.0.7'],
      'folder.root': drop, 'folder.uids': [String(process.getuid())],
    },
  });
  await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['scans'] });
  const before = await examine(admin);
  assert.equal(of(before, 'webdav', `${server.url}/dav/`)[0].severity, 'ok', JSON.stringify(of(before, 'webdav')));
  assert.equal(of(before, 'mail_doors', `smtp.submission 127.0.0.1:${submission}`)[0].severity, 'note');
  const [address] = of(before, 'mail_doors', 'smtp.plain 127.0.0.7');
  assert.deepEqual([address.severity, /smtp\.plain_sources/.test(address.remedy)], ['warning', true]);
  assert.equal(of(before, 'drop_folders', drop)[0].severity, 'ok');
  assert.match(of(before, 'drop_folders', `${drop}/scans`)[0].seen, /wait: the connector is switched off/);
  const [closed] = of(before, 'connectors', 'scans');
  assert.equal(closed.severity, 'error');
  assert.match(closed.seen, /1 device and the members of 0 groups are refused/);
  assert.match(of(before, 'spool', 'documents')[0].seen, /^0 on their way/);

  await admin.must('PUT', '/api/v1/connectors/scans', { name: 'Scans', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [], folder: 'In' });
  await admin.must('POST', '/api/v1/devices', { name: 'old copier', connectors: ['scans'], sources: ['127.0.0.7'] });
  await admin.set('delivery.disk_reserve_mb', '1048576');
  await chmod(drop, 0o777);
  // An examination of a moment ago is given to whoever asks next.
  const after = await until('an examination that sees it', async () => {
    const report = await examine(admin);
    return of(report, 'connectors', 'scans')[0].severity === 'ok' ? report : undefined;
  });
  assert.match(of(after, 'mail_doors', 'smtp.plain 127.0.0.7')[0].seen, /old copier/);
  const [root] = of(after, 'drop_folders', drop);
  assert.deepEqual([root.severity, /chmod go-w/.test(root.seen)], ['error', true]);
  const [spool] = of(after, 'spool', path.join(server.data, 'spool'));
  assert.deepEqual([spool.severity, /No document is taken in/.test(spool.seen)], ['error', true]);
  assert.deepEqual(faults(after, answerSchema('POST', '/api/v1/doctor')), []);
});

test('mail over TLS is looked at as a device meets it: STARTTLS and TLS at once, with the certificate served there', async (t) => {
  const [submission, submissions] = [await freePort(), await freePort()];
  const tls = await loopbackCertificate(await temporaryFolder(t, 'tls'));
  const server = await Latchkey.start(t, { tls, expectReady: false, config: { 'outbound.ca_file': tls.certFile, 'smtp.submission': `127.0.0.1:${submission}`, 'smtp.submissions': `127.0.0.1:${submissions}` } });
  const report = await until('an examination', async () => {
    const { status, stdout } = await server.cli(['doctor', '--json']);
    return status === 1 && stdout !== '' ? JSON.parse(stdout) : undefined;
  });
  for (const port of [submission, submissions]) {
    const [found] = of(report, 'mail_doors', `127.0.0.1:${port}`);
    assert.match(found.seen, /^TLSv1\.3, a certificate of /, JSON.stringify(found));
    assert.equal(found.severity, 'ok', JSON.stringify(found));
  }
});

test('a proxy that lets no PROPFIND through is told', async (t) => {
  const [port, front] = [await freePort(), await freePort()];
  const proxy = http.createServer((request, response) => {
    if (request.method === 'PROPFIND') { response.writeHead(405).end(); return; }
    const on = http.request({ port, host: '127.0.0.1', method: request.method, path: request.url, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    on.on('error', () => response.destroy());
    request.pipe(on);
  });
  await new Promise((resolve) => { proxy.listen(front, '127.0.0.1', resolve); });
  t.after(() => { proxy.closeAllConnections(); proxy.close(); });
  const { admin } = await Latchkey.ready(t, { port, publicUrl: `http://127.0.0.1:${front}` });
  const report = await examine(admin);
  const [found] = of(report, 'webdav');
  assert.deepEqual([found.severity, /answered 405/.test(found.seen)], ['warning', true], JSON.stringify(found));
  assert.match(found.remedy, /every method/);
});
