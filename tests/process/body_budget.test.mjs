// Bodies that never end, from whoever reaches the listener: what they hold in memory has a bound, at the Cloud Service and at the
// office, and an honest caller is served meanwhile. Over sockets, with the real programs.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { Latchkey, slowness } from '../support/latchkey.mjs';
import { enrolledOffice, relayWithProvider } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { until } from '../support/wait.mjs';

const bodyOctets = 79_000;
const atOnce = 400;

/** Connections that each promise a body and send all of it but the last octet: [{ answer, closed }], as far as they have come. */
async function unfinished(t, connect, head) {
  const all = [];
  t.after(() => { for (const { socket } of all) socket.destroy(); });
  for (let begun = 0; begun < atOnce; begun += 50) {
    await Promise.all(Array.from({ length: 50 }, () => new Promise((resolve, reject) => {
      const one = { answer: '', closed: false };
      one.socket = connect(() => {
        one.socket.write(`${head}Content-Length: ${bodyOctets}\r\n\r\n`);
        one.socket.write('x'.repeat(bodyOctets - 1));
        resolve();
      });
      one.socket.setEncoding('latin1').on('data', (chunk) => { one.answer += chunk; });
      // A reset may come while the rest is on its way: what was answered before counts.
      one.socket.on('error', (error) => { if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error); });
      one.socket.on('close', () => { one.closed = true; });
      all.push(one);
    })));
  }
  return all;
}
const toRelay = (relay) => (then) => tls.connect({ port: relay.port, host: '127.0.0.1', servername: 'localhost', ca: relay.certificate.cert }, then);
const statuses = (all) => all.reduce((counts, { answer }) => ({ ...counts, [answer.slice(9, 12)]: (counts[answer.slice(9, 12)] ?? 0) + 1 }), {});
const residentBytes = async (child) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))[1]) * 1024;

test('Attack: bodies of many octets from callers who show no signature are not gathered at the Cloud Service', async (t) => {
  const { relay } = await relayWithProvider(t);
  const office = await ScriptedOffice.enrol(relay, 'North Ltd');
  for (const fields of ['', 'Authorization: Bearer x\r\n']) {
    const all = await unfinished(t, toRelay(relay), `POST /relay/v1/token HTTP/1.1\r\nHost: localhost\r\n${fields}`);
    await until('all to be refused', () => all.every(({ answer, closed }) => closed || answer.includes('signature_malformed')), { timeout: 20_000 * slowness });
    assert.equal(await relay.metric('latchkey_relay_request_bodies_bytes'), 0);
    assert.equal((await office.ask('GET', '/relay/v1/office')).status, 200);
  }
});

test('Attack: bodies without an end under the name of an enrolled office hold no more than one source may, and that office is served', async (t) => {
  const scene = await relayWithProvider(t);
  const { relay } = scene;
  const honest = await enrolledOffice(t, scene, 'North Ltd');
  const office = await ScriptedOffice.enrol(relay, 'South Ltd');
  const before = await residentBytes(relay.child);
  // Its id is no secret; the signature is not its own, which only the whole body could show.
  const forged = `Authorization: Latchkey office=${office.id}, key=${office.keyId}, time=${Math.floor(Date.now() / 1000)}, nonce=${randomBytes(16).toString('base64url')}, signature=${randomBytes(64).toString('base64url')}\r\n`;
  const all = await unfinished(t, toRelay(relay), `POST /relay/v1/token HTTP/1.1\r\nHost: localhost\r\n${forged}`);
  const held = Math.floor(4 * 1024 * 1024 / (bodyOctets - 8 * 1024));
  await until('those beyond the bound to be refused', async () => await relay.metric('latchkey_relay_request_bodies_refused_total') >= atOnce - held, { timeout: 20_000 * slowness });
  const octets = await relay.metric('latchkey_relay_request_bodies_bytes');
  assert.ok(octets > 3 * 1024 * 1024 && octets <= 4 * 1024 * 1024, `${octets} octets`);
  assert.ok(await residentBytes(relay.child) - before < 24 * 1024 * 1024, `${await residentBytes(relay.child) - before} octets more`);
  await until('the answers', () => (statuses(all)['503'] ?? 0) > 0 && all.filter(({ closed, answer }) => closed || answer).length >= atOnce - held);
  assert.match(all.find(({ answer }) => answer).answer, /^HTTP\/1\.1 503 [\s\S]*retry-after: 10[\s\S]*bodies_busy/i);
  assert.equal(relay.logs.split('\n').filter((line) => line.includes('bodies_refused')).length <= 1 + Math.ceil(slowness), true, 'not once for each');
  // The same office and the other one are served while it goes on.
  assert.equal((await office.ask('POST', '/relay/v1/collect', { body: JSON.stringify({ handle: 'x' }) })).code, 'handle_unknown');
  assert.equal((await honest.admin.must('POST', '/api/v1/cloud-service/check')).label, 'North Ltd');
  for (const { socket } of all) socket.destroy();
  await until('nothing to be held', async () => await relay.metric('latchkey_relay_request_bodies_bytes') === 0);
});

test('Attack: bodies of many octets from callers without a session are not gathered at the office', async (t) => {
  const server = await Latchkey.ready(t);
  const connect = (then) => net.connect({ port: server.port, host: '127.0.0.1' }, then);
  const head = (fields = '') => `PUT /api/v1/certificate HTTP/1.1\r\nHost: localhost:${server.port}\r\n${fields}`;
  const metric = async (name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await fetch(`${server.url}/metrics`)).text())[1]);
  const strangers = await unfinished(t, connect, head());
  await until('all to be refused', () => strangers.every(({ answer, closed }) => closed || answer.includes('not_signed_in')), { timeout: 20_000 * slowness });
  assert.equal(await metric('latchkey_request_bodies_bytes'), 0);
  // A cookie that looks like one gets as far as the bound.
  const forgers = await unfinished(t, connect, head(`Cookie: latchkey=${randomBytes(32).toString('base64url')}\r\n`));
  await until('those beyond the bound to be refused', async () => await metric('latchkey_request_bodies_refused_total') > 0, { timeout: 20_000 * slowness });
  assert.ok(await metric('latchkey_request_bodies_bytes') <= 4 * 1024 * 1024);
  assert.equal(typeof (await server.admin.must('GET', '/api/v1/users')).total, 'number');
  for (const { socket } of forgers) socket.destroy();
  await until('nothing to be held', async () => await metric('latchkey_request_bodies_bytes') === 0);
});
