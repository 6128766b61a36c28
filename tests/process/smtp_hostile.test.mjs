// Bad input at the SMTP door of the real binary: refused with the protocol's own code, in words, and nothing of it stays: no document, no
// descriptor, no conversation.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { documentOf } from '../support/delivering.mjs';
import { pin } from '../support/scene.mjs';
import { mailWith, plainOf, scanningServer, speak, spooled } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';

const signIn = `EHLO x\r\nAUTH PLAIN ${plainOf('printer-1', pin)}\r\n`;
const toScans = `${signIn}MAIL FROM:<a@b>\r\nRCPT TO:<scans@drop.internal>\r\n`;
const open = async (server) => Number(/latchkey_smtp_open_connections (\d+)/.exec(await server.metrics())[1]);

/** Everything the server says until it closes, and when that was, in ms. `talk(socket)` says something meanwhile. */
function untilClosed(t, port, talk) {
  return new Promise((resolve, reject) => {
    let said = '';
    const begun = performance.now();
    const socket = net.connect({ port, host: '127.0.0.1' }, () => talk(socket));
    t.after(() => socket.destroy());
    const timer = setTimeout(() => reject(new Error(`still open after two minutes: ${said}`)), 120_000);
    socket.on('data', (data) => { said += data; });
    socket.on('error', () => undefined); // what is written to a closed connection
    socket.on('close', () => { clearTimeout(timer); resolve({ said, ms: performance.now() - begun }); });
  });
}

test('a line that does not end, too many errors, control characters: said, and closed', async (t) => {
  const { server, port, drive } = await scanningServer(t);
  const before = await server.descriptors();
  const endless = await untilClosed(t, port, (socket) => socket.write('x'.repeat(1_000_000)));
  assert.match(endless.said, /^220 [^]*421 4\.7\.0 The line does not end\r\n$/);
  const wrong = await untilClosed(t, port, (socket) => socket.write('WHAT\r\n'.repeat(1000)));
  assert.equal(wrong.said.match(/^500 5\.5\.1 /gm).length, 10);
  assert.match(wrong.said, /421 4\.7\.0 Too many errors\r\n$/);
  const { said } = await speak(t, port, `HELO \0x\r\nNOOP ${'y'.repeat(5000)}\r\n${signIn}QUIT\r\n`, /221/);
  assert.match(said, /\r\n500 5\.5\.2 [^]*500 5\.5\.2 The line is too long[^]*235 /, 'and the conversation goes on');
  const base64 = await untilClosed(t, port, (socket) => socket.write(`AUTH PLAIN ${'A'.repeat(200_000)}\r\n`));
  assert.match(base64.said, /421 4\.7\.0/);
  await until('all to be closed', async () => (await open(server)) === 0 && (await server.descriptors()) <= before);
  assert.equal(drive.files.size, 0);
});

test('slow-loris: who is silent, dribbles, or chatters without signing in is told so after a minute; a mail that trickles, too', async (t) => {
  const { server, port } = await scanningServer(t);
  const every = (socket, ms, what) => { const timer = setInterval(() => socket.write(what), ms); socket.on('close', () => clearInterval(timer)); };
  const all = await Promise.all([
    untilClosed(t, port, () => undefined),
    untilClosed(t, port, (socket) => every(socket, 500, 'E')),
    untilClosed(t, port, (socket) => { socket.on('data', () => socket.write('NOOP\r\n')); }), // as soon as it is answered
    untilClosed(t, port, (socket) => { socket.write(`${toScans}DATA\r\n`); every(socket, 400, 'trickle\r\n'); }),
  ]);
  for (const [which, { said, ms }] of ['silent', 'dribbling', 'chattering', 'trickling'].map((name, n) => [name, all[n]])) {
    assert.match(said, /421 4\.4\.2 Nothing came for too long, or too little\r\n$/, which);
    assert.ok(ms > 50_000 && ms < 100_000, `${which}: ${ms} ms`);
  }
  assert.match(await server.metrics(), /latchkey_smtp_cut_total 4/);
  await until('nothing to be left', async () => (await open(server)) === 0 && (await spooled(server)) === 0);
});

test('half-closed: what was said before is answered and kept; a mail that stops half-way is not', async (t) => {
  const { server, port, drive } = await scanningServer(t);
  const before = await server.descriptors();
  const whole = await untilClosed(t, port, (socket) => socket.end(`${toScans}DATA\r\n\r\nwhole\r\n.\r\n`));
  assert.match(whole.said, /354 [^]*250 2\.0\.0 Accepted/);
  await until('it to arrive', () => drive.files.size === 1);
  for (const stops of [toScans, `${toScans}DATA\r\n`, `${toScans}DATA\r\n\r\nhalf\r\n`, `${toScans}DATA\r\n\r\nhalf\r\n.`, `${toScans}BDAT 100 LAST\r\n\r\nhalf`, `${signIn}MAIL FROM:<a@b>\r\nRCPT`]) {
    const { said } = await untilClosed(t, port, (socket) => socket.end(stops));
    assert.doesNotMatch(said, /Accepted/, stops);
  }
  await untilClosed(t, port, (socket) => socket.write(`${toScans}DATA\r\n${mailWith('reset.pdf', documentOf(100_000))}`, () => socket.resetAndDestroy()));
  await until('nothing to be left', async () => (await open(server)) === 0 && (await spooled(server)) === 0 && (await server.descriptors()) <= before);
  assert.equal(drive.files.size, 1);
});

test('too many recipients of one mail: the rest is put off, and those named before get it', async (t) => {
  const { port, drive } = await scanningServer(t);
  const { said } = await speak(t, port, `${signIn}MAIL FROM:<a@b>\r\n${'RCPT TO:<scans@drop.internal>\r\n'.repeat(102)}DATA\r\n\r\nmany\r\n.\r\nQUIT\r\n`, /221/);
  assert.equal(said.match(/^250 2\.1\.5 /gm).length, 100);
  assert.equal(said.match(/^452 4\.5\.3 /gm).length, 2);
  assert.match(said, /250 2\.0\.0 Accepted/);
  await until('it to arrive', () => drive.files.size === 1);
});

test('more connections than one address may have: 421, and those there go on', async (t) => {
  const { port } = await scanningServer(t);
  const held = await Promise.all(Array.from({ length: 20 }, () => speak(t, port, '', /^220 /)));
  const { said } = await untilClosed(t, port, () => undefined);
  assert.match(said, /^421 4\.3\.2 /);
  const answer = new Promise((resolve) => held[0].socket.once('data', (data) => resolve(String(data))));
  held[0].socket.write('NOOP\r\n');
  assert.match(await answer, /^250 /);
  held[1].socket.end('QUIT\r\n');
  await until('a place to be free', async () => /^220 /.test((await speak(t, port, '', /^(220|421) /)).said));
});

test('a mail that is larger than the server takes, broken MIME, an attachment cut off: 5xx, and nothing is kept', async (t) => {
  const { server, admin, port, drive } = await scanningServer(t);
  await admin.set('delivery.document_mb_max', 1);
  const refused = async (mail, code) => {
    const { said } = await speak(t, port, Buffer.concat([Buffer.from(`${toScans}DATA\r\n`), Buffer.from(mail), Buffer.from('\r\n.\r\nQUIT\r\n')]), /221/);
    assert.match(said, new RegExp(`354 [^]*${code}`), String(mail).slice(0, 200));
    assert.doesNotMatch(said, /Accepted/);
  };
  await refused(mailWith('large.pdf', documentOf(3_000_000)), '552 5\\.3\\.4');
  assert.match((await speak(t, port, `${signIn}MAIL FROM:<a@b> SIZE=30000000\r\nQUIT\r\n`, /221/)).said, /552 5\.3\.4/, 'D3: before DATA where it says so');
  await refused(mailWith('cut.pdf', documentOf(3000)).replace('--b--', ''), '554 5\\.6\\.0');
  await refused(mailWith('damaged.pdf', documentOf(3000)).replace(/\r\n\r\n[A-Za-z0-9+/]{8}/g, '\r\n\r\n!!!!~~~~'), '554 5\\.6\\.0');
  await refused(mailWith('coded.pdf', documentOf(3000)).replace('Encoding: base64', 'Encoding: x-uuencode'), '554 5\\.6\\.1');
  await refused('Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 scan.pdf', '554 5\\.6\\.1');
  await refused(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n'.repeat(5000)}`, '55[24] ');
  await refused(`X: ${'y'.repeat(500_000)}\r\n\r\nx`, '55[24] ');
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
  assert.equal(drive.files.size, 0);
});

test('D7: file names with control characters or line ends, however they are written, refuse the whole mail', async (t) => {
  const { server, port, drive } = await scanningServer(t);
  for (const parameter of [`filename="a\x01.pdf"`, "filename*=UTF-8''a%0d%0aBcc:%20x.pdf", `filename="=?UTF-8?B?${Buffer.from('a\r\nb.pdf').toString('base64')}?="`, "filename*=UTF-8''..%2f..%2fetc", 'filename="a\\\\..\\\\b.pdf"', "filename*=UTF-8''nul%00.pdf"]) {
    const mail = `MIME-Version: 1.0\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; ${parameter}\r\n\r\nx`;
    const { said } = await speak(t, port, `${toScans}DATA\r\n${mail}\r\n.\r\nQUIT\r\n`, /221/);
    assert.match(said, /354 [^]*554 5\.6\.0 /, parameter);
  }
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
  assert.equal(drive.files.size, 0);
});

test('P6: a type that is no text is none: the document is accepted, and its record is whole', async (t) => {
  const { admin, port, drive } = await scanningServer(t);
  const mail = 'MIME-Version: 1.0\r\nContent-Type: application/p\xffdf; name=a.pdf\r\n\r\n%PDF';
  const { said } = await speak(t, port, Buffer.from(`${toScans}DATA\r\n${mail}\r\n.\r\nQUIT\r\n`, 'latin1'), /221/);
  assert.match(said, /250 2\.0\.0 Accepted/);
  const [delivery] = (await admin.must('GET', '/api/v1/deliveries')).items;
  assert.equal(delivery.content_type, 'application/octet-stream');
  await until('it to arrive', () => drive.files.size === 1);
});
