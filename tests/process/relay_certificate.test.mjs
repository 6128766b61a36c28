// The Cloud Service's own certificate, taken up while connections are open: when its files change, and on SIGHUP.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import https from 'node:https';
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
/** Of /metrics, whatever certificate is shown. */
const metricAt = (port, name) => new Promise((resolve, reject) => {
  https.get({ port, host: '127.0.0.1', path: '/metrics', headers: { host: 'localhost' }, rejectUnauthorized: false, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve(Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])));
  }).on('error', reject);
});
/** As an operator's renewal puts a file there: whole, at once. */
async function put(file, content) {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}
const fingerprintOf = ({ cert }) => new X509Certificate(cert).fingerprint256;
const linesOf = (relay, event) => relay.logs.split('\n').filter((each) => new RegExp(`\\b${event}\\b`).test(each));
/** SIGHUP, and the relay has said what came of it since there were so many such lines. */
async function hangUp(relay, event, before) {
  relay.child.kill('SIGHUP');
  await until(`the log to say ${event}`, () => linesOf(relay, event).length > before);
  return linesOf(relay, event).at(-1);
}

test('the relay\'s certificate is taken up when its files change, and on SIGHUP: new connections are shown the new one, open ones go on; what is broken is refused in the log, and the old one stays', async (t) => {
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

  const second = await loopbackCertificate(await temporaryFolder(t, 'relay-renewed'));
  await put(certificate, second.cert);
  await put(key, second.key);
  await until('the new one to be shown, with nobody asking for it', async () => await shownAt(t, port) === fingerprintOf(second), { timeout: 30_000 });
  idle.socket.write(request);
  halfway.socket.write(request.slice(20));
  await until('the connections from before to be answered', () => idle.answers() === 2 && halfway.answers() === 1);
  assert.deepEqual([idle.ended, halfway.ended], [false, false]);

  const left = await metricAt(port, 'latchkey_relay_certificate_days_left');
  assert.ok(left > 1 && left <= 2, String(left));
  assert.equal(await metricAt(port, 'latchkey_relay_certificate_refused'), 0);

  // Nothing has changed; SIGHUP reads them all the same.
  await hangUp(relay, 'certificate_in_use', linesOf(relay, 'certificate_in_use').length);
  assert.equal(await shownAt(t, port), fingerprintOf(second));

  const third = await loopbackCertificate(await temporaryFolder(t, 'relay-broken'));
  for (const [what, cert, words] of [['no certificate', 'broken', /no PEM certificate/], ['nothing at all', '', /certificate/i], ['a certificate of another key', third.cert, /does not belong/]]) {
    const before = linesOf(relay, 'certificate_refused(_again)?').length;
    await put(certificate, cert);
    const line = await hangUp(relay, 'certificate_refused(_again)?', before);
    assert.match(line, words, what);
    assert.doesNotMatch(line, /PRIVATE KEY/);
    assert.equal(await shownAt(t, port), fingerprintOf(second), `${what}: the old one stays`);
    assert.equal(await metricAt(port, 'latchkey_relay_certificate_refused'), 1, what);
    idle.socket.write(request);
  }
  await until('the connection from before to be answered', () => idle.answers() === 5);

  const before = linesOf(relay, 'certificate_in_use').length;
  await put(key, third.key);
  await hangUp(relay, 'certificate_in_use', before);
  assert.equal(await shownAt(t, port), fingerprintOf(third), 'a pair that fits is taken after all that');
  assert.equal(await metricAt(port, 'latchkey_relay_certificate_refused'), 0);
  assert.deepEqual([relay.running, relay.child.pid, idle.ended], [true, pid, false]);
});
