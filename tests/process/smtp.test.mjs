// The SMTP submission door with real clients, on the real binary: what is attached to a mail arrives at the connector, byte for byte.

import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { deliveringServer, documentOf, longDocument, sha256 } from '../support/delivering.mjs';
import { loopbackCertificate } from '../support/certificates.mjs';
import { run } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { mailOfStream, mailWith, plainOf, scanningServer, speak, spooled } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';

const plain = plainOf('printer-1', pin);
const begin = `EHLO copier\r\nAUTH PLAIN ${plain}\r\nMAIL FROM:<copier@office.example>\r\n`;

for (const mechanism of ['PLAIN', 'LOGIN']) {
  test(`swaks with AUTH ${mechanism}: an attachment arrives whole`, async (t) => {
    const { server, drive, port } = await scanningServer(t);
    const document = documentOf(300_000);
    const file = await server.file('scan.pdf', document);
    const sent = await run('swaks', ['--server', '127.0.0.1', '--port', String(port), '--from', 'copier@office.example', '--to', 'scans@drop.internal',
      '--auth', mechanism, '--auth-user', 'printer-1', '--auth-password', pin, '--attach', `@${file}`, '--attach-name', 'scan.pdf', '--body', 'A scan']);
    assert.equal(sent.status, 0, sent.stdout + sent.stderr);
    await until('the document to arrive', () => drive.files.has('In/printer-1/scan.pdf'));
    assert.equal(drive.files.get('In/printer-1/scan.pdf').sha256, sha256(document));
    assert.equal(drive.files.size, 1, 'the text of a mail with an attachment is no document');
    assert.match(await server.metrics(), /latchkey_smtp_mails_total 1/);
  });
}

test('swaks and curl with STARTTLS, curl with TLS at once, with AUTH PLAIN and with AUTH LOGIN', async (t) => {
  // The console is reached over the same certificate, which nobody has signed: here the mail clients are the judges of TLS.
  const strict = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => { if (strict === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED; else process.env.NODE_TLS_REJECT_UNAUTHORIZED = strict; });
  const certificate = await loopbackCertificate(await temporaryFolder(t));
  const [submission, submissions] = [await freePort(), await freePort()];
  const { server, drive } = await deliveringServer(t, {
    config: { 'smtp.submission': `127.0.0.1:${submission}`, 'smtp.submissions': `127.0.0.1:${submissions}` }, tls: certificate,
  });
  const document = documentOf(50_000);
  const file = await server.file('tls.pdf', document);
  const sent = await run('swaks', ['--server', '127.0.0.1', '--port', String(submission), '--from', 'a@office.example', '--to', 'scans@drop.internal', '--tls',
    '--auth', 'PLAIN', '--auth-user', 'printer-1', '--auth-password', pin, '--attach', `@${file}`, '--attach-name', 'tls.pdf']);
  assert.equal(sent.status, 0, sent.stdout + sent.stderr);
  const names = ['tls.pdf'];
  for (const mechanism of ['PLAIN', 'LOGIN']) {
    for (const [scheme, at] of [['smtp', submission], ['smtps', submissions]]) {
      const name = `curl-${mechanism}-${scheme}.pdf`;
      const mail = await server.file('mail.eml', mailWith(name, document));
      const curl = await run('curl', ['-sSv', '--ssl-reqd', '--cacert', certificate.certFile, `${scheme}://localhost:${at}`, '--user', `printer-1:${pin}`,
        '--login-options', `AUTH=${mechanism}`, '--mail-from', 'a@office.example', '--mail-rcpt', 'scans@drop.internal', '-T', mail]);
      assert.equal(curl.status, 0, curl.stderr);
      assert.deepEqual(curl.stderr.match(/^> (STARTTLS|AUTH \w+)/gm), [...(scheme === 'smtp' ? ['> STARTTLS'] : []), `> AUTH ${mechanism}`], curl.stderr);
      names.push(name);
    }
  }
  await until('all to arrive', () => drive.files.size === names.length);
  for (const name of names) assert.equal(drive.files.get(`In/printer-1/${name}`).sha256, sha256(document), name);
});

test('documents of 0, 1, 50 kB, 5 MB and 30 MB arrive whole by mail', async (t) => {
  const { server, drive, port } = await scanningServer(t);
  const mail = path.join(server.folder, 'mail.eml');
  for (const size of [0, 1, 50_000, 5_000_000, 30_000_000]) {
    const { stream, sha256: hash } = longDocument(size);
    await pipeline(mailOfStream(`${size}.bin`, stream), createWriteStream(mail));
    const sent = await run('curl', ['-sS', `smtp://127.0.0.1:${port}`, '--user', `printer-1:${pin}`, '--mail-from', 'a@office.example', '--mail-rcpt', 'scans@drop.internal', '-T', mail]);
    assert.equal(sent.status, 0, `${size}: ${sent.stderr}`);
    const arrived = await until(`${size} octets to arrive`, () => drive.files.get(`In/printer-1/${size}.bin`), { timeout: 60_000 });
    assert.deepEqual([arrived.size, arrived.sha256], [size, hash()]);
  }
});

test('a mail without attachments delivers its text; several attachments all arrive', async (t) => {
  const { drive, port } = await scanningServer(t);
  await speak(t, port, `${begin}RCPT TO:<scans@drop.internal>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n`, /250 2\.0\.0 Accepted[^]*221/);
  await until('the text', () => drive.files.size === 1);
  assert.equal([...drive.files.values()][0].sha256, sha256('hello\r\n'));
  const several = new Map([['one.pdf', documentOf(70_000)], ['two.tif', documentOf(30)], ['three.bin', documentOf(0)]]);
  const parts = [...several].map(([name, octets]) => `--b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n${octets.toString('base64')}\r\n`);
  await speak(t, port, `${begin}RCPT TO:<scans@drop.internal>\r\nDATA\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join('')}--b--\r\n.\r\nQUIT\r\n`, /250 2\.0\.0 Accepted[^]*221/);
  await until('all of them', () => drive.files.size === 4);
  for (const [name, octets] of several) assert.equal(drive.files.get(`In/printer-1/${name}`)?.sha256, sha256(octets), name);
});

/** A multipart of that kind: parts are [type, content, ...further header lines], or what another multipart() gave. */
let boundaries = 0;
const multipart = (kind, ...parts) => {
  const boundary = `b${boundaries += 1}`;
  const each = (part) => (typeof part === 'string' ? part : `Content-Type: ${part[0]}\r\n${part.slice(2).map((line) => `${line}\r\n`).join('')}\r\n${part[1]}`);
  return `Content-Type: multipart/${kind}; boundary=${boundary}\r\n\r\n${parts.map((part) => `--${boundary}\r\n${each(part)}\r\n`).join('')}--${boundary}--`;
};

for (const [shape, mail, arriving] of [
  ['a text and an unnamed inline table', multipart('mixed', ['text/plain', 'see below'], ['text/csv', '1;2', 'Content-Disposition: inline']), ['see below', '1;2']],
  ['two texts', multipart('mixed', ['text/plain', 'one'], ['text/plain', '\r\n two']), ['one', '\r\n two']],
  ['a text in two forms', multipart('alternative', ['text/plain', 'one'], ['text/html', '<p>one</p>']), ['one']],
  ['a text in two forms, the plain one blank', multipart('alternative', ['text/plain', ' '], ['text/html', '<p>one</p>']), ['<p>one</p>']],
  ['a text in two forms, and a table', multipart('mixed', multipart('alternative', ['text/plain', 'one'], multipart('related', ['text/html', '<p>one</p>'])), ['text/csv', '1;2']), ['one', '1;2']],
  ['two texts in two forms each', multipart('mixed', ...['one', 'two'].map((text) => multipart('alternative', ['text/plain', text], ['text/html', text]))), ['one', 'two']],
  ['an attachment with its covering text, and a table', multipart('mixed', ['text/plain', 'cover'], ['application/pdf', 'pdf', 'Content-Disposition: attachment; filename=a.pdf'], ['text/csv', '1;2'], ['text/plain', '\r\n']), ['pdf', '1;2']],
]) {
  test(`D6: what a mail holds arrives: ${shape}`, async (t) => {
    const { admin, drive, port } = await scanningServer(t);
    await speak(t, port, `${begin}RCPT TO:<scans@drop.internal>\r\nDATA\r\nSubject: x\r\nMIME-Version: 1.0\r\n${mail}\r\n.\r\nQUIT\r\n`, /250 2\.0\.0 Accepted[^]*221/);
    const { items } = await admin.must('GET', '/api/v1/deliveries');
    await until('all to arrive', () => drive.files.size === items.length);
    assert.deepEqual([...drive.files.values()].map((file) => file.sha256).sort(), arriving.map(sha256).sort());
  });
}

test('G1: who has not signed in, or may not use the connector, is refused; people are not written to', async (t) => {
  const { server, port } = await scanningServer(t);
  const nobody = await speak(t, port, 'EHLO x\r\nMAIL FROM:<a@b>\r\n', /530 5\.7\.0/);
  nobody.socket.destroy();
  const wrong = await speak(t, port, `EHLO x\r\nAUTH PLAIN ${plainOf('printer-1', 'wrong-pin-1')}\r\n`, /535 5\.7\.8/);
  wrong.socket.destroy();
  await speak(t, port, `${begin}RCPT TO:<nowhere@drop.internal>\r\nRCPT TO:<a@elsewhere.example>\r\nDATA\r\nQUIT\r\n`, /550 5\.1\.1[^]*550 5\.7\.1[^]*554 5\.5\.1[^]*221/);
  assert.equal(await spooled(server), 0);
});

test('D3: a mail that is too large for its connector is refused before DATA', async (t) => {
  const { admin, group, port } = await scanningServer(t);
  await admin.must('POST', '/api/v1/connectors', { id: 'small', name: 'Small', type: 'scripted-drive', account: 'caller', groups: [group], size_bytes_max: 1000 });
  await speak(t, port, `EHLO x\r\nAUTH PLAIN ${plain}\r\nMAIL FROM:<a@b> SIZE=500000\r\nRCPT TO:<small@drop.internal>\r\nQUIT\r\n`, /552 5\.3\.4[^]*221/);
});

test('D7: a file name that climbs is refused with the whole mail, and nothing is kept', async (t) => {
  const { server, drive, port } = await scanningServer(t);
  for (const name of ['../up.pdf', 'a/b.pdf', '..']) {
    await speak(t, port, `${begin}RCPT TO:<scans@drop.internal>\r\nDATA\r\n${mailWith(name, documentOf(100))}\r\n.\r\nQUIT\r\n`, /354[^]*554 5\.6\.0[^]*221/);
  }
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
  assert.equal(drive.files.size, 0);
});

test('D7: SMTP smuggling: what stands behind a bare line end and a dot is text of the same mail', async (t) => {
  const { drive, port } = await scanningServer(t);
  await speak(t, port, `${begin}RCPT TO:<scans@drop.internal>\r\nDATA\r\nSubject: x\r\n\r\none\n.\nMAIL FROM:<evil@b>\r\n.\r\nQUIT\r\n`, /250 2\.0\.0 Accepted[^]*221/);
  await until('the text', () => drive.files.size === 1);
  assert.equal([...drive.files.values()][0].sha256, sha256('one\r\n.\r\nMAIL FROM:<evil@b>\r\n'));
});

test('T7: the plain listener takes named addresses alone, and no PIN', async (t) => {
  const port = await freePort();
  await deliveringServer(t, { config: { 'smtp.plain': `127.0.0.1:${port}`, 'smtp.plain_sources': ['127.0.0.2'] } });
  await speak(t, port, '', /^554 5\.7\.1 /);
  const refused = await speak(t, port, `EHLO x\r\nAUTH PLAIN ${plain}\r\n`, /\r\n53[58] /, '127.0.0.2');
  assert.doesNotMatch(refused.said, /235/);
});

test('T7: whoever comes by way of a proxy on this machine that does not know them is in clear, and no named address', async (t) => {
  const plainPort = await freePort();
  const { port } = await scanningServer(t, {
    config: { trusted_proxies: ['127.0.0.9'], proxy_header: 'proxy-protocol', 'smtp.plain': `127.0.0.1:${plainPort}`, 'smtp.plain_sources': ['127.0.0.9', '127.0.0.2'] },
  });
  const signIn = `EHLO x\r\nAUTH PLAIN ${plain}\r\nQUIT\r\n`;
  const unknown = await speak(t, port, `PROXY UNKNOWN\r\n${signIn}`, /221/, '127.0.0.9');
  assert.doesNotMatch(unknown.said, /250-AUTH|235/);
  assert.match(unknown.said, /\r\n538 5\.7\.11 /);
  const known = await speak(t, port, `PROXY TCP4 127.0.0.2 127.0.0.1 4000 587\r\n${signIn}`, /221/, '127.0.0.9');
  assert.match(known.said, /\r\n235 /, 'a program of this machine, as the proxy says');
  await speak(t, plainPort, 'PROXY UNKNOWN\r\n', /^554 5\.7\.1 /, '127.0.0.9');
  await speak(t, plainPort, 'PROXY TCP4 127.0.0.2 127.0.0.1 4000 25\r\n', /^220 /, '127.0.0.9');
});
