// The Cloud Service's own certificate, read again on SIGHUP while connections are open.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { loopbackCertificate } from '../support/certificates.mjs';
import { certificateOfRelays, Relay } from '../support/relay.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { until } from '../support/wait.mjs';

const apps = { op: { provider: 'oidc', client_id: 'nobody', params: { issuer: 'http://127.0.0.1:9' }, authorization_endpoint: 'http://127.0.0.1:9/auth' } };

/** A connection that stays: which certificate it was shown, what it sends, and what it has been answered. */
async function connect(t, port) {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false });
  t.after(() => socket.destroy());
  const line = { socket, received: '', ended: false };
  socket.setEncoding('latin1').on('data', (text) => { line.received += text; }).on('close', () => { line.ended = true; }).on('error', () => {});
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  line.shown = socket.getPeerX509Certificate().fingerprint256;
  line.answers = () => line.received.split('HTTP/1.1 200 ').length - 1;
  return line;
}
const shownAt = async (t, port) => {
  const { socket, shown } = await connect(t, port);
  socket.destroy();
  return shown;
};
/** As an operator's renewal puts a file there: whole, at once. */
async function put(file, content) {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}
const fingerprintOf = ({ cert }) => new X509Certificate(cert).fingerprint256;
const linesOf = (relay, event) => relay.logs.split('\n').filter((each) => new RegExp(`\\b${event}\\b`).test(each));
/** SIGHUP, and the relay has said what came of it. */
async function hangUp(relay, event) {
  const before = linesOf(relay, event).length;
  relay.child.kill('SIGHUP');
  await until(`the log to say ${event}`, () => linesOf(relay, event).length === before + 1);
  return linesOf(relay, event).at(-1);
}

test('the relay\'s certificate is read again on SIGHUP: new connections are shown the new one, open ones go on; what is broken is refused in the log, and the old one stays', async (t) => {
  const folder = await temporaryFolder(t, 'relay-certificate');
  const [certificate, key] = ['fullchain.pem', 'privkey.pem'].map((name) => path.join(folder, name));
  const first = await certificateOfRelays();
  await copyFile(first.certFile, certificate);
  await copyFile(first.keyFile, key);
  const relay = await Relay.start(t, { apps, config: { 'tls.certificate': certificate, 'tls.key': key } });
  const { pid } = relay.child;
  const { port } = relay;
  const request = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';

  const idle = await connect(t, port);
  assert.equal(idle.shown, fingerprintOf(first));
  idle.socket.write(request);
  await until('the first answer', () => idle.answers() === 1);
  const halfway = await connect(t, port);
  halfway.socket.write(request.slice(0, 20));

  // The files alone change nothing here: SIGHUP is asked for.
  const second = await loopbackCertificate(await temporaryFolder(t, 'relay-renewed'));
  await put(certificate, second.cert);
  await put(key, second.key);
  assert.equal(await shownAt(t, port), fingerprintOf(first));
  await hangUp(relay, 'tls_reloaded');
  assert.equal(await shownAt(t, port), fingerprintOf(second));
  idle.socket.write(request);
  halfway.socket.write(request.slice(20));
  await until('the connections from before to be answered', () => idle.answers() === 2 && halfway.answers() === 1);
  assert.deepEqual([idle.ended, halfway.ended], [false, false]);

  const third = await loopbackCertificate(await temporaryFolder(t, 'relay-broken'));
  for (const [what, cert, words] of [['no certificate', 'broken', /tls\.certificate|certificate/i], ['nothing at all', '', /certificate/i], ['a certificate of another key', third.cert, /key/i]]) {
    await put(certificate, cert);
    const line = await hangUp(relay, 'tls_reload');
    assert.match(line, words, what);
    assert.doesNotMatch(line, /PRIVATE KEY/);
    assert.equal(await shownAt(t, port), fingerprintOf(second), `${what}: the old one stays`);
    idle.socket.write(request);
  }
  await until('the connection from before to be answered', () => idle.answers() === 5);

  await put(key, third.key);
  await hangUp(relay, 'tls_reloaded');
  assert.equal(await shownAt(t, port), fingerprintOf(third), 'a pair that fits is taken after all that');
  assert.equal(linesOf(relay, 'tls_reloaded').length, 2);
  assert.deepEqual([relay.running, relay.child.pid, idle.ended], [true, pid, false]);
});
