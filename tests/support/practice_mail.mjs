// The scene of tests about mail: a server with its practice service, whose user `anna` may send through the connector `mail`.

import { Latchkey } from './latchkey.mjs';
import { freePort } from './ports.mjs';
import { pin } from './scene.mjs';

export const basic = (username, secret) => `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;

/** { server, admin, send, inbox, practise, group }: `send(body, {...})` posts a mail, `inbox()` tells what the practice mailbox has, newest first. */
export async function mailingServer(t, { connector = {}, config = {} } = {}) {
  const port = await freePort();
  const server = await Latchkey.ready(t, { args: ['--sandbox', '--sandbox-port', String(port)], config });
  const { admin } = server;
  const practice = `http://localhost:${port}`;
  const visit = (url, response, body) => {
    const ticket = /name="ticket" value="([^"]+)"/.exec(body)?.[1];
    return ticket ? { url: '/consent', form: { ticket, person: 'anna-practice', decision: 'allow' } } : undefined;
  };
  await admin.addOAuthUser({ username: 'anna', pin, type: 'sandbox-mail', allow_token: true, visit });
  const group = await admin.group('Office');
  await admin.must('POST', '/api/v1/connectors', { id: 'mail', name: 'Mail', type: 'sandbox-mail', account: 'caller', groups: [group], ...connector });

  const send = async (body, { to = 'mail', wait = 30, headers = {} } = {}) => {
    const response = await fetch(`${server.url}/v1/deliver/${to}`, {
      method: 'POST', body, signal: AbortSignal.timeout(120_000),
      headers: { authorization: basic('anna', pin), ...(body instanceof FormData ? {} : { 'content-type': 'message/rfc822' }), ...(wait > 0 ? { prefer: `wait=${wait}` } : {}), ...headers },
    });
    const parsed = await response.json();
    return { status: response.status, headers: response.headers, body: parsed, code: parsed?.type?.split(':').at(-1) };
  };
  const token = async () => {
    const response = await fetch(`${server.url}/v1/token`, { method: 'POST', headers: { authorization: basic('anna', pin) } });
    return (await response.json()).access_token;
  };
  const inbox = async () => {
    const authorization = `Bearer ${await token()}`;
    const list = await (await fetch(`${practice}/mail/messages`, { headers: { authorization } })).json();
    return Promise.all(list.items.map(async (item) => ({
      ...item, octets: Buffer.from(await (await fetch(`${practice}/mail/messages/${item.id}`, { headers: { authorization } })).arrayBuffer()),
    })));
  };
  /** Sets the practice service's form: practise({ mail_answer: 'lost_next' }). */
  const practise = async (settings) => {
    const page = await (await fetch(`${practice}/`)).text();
    const csrf = /name="csrf" value="([^"]+)"/.exec(page)[1];
    const response = await fetch(`${practice}/control`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ csrf, action: 'save', ...settings }) });
    if (response.status !== 303) throw new Error(`the practice page says ${response.status}`);
  };
  return { server, admin, send, inbox, practise, group };
}
