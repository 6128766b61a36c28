// The last conversations of a device, as its page, the API and the command line show them: what went wrong stands there, and no secret.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerSchema, faults } from '../support/contract.mjs';
import { freePort } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { base64, deviceServer, plainOf, speak } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';

async function scene(t) {
  const plain = await freePort();
  const made = await deviceServer(t, { config: { 'smtp.plain': `127.0.0.1:${plain}`, 'smtp.plain_sources': ['127.0.0.2'] } });
  const conversations = async (device) => (await made.admin.must('GET', `/api/v1/devices/${device.id}/conversations`)).items;
  const kept = (device, count) => until(`${count} conversations of ${device.name}`, async () => {
    const all = await conversations(device);
    return all.length >= count ? all : undefined;
  });
  return { ...made, plain, conversations, kept };
}
const told = ({ lines }) => lines.map(({ from, text }) => `${{ device: 'C', server: 'S', note: '-' }[from]} ${text}`);

test('a conversation stands there line by line, without the secret and without the mail', async (t) => {
  const { server, admin, port, device, kept } = await scene(t);
  const copier = await device({ name: 'copier' });
  const { said } = await speak(t, port, `HELO COPIER\r\nAUTH LOGIN\r\n${base64('copier')}\r\n${base64(copier.secret)}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<scans@drop.internal>\r\nDATA\r\nSubject: private\r\n\r\nx\r\n.\r\nQUIT\r\n`, /221/);
  const [one] = await kept(copier, 1);
  assert.deepEqual(told(one), [
    'S 220 127.0.0.1 ESMTP', 'C HELO COPIER', 'S 250 127.0.0.1', 'C AUTH LOGIN', 'S 334 VXNlcm5hbWU6', 'C (hidden)', 'S 334 UGFzc3dvcmQ6', 'C (hidden)', 'S 235 2.7.0 Signed in',
    'C MAIL FROM:<a@b>', 'S 250 2.1.0 Go on', 'C RCPT TO:<scans@drop.internal>', 'S 250 2.1.5 Go on', 'C DATA', 'S 354 Send the mail, then a dot on a line of its own',
    '- The mail, 23 octets', `S 250 2.0.0 ${/Accepted as \S+/.exec(said)[0]}`, 'C QUIT', 'S 221 2.0.0 Goodbye',
  ]);
  assert.equal(one.source, '127.0.0.1');
  const listed = await admin.must('GET', `/api/v1/devices/${copier.id}/conversations`);
  assert.deepEqual(faults(listed, answerSchema('GET', '/api/v1/devices/{id}/conversations')), []);
  const shown = await server.cli(['device', 'transcript', 'copier']);
  assert.match(shown.stdout, /from 127\.0\.0\.1 by mail \(SMTP\)\n  S: 220 127\.0\.0\.1 ESMTP\n  C: HELO COPIER\n[^]*  -- The mail, 23 octets\n/);
  for (const text of [JSON.stringify(listed), shown.stdout, server.logs]) {
    for (const secret of [copier.secret, base64(copier.secret), 'private']) assert.equal(text.includes(secret), false, secret);
  }
  assert.equal((await admin.call('GET', '/api/v1/devices/01234567-89ab-7def-8123-456789abcdef/conversations')).status, 404);
  assert.match((await server.cli(['device', 'transcript', 'nobody'])).stderr, /no device nobody/);
});

test('who is refused is known by the name that was shown, else by the address; a person leaves none; five are kept, and five that were refused', async (t) => {
  const { port, plain, device, conversations, kept } = await scene(t);
  const copier = await device({ name: 'copier' });
  const fax = await device({ name: 'fax', sources: ['127.0.0.2'] });
  const wrong = 'w'.repeat(52);
  await speak(t, port, `EHLO x\r\nAUTH PLAIN ${plainOf('Copier', wrong)}\r\nQUIT\r\n`, /221/);
  const [refused] = await kept(copier, 1);
  assert.ok(told(refused).some((line) => line.startsWith('S 535 5.7.8')), told(refused).join('\n'));
  assert.equal(JSON.stringify(refused).includes(plainOf('Copier', wrong)), false);

  const silent = await speak(t, port, 'EHLO fax\r\nSTARTTLS\r\n', /454/, '127.0.0.2');
  silent.socket.destroy();
  const [stopped] = await kept(fax, 1);
  assert.ok(told(stopped).some((line) => /^- (The line was cut|The device closed)/.test(line)), told(stopped).join('\n'));
  await speak(t, plain, 'HELO fax\r\nQUIT\r\n', /221/, '127.0.0.2');
  await kept(fax, 2);

  await speak(t, port, `EHLO x\r\nAUTH PLAIN ${plainOf('printer-1', pin)}\r\nQUIT\r\n`, /221/);
  for (let n = 0; n < 6; n++) await speak(t, port, `HELO ${n}\r\nAUTH PLAIN ${plainOf('copier', copier.secret)}\r\nQUIT\r\n`, /221/);
  const lastFive = 'C HELO 5, C HELO 4, C HELO 3, C HELO 2, C HELO 1, C EHLO x';
  let seen = '';
  await until('the last five, the latest first', async () => {
    seen = (await conversations(copier)).map((one) => told(one)[1]).join(', ');
    return seen === lastFive;
  }).catch((problem) => { throw new Error(`${problem.message}: ${seen}`); });
  assert.equal((await conversations(fax)).length, 2, "nobody else's");
  for (let n = 0; n < 6; n++) await speak(t, port, `HELO wrong\r\nAUTH PLAIN ${plainOf('copier', wrong)}\r\nQUIT\r\n`, /221/);
  await until('five refused ones beside the last five', async () => {
    const said = (await conversations(copier)).map((one) => told(one)[1]);
    return said.filter((line) => line === 'C HELO wrong').length === 5 && said.filter((line) => /^C HELO \d/.test(line)).length === 5;
  });
});

test('the list of devices says where mail is taken, for the card', async (t) => {
  const { admin, port, plain, device } = await scene(t);
  const { drop_domain: domain, mail_listeners: listeners } = await admin.must('GET', '/api/v1/devices');
  assert.equal(domain, 'drop.internal');
  assert.deepEqual(listeners.map((each) => [each.security, each.port]), [['none', port], ['none', plain]]);
  const sends = await device({ name: 'sends', recipient_domains: ['x.example'] });
  assert.deepEqual(sends.uses, ['deliver', 'list', 'send'], 'who may write to somebody may send');
  assert.deepEqual((await device({ name: 'mute' })).uses, ['deliver', 'list']);
});
