// HTTPS made easy, at the real server: live reload, a self-signed start, an own authority that real clients accept.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { loopbackCertificate } from '../support/certificates.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { Latchkey } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { until } from '../support/wait.mjs';

const execute = promisify(execFile);

/** What the listener shows: the server's own certificate, and whether `ca` makes it trusted. */
function shown(port, { ca, servername } = {}) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: servername ?? '', ca, rejectUnauthorized: false }, () => {
      resolve({ certificate: socket.getPeerX509Certificate(), trusted: socket.authorized, why: socket.authorizationError, protocol: socket.getProtocol() });
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
const get = (port, route, ca) => new Promise((resolve, reject) => {
  https.get({ port, host: '127.0.0.1', path: route, ca, rejectUnauthorized: ca !== undefined, agent: false }, (response) => {
    const parts = [];
    response.on('data', (part) => parts.push(part)).on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
  }).on('error', reject);
});
const answering = (server) => until('the server to answer', async () => {
  if (!server.running) throw new Error(server.logs);
  return (await server.cli(['registry', 'list'])).status === 0 ? true : undefined;
});
const fingerprintOf = (certificate) => certificate.fingerprint256;
const show = async (server) => JSON.parse((await server.cli(['certificate', 'show', '--json'])).stdout);

test('files that change are taken up while connections are served; a broken pair keeps the old one and raises an alert', async (t) => {
  const folder = await temporaryFolder(t, 'tls');
  const served = await loopbackCertificate(folder);
  const server = await Latchkey.start(t, { tls: served, expectReady: false });
  await answering(server);
  const before = await shown(server.port);
  const kept = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  t.after(() => kept.destroy());
  const on_kept = () => new Promise((resolve, reject) => https.get({ port: server.port, host: '127.0.0.1', path: '/healthz', agent: kept }, (response) => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject));
  assert.equal(await on_kept(), 200);

  const fresh = await loopbackCertificate(await temporaryFolder(t, 'tls-new'));
  await writeFile(`${served.certFile}.new`, fresh.cert);
  await rename(`${served.certFile}.new`, served.certFile); // between the two renames the pair does not fit
  await writeFile(`${served.keyFile}.new`, fresh.key);
  await rename(`${served.keyFile}.new`, served.keyFile);
  await until('the new certificate', async () => (fingerprintOf((await shown(server.port)).certificate) !== fingerprintOf(before.certificate) ? true : undefined), { timeout: 30_000 });
  assert.equal(await on_kept(), 200, 'a connection that was open goes on');

  const good = fingerprintOf((await shown(server.port)).certificate);
  await writeFile(served.certFile, 'broken');
  await until('the alert', async () => (/^latchkey_certificate_refused 1$/m.test((await get(server.port, '/metrics')).body.toString()) ? true : undefined), { timeout: 30_000 });
  assert.equal(fingerprintOf((await shown(server.port)).certificate), good, 'the one before is still served');
  const told = await server.cli(['certificate', 'show']);
  assert.equal(told.status, 1);
  assert.match(told.stdout, /Not in use: .*no PEM certificate/);
  assert.match(server.logs, /certificate_refused/);
  await writeFile(served.certFile, fresh.cert);
  await until('the end of the alert', async () => (/^latchkey_certificate_refused 0$/m.test((await get(server.port, '/metrics')).body.toString()) ? true : undefined), { timeout: 30_000 });
  assert.match((await get(server.port, '/metrics')).body.toString(), /^latchkey_certificate_days_left 1\.\d+$/m);
});

test('a start that asks for a self-signed certificate serves one, and says plainly what that means', async (t) => {
  const port = await freePort();
  const server = await Latchkey.start(t, { port, publicUrl: `https://127.0.0.1:${port}`, config: { 'tls.source': 'self-signed' }, expectReady: false });
  await answering(server);
  await until('the words of the start', () => /vouches for itself: every browser warns/.test(server.stdout) || undefined);
  const { certificate, trusted } = await shown(port);
  assert.equal(trusted, false);
  assert.match(certificate.subjectAltName, /IP Address:127\.0\.0\.1/);
  assert.equal((await get(port, '/healthz')).status, 200);
  assert.equal((await get(port, '/own-root.crt')).status, 404, 'it is no authority');
  const status = await show(server);
  assert.deepEqual([status.source, status.served, status.problem], ['self_signed', true, '']);
  await server.stop();
  await server.launch({ expectReady: false });
  await answering(server);
  assert.equal(fingerprintOf((await shown(port)).certificate), fingerprintOf(certificate), 'the next start serves the same');
});

test('the own authority: real clients that imported its root accept it, its key is kept, and it is good for nothing else', async (t) => {
  const port = await freePort();
  const server = await Latchkey.start(t, { port, publicUrl: `https://127.0.0.1:${port}`, config: { 'tls.source': 'own-authority' }, expectReady: false });
  await answering(server);
  await until('the words of the start', () => /import .*\/own-root\.crt/i.test(server.stdout) || undefined);
  const root = (await server.cli(['certificate', 'root'])).stdout;
  const download = await get(port, '/own-root.crt');
  assert.equal(download.headers['content-type'], 'application/x-x509-ca-cert');
  assert.equal((await get(port, '/healthz', root)).status, 200, 'node accepts it');
  const pem = await server.file('root.pem', root);
  const der = await server.file('root.der', download.body);
  const curl = await execute('curl', ['-sS', '--cacert', pem, `https://127.0.0.1:${port}/healthz`]);
  assert.match(curl.stdout, /"ok"/);
  await assert.rejects(execute('curl', ['-sS', `https://127.0.0.1:${port}/healthz`]), 'without the root nobody does');
  const told = (await execute('openssl', ['x509', '-inform', 'DER', '-in', der, '-noout', '-text'])).stdout;
  assert.match(told, /CA:TRUE, pathlen:0/);
  assert.match(told, /X509v3 Name Constraints: critical/);
  assert.equal((await stat(path.join(server.data, 'tls/root-key.pem'))).mode & 0o777, 0o600);
  assert.match(told, /X509v3 Extended Key Usage: *\n *TLS Web Server Authentication\n/, 'code neither, for those who heed it');
  const answer = await show(server);
  assert.deepEqual(faults(answer, answerSchema('GET', '/api/v1/certificate')), []);
  const before = (await shown(port)).certificate;
  const other = await server.cli(['certificate', 'self-signed', '--json']);
  assert.equal(other.status, 0, other.stderr);
  assert.notEqual(fingerprintOf((await shown(port)).certificate), fingerprintOf(before), 'switched while it serves');
  const back = JSON.parse((await server.cli(['certificate', 'own-ca', '--json'])).stdout);
  assert.equal(back.root.fingerprint, answer.root.fingerprint, 'devices keep what they have imported');
  assert.equal((await get(port, '/healthz', root)).status, 200);
  await rm(path.join(server.data, 'tls/root.pem'));
  const renewed = JSON.parse((await server.cli(['certificate', 'own-ca', '--json'])).stdout);
  assert.notEqual(renewed.root.fingerprint, answer.root.fingerprint, 'a new root, for whoever has removed the old one');
});

/** A certificate that whoever stole the own authority's key would make: what openssl says of it, with only the root trusted. */
async function forgedVerdict(server, usage, names, purpose) {
  const file = (name) => path.join(server.folder, name);
  await writeFile(file('forged.ext'), `extendedKeyUsage=${usage}\nsubjectAltName=${names}\n`);
  await execute('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=forged', '-keyout', file('forged.key'), '-out', file('forged.csr')]);
  await execute('openssl', ['x509', '-req', '-in', file('forged.csr'), '-CA', path.join(server.data, 'tls/root.pem'), '-CAkey', path.join(server.data, 'tls/root-key.pem'),
    '-set_serial', '7', '-days', '1', '-extfile', file('forged.ext'), '-out', file('forged.pem')]);
  return execute('openssl', ['verify', '-no-CApath', '-CAfile', path.join(server.data, 'tls/root.pem'), ...purpose ? ['-purpose', purpose] : [], file('forged.pem')])
    .then(({ stdout }) => stdout, ({ stdout, stderr }) => stdout + stderr);
}

test('the own authority’s key, stolen, signs for no client and no mail: openssl refuses each', async (t) => {
  const port = await freePort();
  const server = await Latchkey.start(t, { port, publicUrl: `https://127.0.0.1:${port}`, config: { 'tls.source': 'own-authority' }, expectReady: false });
  await answering(server);
  assert.match(await forgedVerdict(server, 'serverAuth', 'IP:127.0.0.1', 'sslserver'), /: OK/, 'what it is for');
  for (const [usage, purpose] of [['clientAuth', 'sslclient'], ['emailProtection', 'smimesign'], ['emailProtection', 'smimeencrypt']])
    assert.match(await forgedVerdict(server, usage, 'IP:127.0.0.1', purpose), /purpose/i, purpose);
  for (const names of ['email:ceo@bank.example', 'email:ceo@localhost', 'URI:https://bank.example/'])
    assert.match(await forgedVerdict(server, 'emailProtection', names), /permitted subtree violation/, names);
});

test('a backup brings the own authority back: devices that imported it accept the restored server', async (t) => {
  const port = await freePort();
  const server = await Latchkey.start(t, { port, publicUrl: `https://127.0.0.1:${port}`, config: { 'tls.source': 'own-authority' }, expectReady: false });
  await answering(server);
  const root = (await server.cli(['certificate', 'root'])).stdout;
  const before = (await shown(port)).certificate;
  const passphrase = await server.file('passphrase', 'eleven purple ladders\n');
  const file = path.join(server.folder, 'office.lkb');
  const made = await server.cli(['backup', file, '--passphrase-file', passphrase]);
  assert.equal(made.status, 0, made.stderr);
  await server.stop();
  await rm(server.data, { recursive: true });
  const restored = await server.cli(['restore', file, '--passphrase-file', passphrase, '--nothing-ran-since']);
  assert.equal(restored.status, 0, restored.stderr);
  for (const name of ['key.pem', 'root-key.pem']) assert.equal((await stat(path.join(server.data, 'tls', name))).mode & 0o777, 0o600, name);
  await server.launch({ expectReady: false });
  await answering(server);
  assert.equal(fingerprintOf((await shown(port)).certificate), fingerprintOf(before));
  assert.equal((await get(port, '/healthz', root)).status, 200);
  const renewed = JSON.parse((await server.cli(['certificate', 'own-ca', '--json'])).stdout);
  assert.equal(renewed.source, 'own_authority');
  assert.equal((await get(port, '/healthz', root)).status, 200, 'the authority has its key, too');
});

test('a listener in clear is told to restart, then speaks TLS with what was chosen', async (t) => {
  const server = await Latchkey.ready(t);
  assert.equal((await show(server)).source, 'none');
  const chosen = await server.cli(['certificate', 'own-ca']);
  assert.equal(chosen.status, 0, chosen.stderr);
  assert.match(chosen.stdout, /Restart the server: it speaks in clear until then/);
  await server.stop();
  await server.launch({ expectReady: false });
  await answering(server);
  const root = (await server.cli(['certificate', 'root'])).stdout;
  assert.ok((await shown(server.port, { ca: root })).trusted);
});

test('a pair handed over is checked, copied and served; mistakes are named and change nothing', async (t) => {
  const port = await freePort();
  const server = await Latchkey.start(t, { port, publicUrl: `https://127.0.0.1:${port}`, config: { 'tls.source': 'self-signed' }, expectReady: false });
  await answering(server);
  const pair = await loopbackCertificate(await temporaryFolder(t, 'pair'));
  const other = await loopbackCertificate(await temporaryFolder(t, 'other'));
  const before = fingerprintOf((await shown(port)).certificate);
  const mismatch = await server.cli(['certificate', 'use', pair.certFile, other.keyFile]);
  assert.equal(mismatch.status, 1);
  assert.match(mismatch.stderr, /does not belong to the first certificate/);
  const nonsense = await server.cli(['certificate', 'own-ca', '--name', 'no name']);
  assert.match(nonsense.stderr, /neither a host name/);
  assert.equal(fingerprintOf((await shown(port)).certificate), before);
  const used = await server.cli(['certificate', 'use', pair.certFile, pair.keyFile]);
  assert.equal(used.status, 0, used.stderr);
  assert.equal(fingerprintOf((await shown(port)).certificate).replaceAll(':', '').toLowerCase(), (await show(server)).chain[0].fingerprint);
  assert.ok(!server.logs.includes((await readFile(pair.keyFile, 'utf8')).split('\n')[1]), 'the key in the log');
  const configured = await Latchkey.start(t, { tls: pair, expectReady: false });
  await answering(configured);
  assert.match((await configured.cli(['certificate', 'own-ca'])).stderr, /The configuration names the files/);
});

test('browsers may look, and change nothing', async (t) => {
  const { admin } = await Latchkey.ready(t);
  assert.equal((await admin.call('GET', '/api/v1/certificate')).status, 200);
  for (const [method, route, body] of [['POST', 'own-authority', { names: [] }], ['POST', 'self-signed', { names: [] }]]) {
    assert.equal((await admin.call(method, `/api/v1/certificate/${route}`, body)).code, 'not_allowed');
  }
  assert.equal((await admin.call('PUT', '/api/v1/certificate', { certificate: 'x', key: 'y' })).code, 'not_allowed');
});
