// Documents through the HTTP door to their destination, on the real binary: what arrives is compared by hash, and nothing that was
// acknowledged is lost.

import assert from 'node:assert/strict';
import { mkdir, readdir, rename } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { administrator } from '../support/console.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { Latchkey, run, slowness } from '../support/latchkey.mjs';
import { freePort } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const spooled = async (server) => (await readdir(path.join(server.data, 'spool'))).filter((name) => name !== 'unknown').length;
const delivered = (road, id) => until(`delivery ${id}`, async () => {
  const { body } = await road(id);
  return body.state === 'delivered' ? body : undefined;
}, { timeout: 180_000, every: 50 });
/** What became of it in the end, whether or not the answer waited for it: a busy machine takes its time. */
const inTheEnd = (road, answer) => (answer.status === 201 ? answer.body : delivered(road, answer.body.id));

for (const [words, size] of [['0 bytes', 0], ['1 byte', 1], ['50 kB', 50_000], ['5 MB', 5_000_000], ['100 MB', 100_000_000]]) {
  test(`a document of ${words} arrives whole, with a receipt whose hash agrees`, async (t) => {
    const { server, drive, deliver, road } = await deliveringServer(t);
    const document = documentOf(size);
    const answer = await deliver(document, { name: 'Rechnung März.pdf', wait: 60 });
    assert.match(String(answer.status), size > 5_000_000 ? /^20[12]$/ : /^201$/, answer.text);
    assert.equal(answer.headers.get('location'), `/v1/deliveries/${answer.body.id}`);
    const done = await inTheEnd(road, answer);
    assert.equal(done.state, 'delivered');
    assert.equal(done.size, size);
    assert.equal(done.sha256, sha256(document));
    assert.equal(done.receipt.hash, `sha256:${sha256(document)}`);
    assert.equal(done.receipt.proof, 'hash');
    assert.deepEqual([...drive.files], [['In/printer-1/Rechnung März.pdf', { path: 'In/printer-1/Rechnung März.pdf', size, sha256: sha256(document) }]]);
    await until('the spool to be empty', async () => (await spooled(server)) === 0);
  });
}

test('202 with an address, for who does not wait; only the submitter learns what became of it', async (t) => {
  const { admin, provider, deliver, road } = await deliveringServer(t);
  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  await admin.addOAuthUser({ username: 'printer-2', pin: 'another-pin-77', type: 'scripted-drive', allow_token: false });
  const answer = await deliver('hello', { wait: 0 });
  assert.equal(answer.status, 202, answer.text);
  const found = await delivered(road, answer.body.id);
  assert.deepEqual(found.timeline.map((step) => step.what), ['accepted', 'sending', 'delivered']);
  assert.equal(found.name, 'In/printer-1/document.txt', 'a document without a name is called one; its type tells the extension');
  assert.equal((await road(answer.body.id, { username: 'printer-2', secret: 'another-pin-77' })).status, 404);
  assert.equal((await road(answer.body.id, { secret: 'wrong-pin-1234' })).status, 401);
  const wrong = [];
  for (const path of ['/api/v1/connectors', '/api/v1/deliveries', '/api/v1/deliveries/{id}']) {
    wrong.push(...faults(await admin.must('GET', path.replace('{id}', answer.body.id)), answerSchema('GET', path)).map((fault) => `${path}: ${fault}`));
  }
  wrong.push(...faults(found, answerSchema('GET', '/v1/deliveries/{id}')).map((fault) => `/v1/deliveries/{id}: ${fault}`));
  assert.deepEqual(wrong, [], 'answers are as api/openapi.json says');
});

test('G1: what a user may not use does not exist; wrong PINs, names that climb and sizes beyond the limit are refused, and nothing is kept', async (t) => {
  const { server, admin, drive, deliver } = await deliveringServer(t);
  const elsewhere = await admin.group('Elsewhere');
  await admin.must('POST', '/api/v1/connectors', { id: 'others', name: 'Others', type: 'scripted-drive', account: 'caller', groups: [elsewhere] });
  await admin.must('POST', '/api/v1/connectors', { id: 'small', name: 'Small', type: 'scripted-drive', account: 'caller', groups: [await admin.group('Office')], size_bytes_max: 10 });
  const refused = async (expected, ...request) => {
    const answer = await deliver(...request);
    assert.equal(`${answer.status} ${answer.code}`, expected, answer.text);
    assert.ok(answer.body.detail.length > 0);
    return answer;
  };
  const absent = await refused('404 no_such_connector', 'x', { to: 'nowhere' });
  const foreign = await refused('404 no_such_connector', 'x', { to: 'others' });
  assert.deepEqual({ ...foreign.body }, { ...absent.body }, 'the same words');
  await refused('401 invalid_credentials', 'x', { secret: 'wrong-pin-1234' });
  await refused('401 invalid_credentials', 'x', { username: 'nobody' });
  for (const name of ['../up.pdf', 'a/b.pdf', '..', 'a\r\nX: y', 'a\\b']) await refused('400 bad_name', 'x', { name });
  await refused('413 document_too_large', 'eleven byte', { to: 'small' });
  const chunked = await refused('413 document_too_large', new Blob(['eleven byte']).stream(), { to: 'small' });
  assert.match(chunked.text, /10 bytes/);
  assert.equal((await deliver('exact ten!', { to: 'small' })).status, 201);
  await admin.must('PUT', '/api/v1/connectors/small', { name: 'Small', type: 'scripted-drive', account: 'caller', groups: [await admin.group('Office')], enabled: false });
  await refused('404 no_such_connector', 'x', { to: 'small' });
  assert.equal(drive.files.size, 1);
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
});

test('100-continue: who is refused need not send; who is cut off leaves nothing behind', async (t) => {
  const { server, drive } = await deliveringServer(t);
  const basic = Buffer.from(`printer-1:${pin}`).toString('base64');
  const speak = (header) => new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(header));
    socket.once('data', (data) => resolve({ socket, said: data.toString() }));
    socket.once('error', reject);
  });
  const head = (connector) => `POST /v1/deliver/${connector} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: Basic ${basic}\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n`;
  const refused = await speak(head('nowhere'));
  assert.match(refused.said, /^HTTP\/1\.1 404 /);
  refused.socket.destroy();
  const invited = await speak(head('scans'));
  assert.match(invited.said, /^HTTP\/1\.1 100 Continue\r\n/);
  invited.socket.write(Buffer.alloc(300_000));
  await until('the document to be in the spool', async () => (await spooled(server)) === 1);
  invited.socket.destroy();
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
  assert.equal(drive.uploads.size, 0);
});

test('D1: a token that expires in mid-upload is renewed, and no part is sent twice', async (t) => {
  const { provider, drive, deliver } = await deliveringServer(t);
  const document = documentOf(20_000_000);
  let parts = 0;
  drive.plan = ({ method }) => {
    // The provider forgets its access tokens while the upload is under way.
    if (method === 'PUT' && ++parts === 4) return { status: 401 };
    return undefined;
  };
  const refreshes = provider.requests.length;
  const answer = await deliver(document);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.body.receipt.hash, `sha256:${sha256(document)}`);
  assert.ok(provider.requests.length > refreshes, 'another token was asked for');
  const sent = drive.requests.filter(({ method }) => method === 'PUT').reduce((sum, { size }) => sum + size, 0);
  assert.equal(sent, document.length + 1024 * 1024, 'the part that was refused, and no other');
});

test('D1: an answer that is lost in mid-upload, or at its end, makes no duplicate', async (t) => {
  const { drive, deliver, road } = await deliveringServer(t);
  const document = documentOf(9_000_000);
  let parts = 0;
  drive.plan = ({ method }) => (method === 'PUT' && [2, 6].includes(++parts) ? 'lose' : undefined);
  const answer = await deliver(document);
  const done = await inTheEnd(road, answer);
  assert.equal(done.receipt.hash, `sha256:${sha256(document)}`);
  assert.equal(drive.files.size, 1);
  assert.equal(drive.uploads.size, 1);
});

test('what the destination cannot do now is tried again; what it refuses fails with its words, and can be retried by hand', async (t) => {
  const { admin, drive, deliver, road } = await deliveringServer(t, { connector: { conflict: 'fail' } });
  let outages = 2;
  drive.plan = ({ method }) => (method === 'POST' && outages-- > 0 ? { status: 503, headers: { 'retry-after': '1' } } : undefined);
  const first = await deliver('one', { name: 'a.txt', wait: 0 });
  const found = await delivered(road, first.body.id);
  assert.equal(found.tries, 3);
  assert.deepEqual(found.timeline.map((step) => step.what), ['accepted', 'sending', 'retry', 'sending', 'retry', 'sending', 'delivered']);

  const second = await deliver('two', { name: 'a.txt' });
  assert.equal(second.status, 202);
  assert.equal(second.body.state, 'failed');
  assert.match(second.body.why, /is there already/);
  const listed = await admin.must('GET', '/api/v1/deliveries?state=failed');
  assert.deepEqual(listed.items.map((each) => [each.id, each.submitter]), [[second.body.id, 'printer-1']]);
  await until('the alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.some((alert) => alert.title === 'Documents were not delivered'), { timeout: 30_000 });
  drive.files.clear();
  await admin.must('POST', `/api/v1/deliveries/${second.body.id}/retry`);
  await delivered(road, second.body.id);
  assert.deepEqual([...drive.files.keys()], ['In/printer-1/a.txt']);
});

test('D5: a document whose grant is dead is parked, a person is told, and it goes by itself once the account is authorised again', async (t) => {
  const { admin, provider, drive, deliver, road, grant_id } = await deliveringServer(t);
  provider.revokeEverything();
  await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
  await until('the grant to need authorisation', async () => {
    await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
    return (await admin.grant(grant_id)).state === 'needs_authorization';
  }, { timeout: 30_000, every: 200 });
  const answer = await deliver('a scan', { wait: 5 });
  assert.equal(answer.status, 202, answer.text);
  assert.equal(answer.body.state, 'parked');
  assert.match(answer.body.why, /authorised again/);
  assert.equal(drive.files.size, 0);
  await until('the alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.some((alert) => alert.title === 'Documents wait for a person'), { timeout: 30_000 });
  const renewed = await admin.authorize({ replace_grant_id: grant_id });
  assert.equal(renewed.state, 'completed', JSON.stringify(renewed.problem));
  const found = await delivered(road, answer.body.id);
  assert.equal(found.receipt.hash, `sha256:${sha256('a scan')}`);
  assert.ok(found.timeline.some((step) => step.what === 'parked'));
});

test('D2: a server that is started with the wrong store beside its spool keeps the documents aside, says so, and delivers them once the right one is back', async (t) => {
  const { server, admin, provider, deliver, road, grant_id } = await deliveringServer(t);
  provider.revokeEverything();
  await until('the grant to need authorisation', async () => {
    await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
    return (await admin.grant(grant_id)).state === 'needs_authorization';
  }, { timeout: 30_000, every: 200 });
  const answer = await deliver('a scan', { wait: 5 });
  assert.equal(answer.body.state, 'parked', answer.text);
  await server.stop();
  // The store is elsewhere: as when another one was configured before everything was moved.
  const elsewhere = path.join(server.folder, 'elsewhere');
  await mkdir(elsewhere);
  const files = (await readdir(server.data)).filter((name) => name.startsWith('latchkey.db'));
  assert.ok(files.length > 0);
  for (const name of files) await rename(path.join(server.data, name), path.join(elsewhere, name));
  await server.launch();
  assert.equal(await spooled(server), 0);
  const [aside] = await readdir(path.join(server.data, 'spool', 'unknown'));
  assert.ok(aside.endsWith(`.${answer.body.id}`), aside);
  await until('it to be said', () => /documents_unknown documents=1 directory=.*spool\/unknown/.test(server.logs));
  await until('the alert', async () => /^latchkey_alerts 1$/m.test(await server.metrics()));
  await server.stop();
  for (const name of (await readdir(server.data)).filter((each) => each.startsWith('latchkey.db'))) await rename(path.join(server.data, name), path.join(elsewhere, `empty-${name}`));
  for (const name of files) await rename(path.join(elsewhere, name), path.join(server.data, name));
  await server.launch();
  await admin.signIn();
  const renewed = await admin.authorize({ replace_grant_id: grant_id });
  assert.equal(renewed.state, 'completed', JSON.stringify(renewed.problem));
  assert.equal((await delivered(road, answer.body.id)).receipt.hash, `sha256:${sha256('a scan')}`);
});

test('D2: kill -9 while documents come in and go out: none that was acknowledged is lost, none arrives twice', async (t) => {
  const { server, drive, deliver, road } = await deliveringServer(t);
  const acknowledged = new Map();
  // Slow enough to be killed in mid-upload.
  drive.plan = async ({ method }) => { if (method === 'PUT') await new Promise((resolve) => setTimeout(resolve, 15)); };
  for (let round = 0; round < 5; round += 1) {
    const sending = Array.from({ length: 6 }, async (_, number) => {
      const document = documentOf(1 + number * 900_000);
      try {
        const answer = await deliver(document, { name: `${round}-${number}.bin`, wait: 0 });
        if (answer.status === 202) acknowledged.set(answer.body.id, sha256(document));
      } catch {
        // The server was killed before it answered: nothing was promised.
      }
    });
    await until('some to be acknowledged', () => acknowledged.size > round * 3, { timeout: 60_000 });
    await server.kill();
    await Promise.all(sending);
    await server.launch();
  }
  for (const [id, hash] of acknowledged) assert.equal((await delivered(road, id)).sha256, hash);
  for (const [id, hash] of acknowledged) assert.equal(drive.uploads.get(id).file.sha256, hash, 'what arrived is what was sent');
  const arrived = [...drive.uploads.values()].filter((upload) => upload.file).length;
  assert.equal(drive.files.size, arrived, 'one file for each delivery');
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
});

test('P5: a rotation of the master key takes the documents that wait along', async (t) => {
  const { server, admin, drive, deliver, road } = await deliveringServer(t, { connector: {} });
  drive.plan = () => ({ status: 503, headers: { 'retry-after': '2' } });
  const answer = await deliver('under the old key', { wait: 0 });
  await until('a first try', async () => (await road(answer.body.id)).body.tries > 0);
  await admin.set('keys.rotation_rest', '1s');
  const rotated = await server.cli(['keys', 'rotate', '--json']);
  assert.equal(rotated.status, 0, rotated.stderr);
  await until('the rotation to end', async () => (await admin.must('GET', '/api/v1/keys')).rotation === null, { timeout: 60_000, every: 200 });
  drive.plan = () => undefined;
  assert.equal((await delivered(road, answer.body.id)).receipt.hash, `sha256:${sha256('under the old key')}`);
});

/** A document half of which has come in and lies in the spool; `end()` sends the rest and resolves to the answer. */
async function halfway({ server }, { size = 600_000, username = 'printer-1', to = 'scans' } = {}) {
  const document = documentOf(size);
  const socket = net.connect(server.port, '127.0.0.1');
  let said = '';
  socket.on('data', (data) => { said += data; });
  const closed = new Promise((resolve, reject) => { socket.once('close', resolve); socket.once('error', reject); });
  const basic = Buffer.from(`${username}:${pin}`).toString('base64');
  socket.write(`POST /v1/deliver/${to} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: Basic ${basic}\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`);
  socket.write(document.subarray(0, size / 2));
  await until('the document to be in the spool', async () => (await spooled(server)) === 1);
  return {
    document,
    end: async () => {
      socket.write(document.subarray(size / 2));
      await closed;
      const [head, body] = said.split('\r\n\r\n');
      const parsed = JSON.parse(body);
      return { status: Number(head.split(' ')[1]), body: parsed, code: parsed.type?.split(':').at(-1), text: said };
    },
  };
}

for (const [deed, expected, act] of [
  ['the PIN is reset', '401 invalid_credentials', ({ admin, user_id }) => admin.must('POST', `/api/v1/users/${user_id}/pin`, { mode: 'reset', pin: 'another-Pin-55', admin_password: administrator.password })],
  ['the user is disabled', '404 no_such_connector', ({ admin, user_id }) => admin.must('PATCH', `/api/v1/users/${user_id}`, { enabled: false })],
  ['the use `deliver` is taken away', '403 use_not_allowed', ({ admin, user_id }) => admin.must('PATCH', `/api/v1/users/${user_id}`, { uses: ['list'] })],
  ['the grant is deleted', '404 no_such_grant', ({ admin, grant_id }) => admin.must('DELETE', `/api/v1/grants/${grant_id}`)],
  ['the connector is removed', '404 no_such_connector', ({ admin }) => admin.must('DELETE', '/api/v1/connectors/scans')],
]) {
  test(`K8: when ${deed} while a document comes in, it is not acknowledged, and nothing is kept`, async (t) => {
    const scene = await deliveringServer(t);
    const upload = await halfway(scene);
    await act(scene);
    const answer = await upload.end();
    assert.equal(`${answer.status} ${answer.code}`, expected, answer.text);
    await until('the spool to be empty', async () => (await spooled(scene.server)) === 0);
    assert.deepEqual((await scene.admin.must('GET', '/api/v1/deliveries')).items, []);
    assert.equal(scene.drive.uploads.size, 0);
  });
}

test('P5: a document that comes in for longer than a rotation of the master key takes arrives', async (t) => {
  const scene = await deliveringServer(t);
  const { server, admin, road } = scene;
  await admin.set('keys.rotation_rest', '1s');
  const upload = await halfway(scene);
  const rotated = await server.cli(['keys', 'rotate', '--json']);
  assert.equal(rotated.status, 0, rotated.stderr);
  await until('the rotation to end', async () => (await admin.must('GET', '/api/v1/keys')).rotation === null, { timeout: 60_000, every: 200 });
  const answer = await upload.end();
  assert.equal(answer.status, 202, answer.text);
  assert.equal((await delivered(road, answer.body.id)).receipt.hash, `sha256:${sha256(upload.document)}`);
});

test('D7: a user named like the folder above gets a folder of their own; a path that is none is refused before the body', async (t) => {
  const { server, admin, provider, drive, deliver, group } = await deliveringServer(t);
  await admin.must('POST', '/api/v1/connectors', { id: 'named', name: 'Named', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'In/{name}' });
  const refused = await deliver('x', { to: 'named', name: '..a' });
  assert.equal(`${refused.status} ${refused.code}`, '400 bad_name', refused.text);
  assert.equal(await spooled(server), 0);
  provider.account = { id: 'acc-2', name: 'dots@example.com' };
  await admin.addOAuthUser({ username: '..', pin: 'another-pin-77', type: 'scripted-drive', allow_token: false });
  const answer = await deliver('hello', { username: '..', secret: 'another-pin-77', name: 'a.txt' });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual([...drive.files.keys()], ['In/--/a.txt']);
});

test('D10: many documents of one name at the same moment all arrive, each under a name of its own', async (t) => {
  const { drive, deliver } = await deliveringServer(t);
  const documents = Array.from({ length: 12 }, (_, number) => documentOf(1000 + number));
  const answers = await Promise.all(documents.map((document) => deliver(document, { name: 'scan.pdf' })));
  assert.deepEqual(answers.map(({ status }) => status), documents.map(() => 201));
  const names = answers.map(({ body }) => body.receipt.path);
  assert.equal(new Set(names).size, documents.length, names.join(' '));
  for (const [number, document] of documents.entries()) assert.equal(drive.files.get(names[number]).sha256, sha256(document));
});

test('the command line: connectors, send with its receipt, deliveries; real curl', async (t) => {
  const { server, drive } = await deliveringServer(t);
  const listed = await server.cli(['connector', 'list', '--json']);
  assert.equal(listed.status, 0, listed.stderr);
  assert.equal(JSON.parse(listed.stdout)[0].deliver_url, `${server.url}/v1/deliver/scans`);
  const document = documentOf(3_000_000);
  const file = await server.file('Übersicht Q4.pdf', document);
  const pinFile = await server.file('pin.txt', pin);
  const sent = await server.client(['send', 'scans', file, '--user', 'printer-1', '--pin-file', pinFile, '--wait', '30']);
  assert.equal(sent.status, 0, sent.stderr);
  assert.match(sent.stdout, /delivered {2}In\/printer-1\/Übersicht Q4\.pdf .*hash agrees/);
  assert.equal(drive.files.get('In/printer-1/Übersicht Q4.pdf').sha256, sha256(document));
  const missing = await server.client(['send', 'nowhere', file, '--user', 'printer-1', '--pin-file', pinFile]);
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /no such connector/);

  const curl = await run('curl', ['-sS', '-u', `printer-1:${pin}`, '--data-binary', `@${file}`, '-H', 'Prefer: wait=30', '-H', 'Content-Disposition: attachment; filename="curl.pdf"', `${server.url}/v1/deliver/scans`]);
  assert.equal(curl.status, 0, curl.stderr);
  assert.equal(JSON.parse(curl.stdout).state, 'delivered', curl.stdout);
  assert.equal(drive.files.get('In/printer-1/curl.pdf').sha256, sha256(document));

  const deliveries = JSON.parse((await server.cli(['delivery', 'list', '--json'])).stdout);
  assert.deepEqual(deliveries.map((each) => each.state), ['delivered', 'delivered']);
  const shown = await server.cli(['delivery', 'show', deliveries[0].id]);
  assert.match(shown.stdout, /accepted.*\n.*sending.*\n.*delivered/);
  assert.equal((await server.cli(['delivery', 'delete', deliveries[0].id])).status, 0);
  assert.equal((await server.cli(['connector', 'remove', 'scans'])).status, 0);
  assert.match(await server.metrics(), /latchkey_documents_delivered_total 2/);
});

test('the practice service takes documents like any other', async (t) => {
  const server = await Latchkey.ready(t, { args: ['--sandbox', '--sandbox-port', String(await freePort())] });
  const { admin } = server;
  const visit = (url, response, body) => {
    const ticket = /name="ticket" value="([^"]+)"/.exec(body)?.[1];
    return ticket ? { url: '/consent', form: { ticket, person: 'anna-practice', decision: 'allow' } } : undefined;
  };
  await admin.addOAuthUser({ username: 'rehearsal', pin, type: 'sandbox', visit });
  await admin.must('POST', '/api/v1/connectors', { id: 'practice', name: 'Practice', type: 'sandbox', account: 'caller', groups: [await admin.group('Office')], folder: 'Scans' });
  const document = documentOf(12_000_000);
  const response = await fetch(`${server.url}/v1/deliver/practice`, {
    method: 'POST', body: document, headers: { authorization: `Basic ${Buffer.from(`rehearsal:${pin}`).toString('base64')}`, prefer: 'wait=30', 'content-disposition': 'attachment; filename="scan.pdf"' },
  });
  const body = await response.json();
  assert.equal(response.status, 201, JSON.stringify(body));
  assert.equal(body.receipt.hash, `sha256:${sha256(document)}`);
  assert.equal(body.receipt.path, 'Scans/scan.pdf');
});

test('D8: 500 MB pass, and the memory grows by less than 8 MB', async (t) => {
  const { server, deliver, road } = await deliveringServer(t);
  await deliver(documentOf(1_000_000));
  const before = await server.anonymousKb();
  if (!before) return t.skip('this system does not say how much memory a process holds');
  let most = before;
  const looking = setInterval(async () => { most = Math.max(most, await server.anonymousKb()); }, 100);
  const document = documentOf(500_000_000);
  const done = await inTheEnd(road, await deliver(document, { wait: 0 }));
  clearInterval(looking);
  assert.equal(done.receipt.hash, `sha256:${sha256(document)}`);
  t.diagnostic(`${most - before} kB more`);
  if (slowness > 1) return t.diagnostic('a sanitizer keeps what was freed: its memory says nothing');
  assert.ok(most - before < 8 * 1024, `${most - before} kB more while 500 MB passed`);
});
