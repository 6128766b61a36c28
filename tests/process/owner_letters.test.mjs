// What owners are told by mail, where an address is known: that a document for their account needs a person (once an hour at most), and
// that somebody has set their PIN anew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { administrator } from '../support/console.mjs';
import { deliveringServer, documentOf } from '../support/delivering.mjs';
import { SmtpSink } from '../support/smtp_sink.mjs';
import { until } from '../support/wait.mjs';

async function scene(t) {
  const sink = await SmtpSink.start(t);
  const made = await deliveringServer(t, { config: { 'outbound.allow': [`127.0.0.1:${sink.port}`] } });
  for (const [key, value] of [['smtp_host', '127.0.0.1'], ['smtp_port', sink.port], ['smtp_security', 'none'], ['mail_from', 'latchkey@office.example']]) await made.admin.set(`notices.${key}`, value);
  await made.admin.must('PATCH', `/api/v1/users/${made.user_id}`, { email: 'anna@office.example' });
  made.drive.plan = ({ method }) => (method === 'POST' ? { status: 403, body: { error: 'storage_full' } } : undefined);
  return { ...made, sink };
}

test('G2: a document that waits for a person is told to the owner of the account, once for many', async (t) => {
  const { server, sink, deliver } = await scene(t);
  assert.equal((await deliver(documentOf(1000), { name: 'first.pdf' })).body.state, 'parked');
  const mail = await until('a mail', () => sink.mails[0]);
  assert.deepEqual(mail.to, ['anna@office.example']);
  assert.match(mail.text, /In\/printer-1\/first\.pdf/);
  assert.match(mail.text, /It goes by itself once that is mended\./);
  assert.equal((await deliver(documentOf(1000), { name: 'second.pdf' })).body.state, 'parked');
  // Whatever would be mailed has been handed over before the server ends.
  await server.stop();
  assert.equal(sink.mails.length, 1, 'one an hour');
});

test('nobody is mailed where the setting says so, or no address is known', async (t) => {
  const { server, admin, sink, deliver, user_id } = await scene(t);
  await admin.set('delivery.tell_owners', 'false');
  assert.equal((await deliver(documentOf(1000), { name: 'a.pdf' })).body.state, 'parked');
  await admin.set('delivery.tell_owners', 'true');
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { email: '' });
  assert.equal((await deliver(documentOf(1000), { name: 'b.pdf' })).body.state, 'parked');
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { email: 'anna@office.example' });
  assert.equal((await deliver(documentOf(1000), { name: 'c.pdf' })).body.state, 'parked');
  await until('the one mail', () => sink.mails.length > 0);
  await server.stop();
  assert.deepEqual(sink.mails.map((mail) => /\w\.pdf/.exec(mail.text)[0]), ['c.pdf']);
});

test('K7: whose PIN an administrator has set anew is told so by mail', async (t) => {
  const { admin, sink, user_id } = await scene(t);
  const reset = (more = {}) => admin.must('POST', `/api/v1/users/${user_id}/pin`, { mode: 'reset', pin: 'another-Pin-55', admin_password: administrator.password, ...more });
  await reset();
  const mail = await until('a mail', () => sink.mails[0]);
  assert.deepEqual(mail.to, ['anna@office.example']);
  assert.match(mail.subject, /^Your PIN has been set anew$/);
  assert.match(mail.text, new RegExp(`${administrator.username} has set a new PIN for your username printer-1`));
  assert.ok(!mail.text.includes('another-Pin-55'));
  await admin.must('POST', `/api/v1/users/${user_id}/pin`, { mode: 'change', current_pin: 'another-Pin-55', pin: 'their-own-Pin-66' });
  await reset({ pin: 'a-third-Pin-77' });
  await until('the second mail', () => sink.mails.length >= 2);
  assert.equal(sink.mails.length, 2, 'what they change themselves is no news to them');
});
