// Mail through the HTTP door into the practice mailbox, on the real binary: what arrives is what was sent, repaired (docs/design/mail.md).

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/ports.mjs';
import { basic, mailingServer } from '../support/practice_mail.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';
import { davClient } from '../support/webdav.mjs';

const settled = (server, answer) => (answer.status === 201 ? answer.body : until('the mail to be delivered', async () => {
  const response = await fetch(`${server.url}${answer.headers.get('location')}`, { headers: { authorization: `Basic ${Buffer.from(`anna:${pin}`).toString('base64')}` } });
  const body = await response.json();
  return body.state === 'delivered' ? body : undefined;
}, { timeout: 90_000, every: 100 }));

test('G2, D6: a message arrives byte for byte as it was repaired, under the account\'s own address, for those in To, Cc and Bcc', async (t) => {
  const { server, send, inbox } = await mailingServer(t);
  const body = 'Line one\r\n.\r\n\xe4 8-bit\r\n';
  const sent = Buffer.from([
    'From:"MFP, 3rd floor" <mfp@practice.example>', 'Sender: ceo@practice.example', 'From: ceo@practice.example', 'X-MS-Exchange-Organization-AuthAs: Internal',
    'To: bob@x.example; carol@x.example', 'Bcc: dave@x.example', 'Date: Sat, 28 Nov 2026 03:40:00 +0000', 'Message-ID: <1@mfp.example>', 'Subject: B\xfcro', '', body.replaceAll('\r\n', '\n'),
  ].join('\n'), 'latin1');
  const answer = await send(sent);
  const done = await settled(server, answer);
  assert.equal(done.state, 'delivered', JSON.stringify(answer.body));
  const [mail, ...others] = await inbox();
  assert.equal(others.length, 0);
  assert.equal(mail.octets.toString('latin1'), [
    'From: "MFP, 3rd floor" <anna@practice.example>', 'Reply-To: "MFP, 3rd floor" <mfp@practice.example>', 'To: bob@x.example, carol@x.example',
    'Date: Sat, 28 Nov 2026 03:40:00 +0000', 'Message-ID: <1@mfp.example>', `Subject: =?UTF-8?B?${Buffer.from('Büro').toString('base64')}?=`, '', body,
  ].join('\r\n'));
  assert.equal(mail.mail_from, 'anna@practice.example');
  assert.deepEqual(mail.recipients, ['bob@x.example', 'carol@x.example', 'dave@x.example']);
  assert.equal(done.receipt.hash, `sha256:${mail.sha256}`);
});

test('a file put by WebDAV, or into a drop folder, is refused at once where the connector sends mail: it names no recipients', async (t) => {
  const drop = await temporaryFolder(t, 'drop');
  const { server, inbox } = await mailingServer(t, { config: { 'folder.root': drop, 'folder.uids': [String(process.getuid())] }, connector: { account: 'fixed', owner: 'anna', owner_pin: pin } });
  const dav = davClient(server);
  const put = await dav('PUT', 'mail/letter.eml', { username: 'anna', body: 'To: bob@x.example\r\n\r\nhello' });
  assert.equal(put.status, 403, put.text);
  assert.match(put.text, /urn:latchkey:problem:mail_connector/);
  await server.admin.set('folder.settle', '1s');
  await mkdir(path.join(drop, 'mail'));
  await writeFile(path.join(drop, 'mail', 'letter.eml'), 'To: bob@x.example\r\n\r\nhello');
  const why = await until('the file to be refused', () => readFile(path.join(drop, 'mail/.refused/letter.eml.why.txt'), 'utf8').catch(() => undefined), { timeout: 30_000 });
  assert.match(why, /names no recipients/);
  assert.equal((await server.admin.must('GET', '/api/v1/deliveries')).total, 0);
  assert.deepEqual(await inbox(), []);
});

test('G1: a mail connector that is not for its asker is answered as one that is not there', async (t) => {
  const { server, admin } = await mailingServer(t, { connector: { account: 'fixed', owner: 'anna', groups: [], owner_pin: pin } });
  const { secret } = await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: [] });
  const asked = async (connector) => {
    const response = await fetch(`${server.url}/v1/deliver/${connector}`, {
      method: 'POST', body: 'To: bob@x.example\r\n\r\nhello', headers: { authorization: `Basic ${btoa(`copier:${secret}`)}`, 'content-type': 'message/rfc822' },
    });
    return `${response.status} ${await response.text()}`;
  };
  const absent = await asked('nowhere');
  assert.match(absent, /^404 .*no_such_connector/);
  assert.equal(await asked('mail'), absent);
});

test('a form with to, bcc, subject, text and files becomes a mail', async (t) => {
  const { server, send, inbox } = await mailingServer(t, { connector: { aliases: ['scans@practice.example'] } });
  const document = randomBytes(1_000_000);
  const form = new FormData();
  for (const [name, value] of Object.entries({ to: 'Bob <bob@x.example>', bcc: 'dave@x.example', subject: 'Prüfung', text: 'Grüße\n' })) form.append(name, value);
  form.append('file', new Blob([document], { type: 'application/pdf' }), 'März.pdf');
  const answer = await send(form);
  await settled(server, answer);
  const [mail] = await inbox();
  assert.deepEqual(mail.recipients, ['bob@x.example', 'dave@x.example']);
  const text = mail.octets.toString('latin1');
  assert.match(text, /^From: anna@practice\.example\r\n/m);
  assert.doesNotMatch(text.slice(0, text.indexOf('M%C3%A4rz')), /dave/, 'Bcc is told to nobody'); // base64 may say anything
  assert.match(text, /\r\nContent-Type: application\/pdf;\r\n/);
  assert.match(text, /filename\*=UTF-8''M%C3%A4rz\.pdf\r\n/);
  const encoded = text.slice(text.indexOf('\r\n\r\n', text.indexOf('M%C3%A4rz')) + 4, text.lastIndexOf('\r\n--'));
  assert.ok(Buffer.from(encoded, 'base64').equals(document), 'the attachment is the document');
});

test('what cannot go is refused before it is acknowledged, in words; a listed alias may stand in From', async (t) => {
  const { server, admin, send, inbox, group } = await mailingServer(t, { connector: { aliases: ['scans@practice.example'] } });
  const refused = async (expected, ...request) => {
    const answer = await send(...request);
    assert.equal(`${answer.status} ${answer.code}`, expected, JSON.stringify(answer.body));
    assert.ok(answer.body.detail.length > 0);
  };
  await refused('400 no_recipients', 'Subject: to nobody\r\n\r\n');
  await refused('413 document_too_large', `To: a@x.example\r\n\r\n${'x'.repeat(5_000_000)}`);
  await refused('400 mail_header_too_long', `To: a@x.example\r\nX: ${'y'.repeat(200_000)}\r\n\r\n`);
  await refused('415 unsupported_media_type', 'x', { headers: { 'content-type': 'application/pdf' } });
  await refused('404 no_such_connector', 'To: a@x.example\r\n\r\n', { to: 'nowhere' });
  const wrong = await admin.call('POST', '/api/v1/connectors', { id: 'wrong', name: 'Wrong', type: 'sandbox-mail', account: 'caller', groups: [group], aliases: ['no address'] });
  assert.equal(wrong.status, 422, JSON.stringify(wrong.body));
  const alias = await send('From: Scans <scans@practice.example>\r\nTo: a@x.example\r\n\r\nx');
  await settled(server, alias);
  const [mail] = await inbox();
  assert.equal(mail.mail_from, 'scans@practice.example');
});

test('D1: an answer that is lost makes no second mail', async (t) => {
  const { server, send, inbox, practise } = await mailingServer(t);
  await practise({ mail_answer: 'lost_next' });
  const answer = await send('To: a@x.example\r\nSubject: once\r\n\r\nx');
  const done = await settled(server, answer);
  assert.ok(done.tries >= 2, 'it was sent again');
  assert.equal((await inbox()).length, 1);
});

test('D1: under an Idempotency-Key the same mail again is the same delivery, sent once and counted once; another one is refused', async (t) => {
  const { admin, send, inbox } = await mailingServer(t);
  await admin.must('PUT', '/api/v1/registry/mail.recipients_per_day', { value: '4' });
  const form = (text) => {
    const fields = new FormData();
    for (const [name, value] of Object.entries({ to: 'bob@x.example', subject: 'once', text })) fields.append(name, value);
    fields.append('file', new Blob(['%PDF'], { type: 'application/pdf' }), 'scan.pdf');
    return fields;
  };
  for (const [what, body, other] of [['form', () => form('hello'), form('another')], ['message', () => 'To: bob@x.example\r\n\r\nhello', 'To: bob@x.example\r\n\r\nanother']]) {
    const headers = { 'idempotency-key': `${what}-1` };
    const first = await send(body(), { headers });
    assert.equal(first.status, 201, JSON.stringify(first.body));
    const again = await send(body(), { headers });
    assert.deepEqual([again.status, again.body.id], [201, first.body.id], `${what}: ${JSON.stringify(again.body)}`);
    const refused = await send(other, { headers });
    assert.equal(`${refused.status} ${refused.code}`, '422 idempotency_key_reused', what);
  }
  assert.equal((await inbox()).length, 2);
  assert.equal((await send('To: bob@x.example, carol@x.example\r\n\r\nx', { wait: 0 })).status, 202, 'two were counted, and four are the limit');
  const capped = await send('To: bob@x.example\r\n\r\nx', { wait: 0 });
  assert.equal(`${capped.status} ${capped.code}`, '429 mail_cap_reached');
});

test('a person\'s mail goes through their own account alone, whichever connector they name', async (t) => {
  const { admin, send, inbox, group } = await mailingServer(t, { connector: { account: 'fixed', owner: 'anna', owner_pin: pin } });
  await admin.addOAuthUser({ username: 'bob', pin, type: 'sandbox-mail', group, visit: (url, response, body) => {
    const ticket = /name="ticket" value="([^"]+)"/.exec(body)?.[1];
    return ticket ? { url: '/consent', form: { ticket, person: 'ben-rehearsal', decision: 'allow' } } : undefined;
  } });
  const refused = await send('To: carol@x.example\r\n\r\nas anna', { headers: { authorization: basic('bob', pin) } });
  assert.equal(`${refused.status} ${refused.code}`, '404 no_such_connector', JSON.stringify(refused.body));
  assert.deepEqual(await inbox(), []);
});

test('G2: nobody writes to more recipients than the registry says', async (t) => {
  const { admin, send } = await mailingServer(t);
  await admin.must('PUT', '/api/v1/registry/mail.recipients_per_day', { value: '3' });
  const mail = (count) => `To: ${Array.from({ length: count }, (_, n) => `r${n}@x.example`).join(', ')}\r\n\r\nx`;
  const tooMany = await send(mail(4), { wait: 0 });
  assert.equal(`${tooMany.status} ${tooMany.code}`, '403 too_many_recipients');
  assert.equal((await send(mail(2), { wait: 0 })).status, 202);
  const capped = await send(mail(2), { wait: 0 });
  assert.equal(`${capped.status} ${capped.code}`, '429 mail_cap_reached');
  assert.ok(Number(capped.headers.get('retry-after')) > 0);
  assert.equal((await send(mail(1), { wait: 0 })).status, 202);
});

test('a mailbox of a fixed account: the owner\'s PIN is tried there, and a device sends through it', async (t) => {
  const { server, admin, send, inbox } = await mailingServer(t, { connector: { account: 'fixed', owner: 'anna', groups: [], owner_pin: pin } });
  await admin.must('POST', '/api/v1/connectors/mail/test', {});
  const { secret } = await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['mail'], uses: ['deliver', 'send'], recipient_domains: ['x.example'] });
  const as = { headers: { authorization: `Basic ${Buffer.from(`copier:${secret}`).toString('base64')}` } };
  const answer = await send('To: bob@x.example\r\n\r\nscan', as);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.deepEqual((await inbox()).map((mail) => [mail.mail_from, mail.recipients]), [['anna@practice.example', ['bob@x.example']]]);
  const elsewhere = await send('To: bob@y.example\r\n\r\nscan', as);
  assert.equal(`${elsewhere.status} ${elsewhere.code}`, '403 recipient_not_allowed', JSON.stringify(elsewhere.body));
  await admin.must('PATCH', `/api/v1/users/${(await admin.must('GET', '/api/v1/users?search=anna')).items[0].id}`, { enabled: false });
  const off = await send('To: bob@x.example\r\n\r\nscan', as);
  assert.ok(off.status >= 400, `P4: the owner is switched off: ${off.status} ${JSON.stringify(off.body)}`);
  assert.ok(server.logs.length > 0 && !server.logs.includes(secret));
});
