// What several servers on one database tell of a cause that all of them see.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HttpSink } from '../support/http_sink.mjs';
import { slowness } from '../support/latchkey.mjs';
import { at, sharedScene } from '../support/nodes.mjs';
import { withoutPostgres } from '../support/postgres.mjs';
import { SmtpSink } from '../support/smtp_sink.mjs';
import { until } from '../support/wait.mjs';

const cause = 'app_secret_expires:oidc';
const day = 24 * 3_600_000;

describe('notices of servers that share a database', { skip: withoutPostgres }, () => {
  test('a client secret that runs out is one notice by each channel, and so is its end', { timeout: 300_000 * slowness }, async (t) => {
    const hook = await HttpSink.start(t);
    const mail = await SmtpSink.start(t);
    const { nodes: [first, second], admin, provider, postgres } = await sharedScene(t, {
      allow: [`127.0.0.1:${hook.port}`, `127.0.0.1:${mail.port}`],
      settings: {
        'notices.wait': '1s', 'notices.webhook_url': hook.url, 'notices.smtp_host': '127.0.0.1', 'notices.smtp_port': mail.port,
        'notices.smtp_security': 'none', 'notices.mail_to': 'ops@example.com', 'notices.mail_from': 'latchkey@example.com',
      },
    });
    const sessions = [first, second].map((node) => at(node, admin));
    const seenBy = async (session) => (await session.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('app_secret_expires-'));
    const book = async (channel) => JSON.parse(await postgres.sql(`SELECT convert_from(value, 'UTF8') FROM meta WHERE key = 'notice_book:${channel}'`) || '{"causes":{}}').causes;
    const posts = () => hook.requests.filter((each) => each.body.cause === cause).map((each) => each.body.event);
    const mails = () => mail.mails.filter((each) => /A client secret runs out/.test(each.subject)).map((each) => each.subject);
    const save = (expires_at) => admin.must('PUT', '/api/v1/apps/oidc', {
      provider: 'oidc', client_id: provider.clientId, params: { issuer: provider.issuer },
      secrets: [{ value: provider.clientSecret, expires_at }],
    });

    await save(new Date(Date.now() + 3 * day).toISOString());
    for (const session of sessions) await until('each server to see it', () => seenBy(session), { timeout: 90_000 * slowness, every: 500 });
    for (const channel of ['webhook', 'mail']) {
      await until('each to have noted it in the book', async () => {
        if (posts().length > 1 || mails().length > 1) return true;  // which is said below
        const entry = (await book(channel))[cause];
        return entry?.told_at && !entry.claim && Object.keys(entry.seen).length === 2;
      }, { timeout: 60_000 * slowness, every: 200 });
    }
    assert.deepEqual(posts(), ['alert.begun']);
    assert.deepEqual(mails(), ['[Latchkey] A client secret runs out']);

    await save(new Date(Date.now() + 700 * day).toISOString());
    await until('the first to see it no more', async () => !(await seenBy(sessions[0])));
    await until('it to be over', async () => {
      const over = (await book('webhook'))[cause] === undefined && (await book('mail'))[cause] === undefined;
      // Read before the alerts: at the end no server sees it.
      if (!over && await seenBy(sessions[1])) assert.deepEqual([posts().length, mails().length], [1, 1], 'the second server sees it still');
      return over;
    }, { timeout: 150_000 * slowness, every: 200 });
    assert.equal(await seenBy(sessions[1]), false);
    assert.deepEqual(posts(), ['alert.begun', 'alert.resolved']);
    assert.deepEqual(mails(), ['[Latchkey] A client secret runs out', '[Latchkey] Over: A client secret runs out']);
  });
});
