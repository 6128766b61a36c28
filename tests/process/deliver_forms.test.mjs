// Forms at the HTTP door, repetitions under one key, what a panel shows, and the document itself on its way back: the real binary.

import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { administrator } from '../support/console.mjs';
import { answerSchema, faults } from '../support/contract.mjs';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { run, Session } from '../support/latchkey.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const spooled = async (server) => (await readdir(path.join(server.data, 'spool'))).length;
const basic = (username = 'printer-1', secret = pin) => ({ authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}` });

test('a form with several files is as many deliveries, streamed, each whole, with the fields before them', async (t) => {
  const { server, drive, deliver } = await deliveringServer(t);
  const documents = [documentOf(0), documentOf(1), documentOf(300_000), documentOf(5_000_000)];
  const form = new FormData();
  form.set('remark', 'für März');
  documents.forEach((document, number) => form.append('document', new Blob([document], { type: 'application/pdf' }), `Seite ${number}.pdf`));
  const answer = await deliver(form, { wait: 60 });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.body.total, documents.length);
  assert.deepEqual(answer.body.items.map((one) => [one.name, one.size, one.sha256, one.state]),
    documents.map((document, number) => [`In/printer-1/Seite ${number}.pdf`, document.length, sha256(document), 'delivered']));
  for (const [number, document] of documents.entries()) assert.equal(drive.files.get(`In/printer-1/Seite ${number}.pdf`).sha256, sha256(document));
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
});

test('a form with one file is answered as the document itself; real curl sends one', async (t) => {
  const { server, drive, deliver } = await deliveringServer(t);
  const one = await deliver((() => { const form = new FormData(); form.append('file', new Blob(['hello']), 'a "b" 100%.txt'); return form; })());
  assert.equal(one.status, 201, one.text);
  assert.equal(one.headers.get('location'), `/v1/deliveries/${one.body.id}`);
  assert.equal(one.body.name, 'In/printer-1/a "b" 100%.txt');
  const file = path.join(server.folder, 'by curl.pdf');
  await writeFile(file, documentOf(2_000_000));
  const { stdout } = await run('curl', ['-sS', '-u', `printer-1:${pin}`, '-H', 'Prefer: wait=60', '-F', 'to=archive', '-F', `document=@${file};type=application/pdf`, `${server.url}/v1/deliver/scans`]);
  const sent = JSON.parse(stdout);
  assert.equal(sent.state, 'delivered', stdout);
  assert.equal(drive.files.get('In/printer-1/by curl.pdf').sha256, sha256(await readFile(file)));
});

test('all of a form or nothing: what is wrong with one file, or with the form, keeps them all out', async (t) => {
  const { server, admin, drive, deliver, group } = await deliveringServer(t);
  await admin.must('POST', '/api/v1/connectors', { id: 'small', name: 'Small', type: 'scripted-drive', account: 'caller', groups: [group], size_bytes_max: 100 });
  const refused = async (expected, body, { to = 'scans', type } = {}) => {
    const answer = await deliver(body, { to, ...(type ? { headers: { 'content-type': type } } : {}) });
    assert.equal(`${answer.status} ${answer.code}`, expected, answer.text);
    assert.ok(answer.body.detail.length > 0);
  };
  const form = (...files) => {
    const made = new FormData();
    for (const [name, content] of files) made.append('f', new Blob([content]), name);
    return made;
  };
  await refused('413 document_too_large', form(['a.txt', 'short'], ['b.txt', 'x'.repeat(200)]), { to: 'small' });
  await refused('400 bad_name', form(['a.txt', 'good'], ['..', 'bad']));
  await refused('404 no_such_connector', form(['a.txt', 'x']), { to: 'nowhere' });
  const late = form(['a.txt', 'x']);
  late.append('field', 'too late');
  await refused('400 fields_after_files', late);
  await refused('400 no_document', (() => { const empty = new FormData(); empty.set('a', 'b'); return empty; })());
  const byHand = 'multipart/form-data; boundary=b';
  const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nhello\r\n';
  await refused('400 malformed_multipart', `${part}--b`, { type: byHand });
  await refused('400 malformed_multipart', part, { type: byHand });
  await refused('400 malformed_multipart', `${part}--bb\r\n`, { type: byHand });
  await refused('400 malformed_multipart', `${part}--b--`, { type: 'multipart/form-data' });
  await refused('400 malformed_multipart', '--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--', { type: byHand });
  assert.equal(drive.uploads.size, 0);
  assert.equal((await admin.must('GET', '/api/v1/deliveries')).total, 0);
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
});

test('Idempotency-Key: the same document again is the same delivery, another one is refused, and of somebody else it is another', async (t) => {
  const { server, admin, provider, drive, deliver } = await deliveringServer(t);
  const headers = { 'idempotency-key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' };
  const first = await deliver('once', { headers });
  assert.equal(first.status, 201, first.text);
  const again = await deliver('once', { headers: { 'idempotency-key': '8e03978e-40d5-43dd-bc93-6894a57f9324' } });
  assert.equal(again.status, 201, again.text);
  assert.equal(again.body.id, first.body.id);
  const other = await deliver('something else', { headers });
  assert.equal(`${other.status} ${other.code}`, '422 idempotency_key_reused', other.text);
  const bad = await deliver('x', { headers: { 'idempotency-key': 'two words' } });
  assert.equal(`${bad.status} ${bad.code}`, '400 bad_idempotency_key', bad.text);
  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  await admin.addOAuthUser({ username: 'printer-2', pin: 'another-pin-77', type: 'scripted-drive', allow_token: false });
  const theirs = await deliver('once', { headers, username: 'printer-2', secret: 'another-pin-77' });
  assert.notEqual(theirs.body.id, first.body.id);
  // Twelve at the same moment are one.
  const crowd = await Promise.all(Array.from({ length: 12 }, () => deliver('at once', { headers: { 'idempotency-key': 'crowd' } })));
  assert.deepEqual([...new Set(crowd.map((answer) => answer.body.id))].length, 1, crowd.map(({ text }) => text).join());
  const form = () => { const made = new FormData(); made.append('f', new Blob(['page 1']), '1.txt'); made.append('f', new Blob(['page 2']), '2.txt'); return made; };
  const pages = await deliver(form(), { headers: { 'idempotency-key': 'form-1' } });
  assert.deepEqual((await deliver(form(), { headers: { 'idempotency-key': 'form-1' } })).body.items.map(({ id }) => id), pages.body.items.map(({ id }) => id));
  assert.equal(drive.uploads.size, 5);
  await until('the spool to be empty', async () => (await spooled(server)) === 0);
});

test('the document on its way back: for whoever submitted it and for administrators, as an attachment, with an entry in the audit trail', async (t) => {
  const { server, admin, drive, deliver } = await deliveringServer(t);
  drive.plan = () => ({ status: 503, headers: { 'retry-after': '3600' } });
  const document = documentOf(3_000_000);
  const { body } = await deliver(document, { name: 'Bericht März.html', wait: 0 });
  const own = await fetch(`${server.url}/v1/deliveries/${body.id}/document`, { headers: basic() });
  assert.equal(own.status, 200);
  assert.equal(sha256(Buffer.from(await own.arrayBuffer())), sha256(document));
  assert.equal(own.headers.get('content-disposition'), `attachment; filename*=UTF-8''${encodeURIComponent('Bericht März.html')}`);
  assert.equal(own.headers.get('x-content-type-options'), 'nosniff');
  assert.match(own.headers.get('content-security-policy'), /sandbox/);
  assert.equal(own.headers.get('content-type'), 'application/octet-stream');
  assert.equal((await fetch(`${server.url}/v1/deliveries/${body.id}/document`, { headers: basic('printer-1', 'wrong-pin-1234') })).status, 401);
  const target = path.join(server.folder, 'fetched.bin');
  const fetched = await server.cli(['delivery', 'download', body.id, '--output', target]);
  assert.equal(fetched.status, 0, fetched.stderr);
  assert.equal(sha256(await readFile(target)), sha256(document));
  assert.notEqual((await server.cli(['delivery', 'download', body.id, '--output', target])).status, 0, 'nothing is written over');
  const trail = await admin.must('GET', '/api/v1/activity?action=delivery.downloaded');
  assert.equal(trail.items.length, 2);
  drive.plan = () => undefined;
  await admin.must('POST', `/api/v1/deliveries/${body.id}/retry`);
  await until('it to arrive', () => drive.files.size === 1);
  await until('it to be gone', async () => (await fetch(`${server.url}/v1/deliveries/${body.id}/document`, { headers: basic() })).status === 404);
});

test('reroute: to a connector of the same account at once; not to one that is not for the submitter, or whose account only a PIN opens', async (t) => {
  const { server, admin, drive, deliver, road, group } = await deliveringServer(t, { connector: { conflict: 'fail' } });
  const elsewhere = await admin.group('Elsewhere');
  await admin.must('POST', '/api/v1/connectors', { id: 'archive', name: 'Archive', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'Archive/{user}' });
  await admin.must('POST', '/api/v1/connectors', { id: 'others', name: 'Others', type: 'scripted-drive', account: 'caller', groups: [elsewhere] });
  assert.equal((await deliver('one', { name: 'a.txt' })).status, 201);
  const { body } = await deliver('two', { name: 'a.txt' });
  assert.equal(body.state, 'failed', body.why);
  const refused = await admin.call('POST', `/api/v1/deliveries/${body.id}/reroute`, { connector: 'others' });
  assert.equal(refused.status, 409);
  assert.match(refused.body.detail, /not for whoever submitted/);
  assert.equal((await admin.call('POST', `/api/v1/deliveries/${body.id}/reroute`, { connector: 'nowhere' })).status, 422);
  const moved = await server.cli(['delivery', 'reroute', body.id, 'archive']);
  assert.equal(moved.status, 0, moved.stderr);
  await until('it to arrive', () => drive.files.has('Archive/printer-1/a.txt'));
  assert.equal(drive.files.get('Archive/printer-1/a.txt').sha256, sha256('two'));
  const found = await until('the receipt', async () => { const { body: now } = await road(body.id); return now.state === 'delivered' ? now : undefined; });
  assert.ok(found.timeline.some((step) => step.what === 'rerouted' && /scans.*archive/.test(step.words)), JSON.stringify(found.timeline));
  assert.equal((await admin.call('POST', `/api/v1/deliveries/${body.id}/reroute`, { connector: 'scans' })).status, 409, 'it has been delivered');
  const listed = await admin.must('GET', '/api/v1/deliveries?submitter=printer-1');
  assert.equal(listed.total, 2);
  assert.equal((await admin.must('GET', '/api/v1/deliveries?submitter=nobody')).total, 0);
});

test('D1: reroute: what was being sent to one place goes to the other from its beginning, under its own name, and stays the same delivery for its client', async (t) => {
  const { admin, drive, deliver, road, group } = await deliveringServer(t, { connector: { naming: '{date} {name}' } });
  await admin.must('POST', '/api/v1/connectors', { id: 'archive', name: 'Archive', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'Archive', naming: '{date} {name}' });
  const document = documentOf(12_000_000);
  const headers = { 'idempotency-key': 'moved-1' };
  drive.plan = ({ method, range }) => (method === 'PUT' && Number(/^bytes (\d+)/.exec(range)[1]) > 9_000_000 ? { status: 507 } : undefined);
  const { body } = await deliver(document, { name: 'scan.pdf', wait: 0, headers });
  await until('it to be parked', async () => (await road(body.id)).body.state === 'parked');
  drive.plan = () => undefined;
  await admin.must('POST', `/api/v1/deliveries/${body.id}/reroute`, { connector: 'archive' });
  await until('it to arrive', () => drive.files.size === 1);
  const [[name, file]] = [...drive.files];
  assert.match(name, /^Archive\/\d{4}-\d\d-\d\d scan\.pdf$/, 'where it was sent, and the template once');
  assert.equal(file.sha256, sha256(document));
  const again = await deliver(document, { name: 'scan.pdf', headers });
  assert.equal(again.status, 201, again.text);
  assert.equal(again.body.id, body.id);
});

test('D10: retry: what was refused, or begun under another rule, is another upload under the rule of now; what is not goes on', async (t) => {
  const { admin, drive, deliver, road, group } = await deliveringServer(t, { connector: { conflict: 'fail' } });
  const standing = async (answer, state) => until(`it to be ${state}`, async () => (await road(answer.body.id)).body.state === state);
  const ends = [{ status: 409, state: 'failed' }, { status: 507, state: 'parked' }];
  const waiting = [];
  for (const { status, state } of ends) {
    drive.plan = ({ method }) => (method === 'PUT' ? { status } : undefined);
    const answer = await deliver('x'.repeat(1000), { name: `${state}.txt`, wait: 0 });
    await standing(answer, state);
    waiting.push(answer);
  }
  drive.plan = () => undefined;
  await admin.must('PUT', '/api/v1/connectors/scans', { name: 'Scans', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'In/{user}', conflict: 'rename' });
  for (const answer of waiting) {
    await admin.must('POST', `/api/v1/deliveries/${answer.body.id}/retry`);
    await standing(answer, 'delivered');
  }
  assert.deepEqual([...drive.uploads.values()].map(({ conflict, file }) => [conflict, file !== undefined]), [['fail', false], ['fail', false], ['rename', true], ['rename', true]]);
});

test('K4: users see what they handed in and how many documents may open their account without the PIN, and of others nothing', async (t) => {
  const { server, admin, provider, drive, deliver, road, user_id } = await deliveringServer(t);
  assert.equal((await deliver('arrives', { name: 'arrives.txt' })).body.state, 'delivered');
  drive.plan = () => ({ status: 503, headers: { 'retry-after': '3600' } });
  for (const name of ['a.txt', 'b.txt']) {
    const { body } = await deliver(name, { name, wait: 0 });
    await until('it to be tried', async () => { const { body: now } = await road(body.id); return now.state === 'queued' && now.tries === 1; });
  }
  const password = 'Quite-Another-Secret-1';
  await admin.must('POST', `/api/v1/users/${user_id}/password`, { password, current_password: administrator.password });
  const own = new Session(server.url);
  await own.signIn('printer-1', password);
  const seen = await own.must('GET', `/api/v1/users/${user_id}/deliveries`);
  assert.deepEqual(faults(seen, answerSchema('GET', '/api/v1/users/{id}/deliveries')), []);
  assert.deepEqual(seen.items.map(({ name }) => name), ['b.txt', 'a.txt', 'arrives.txt'].map((name) => `In/printer-1/${name}`));
  assert.equal(seen.unattended, 2, 'what has arrived opens nothing any more');
  const first = await own.must('GET', `/api/v1/users/${user_id}/deliveries?limit=1`);
  assert.deepEqual([first.items.length, first.total], [1, 3]);
  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  const { user_id: other } = await admin.addOAuthUser({ username: 'printer-2', pin: 'another-pin-77', type: 'scripted-drive', allow_token: false });
  assert.equal((await own.call('GET', `/api/v1/users/${other}/deliveries`)).status, 404);
  assert.equal((await own.call('GET', '/api/v1/deliveries')).status, 403);
  assert.deepEqual((await admin.must('GET', `/api/v1/users/${other}/deliveries`)).items, []);
  await admin.must('DELETE', `/api/v1/deliveries/${seen.items[0].id}`);
  assert.equal((await admin.must('GET', `/api/v1/users/${user_id}/deliveries`)).unattended, 1);
});

test('T2: a panel lists what the destination shows, with the use `list`; whoever may not use the connector learns nothing', async (t) => {
  const { server, admin, drive, deliver, user_id } = await deliveringServer(t);
  await deliver('x', { name: 'Alpha.pdf' });
  await deliver('y', { name: 'Beta.pdf' });
  const list = async (query, { connector = 'scans', secret = pin } = {}) => {
    const response = await fetch(`${server.url}/v1/connectors/${connector}/list?${query}`, { headers: basic('printer-1', secret) });
    const body = await response.json();
    return { status: response.status, body, code: body.type?.split(':').at(-1), cache: response.headers.get('cache-control') };
  };
  drive.plan = ({ path: where }) => (where === '/drive/files' ? { status: 400 } : undefined);
  const refused = await list('kind=file');
  assert.equal(`${refused.status} ${refused.code}`, '502 target_refused', 'not 401: the PIN is right');
  drive.plan = () => undefined;
  const all = await list('kind=file');
  assert.equal(all.status, 200, JSON.stringify(all.body));
  assert.deepEqual(all.body.items.map(({ name }) => name), ['In/printer-1/Alpha.pdf', 'In/printer-1/Beta.pdf']);
  assert.equal(all.cache, 'no-store');
  assert.equal((await list('kind=file&filter=BETA')).body.items.length, 1);
  const unknown = await list('kind=nonsense');
  assert.equal(`${unknown.status} ${unknown.code}`, '400 unknown_kind');
  assert.equal((await list('kind=file', { connector: 'nowhere' })).status, 404);
  assert.equal((await list('kind=file', { secret: 'wrong-pin-1234' })).status, 401);
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { uses: ['deliver'] });
  const forbidden = await list('kind=file');
  assert.equal(`${forbidden.status} ${forbidden.code}`, '403 use_not_allowed');
});
