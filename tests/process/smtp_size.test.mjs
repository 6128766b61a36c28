// The size that EHLO announces (RFC 1870), on the real binary: the recipient is not known yet, so it is the largest of all that whoever
// speaks may reach, and the server's while nobody is known. Each mail is held against where it goes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../support/ports.mjs';
import { mailingServer } from '../support/practice_mail.mjs';
import { pin } from '../support/scene.mjs';
import { deviceServer, mailWith, plainOf, scanningServer, speak } from '../support/smtp.mjs';
import { documentOf } from '../support/delivering.mjs';

/** What a mail takes for a document of so many octets, with what stands around it. */
const mailOf = (document) => Math.trunc(document / 3) * 4 + Math.trunc(document / 20) + 100_000;
const plain = plainOf('printer-1', pin);
const sizes = (said) => [...said.matchAll(/^250-SIZE (\d+)\r$/gm)].map(([, size]) => Number(size));
/** The sizes announced in a conversation of these lines. */
const announced = async (t, port, lines, from) => sizes((await speak(t, port, `${lines.join('\r\n')}\r\nQUIT\r\n`, /\r\n221 /, from)).said);

test('SIZE: the server\'s before AUTH; then the largest connector\'s of those the user may deliver to; each mail against its own', async (t) => {
  const { admin, port, group } = await scanningServer(t, { connector: { size_bytes_max: 300_000 } });
  await admin.set('delivery.document_mb_max', '5');
  const connector = (id, more) => admin.must('POST', '/api/v1/connectors', { id, name: id, type: 'scripted-drive', account: 'caller', groups: [group], ...more });
  const signedIn = ['EHLO x', `AUTH PLAIN ${plain}`, 'EHLO x'];
  assert.deepEqual(await announced(t, port, signedIn), [mailOf(5_000_000), mailOf(300_000)]);
  await connector('large', { size_bytes_max: 1_000_000 });
  await connector('elsewhere', { size_bytes_max: 2_000_000, groups: [await admin.group('Elsewhere')] });
  await connector('off', { size_bytes_max: 3_000_000, enabled: false });
  assert.deepEqual(await announced(t, port, signedIn), [mailOf(5_000_000), mailOf(1_000_000)], 'what is not for the user, and what is switched off, does not count');

  const { said } = await speak(t, port, [...signedIn, `MAIL FROM:<a@b> SIZE=${mailOf(1_000_000)}`, 'RCPT TO:<scans@drop.internal>', 'RCPT TO:<large@drop.internal>',
    'RSET', `MAIL FROM:<a@b> SIZE=${mailOf(1_000_000) + 1}`, 'RCPT TO:<large@drop.internal>', 'QUIT', ''].join('\r\n'), /\r\n221 /);
  assert.match(said, /\r\n250 2\.1\.0 Go on\r\n552 5\.3\.4 [^\r]*300000 bytes\)\r\n250 2\.1\.5 Go on\r\n250 2\.0\.0 Forgotten\r\n250 2\.1\.0 Go on\r\n552 5\.3\.4 [^\r]*1000000 bytes\)\r\n221 /);
  const before = documentOf(1_000_001);
  const late = await speak(t, port, `${signedIn.join('\r\n')}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<large@drop.internal>\r\nDATA\r\n${mailWith('a.pdf', before)}\r\n.\r\nQUIT\r\n`, /\r\n221 /);
  assert.match(late.said, /354[^]*552 5\.3\.4/, 'one that states no size is held against it as well');

  await connector('unlimited', {});
  assert.deepEqual(await announced(t, port, signedIn), [mailOf(5_000_000), mailOf(5_000_000)], "never more than the server's");
});

test('SIZE: a device that is known by its address is told with the first EHLO; one that may not deliver is told the server\'s', async (t) => {
  const plainPort = await freePort();
  const { admin, device } = await deviceServer(t, { connector: { size_bytes_max: 400_000 }, config: { 'smtp.plain': `127.0.0.1:${plainPort}`, 'smtp.plain_sources': ['127.0.0.1', '127.0.0.2'] } });
  await admin.set('delivery.document_mb_max', '5');
  assert.deepEqual(await announced(t, plainPort, ['EHLO x']), [mailOf(5_000_000)], 'nobody is known there');
  const { id } = await device({ name: 'Copier 1', sources: ['127.0.0.1'] });
  assert.deepEqual(await announced(t, plainPort, ['EHLO x', 'EHLO x']), [mailOf(400_000), mailOf(400_000)]);
  assert.deepEqual(await announced(t, plainPort, ['EHLO x'], '127.0.0.2'), [mailOf(5_000_000)]);
  await admin.must('PATCH', `/api/v1/devices/${id}`, { uses: ['list'] });
  assert.deepEqual(await announced(t, plainPort, ['EHLO x']), [mailOf(5_000_000)]);
});

test("SIZE: of whoever may only write to people, the mailbox's", async (t) => {
  const port = await freePort();
  const { admin } = await mailingServer(t, { connector: { size_bytes_max: 700_000 }, config: { 'smtp.submission': `127.0.0.1:${port}` } });
  const server = mailOf(Number((await admin.must('GET', '/api/v1/registry')).items.find((one) => one.key === 'delivery.document_mb_max').value) * 1e6);
  assert.deepEqual(await announced(t, port, ['EHLO x', `AUTH PLAIN ${plainOf('anna', pin)}`, 'EHLO x']), [server, 700_000]);
});
