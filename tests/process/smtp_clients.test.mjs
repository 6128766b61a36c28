// The mail clients that devices and scripts really have, at the SMTP door of the real binary: msmtp, Python's smtplib, Postfix's
// smtp-source, and what speaks TLS 1.0.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopbackCertificate } from '../support/certificates.mjs';
import { documentOf, sha256 } from '../support/delivering.mjs';
import { run } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { deviceServer, mailWith, scanningServer } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';

/** The server's certificate, for clients to trust; the console is reached over the same one, which nobody has signed. */
async function certificate(t) {
  const strict = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => { if (strict === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED; else process.env.NODE_TLS_REJECT_UNAUTHORIZED = strict; });
  return loopbackCertificate(await temporaryFolder(t));
}

test('msmtp with STARTTLS and a PIN from a command; a wrong one is a permanent error that it understands', async (t) => {
  const tls = await certificate(t);
  const { server, drive, port } = await scanningServer(t, { tls });
  const document = documentOf(200_000);
  const secret = await server.file('pin.txt', `${pin}\n`);
  const send = (file) => run('msmtp', ['--host=localhost', `--port=${port}`, '--tls=on', '--tls-starttls=on', `--tls-trust-file=${tls.certFile}`, '--auth=on',
    '--user=printer-1', `--passwordeval=cat ${file}`, '--from=copier@office.example', 'scans@drop.internal'], { input: mailWith('msmtp.pdf', document), timeout: 180_000 });
  const sent = await send(secret);
  assert.equal(sent.status, 0, sent.stderr);
  await until('the document to arrive', () => drive.files.has('In/printer-1/msmtp.pdf'));
  assert.equal(drive.files.get('In/printer-1/msmtp.pdf').sha256, sha256(document));
  const refused = await send(await server.file('wrong.txt', 'wrong-pin-77\n'));
  assert.equal(refused.status, 77, `EX_NOPERM: ${refused.stderr}`);
  assert.match(refused.stderr, /535/);
});

test("Python's smtplib: login, an attachment with umlauts in its name, 8BITMIME, over TLS at once and by STARTTLS", async (t) => {
  const tls = await certificate(t);
  const submissions = await freePort();
  const { server, drive, device, port } = await deviceServer(t, { tls, config: { 'smtp.submissions': `127.0.0.1:${submissions}` } });
  const { secret } = await device({ name: 'script' });
  const document = documentOf(120_000);
  const script = await server.file('send.py', `
import smtplib, ssl, sys
from email.message import EmailMessage
port, mode, secret, file, name = sys.argv[1:]
trust = ssl.create_default_context(cafile=${JSON.stringify(tls.certFile)})
mail = EmailMessage()
mail['From'], mail['To'], mail['Subject'] = 'script@office.example', 'scans@drop.internal', 'Prüfung'
mail.set_content('Grüße', cte='8bit')
mail.add_attachment(open(file, 'rb').read(), maintype='application', subtype='pdf', filename=name)
connect = smtplib.SMTP_SSL('localhost', int(port), context=trust) if mode == 'tls' else smtplib.SMTP('localhost', int(port))
with connect as line:
    if mode == 'starttls': line.starttls(context=trust)
    line.login('script', secret)
    assert line.has_extn('size') and line.has_extn('8bitmime')
    refused = line.send_message(mail)
    assert refused == {}, refused
`);
  const file = await server.file('scan.pdf', document);
  for (const [mode, at] of [['tls', submissions], ['starttls', port]]) {
    const sent = await run('python3', [script, String(at), mode, secret, file, `Prüfung ${mode}.pdf`], { timeout: 180_000 });
    assert.equal(sent.status, 0, sent.stderr);
    await until('the document to arrive', () => drive.files.has(`In/script/Prüfung ${mode}.pdf`));
    assert.equal(drive.files.get(`In/script/Prüfung ${mode}.pdf`).sha256, sha256(document));
  }
});

test("T7: Postfix's smtp-source, which has neither AUTH nor TLS, is the device of its address; once that is switched off, nobody", async (t) => {
  const plain = await freePort();
  const { server, admin, drive, device } = await deviceServer(t, { config: { 'smtp.plain': `127.0.0.1:${plain}`, 'smtp.plain_sources': ['127.0.0.1'] } });
  const old = await device({ name: 'old-fax', sources: ['127.0.0.1'] });
  const send = () => run('smtp-source', ['-s', '4', '-m', '12', '-l', '20000', '-f', 'fax@office.example', '-t', 'scans@drop.internal', `127.0.0.1:${plain}`], { timeout: 180_000 });
  const sent = await send();
  assert.equal(sent.status, 0, sent.stderr);
  await until('all to arrive', () => drive.files.size === 12, { timeout: 60_000 });
  for (const [name, file] of drive.files) {
    assert.match(name, /^In\/old-fax\//);
    assert.ok(file.size > 19_000 && file.size < 20_100, `${name}: ${file.size} octets of text`);
  }
  assert.match(await server.metrics(), /latchkey_smtp_mails_total 12/);
  await admin.must('PATCH', `/api/v1/devices/${old.id}`, { enabled: false });
  const refused = await send();
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /530/);
});

/** openssl as a device that knows nothing newer than TLS 1.0: lower-case commands, said in one go once TLS stands. */
function tls10(port, said, { from = '127.0.0.1', version = '-tls1' } = {}) {
  return run('openssl', ['s_client', version, '-cipher', 'ALL:@SECLEVEL=0', '-starttls', 'smtp', '-bind', `${from}:0`, '-connect', `127.0.0.1:${port}`, '-crlf', '-ign_eof'],
    { input: `${said.join('\n')}\n`, timeout: 120_000 });
}

test('D6, T7: TLS 1.0 is spoken on the listener for it, with the devices named there, and no PIN is taken', async (t) => {
  const tls = await certificate(t);
  const legacy = await freePort();
  const { drive, device, lastError, port } = await deviceServer(t, {
    tls, config: { 'smtp.legacy': `127.0.0.1:${legacy}`, 'smtp.legacy_sources': ['127.0.0.2', '127.0.0.3'] },
  });
  const copier = await device({ name: 'copier-2009', sources: ['127.0.0.2'] });
  const other = await device({ name: 'other', sources: ['127.0.0.9'] });
  const mail = (sign) => ['ehlo copier', ...sign, 'mail from:<copier@office.example>', 'rcpt to:<scans@drop.internal>', 'data', 'Subject: x', '', 'from 2009', '.', 'quit'];
  const plain = (name, secret) => `auth plain ${Buffer.from(`\0${name}\0${secret}`).toString('base64')}`;

  const known = await tls10(legacy, mail([]), { from: '127.0.0.2' });
  assert.match(known.stdout, /Cipher is ECDHE[^]*Protocol *: TLSv1\n/, known.stdout + known.stderr);
  assert.match(known.stdout, /250 2\.0\.0 Accepted/);
  const signed = await tls10(legacy, mail([plain('copier-2009', copier.secret)]), { from: '127.0.0.2' });
  assert.match(signed.stdout, /235 [^]*250 2\.0\.0 Accepted/);
  await until('both to arrive', () => drive.files.size === 2);
  for (const file of drive.files.values()) assert.equal(file.sha256, sha256('from 2009\r\n'));

  for (const [what, name, secret] of [['a PIN', 'printer-1', pin], ["another device's secret", 'other', other.secret]]) {
    const refused = await tls10(legacy, mail([plain(name, secret)]), { from: '127.0.0.3' });
    assert.match(refused.stdout, /53[58] 5\.7/, what);
    assert.doesNotMatch(refused.stdout, /^(235 |250 2\.0\.0 Accepted)/m, what);
  }
  assert.match(await lastError('other'), /came from 127\.0\.0\.3, which is not among/);
  const stranger = await tls10(legacy, mail([]), { from: '127.0.0.4' });
  assert.match(stranger.stdout, /Cipher is \(NONE\)/, 'an address that is not named gets no TLS at all');

  for (const version of ['-tls1', '-tls1_1']) {
    const modern = await tls10(port, mail([]), { version });
    assert.notEqual(modern.status, 0);
    assert.match(modern.stdout, /Cipher is \(NONE\)/, version);
  }
  assert.equal(drive.files.size, 2, 'none of those who were refused has brought anything');
  const newer = await tls10(port, mail([plain('printer-1', pin)]), { version: '-tls1_2' });
  assert.match(newer.stdout, /235 [^]*250 2\.0\.0 Accepted/, 'the same client, newer, gets in there');
  await until('its mail to arrive', () => drive.files.size === 3);
});
