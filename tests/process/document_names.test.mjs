// What documents are called at their destination, on the real binary: the device's name, and a number of the connector's own that no
// other document gets, whatever is killed, tried again or renamed, and however many servers share the store.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveringServer, doorOf } from '../support/delivering.mjs';
import { sharedScene } from '../support/nodes.mjs';
import { withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';
import { ScriptedDrive } from '../support/scripted_drive.mjs';
import { until } from '../support/wait.mjs';
import { davClient } from '../support/webdav.mjs';

const away = (drive) => { drive.plan = () => ({ status: 503, headers: { 'retry-after': '3600' } }); };
const names = (drive) => [...drive.files.keys()].sort();
const waiting = (count) => Array.from({ length: count }, (_, i) => i + 1);
/** Delivers so many at once; none that was refused. */
async function deliverMany(deliver, count, options) {
  const answers = await Promise.all(waiting(count).map((i) => deliver(`document ${i}`, { name: `${i}.pdf`, wait: 0, ...options })));
  for (const answer of answers) assert.match(String(answer.status), /^20[12]$/, answer.text);
  return answers.map((answer) => answer.body.name);
}

test('a counter: no number twice, also of many at once and after kill -9; a delivery that is tried again keeps its own', async (t) => {
  const { server, admin, drive, deliver, road } = await deliveringServer(t, { connector: { folder: '', naming: '{counter:4} {name}' } });
  away(drive);
  const first = await deliver('first', { name: 'scan.pdf', wait: 0 });
  assert.equal(first.body.name, '0001 scan.pdf', first.text);
  const called = ['0001 scan.pdf', ...(await deliverMany(deliver, 30))];
  await server.kill();
  await server.restart();
  called.push(...(await deliverMany(deliver, 10)));
  const numbers = called.map((name) => name.slice(0, 4)).sort();
  assert.equal(new Set(numbers).size, 41, numbers.join());
  assert.ok(Number(numbers.at(-1)) <= 60, `hardly any is left out: ${numbers.at(-1)}`);
  assert.equal((await road(first.body.id)).body.name, '0001 scan.pdf', 'it survives the restart');

  drive.plan = () => undefined;
  for (const one of (await admin.must('GET', '/api/v1/deliveries?limit=200')).items) await admin.must('POST', `/api/v1/deliveries/${one.id}/retry`).catch(() => {});
  await until('all to arrive', () => drive.files.size >= 41, { timeout: 120_000 });
  assert.deepEqual(names(drive), called.sort(), 'under the names that they were accepted with');
});

test('a counter: under its Idempotency-Key a document keeps its number; another connector has its own; a new one of an old id goes on', async (t) => {
  const { admin, deliver, group } = await deliveringServer(t, { connector: { folder: '', naming: '{counter}' } });
  const wish = { name: 'Bills', type: 'scripted-drive', account: 'caller', groups: [group], folder: '{counter:2}', naming: '{name}' };
  await admin.must('POST', '/api/v1/connectors', { id: 'bills', ...wish });
  const key = { 'idempotency-key': '"3f2a"' };
  assert.equal((await deliver('one', { name: 'a.pdf', headers: key })).body.name, '1.pdf');
  assert.equal((await deliver('one', { name: 'a.pdf', headers: key })).body.name, '1.pdf');
  assert.equal((await deliver('two', { to: 'bills', name: 'b.pdf' })).body.name, '01/b.pdf');
  await admin.must('DELETE', '/api/v1/connectors/bills');
  await admin.must('POST', '/api/v1/connectors', { id: 'bills', ...wish });
  assert.equal((await deliver('three', { to: 'bills', name: 'c.pdf' })).body.name, '02/c.pdf');
  for (const naming of ['{counter:0}', '{counter:13}', '{count}']) {
    const refused = await admin.call('PUT', '/api/v1/connectors/bills', { ...wish, naming });
    assert.equal(refused.status, 422, JSON.stringify(refused.body));
    assert.match(JSON.stringify(refused.body), /\{counter:4\}/, 'it says which words there are');
  }
});

test('a counter: a document that gets another name by MOVE keeps its number; sent elsewhere it gets one of the other line', async (t) => {
  const { server, admin, drive, group } = await deliveringServer(t, { connector: { folder: '', naming: '{counter:3} {name}' } });
  await admin.must('POST', '/api/v1/connectors', { id: 'archive', name: 'Archive', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'Archive', naming: '{counter}-{name}' });
  await admin.set('webdav.hold', '1h');
  away(drive);
  const dav = davClient(server);
  const latest = async () => (await admin.must('GET', '/api/v1/deliveries?limit=1')).items[0];
  assert.equal((await dav('PUT', 'scans/scan.tmp', { body: 'document' })).status, 201);
  assert.equal((await latest()).name, '001 scan.tmp');
  assert.equal((await dav('MOVE', 'scans/scan.tmp', { headers: { destination: `${server.url}/dav/scans/scan.pdf` } })).status, 201);
  const moved = await until('it to be tried', async () => { const one = await latest(); return one.tries > 0 && one.state !== 'sending' ? one : undefined; });
  assert.equal(moved.name, '001 scan.pdf');
  drive.plan = () => undefined;
  await admin.must('POST', `/api/v1/deliveries/${moved.id}/reroute`, { connector: 'archive' });
  await until('it to arrive', () => drive.files.size === 1);
  assert.deepEqual(names(drive), ['Archive/1-scan.pdf'], 'the name it came with, not what the template had made of it');
});

test("a device's name: of the device that delivers; of the one that a person stands at; else the person's", async (t) => {
  const { admin, drive, deliver } = await deliveringServer(t, { connector: { account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [], folder: '{device}', naming: '{name} of {user}' } });
  await deliver('x', { name: 'a.pdf' });
  const copier = await admin.must('POST', '/api/v1/devices', { name: 'Copier 1', connectors: ['scans'], sources: ['127.0.0.1'] });
  await deliver('x', { name: 'b.pdf' });
  await deliver('x', { name: 'c.pdf', username: 'Copier 1', secret: copier.secret });
  await admin.must('POST', '/api/v1/devices', { name: 'Copier 2', connectors: ['scans'], sources: ['127.0.0.1'] });
  await deliver('x', { name: 'd.pdf' });
  await until('all to arrive', () => drive.files.size === 4);
  assert.deepEqual(names(drive), ['Copier 1/b of printer-1.pdf', 'Copier 1/c of Copier 1.pdf', 'printer-1/a of printer-1.pdf', 'printer-1/d of printer-1.pdf'], 'nobody is sure where two have one address');
});

test('a counter: of two nodes on one PostgreSQL no two documents get one number', { skip: withoutPostgres }, async (t) => {
  let provider;
  const drive = await ScriptedDrive.start(t, { honours: (token) => provider.honours(token) });
  const scene = await sharedScene(t, { type: { kind: 'practice', resource: drive.url }, allow: [`127.0.0.1:${drive.port}`] });
  ({ provider } = scene);
  const { admin, nodes } = scene;
  await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type', app: 'scripted', allow_token: false });
  await admin.must('POST', '/api/v1/connectors', { id: 'scans', name: 'Scans', type: 'scripted-type', account: 'caller', groups: [await admin.group('Office')], folder: '', naming: '{counter}' });
  const called = (await Promise.all(nodes.flatMap((node) => [deliverMany(doorOf(node).deliver, 20), deliverMany(doorOf(node).deliver, 20)]))).flat();
  assert.equal(called.length, 80);
  assert.equal(new Set(called).size, 80, called.sort().join());
});
