// The owner of an account is told by mail that a document for it needs a person: once an hour at most, and where an address is known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
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
