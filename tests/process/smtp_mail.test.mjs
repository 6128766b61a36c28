// Mail to people through the SMTP door into the practice mailbox, on the real binary: under the account's own address, by who may send, to
// whom a device may write (RULES G2, T2).

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { run } from '../support/latchkey.mjs';
import { freePort } from '../support/ports.mjs';
import { mailingServer } from '../support/practice_mail.mjs';
import { pin } from '../support/scene.mjs';
import { plainOf, speak } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';

/** A mailing server with the SMTP door: adds { port, begin, say }; `say(lines, done)` is anna, signed in. */
async function mailDoor(t, options = {}) {
  const port = await freePort();
  const scene = await mailingServer(t, { ...options, config: { 'smtp.submission': `127.0.0.1:${port}`, ...options.config } });
  const say = (lines, done, [name, secret] = ['anna', pin]) =>
    speak(t, port, [`EHLO x`, `AUTH PLAIN ${plainOf(name, secret)}`, ...lines, ''].join('\r\n'), done).then(({ said }) => said);
  const arrived = (count) => until(`${count} mails in the practice mailbox`, async () => {
    const mails = await scene.inbox();
    return mails.length >= count ? mails : undefined;
  }, { timeout: 60_000, every: 100 });
  return { ...scene, port, say, arrived };
}

test("G2, D6: a scanner's mail to people leaves as anna's, repaired; envelope recipients alone decide, Bcc shows nowhere", async (t) => {
  const { server, port, arrived } = await mailDoor(t);
  const document = randomBytes(400_000);
  const file = await server.file('scan.pdf', document);
  const sent = await run('swaks', ['--server', '127.0.0.1', '--port', String(port), '--auth', 'PLAIN', '--auth-user', 'anna', '--auth-password', pin,
    '--from', 'root@copier', '--to', 'bob@x.example,dave@x.example', '--h-From', 'Copier <ceo@practice.example>', '--h-To', 'bob@x.example', '--h-Subject', 'Scan',
    '--header', 'Bcc: dave@x.example', '--header', 'Sender: ceo@practice.example', '--body', 'Here it is', '--attach', `@${file}`, '--attach-name', 'scan.pdf']);
  assert.equal(sent.status, 0, sent.stdout + sent.stderr);
  assert.match(sent.stdout, /250 2\.0\.0 Accepted as [0-9a-f-]{36}/);
  const [mail, ...others] = await arrived(1);
  assert.equal(others.length, 0);
  assert.equal(mail.mail_from, 'anna@practice.example');
  assert.deepEqual(mail.recipients, ['bob@x.example', 'dave@x.example']);
  const text = mail.octets.toString('latin1');
  assert.match(text, /^From: "?Copier"? <anna@practice\.example>\r$/m);
  assert.match(text, /^Reply-To: "?Copier"? <ceo@practice\.example>\r$/m);
  assert.doesNotMatch(text, /dave@|^Sender:|root@copier/m);
  const at = text.indexOf('\r\n\r\n', text.indexOf('scan.pdf')) + 4;
  assert.ok(Buffer.from(text.slice(at, text.indexOf('\r\n--', at)), 'base64').equals(document), 'the attachment is the document');
});

test('BCC only, an empty sender, no header at all: what devices leave out is made', async (t) => {
  const { say, arrived } = await mailDoor(t);
  await say(['MAIL FROM:<>', 'RCPT TO:<dave@x.example>', 'DATA', '', 'just this', '.', 'QUIT'], /250 2\.0\.0 Accepted[^]*221/);
  const [mail] = await arrived(1);
  assert.deepEqual(mail.recipients, ['dave@x.example']);
  const text = mail.octets.toString('latin1');
  assert.match(text, /^From: anna@practice\.example\r$/m);
  assert.match(text, /^Date: .+\r$/m);
  assert.match(text, /^Message-ID: <.+>\r$/m);
  assert.ok(text.endsWith('\r\n\r\njust this\r\n'));
});

test('P6: a recipient whose address is no text is refused, and those who have one get the mail', async (t) => {
  const { port, arrived } = await mailDoor(t);
  const lines = ['EHLO x', `AUTH PLAIN ${plainOf('anna', pin)}`, 'MAIL FROM:<> SMTPUTF8', 'RCPT TO:<m\xfcller@x.example>', 'RCPT TO:<m\xc3\xbcller@x.example>', 'RCPT TO:<dave@x.example>', 'DATA', '', 'this', '.', 'QUIT', ''];
  const { said } = await speak(t, port, Buffer.from(lines.join('\r\n'), 'latin1'), /221/);
  assert.match(said, /553 5\.1\.3 [^]*250 2\.1\.5 [^]*250 2\.0\.0 Accepted/);
  const [mail] = await arrived(1);
  assert.deepEqual(mail.recipients, ['müller@x.example', 'dave@x.example']);
});

test('T2: documents need `deliver`, mail to people needs `send`; what changes counts within the conversation (P4)', async (t) => {
  const { server, admin, say, port, group } = await mailDoor(t);
  const user = (await admin.must('GET', '/api/v1/users?search=anna')).items[0];
  const visit = (url, response, body) => {
    const ticket = /name="ticket" value="([^"]+)"/.exec(body)?.[1];
    return ticket ? { url: '/consent', form: { ticket, person: 'anna-practice', decision: 'allow' } } : undefined;
  };
  await admin.authorize({ link_user_id: user.id, type: 'sandbox', pin, visit });
  await admin.must('POST', '/api/v1/connectors', { id: 'scans', name: 'Scans', type: 'sandbox', account: 'caller', groups: [group] });
  const both = ['MAIL FROM:<a@b>', 'RCPT TO:<scans@drop.internal>', 'RSET', 'MAIL FROM:<a@b>', 'RCPT TO:<bob@x.example>', 'QUIT'];
  const may = (uses) => admin.must('PATCH', `/api/v1/users/${user.id}`, { uses });
  const heard = async () => (await say(both, /221/)).split('\r\n').filter((line) => /^(250 2\.1\.5|550)/.test(line)).map((line) => line.slice(0, 9));
  assert.deepEqual(await heard(), ['250 2.1.5', '250 2.1.5']);
  await may(['deliver']);
  assert.deepEqual(await heard(), ['250 2.1.5', '550 5.7.1']);
  await may(['send']);
  assert.deepEqual(await heard(), ['550 5.7.1', '250 2.1.5']);
  const post = (to) => fetch(`${server.url}/v1/deliver/${to}`, { method: 'POST', body: 'To: bob@x.example\r\n\r\nx', headers: { authorization: `Basic ${Buffer.from(`anna:${pin}`).toString('base64')}`, 'content-type': 'message/rfc822' } });
  assert.deepEqual([(await post('scans')).status, (await post('mail')).status], [403, 202], 'the HTTP door asks for the same');

  const { socket } = await speak(t, port, `EHLO x\r\nAUTH PLAIN ${plainOf('anna', pin)}\r\nMAIL FROM:<a@b>\r\n`, /250 2\.1\.0/);
  await may(['deliver']);
  const answer = new Promise((resolve) => socket.once('data', (data) => resolve(String(data))));
  socket.write('RCPT TO:<bob@x.example>\r\n');
  assert.match(await answer, /^550 5\.7\.1 /);
});

test('G2: a device writes through its one mail connector, to its recipient domains alone, and only with the use `send`', async (t) => {
  const { admin, say, arrived, inbox } = await mailDoor(t);
  await admin.must('POST', '/api/v1/connectors', { id: 'post', name: 'Post', type: 'sandbox-mail', account: 'fixed', owner: 'anna', owner_pin: pin });
  const device = (wish) => admin.must('POST', '/api/v1/devices', { connectors: ['post'], recipient_domains: ['x.example'], ...wish });
  const copier = await device({ name: 'copier', uses: ['send'] });
  const as = ['copier', copier.secret];
  const refused = await say(['MAIL FROM:<a@b>', 'RCPT TO:<bob@elsewhere.example>', 'RCPT TO:<bob@sub.x.example>', 'RCPT TO:<post@drop.internal>', 'DATA', 'QUIT'], /221/, as);
  assert.match(refused, /550 5\.7\.1 .*elsewhere\.example[^]*550 5\.7\.1 .*sub\.x\.example[^]*550 [^]*554 5\.5\.1/);
  await say(['MAIL FROM:<a@b>', 'RCPT TO:<bob@X.example>', 'RCPT TO:<bob@elsewhere.example>', 'DATA', 'Cc: eve@elsewhere.example', '', 'x', '.', 'QUIT'], /550 5\.7\.1[^]*250 2\.0\.0 Accepted[^]*221/, as);
  const [mail] = await arrived(1);
  assert.deepEqual(mail.recipients, ['bob@X.example'], 'the header adds nobody');

  const mute = await device({ name: 'mute', uses: ['deliver'] });
  assert.match(await say(['MAIL FROM:<a@b>', 'RCPT TO:<bob@x.example>', 'QUIT'], /221/, ['mute', mute.secret]), /550 5\.7\.1/);
  const free = await device({ name: 'no-domains', uses: ['send'], recipient_domains: [] });
  assert.match(await say(['MAIL FROM:<a@b>', 'RCPT TO:<bob@x.example>', 'QUIT'], /221/, ['no-domains', free.secret]), /550 5\.7\.1/);
  assert.equal((await inbox()).length, 1);
});

test('a connector that sends mail takes no documents: mail to its drop address is refused at once', async (t) => {
  const { say } = await mailDoor(t);
  assert.match(await say(['MAIL FROM:<a@b>', 'RCPT TO:<mail@drop.internal>', 'QUIT'], /221/), /\r\n550 5\.1\.1 /);
});
