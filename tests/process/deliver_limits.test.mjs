// What the HTTP door does not take: documents without an end, that trickle, too many at once, or more than the disk may hold.
// Whoever is refused learns when to come back, and nothing of theirs is kept.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { deliveringServer } from '../support/delivering.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const spooled = async (server) => (await readdir(path.join(server.data, 'spool'))).length;

/** A request by hand: `send(octets)` goes on with it, `answer` is all that was said when the line has closed. */
function byHand({ server }, { username = 'printer-1', secret = pin, headers = 'Content-Length: 1000000' } = {}) {
  const socket = net.connect(server.port, '127.0.0.1');
  let said = '';
  socket.on('data', (data) => { said += data; });
  const answer = new Promise((resolve) => { socket.on('close', () => resolve(said)); socket.on('error', () => undefined); });
  const basic = Buffer.from(`${username}:${secret}`).toString('base64');
  socket.write(`POST /v1/deliver/scans HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: Basic ${basic}\r\nConnection: close\r\n${headers}\r\n\r\n`);
  return { send: (octets) => socket.write(octets), end: () => socket.end(), cut: () => socket.destroy(), answer, said: () => said };
}
const codeOf = (answer) => `${/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]} ${/urn:latchkey:problem:(\w+)/.exec(answer)?.[1]}`;

test('a document whose end nobody states is refused with 411, not stored as an empty one', async (t) => {
  const scene = await deliveringServer(t);
  const nameless = byHand(scene, { headers: 'Content-Type: application/pdf' });
  assert.equal(codeOf(await nameless.answer), '411 length_required');
  const empty = byHand(scene, { headers: 'Content-Length: 0' });
  assert.match(await empty.answer, /^HTTP\/1\.1 202 /, 'who says that it is empty delivers an empty one');
  await until('the empty one to arrive', () => scene.drive.files.size === 1);
});

test('a document that trickles is ended, and nothing of it is kept', async (t) => {
  const scene = await deliveringServer(t);
  await scene.admin.set('delivery.upload_rate_window', '1s');
  await scene.admin.set('delivery.upload_rate_min', '50000');
  const slow = byHand(scene);
  const trickle = setInterval(() => slow.send('some octets'), 100);
  t.after(() => clearInterval(trickle));
  assert.equal(codeOf(await slow.answer), '408 upload_too_slow');
  clearInterval(trickle);
  await until('the spool to be empty', async () => (await spooled(scene.server)) === 0);
  assert.equal((await scene.deliver('fast enough')).status, 201);
});

test('a hundred documents of one account at once are all accepted, and all arrive', async (t) => {
  const { drive, deliver } = await deliveringServer(t);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => deliver(`document ${i}`, { name: `${i}.txt`, wait: 0 })));
  assert.deepEqual(answers.map((answer) => answer.status).filter((status) => status !== 202), [], 'nobody is told that somebody else was faster');
  await until('all to arrive', () => drive.files.size === 100, { timeout: 60_000 });
});

test('who sends too many at once is told to wait, and so is everybody when all places are taken', async (t) => {
  const scene = await deliveringServer(t);
  const { admin, provider, deliver } = scene;
  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  await admin.addOAuthUser({ username: 'printer-2', pin: 'another-pin-77', type: 'scripted-drive', allow_token: false });
  const other = { username: 'printer-2', secret: 'another-pin-77' };
  await admin.set('delivery.uploads_at_once', '2');
  await admin.set('delivery.uploads_at_once_of_one', '1');
  const first = byHand(scene);
  first.send('the beginning');
  await until('the first to come in', async () => (await spooled(scene.server)) === 1);
  const second = await deliver('another');
  assert.equal(`${second.status} ${second.code}`, '429 too_many_uploads_of_one', second.text);
  assert.ok(Number(second.headers.get('retry-after')) > 0);
  assert.equal((await deliver('of somebody else', other)).status, 201);
  const theirs = byHand(scene, other);
  theirs.send('the beginning');
  await until('both to come in', async () => (await spooled(scene.server)) === 2);
  const third = await deliver('another');
  assert.equal(`${third.status} ${third.code}`, '503 too_many_uploads', third.text);
  assert.ok(Number(third.headers.get('retry-after')) > 0);
  first.cut();
  theirs.cut();
  await until('the places to be free', async () => (await spooled(scene.server)) === 0);
  assert.equal((await deliver('another')).status, 201);
});

test('a document that would leave too little room on the disk is refused with 507 before it is sent', async (t) => {
  const scene = await deliveringServer(t);
  await scene.admin.set('delivery.disk_reserve_mb', '1048576'); // a million megabytes: no test machine has them free
  const waiting = byHand(scene, { headers: 'Content-Length: 1000000\r\nExpect: 100-continue' });
  const answer = await waiting.answer;
  assert.equal(codeOf(answer), '507 spool_full');
  assert.doesNotMatch(answer, /100 Continue/);
  assert.equal(await spooled(scene.server), 0);
  await scene.admin.set('delivery.disk_reserve_mb', '0');
  await scene.admin.set('delivery.disk_reserve_percent', '0');
  assert.equal((await scene.deliver('there is room')).status, 201);
});
