// The SMTP submission door with real clients, on the real binary: what is attached to a mail arrives at the connector, byte for byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { loopbackCertificate } from '../support/certificates.mjs';
import { run } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { mailWith, plainOf, scanningServer, speak, spooled } from '../support/smtp.mjs';
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

test('swaks with STARTTLS, and curl with TLS at once', async (t) => {
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
  const mail = await server.file('mail.eml', mailWith('curl.pdf', document));
  const curl = await run('curl', ['-sS', '--cacert', certificate.certFile, `smtps://localhost:${submissions}`, '--user', `printer-1:${pin}`,
    '--mail-from', 'a@office.example', '--mail-rcpt', 'scans@drop.internal', '-T', mail]);
  assert.equal(curl.status, 0, curl.stderr);
  await until('both to arrive', () => drive.files.size === 2);
  for (const name of ['tls.pdf', 'curl.pdf']) assert.equal(drive.files.get(`In/printer-1/${name}`).sha256, sha256(document));
});

test('a mail without attachments delivers its text; several attachments all arrive', async (t) => {
  const { drive, port } = await scanningServer(t);
  await speak(t, port, `${begin}RCPT TO:<scans@drop.internal>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n`, /250 2\.0\.0 Accepted[^]*221/);
  await until('the text', () => drive.files.size === 1);
  assert.equal([...drive.files.values()][0].sha256, sha256('hello\r\n'));
});

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
