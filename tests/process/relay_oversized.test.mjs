// Oversized everything at the Cloud Service: refused with the right status and with words that say what to do, logged once,
// nothing half-made, and the service goes on. Over sockets, with the real relay.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import tls from 'node:tls';
import { assertLogged, codeForm, consenting, enrolledOffice, relayWithClient, relayWithProvider } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';

const pin = 'Grüße-42 an alle';
const long = (octets) => 'x'.repeat(octets);

/** Sends those octets and gives the answer: { status, head, body }. The server need not have read them all. */
function exchange(relay, octets) {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = tls.connect({ port: relay.port, host: '127.0.0.1', servername: 'localhost', ca: relay.certificate.cert }, () => socket.write(octets));
    const timer = setTimeout(() => socket.destroy(new Error(`no whole answer within 10 s: ${answer}`)), 10_000);
    const end = () => {
      clearTimeout(timer);
      const [head, body] = [answer.slice(0, answer.indexOf('\r\n\r\n')), answer.slice(answer.indexOf('\r\n\r\n') + 4)];
      resolve({ status: Number(head.split(' ')[1]), head, body });
      socket.destroy();
    };
    socket.setEncoding('latin1').on('data', (chunk) => {
      answer += chunk;
      const ends = answer.indexOf('\r\n\r\n');
      const size = /\r\ncontent-length: (\d+)\r\n/i.exec(answer)?.[1];
      if (ends >= 0 && size !== undefined && answer.length >= ends + 4 + Number(size)) end();
    });
    socket.on('error', (error) => (/\r\n\r\n/.test(answer) ? end() : reject(error)));
  });
}
const get = (target, fields = '') => `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n${fields}\r\n`;
const post = (target, fields, body = '') => `POST ${target} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${body}`;
const refusedSoFar = async (relay) => {
  const text = await (await fetch(`${relay.url}/metrics`)).text();
  return [...text.matchAll(/^latchkey_relay_refused_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
};
const linesOfRefusals = (relay) => relay.logs.split('\n').filter((line) => /refused reason=/.test(line)).length;

test('Attack: an oversized state, flow, handle, signature, form or heap of parameters: a page or a problem that says what to do, logged once', async (t) => {
  const { relay } = await relayWithProvider(t);
  const form = `flow=${long(12_000)}&token=${long(2000)}`;
  const inForm = 'Content-Type: application/x-www-form-urlencoded\r\n';
  for (const [what, request, status, reason, todo] of [
    ['a state', get(`/callback/op?code=c&state=${long(7900)}`), 403, 'flow_not_of_this_browser', /If somebody sent you here, close this window\./],
    ['a flow', get(`/begin?flow=${long(7900)}`), 400, 'flow_malformed', /press Authorize again/],
    ['many parameters', get(`/callback/op?code=c&state=s&${'a=b&'.repeat(100)}`), 400, 'bad_callback', /Authorize again|[Ss]tart the authorization again/],
    ['a form', post('/continue', `${inForm}Content-Length: ${form.length}\r\n`, form), 403, 'form_not_ours', /press Authorize again/],
    ['a signature', get('/relay/v1/office', `Authorization: Latchkey office=${long(9000)}\r\n`), 400, 'signature_malformed', /"detail":"[^"]{20,}"/],
  ]) {
    const answer = await exchange(relay, request);
    assert.equal(answer.status, status, `${what}: ${answer.head}`);
    assert.match(answer.body, todo, what);
    assert.ok(answer.body.includes(reason), `${what}: the page names ${reason}`);
    assert.ok(!answer.body.includes(long(100)) && !relay.logs.includes(long(100)), `${what}: what was sent is neither shown nor logged`);
    assert.doesNotMatch(answer.head, /set-cookie/i, what);
    await assertLogged(relay, reason, 1);
  }
  assert.equal(linesOfRefusals(relay), await refusedSoFar(relay));
  assert.equal((await fetch(`${relay.url}/healthz`)).status, 200);
});

test('Attack: an oversized code or error_description in a consent under way is not passed on, and the provider\'s own answer still completes it', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { browser } = office.admin;
  const answered = async (username) => {
    const started = await office.admin.startAuthorization({ username, pin, type: 'oidc' });
    const { url } = await browser.open(started.start_url, { visit: consenting(scene), stopAt: (each) => each.startsWith(`${relay.url}/callback/`) });
    return { id: started.id, url: new URL(url) };
  };
  const first = await answered('printer-1');
  const state = first.url.searchParams.get('state');
  for (const [what, parameters] of [['code', { code: long(7000) }], ['error_description', { error: 'access_denied', error_description: long(7000) }]]) {
    const page = await browser.open(`${relay.url}/callback/op?${new URLSearchParams({ state, ...parameters })}`);
    assert.equal(page.status, 400, what);
    assert.match(page.body, /\(flow_too_long\)/, what);
    assert.match(page.body, /press Authorize again/, what);
    assert.equal((await office.admin.must('GET', `/api/v1/authorizations/${first.id}`)).state, 'pending', what);
  }
  await assertLogged(relay, 'flow_too_long', 2);
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="returned"}'), 0);
  await browser.open(first.url.href);
  assert.equal((await office.admin.outcome(first.id)).state, 'completed');

  // One that does fit is the provider's word, cut to what a person reads.
  const second = await answered('printer-2');
  await browser.open(`${relay.url}/callback/op?${new URLSearchParams({ state: second.url.searchParams.get('state'), iss: scene.oidc.issuer, error: 'access_denied', error_description: long(3000) })}`);
  const { state: ended, problem } = await office.admin.outcome(second.id);
  assert.deepEqual([ended, problem.code], ['failed', 'access_denied']);
  assert.ok(JSON.stringify(problem).length < 2000, 'the office keeps no more of it than is read');
  assert.equal((await office.admin.must('GET', '/api/v1/users?search=printer-2')).total, 0);
  assert.equal(scene.oidc.tokenRequests, 1);
});

test('Attack: oversized bodies of signed requests are refused before they are read, in an enrolled office\'s name too; nothing is posted, claimed or enrolled', async (t) => {
  const scene = await relayWithClient(t);
  const { relay } = scene;
  const office = await ScriptedOffice.enrol(relay, 'North Ltd');
  const enrolled = await relay.metric('latchkey_relay_enrolments_total');
  for (const [target, octets] of [['collect', 17_000], ['token/acknowledge', 17_000], ['assertion', 17_000], ['enrol', 17_000], ['token', 82_000], ['revocation', 82_000]]) {
    const answer = await office.ask('POST', `/relay/v1/${target}`, { body: JSON.stringify({ handle: long(octets) }) });
    assert.deepEqual([answer.status, answer.code], [413, 'body_too_large'], target);
    assert.ok(answer.body.detail.length > 20);
    // Promised and never sent; and sent in pieces without an end.
    const promised = await exchange(relay, post(`/relay/v1/${target}`, 'Content-Length: 20000000000\r\n'));
    assert.equal(promised.status, 413, `${target}: promised`);
    const piece = `${(4096).toString(16)}\r\n${long(4096)}\r\n`;
    const pieces = await exchange(relay, post(`/relay/v1/${target}`, 'Transfer-Encoding: chunked\r\n', piece.repeat(24)));
    assert.equal(pieces.status, target === 'enrol' ? 413 : 400, `${target}: in pieces, and by nobody`);
  }
  const handle = await office.ask('POST', '/relay/v1/collect', { body: JSON.stringify({ handle: long(15_000) }) });
  assert.deepEqual([handle.status, handle.code], [403, 'handle_unknown']);
  assert.match(handle.body.detail, /press Authorize again/);
  await assertLogged(relay, 'handle_unknown', 1);
  assert.equal(scene.oidc.tokenRequests, 0);
  assert.equal(await relay.metric('latchkey_relay_enrolments_total'), enrolled);

  // The largest that is taken is worked on: a code that the provider does not know; and an honest one goes on as before.
  const form = await codeForm(scene);
  const largest = await office.exchange({ ...form, code: long(8000) }, { intent: randomUUID() });
  assert.ok(largest.status === 200 ? largest.reply.status >= 400 : largest.status === 400 || largest.status === 403, `${largest.status} ${largest.text}`);
  assert.equal((await office.exchange(form)).reply.status, 200);
});

const beyondTheParser = (t) => relayWithProvider(t).then(({ relay }) => ({
  relay,
  requests: [
    ['an address', get(`/callback/op?code=c&state=${long(9000)}`), 414],
    ['an address without an end', `GET /${long(20_000)}`, 414],
    ['a field', get('/callback/op?code=c&state=s', `X-Field: ${long(17_000)}\r\n`), 431],
    ['a cookie', get('/callback/op?code=c&state=s', `Cookie: __Host-relay=${long(17_000)}\r\n`), 431],
    ['many fields', get('/callback/op?code=c&state=s', 'X-Field: x\r\n'.repeat(150)), 431],
    ['a form', post('/continue', 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 20000\r\n'), 413],
  ],
}));

test('Attack: oversized addresses, fields, cookies and forms are refused by their own status, and the next one is served', async (t) => {
  const { relay, requests } = await beyondTheParser(t);
  for (const [what, request, status] of requests) {
    const answer = await exchange(relay, request);
    assert.equal(answer.status, status, `${what}: ${answer.head}`);
    assert.match(answer.head, /connection: close/i, what);
    assert.ok(!answer.body.includes(long(100)), what);
    assert.equal((await exchange(relay, get('/'))).status, 200, `after ${what}`);
  }
  assert.equal(await relay.metric('latchkey_relay_flows_total{step="returned"}'), 0);
});

test('Attack: a browser with an oversized address, field, cookie or form gets a page that says what to do', async (t) => {
  const { relay, requests } = await beyondTheParser(t);
  for (const [what, request] of requests) {
    const answer = await exchange(relay, request);
    assert.match(answer.head, /content-type: text\/html/i, what);
    assert.match(answer.body, /Authorize again|close this window/, what);
    assert.match(answer.head, /content-security-policy/i, what);
  }
});

test('Attack: what is refused as oversized before it is understood is logged once, with where it came from, and counted', async (t) => {
  const { relay, requests } = await beyondTheParser(t);
  for (const [, request] of requests) await exchange(relay, request);
  assert.equal(await refusedSoFar(relay), requests.length);
  assert.equal(linesOfRefusals(relay), requests.length);
});
