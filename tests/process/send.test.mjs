// `latchkey send` when the line to the server, or one of the documents, is no good.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { binary, run } from '../support/latchkey.mjs';
import { pin } from '../support/scene.mjs';

/** A line to the server that breaks when the final answer to one of the first `losing` requests is on its way back: { url, answers }. */
async function forgetfulLine(t, server, losing) {
  const line = { answers: 0 };
  const listener = net.createServer((client) => {
    const onward = net.connect(server.port, '127.0.0.1');
    client.on('error', () => {}).on('close', () => onward.destroy());
    onward.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(onward);
    onward.on('data', (octets) => {
      if (!/^HTTP\/1\.1 2/.test(octets.toString('latin1'))) return client.write(octets);
      line.answers += 1;
      return line.answers <= losing ? client.destroy() : client.write(octets);
    });
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  return Object.assign(line, { url: `http://127.0.0.1:${listener.address().port}` });
}

async function sending(t) {
  const scene = await deliveringServer(t);
  const pinFile = await scene.server.file('pin.txt', pin);
  const sendBy = (url, ...args) => run(binary, ['send', 'scans', ...args, '--user', 'printer-1', '--pin-file', pinFile, '--wait', '30', '--server', url], { timeout: 60_000 });
  const send = (...args) => sendBy(scene.server.url, ...args);
  const deliveries = async () => (await scene.admin.must('GET', '/api/v1/deliveries')).items;
  return { ...scene, send, sendBy, deliveries };
}

test('D1: an answer that is lost on its way back makes no second document of one that was sent', async (t) => {
  const { server, drive, send, sendBy, deliveries } = await sending(t);
  const line = await forgetfulLine(t, server, 2);
  const documents = [documentOf(300_000), documentOf(200_000)];
  const files = [await server.file('a.pdf', documents[0]), await server.file('b.pdf', documents[1])];
  const sent = await sendBy(line.url, ...files);
  assert.equal(sent.status, 0, sent.stderr);
  assert.equal(line.answers, 4, 'two lost, and one for each of the two documents');
  assert.deepEqual([...drive.files.values()].map((file) => file.sha256).sort(), documents.map(sha256).sort());
  assert.equal((await deliveries()).length, 2);
  assert.equal((await send(files[0])).status, 0);
  assert.equal((await deliveries()).length, 3, 'who sends it once more by hand sends it once more');
});

test('D1: a line that loses every answer is given up after a few tries, and what was accepted is one document', async (t) => {
  const { server, sendBy, deliveries } = await sending(t);
  const line = await forgetfulLine(t, server, 100);
  const sent = await sendBy(line.url, await server.file('a.pdf', documentOf(1000)));
  assert.equal(sent.status, 1, sent.stdout);
  assert.match(sent.stderr, /a\.pdf.*may have been accepted/);
  assert.equal(line.answers, 3);
  assert.equal((await deliveries()).length, 1);
});

test('a document that cannot be sent holds up no other, and is named at the end', async (t) => {
  const { server, drive, admin, group, send } = await sending(t);
  await admin.must('PUT', '/api/v1/connectors/scans', { name: 'Scans', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'In/{user}', size_bytes_max: 5000 });
  const good = documentOf(1000);
  const files = [await server.file('large.pdf', documentOf(6000)), await server.file('good.pdf', good), `${server.folder}/not-there.pdf`];
  const sent = await send(...files);
  assert.equal(sent.status, 1);
  assert.match(sent.stdout, / {2}delivered {2}In\/printer-1\/good\.pdf/);
  assert.match(sent.stderr, /2 of 3 documents were not sent:\n {2}\S*large\.pdf: .*\n {2}\S*not-there\.pdf: .*cannot be read/);
  assert.deepEqual([...drive.files.values()].map((file) => file.sha256), [sha256(good)]);
  const json = await send(...files, '--json');
  assert.equal(json.status, 1);
  assert.deepEqual(JSON.parse(json.stdout).map(({ state }) => state), ['delivered']);
});

test('a wrong PIN is shown once, however many documents there are', async (t) => {
  const { server, deliveries } = await sending(t);
  const wrong = await server.file('wrong.txt', 'another-pin-99');
  const sent = await server.client(['send', 'scans', await server.file('a.pdf', 'a'), await server.file('b.pdf', 'b'), '--user', 'printer-1', '--pin-file', wrong]);
  assert.equal(sent.status, 1);
  assert.match(sent.stderr, /2 of 2 documents were not sent:\n {2}\S*a\.pdf: .*\n {2}\S*b\.pdf: not tried/);
  assert.deepEqual(await deliveries(), []);
});
