// Devices with a secret of their own, on the real binary with curl: what they may deliver, from where, and what ends it. What a
// connector may open without a PIN is made with the owner's, once.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { answerSchema, faults } from '../support/contract.mjs';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** As a device does: { status, body } of a delivery by curl. */
async function curl(server, { name, secret, to = 'scans', file, wait = 30, from = '127.0.0.1' }) {
  const args = ['-sS', '-w', '\n%{http_code}', '--interface', from, '-u', `${name}:${secret}`, '-H', `Prefer: wait=${wait}`,
    ...(file ? ['--data-binary', `@${file}`, '-H', 'Content-Disposition: attachment; filename="scan.pdf"'] : []), `${server.url}/v1/${file ? `deliver/${to}` : to}`];
  const { stdout } = await promisify(execFile)('curl', args);
  const [, text, status] = /^(.*)\n(\d+)$/s.exec(stdout);
  const body = JSON.parse(text);
  return { status: Number(status), body, code: body.type?.split(':').at(-1) };
}

/** A server whose connector `scans` delivers to the account of `printer-1`, whose PIN was given; and a file to deliver. */
async function scene(t, { pinGiven = true } = {}) {
  const made = await deliveringServer(t, {
    connector: { account: 'fixed', owner: 'printer-1', groups: [], folder: 'In/{user}', ...(pinGiven ? { owner_pin: pin } : {}) },
  });
  const document = documentOf(300_000);
  const file = path.join(made.server.data, 'scan.pdf');
  await writeFile(file, document);
  const device = (wish) => made.admin.must('POST', '/api/v1/devices', { connectors: ['scans'], ...wish });
  const connector = async () => (await made.admin.must('GET', '/api/v1/connectors')).items.find((one) => one.id === 'scans');
  return { ...made, document, file, device, connector };
}

const arrived = (road) => until('the delivery to arrive', async () => {
  const { body } = await road();
  return body.state === 'delivered' ? body : undefined;
}, { timeout: 120_000, every: 100 });

test('a device delivers with its own secret to a connector whose owner gave the PIN once; nobody sees its delivery but it', async (t) => {
  const { server, admin, drive, file, document, device, road, connector } = await scene(t);
  const copier = await device({ name: 'Copier 1' });
  assert.match(copier.secret, /^[0-9a-hjkmnp-tv-z]{52}$/);
  const answer = await curl(server, { name: 'copier 1', secret: copier.secret.toUpperCase().replace(/(.{4})/g, '$1-'), file });
  assert.match(String(answer.status), /^20[12]$/, JSON.stringify(answer.body));
  const own = () => curl(server, { name: 'copier 1', secret: copier.secret, to: `deliveries/${answer.body.id}` });
  const done = await arrived(own);
  assert.equal(done.receipt.hash, `sha256:${sha256(document)}`);
  assert.deepEqual([...drive.files.keys()], ['In/Copier 1/scan.pdf']);

  assert.equal((await road(answer.body.id)).status, 404, "not even the account's owner");
  const other = await device({ name: 'Copier 2' });
  assert.equal((await curl(server, { name: 'Copier 2', secret: other.secret, to: `deliveries/${answer.body.id}` })).status, 404);
  assert.equal((await curl(server, { name: 'Copier 2', secret: other.secret, to: 'deliveries' })).body.total, 0);
  assert.equal((await curl(server, { name: 'Copier 1', secret: copier.secret, to: 'deliveries' })).body.total, 1);

  const devices = await admin.must('GET', '/api/v1/devices');
  const shown = devices.items.find((one) => one.name === 'Copier 1');
  assert.equal(shown.last_source, '127.0.0.1');
  assert.equal(JSON.stringify(devices).includes(copier.secret), false, 'the secret is shown once');
  assert.equal((await admin.must('GET', '/api/v1/deliveries')).items[0].submitter, 'Copier 1');
  assert.deepEqual((await connector()).devices.map((one) => one.name), ['Copier 1', 'Copier 2']);
  assert.deepEqual([...faults(devices, answerSchema('GET', '/api/v1/devices')), ...faults(await admin.must('GET', '/api/v1/connectors'), answerSchema('GET', '/api/v1/connectors'))], []);
});

test('G1, T5: a wrong secret, another address, a switched-off device are one refusal; a connector not named does not exist', async (t) => {
  const { server, admin, file, device, group } = await scene(t);
  await admin.must('POST', '/api/v1/connectors', { id: 'others', name: 'Others', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', owner_pin: pin });
  await admin.must('POST', '/api/v1/connectors', { id: 'own', name: 'Own', type: 'scripted-drive', account: 'caller', groups: [group] });
  const copier = await device({ name: 'copier' });
  const bound = await device({ name: 'bound', sources: ['127.0.0.2'] });
  const off = await device({ name: 'off', enabled: false });
  const refused = async (wish) => {
    const { status, body } = await curl(server, { file, ...wish });
    return { status, ...body, instance: undefined };
  };
  const unknown = await refused({ name: 'nobody', secret: copier.secret });
  assert.equal(unknown.status, 401);
  assert.deepEqual(await refused({ name: 'copier', secret: 'a'.repeat(52) }), unknown);
  assert.deepEqual(await refused({ name: 'bound', secret: bound.secret }), unknown, 'from another address');
  assert.deepEqual(await refused({ name: 'off', secret: off.secret }), unknown);
  assert.match(String((await curl(server, { name: 'bound', secret: bound.secret, file, from: '127.0.0.2' })).status), /^20[12]$/);
  assert.match((await admin.must('GET', '/api/v1/devices')).items.find((one) => one.name === 'bound').last_error, /The right secret came from 127\.0\.0\.1/);

  const absent = await refused({ name: 'copier', secret: copier.secret, to: 'nowhere' });
  assert.equal(absent.status, 404);
  assert.deepEqual(await refused({ name: 'copier', secret: copier.secret, to: 'others' }), absent, 'not named for it');
  assert.deepEqual(await refused({ name: 'copier', secret: copier.secret, to: 'own' }), absent, 'a device has no account of its own');
  const token = await fetch(`${server.url}/v1/token`, { method: 'POST', headers: { authorization: `Basic ${btoa(`copier:${copier.secret}`)}` } });
  assert.equal(token.status, 401, 'a device never gets a token');
});

test('T8: a new secret ends the one before; a device removed is nobody; its name is no user\'s meanwhile', async (t) => {
  const { server, admin, file, device, group } = await scene(t);
  const copier = await device({ name: 'copier' });
  const taken = await admin.call('POST', '/api/v1/users', { username: 'Copier', group_id: group });
  assert.equal(taken.code, 'username_taken');
  assert.equal((await admin.call('POST', '/api/v1/devices', { name: 'PRINTER-1' })).code, 'device_name_taken');
  const renewed = await admin.must('POST', `/api/v1/devices/${copier.id}/secret`, { secret_form: 'compact' });
  assert.equal(renewed.secret.length, 32);
  assert.equal((await curl(server, { name: 'copier', secret: copier.secret, file })).status, 401);
  assert.match(String((await curl(server, { name: 'copier', secret: renewed.secret, file })).status), /^20[12]$/);
  await admin.must('DELETE', `/api/v1/devices/${copier.id}`);
  assert.equal((await curl(server, { name: 'copier', secret: renewed.secret, file })).status, 401);
});

test('K4: without the PIN a fixed connector serves its owner alone; with it its groups, too; a wrong one makes nothing', async (t) => {
  const { server, admin, provider, file, device, connector, deliver, group } = await scene(t, { pinGiven: false });
  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  await admin.addOAuthUser({ username: 'ben', pin: 'another-pin-77', type: 'scripted-drive', allow_token: false });
  const copier = await device({ name: 'copier' });
  const put = (more) => admin.call('PUT', '/api/v1/connectors/scans', { name: 'Scans', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', groups: [group], folder: 'In', ...more });
  assert.equal((await put({})).status, 200);
  assert.equal((await connector()).delegation, null);
  assert.equal((await curl(server, { name: 'copier', secret: copier.secret, file })).code, 'no_such_connector');
  assert.equal((await deliver('x', { username: 'ben', secret: 'another-pin-77' })).code, 'no_such_connector');
  assert.equal((await deliver('x', { name: 'owners.txt' })).status, 201);

  const wrong = await put({ owner_pin: 'not-the-pin-1' });
  assert.equal(`${wrong.status} ${wrong.body.errors?.[0]?.field}`, '422 owner_pin', wrong.text);
  assert.equal((await connector()).delegation, null);
  assert.equal((await admin.call('POST', '/api/v1/connectors/scans/test', {})).status, 422, 'nothing opens the account');
  assert.equal((await admin.call('POST', '/api/v1/connectors/scans/test', { owner_pin: pin })).status, 204);
  assert.equal((await connector()).delegation, null, 'a test makes nothing');
  assert.equal((await put({ owner_pin: pin })).status, 200);
  assert.equal((await connector()).delegation.ended, false);
  assert.equal((await admin.call('POST', '/api/v1/connectors/scans/test')).status, 204);
  assert.equal((await deliver('x', { username: 'ben', secret: 'another-pin-77', name: 'bens.txt' })).status, 201, "a member's, into the owner's account");
  assert.match(String((await curl(server, { name: 'copier', secret: copier.secret, file })).status), /^20[12]$/);
});

test('the real call decides: a service that refuses leaves no delegation behind', async (t) => {
  const { admin, drive, connector } = await scene(t, { pinGiven: false });
  drive.plan = (request) => (request.path === '/drive/files' ? { status: 403, body: {} } : undefined);
  const answer = await admin.call('PUT', '/api/v1/connectors/scans', { name: 'Scans', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', owner_pin: pin });
  assert.ok(answer.status >= 400, answer.text);
  assert.equal((await connector()).delegation, null);
});

test('K2: a PIN reset and a new master key leave what a connector may open in force; documents go on', async (t) => {
  const { server, admin, file, device, user_id } = await scene(t);
  const copier = await device({ name: 'copier' });
  await server.cli(['user', 'set-pin', 'printer-1', '--pin-file', await secretFile(server, 'a-new-pin-4711')]);
  const send = () => curl(server, { name: 'copier', secret: copier.secret, file, wait: 60 });
  const first = await send();
  assert.match(String(first.status), /^20[12]$/, JSON.stringify(first.body));
  await arrived(() => curl(server, { name: 'copier', secret: copier.secret, to: `deliveries/${first.body.id}` }));
  await server.cli(['keys', 'rotate']);
  await until('the rotation to be over', async () => JSON.parse((await server.cli(['keys', 'status', '--json'])).stdout).rotation === null, { timeout: 60_000 });
  const second = await send();
  assert.match(String(second.status), /^20[12]$/, JSON.stringify(second.body));
  await arrived(() => curl(server, { name: 'copier', secret: copier.secret, to: `deliveries/${second.body.id}` }));
  assert.equal((await admin.must('GET', `/api/v1/users/${user_id}/delegations`)).items.length, 1);
});

test('K4: what its owner ends opens nothing more; what was accepted before goes on; the page says so', async (t) => {
  const { server, admin, drive, file, device, connector, user_id } = await scene(t);
  const copier = await device({ name: 'copier' });
  const listed = await admin.must('GET', `/api/v1/users/${user_id}/delegations`);
  assert.deepEqual(listed.items.map((one) => [one.connector, one.type]), [['scans', 'scripted-drive']]);
  assert.deepEqual(faults(listed, answerSchema('GET', '/api/v1/users/{id}/delegations')), []);
  drive.plan = () => ({ status: 503, body: {} });
  const before = await curl(server, { name: 'copier', secret: copier.secret, file, wait: 0 });
  assert.equal(before.status, 202);
  await admin.must('DELETE', `/api/v1/users/${user_id}/delegations/scans`);
  drive.plan = () => undefined;
  assert.equal((await connector()).delegation, null);
  assert.equal((await curl(server, { name: 'copier', secret: copier.secret, file })).code, 'no_such_connector');
  assert.equal((await admin.call('DELETE', '/api/v1/connectors/scans/delegation')).code, 'no_such_delegation');
  await arrived(() => curl(server, { name: 'copier', secret: copier.secret, to: `deliveries/${before.body.id}` }));
  const trail = await admin.must('GET', '/api/v1/activity?limit=50');
  assert.ok(JSON.stringify(trail).includes('connector.delegation_ended'));
});

test('a connector that is deleted takes its delegation along, and no device is left with its id', async (t) => {
  const { admin, device, user_id } = await scene(t);
  const copier = await device({ name: 'copier' });
  await admin.must('DELETE', '/api/v1/connectors/scans');
  assert.deepEqual((await admin.must('GET', `/api/v1/users/${user_id}/delegations`)).items, []);
  assert.deepEqual((await admin.must('GET', '/api/v1/devices')).items.find((one) => one.id === copier.id).connectors, []);
});

test('the command line adds, lists, changes and removes devices, and gives a connector the PIN of its owner', async (t) => {
  const { server, admin, connector } = await scene(t, { pinGiven: false });
  await server.cli(['connector', 'set', 'scans', '--pin-file', await secretFile(server, pin)]);
  assert.equal((await connector()).delegation.ended, false);
  assert.match((await server.cli(['connector', 'test', 'scans'])).stdout, /has answered/);
  const added = await server.cli(['device', 'add', 'copier', '--connector', 'scans', '--source', '192.0.2.7', '--compact']);
  const [, secret] = /Password +([0-9a-z]{32})\n/.exec(added.stdout) ?? [];
  assert.ok(secret, added.stdout);
  assert.match((await server.cli(['device', 'list'])).stdout, /copier +scans +192\.0\.2\.7/);
  await server.cli(['device', 'set', 'COPIER', '--source', '', '--name', 'Copier', '--disable']);
  const shown = (await admin.must('GET', '/api/v1/devices')).items[0];
  assert.deepEqual([shown.name, shown.sources, shown.enabled, shown.connectors], ['Copier', [], false, ['scans']]);
  assert.match((await server.cli(['device', 'show', 'copier'])).stdout, /switched off[\s\S]*anywhere, over TLS/);
  const renewed = JSON.parse((await server.cli(['device', 'new-secret', 'copier', '--json'])).stdout);
  assert.equal(renewed.secret.length, 52);
  await server.cli(['device', 'remove', 'copier']);
  assert.deepEqual((await admin.must('GET', '/api/v1/devices')).items, []);
  await server.cli(['connector', 'end-delegation', 'scans']);
  assert.equal((await connector()).delegation, null);
});

async function secretFile(server, secret) {
  const file = path.join(server.data, `secret-${secret.length}`);
  await writeFile(file, `${secret}\n`, { mode: 0o600 });
  return file;
}
