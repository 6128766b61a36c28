// Notices by mail and webhook, against sinks of our own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopbackCertificate } from '../support/certificates.mjs';
import { HttpSink, signatureOf } from '../support/http_sink.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { authorisedUser, pin, serverWithProvider } from '../support/scene.mjs';
import { SmtpSink } from '../support/smtp_sink.mjs';
import { until } from '../support/wait.mjs';

/** Both channels on, telling after a second. */
async function told(t, { smtp = {}, config = {}, users = 1, ...options } = {}) {
  const mail = await SmtpSink.start(t, smtp);
  const hook = await HttpSink.start(t);
  const scene = await (users > 0 ? authorisedUser : serverWithProvider)(t, {
    ...options, config: { ...config, 'outbound.allow': [`127.0.0.1:${mail.port}`, `127.0.0.1:${hook.port}`] },
  });
  const { admin } = scene;
  await admin.set('notices.wait', '1s');
  await admin.set('notices.smtp_host', '127.0.0.1');
  await admin.set('notices.smtp_port', mail.port);
  await admin.set('notices.smtp_security', smtp.certificate ? 'starttls' : 'none');
  await admin.set('notices.mail_to', 'ops@example.com, boss@example.com');
  await admin.set('notices.mail_from', 'latchkey@example.com');
  await admin.set('notices.webhook_url', hook.url);
  return { ...scene, mail, hook };
}

/** Several users whose provider ends every grant. */
async function deadUsers(scene, count) {
  const ids = [scene.grant_id];
  for (let n = 2; n <= count; n++) {
    scene.provider.account = { id: `acc-${n}`, name: `user-${n}@example.com` };
    ids.push((await scene.admin.addOAuthUser({ username: `printer-${n}`, pin, type: 'oidc' })).grant_id);
  }
  scene.provider.revokeEverything();
  for (const id of ids) await scene.admin.call('POST', `/api/v1/grants/${id}/refresh`);
  return ids;
}

test('one notice a cause, not one a user, by both channels; one more when it is over', async (t) => {
  const scene = await told(t);
  const { mail, hook, admin, provider } = scene;
  const set = await scene.server.cli(['notice', 'set-secret', 'webhook', '--file', await scene.server.file('hook-secret', 'a-signing-secret\n')]);
  assert.equal(set.status, 0, set.stderr);
  const ids = await deadUsers(scene, 2);
  const letter = await until('the mail', () => mail.mails[0], { timeout: 60_000 });
  assert.deepEqual(letter.to, ['ops@example.com', 'boss@example.com']);
  assert.equal(letter.from, 'latchkey@example.com');
  assert.match(letter.subject, /^\[Latchkey\] Accounts must be authorised again$/);
  assert.match(letter.text, new RegExp(`${scene.server.url}/users\\?state=needs_authorization`));
  assert.match(letter.headers['message-id'], /^<[0-9a-f]{32}@127\.0\.0\.1>$/);
  const post = await until('the webhook', () => hook.requests[0]);
  assert.equal(post.body.event, 'alert.begun');
  assert.equal(post.body.cause, 'needs_authorization');
  assert.equal(post.body.severity, 'critical');
  assert.equal(post.headers['latchkey-signature'], signatureOf('a-signing-secret', post));
  assert.ok(Math.abs(Number(post.headers['latchkey-timestamp']) - Date.now() / 1000) < 60);

  // All of them are authorised again: the cause is over, and that is told once.
  for (const [n, id] of ids.entries()) {
    provider.account = n === 0 ? { id: 'acc-1', name: 'anna@example.com' } : { id: `acc-${n + 1}`, name: `user-${n + 1}@example.com` };
    const attempt = await admin.authorize({ replace_grant_id: id });
    assert.equal(attempt.state, 'completed', JSON.stringify(attempt.problem));
  }
  // States are counted every minute where no refresh has changed one.
  await until('the end to be told', () => hook.requests.some((each) => each.body.event === 'alert.resolved') && mail.mails.length === 2, { timeout: 150_000 });
  assert.match(mail.mails[1].subject, /^\[Latchkey\] Over: /);
  assert.deepEqual(hook.requests.map((each) => each.body.event), ['alert.begun', 'alert.resolved'], 'two users were one cause');
});

test('a restart tells nothing twice', async (t) => {
  const scene = await told(t);
  await deadUsers(scene, 1);
  await until('the mail and the post', () => scene.mail.mails.length === 1 && scene.hook.requests.length === 1, { timeout: 60_000 });
  await scene.server.restart();
  await scene.admin.signIn();
  // A cause that begins now is told; the old one was told before.
  await scene.admin.set('notices.wait', '2s');
  await until('the alert to stand again', async () => (await scene.admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('needs_authorization')));
  scene.provider.always('refresh', { commit: false, status: 401, body: { error: 'invalid_client' } });
  scene.provider.account = { id: 'acc-9', name: 'new@example.com' };
  const { grant_id } = await scene.admin.addOAuthUser({ username: 'printer-9', pin, type: 'oidc' });
  await scene.admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
  await until('the new cause to be told', () => scene.hook.requests.some((each) => each.body.cause.startsWith('app_misconfigured')), { timeout: 60_000 });
  const again = scene.hook.requests.filter((each) => each.body.cause === 'needs_authorization');
  assert.deepEqual(again.map((each) => each.body.event), ['alert.begun']);
});

test('a channel that fails is an alert, is told through the other one, and makes up for it', async (t) => {
  const scene = await told(t);
  const { mail, hook, admin, server } = scene;
  mail.refuse = '451 4.3.0 Come back later';
  await deadUsers(scene, 1);
  await until('the failure to be an alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('notice_failed')), { timeout: 60_000 });
  await until('it to be told by webhook', () => hook.requests.some((each) => each.body.cause === 'notice_failed:mail'), { timeout: 60_000 });
  const [status] = (await admin.must('GET', '/api/v1/health')).notices;
  assert.match(status.problem, /451 4\.3\.0 Come back later/);
  assert.ok(status.failing_since);
  assert.match(await server.metrics(), /latchkey_notices_total\{channel="mail",outcome="failed"\} [1-9]/);
  assert.ok(mail.refused < 6, `${mail.refused} tries: the relay is not flooded`);
  mail.refuse = undefined;
  const test_notice = await server.cli(['notice', 'test', 'mail']);
  assert.equal(test_notice.status, 0, test_notice.stderr + test_notice.stdout);
  await until('what could not be told', () => mail.mails.some((each) => /Accounts must be authorised again/.test(each.subject)), { timeout: 60_000 });
  await until('the alert to go', async () => !(await admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('notice_failed')));
});

test('one recipient who is gone keeps the others from hearing nothing, and is said', async (t) => {
  const { admin, mail, hook, server } = await told(t, { users: 0 });
  mail.unknown = ['ops@example.com'];
  const partly = await server.cli(['notice', 'test', 'mail']);
  assert.equal(partly.status, 1, partly.stdout);
  assert.match(partly.stdout + partly.stderr, /takes no mail for ops@example\.com: 550 5\.1\.1 No ops@example\.com here/);
  assert.deepEqual(mail.mails[0]?.to, ['boss@example.com']);
  const [status] = (await admin.must('GET', '/api/v1/health')).notices;
  assert.match(status.problem, /ops@example\.com/);
  assert.ok(!/boss@/.test(status.problem), status.problem);
  await until('it to be told by webhook', () => hook.requests.some((each) => each.body.cause === 'notice_failed:mail'), { timeout: 60_000 });
  mail.unknown = ['ops@example.com', 'boss@example.com'];
  const none = await server.cli(['notice', 'test', 'mail']);
  assert.match(none.stdout + none.stderr, /takes no mail for ops@example\.com: 550 5\.1\.1 .*; boss@example\.com: 550 5\.1\.1 /);
  assert.equal(mail.mails.length, 1);
  mail.unknown = [];
  assert.equal((await server.cli(['notice', 'test', 'mail'])).status, 0);
  await until('the alert to go', async () => !(await admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('notice_failed')));
});

test('a webhook that fails is tried again, signed anew, until it is taken', async (t) => {
  const scene = await told(t);
  const { hook, admin, server } = scene;
  await admin.must('PUT', '/api/v1/notices/webhook/secret', { value: 'a-signing-secret' });
  hook.status = 500;
  await deadUsers(scene, 1);
  const ours = () => hook.requests.filter((each) => each.body.cause === 'needs_authorization');
  await until('a second try', () => ours().length >= 2, { timeout: 40_000 });
  hook.status = 204;
  await until('it to be taken', async () => {
    const { notices } = await admin.must('GET', '/api/v1/health');
    const webhook = notices.find((each) => each.channel === 'webhook');
    return webhook.told >= 1 && webhook.problem === '';
  }, { timeout: 60_000 });
  const tries = ours();
  for (const each of tries) {
    assert.equal(each.body.event, 'alert.begun');
    assert.equal(each.headers['latchkey-signature'], signatureOf('a-signing-secret', each));
  }
  assert.equal(new Set(tries.map((each) => each.headers['latchkey-timestamp'])).size, tries.length, 'each try bears its own time');
  assert.equal(new Set(tries.map((each) => each.body.since)).size, 1, 'and speaks of the same');
  assert.ok(!server.logs.includes('a-signing-secret'), 'the secret in the log');
});

test('a test notice over TLS from the first octet; a relay nobody vouches for gets nothing', async (t) => {
  const certificate = await loopbackCertificate(await temporaryFolder(t, 'relay'));
  const account = { user: 'latchkey', password: 'right-password' };
  const { admin, mail } = await told(t, { users: 0, smtp: { certificate, implicit: true, ...account }, config: { 'outbound.ca_file': certificate.certFile } });
  await admin.set('notices.smtp_security', 'tls');
  await admin.set('notices.smtp_user', 'latchkey');
  await admin.must('PUT', '/api/v1/notices/mail/secret', { value: 'right-password' });
  const done = await admin.must('POST', '/api/v1/notices/test', { channel: 'mail' });
  assert.deepEqual({ ok: done.ok, secure: mail.mails[0]?.secure, user: mail.mails[0]?.user }, { ok: true, secure: true, user: 'latchkey' }, done.detail);

  const stranger = await told(t, { users: 0, smtp: { certificate, implicit: true, ...account } });
  await stranger.admin.set('notices.smtp_security', 'tls');
  const refused = await stranger.admin.must('POST', '/api/v1/notices/test', { channel: 'mail' });
  assert.equal(refused.ok, false);
  assert.match(refused.detail, /not trusted/);
  assert.equal(stranger.mail.mails.length, 0);
});

test('a test notice over STARTTLS with a sign-in; a wrong password and a missing relay are said', async (t) => {
  const certificate = await loopbackCertificate(await temporaryFolder(t, 'relay'));
  const { admin, mail, server } = await told(t, { users: 0, smtp: { certificate, user: 'latchkey', password: 'right-password' }, config: { 'outbound.ca_file': certificate.certFile } });
  await admin.set('notices.smtp_user', 'latchkey');
  await admin.must('PUT', '/api/v1/notices/mail/secret', { value: 'wrong-password' });
  const refused = await admin.must('POST', '/api/v1/notices/test', { channel: 'mail' });
  assert.equal(refused.ok, false);
  assert.match(refused.detail, /refuses the sign-in/);
  await admin.must('PUT', '/api/v1/notices/mail/secret', { value: 'right-password' });
  const done = await admin.must('POST', '/api/v1/notices/test', { channel: 'mail' });
  assert.deepEqual({ ok: done.ok, mails: mail.mails.length, secure: mail.mails[0]?.secure, user: mail.mails[0]?.user }, { ok: true, mails: 1, secure: true, user: 'latchkey' }, done.detail);
  assert.match(mail.mails[0].subject, /A test notice/);
  await admin.set('notices.smtp_host', 'localhost');
  const elsewhere = await admin.must('POST', '/api/v1/notices/test', { channel: 'mail' });
  assert.match(elsewhere.detail, /set for another relay/, 'a password goes to the relay it was set for');
  await admin.set('notices.smtp_host', '127.0.0.1');
  await mail.close();
  assert.match((await admin.must('POST', '/api/v1/notices/test', { channel: 'mail' })).detail, /cannot be reached/);
  await admin.set('notices.mail_to', '');
  const off = await server.cli(['notice', 'test', 'mail']);
  assert.equal(off.status, 1);
  assert.match(off.stderr, /Mail is off/);
  for (const secret of ['wrong-password', 'right-password']) assert.ok(!server.logs.includes(secret), 'a password in the log');
});

test('a relay or webhook at a private address is refused unless outbound.allow names it', async (t) => {
  const { admin } = await serverWithProvider(t);
  await admin.set('notices.smtp_host', '127.0.0.1');
  await admin.set('notices.smtp_port', '2525');
  await admin.set('notices.mail_to', 'ops@example.com');
  await admin.set('notices.webhook_url', 'https://169.254.169.254/hook');
  for (const channel of ['mail', 'webhook']) {
    const answer = await admin.must('POST', '/api/v1/notices/test', { channel });
    assert.equal(answer.ok, false);
    assert.match(answer.detail, /outbound\.allow/, channel);
  }
});
