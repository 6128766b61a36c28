// Documents through the WebDAV door, on the real binary and with real clients (curl, rclone, litmus): what arrives is compared by hash, what is
// not complete waits, and nobody sees anything but their own.

import assert from 'node:assert/strict';
import { access, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { deliveringServer, documentOf, longDocument, sha256 } from '../support/delivering.mjs';
import { run } from '../support/latchkey.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';
import { basic, davClient, listed, rclone, speak, trickle, writeTree } from '../support/webdav.mjs';

/** A delivering server whose documents settle at once, and are held for as long as is said. */
async function davServer(t, { settle = '0s', hold = '1h', ...options } = {}) {
  const scene = await deliveringServer(t, options);
  await scene.admin.set('webdav.settle', settle);
  await scene.admin.set('webdav.hold', hold);
  const dav = davClient(scene.server);
  const deliveries = async () => (await scene.admin.must('GET', '/api/v1/deliveries?limit=200')).items;
  const arrived = (name, timeout = 60_000) => until(`${name} to arrive`, () => scene.drive.files.get(`In/printer-1/${name}`), { timeout });
  const spooled = async () => (await readdir(path.join(scene.server.data, 'spool'))).length;
  return { ...scene, dav, deliveries, arrived, spooled };
}

/** The destination is away: nothing leaves the spool. */
const away = (drive) => { drive.plan = () => ({ status: 503, headers: { 'retry-after': '3600' } }); };

test('a document put with curl is listed, can be had back while it is here, and arrives whole', async (t) => {
  const { server, admin, drive, dav, arrived, road, deliveries } = await davServer(t);
  away(drive);
  const document = documentOf(300_000);
  const folder = await temporaryFolder(t, 'curl');
  const file = path.join(folder, 'Rechnung März.pdf');
  await writeFile(file, document);
  const put = await run('curl', ['-sS', '-u', `printer-1:${pin}`, '-T', file, '-o', '-', '-w', '%{http_code}', `${server.url}/dav/scans/Rechnung%20M%C3%A4rz.pdf`]);
  assert.equal(put.stdout, '201', put.stderr);
  const list = await dav('PROPFIND', 'scans/', { headers: { depth: '1' } });
  assert.equal(list.status, 207, list.text);
  assert.deepEqual(listed(list.text), { '/dav/scans/': { size: undefined, collection: true }, '/dav/scans/Rechnung März.pdf': { size: 300_000, collection: false } });
  const got = await dav('GET', 'scans/Rechnung März.pdf');
  assert.equal(got.status, 200);
  assert.equal(sha256(got.body), sha256(document));
  assert.equal(got.headers['content-disposition'], 'attachment');
  assert.equal(got.headers['x-content-type-options'], 'nosniff');
  assert.match(got.headers['content-security-policy'], /sandbox/);
  const [delivery] = await deliveries();
  assert.match(delivery.source, /^webdav 127\.0\.0\.1$/);
  await until('its first try to be over', async () => { const { body } = await road(delivery.id); return body.tries > 0 && body.state !== 'sending'; });
  drive.plan = () => undefined;
  await admin.must('POST', `/api/v1/deliveries/${delivery.id}/retry`);
  assert.equal((await arrived('Rechnung März.pdf')).sha256, sha256(document));
  await until('it to be recorded', async () => (await road(delivery.id)).body.state === 'delivered');
  const head = await dav('HEAD', 'scans/Rechnung März.pdf');
  assert.equal(`${head.status} ${head.headers['content-length']}`, '200 300000', 'a device that looks after its upload is told the size');
  assert.equal((await dav('GET', 'scans/Rechnung März.pdf')).status, 410);
});

test('litmus basic passes', async (t) => {
  const { server } = await davServer(t, { settle: '1m' });
  const folder = await temporaryFolder(t, 'litmus');
  const ran = await run('litmus', [`${server.url}/dav/scans/`, 'printer-1', pin], { cwd: folder, env: { TESTS: 'basic' }, timeout: 120_000 });
  assert.equal(ran.status, 0, ran.stdout);
  const [, total, passed, failed] = /summary for `basic': of (\d+) tests run: (\d+) passed, (\d+) failed/.exec(ran.stdout) ?? [];
  assert.ok(Number(total) >= 15, ran.stdout);
  assert.equal(passed, total, ran.stdout);
  assert.equal(failed, '0');
  const warnings = ran.stdout.match(/WARNING: .*/g) ?? [];
  assert.deepEqual(warnings.filter((words) => !/Class 2/.test(words)), [], ran.stdout);
});

test('rclone copies a tree with spaces and umlauts, from nothing to 100 MB, and every document arrives whole', async (t) => {
  const { server, drive, arrived, spooled } = await davServer(t, { hold: '2s' });
  const files = {
    'leer.txt': documentOf(0), 'ein Byte.bin': documentOf(1), 'Büro/Rechnung März.pdf': documentOf(50_000),
    'Büro/Ablage 2026/Plan & Skizze #1 100%.tif': documentOf(5_000_000), 'groß.bin': documentOf(100_000_000),
  };
  const client = await rclone(t, server);
  const source = path.join(client.folder, 'from');
  await writeTree(source, files);
  const copied = await client.run('copy', source, 'latchkey:');
  assert.equal(copied.status, 0, copied.stderr);
  for (const [name, octets] of Object.entries(files)) {
    const file = await arrived(name, 180_000);
    assert.deepEqual({ size: file.size, sha256: file.sha256 }, { size: octets.length, sha256: sha256(octets) }, name);
  }
  assert.equal(drive.files.size, Object.keys(files).length, 'each once');
  await until('the spool to be empty', async () => (await spooled()) === 0, { timeout: 30_000 });
  const again = await client.run('copy', source, 'latchkey:', '--size-only', '-v');
  assert.equal(again.status, 0, again.stderr);
  assert.match(again.stderr, /There was nothing to transfer|Transferred:\s+0 B \/ 0 B/, 'what was put is seen to be there');
  assert.equal(drive.files.size, Object.keys(files).length);
});

test('documents of 0, 1, 50 kB, 5 MB and 500 MB arrive whole', async (t) => {
  const { dav, drive, arrived, spooled } = await davServer(t, { hold: '1s' });
  for (const size of [0, 1, 50_000, 5_000_000, 500_000_000]) {
    const { stream, sha256: hash } = longDocument(size);
    const put = await dav('PUT', `scans/${size}.bin`, { body: stream, headers: { 'content-length': size } });
    assert.equal(put.status, 201, put.text);
    const file = await arrived(`${size}.bin`, 240_000);
    assert.deepEqual([file.size, file.sha256], [size, hash()]);
  }
  assert.equal(drive.files.size, 5, 'each once');
  await until('the spool to be empty', async () => (await spooled()) === 0);
});

test('G4: a document with a temporary name waits for the MOVE that names it, an empty one for the PUT that fills it', async (t) => {
  const { drive, dav, arrived, deliveries, spooled } = await davServer(t);
  const document = documentOf(70_000);
  assert.equal((await dav('PUT', 'scans/~scan0001.tmp', { body: document })).status, 201);
  assert.equal((await dav('PUT', 'scans/quittung.pdf', { body: '' })).status, 201);
  const held = await deliveries();
  assert.deepEqual(held.map(({ state, tries }) => [state, tries]), [['queued', 0], ['queued', 0]]);
  for (const { next_try_at: due } of held) assert.ok(Date.parse(due) > Date.now() + 1_800_000, due);

  const moved = await dav('MOVE', 'scans/~scan0001.tmp', { headers: { destination: `/dav/scans/scan0001.pdf`, overwrite: 'T' } });
  assert.equal(moved.status, 201, moved.text);
  assert.equal((await arrived('scan0001.pdf')).sha256, sha256(document));
  const filled = documentOf(30_000);
  assert.equal((await dav('PUT', 'scans/quittung.pdf', { body: filled })).status, 204);
  assert.equal((await arrived('quittung.pdf')).sha256, sha256(filled));
  assert.deepEqual([...drive.files.keys()].sort(), ['In/printer-1/quittung.pdf', 'In/printer-1/scan0001.pdf'], 'neither the temporary name nor the empty one');
  await until('the spool to be empty', async () => (await spooled()) === 0);
  assert.equal((await deliveries()).length, 2);
});

test('G4: two machines of one account with one temporary name: each gives its own document its name', async (t) => {
  const { dav, arrived, deliveries } = await davServer(t);
  const [first, second] = [documentOf(20_000), documentOf(30_000)];
  assert.equal((await dav('PUT', 'scans/~scan.tmp', { body: first, from: '127.0.0.2' })).status, 201);
  assert.ok([201, 204].includes((await dav('PUT', 'scans/~scan.tmp', { body: second, from: '127.0.0.3' })).status));
  assert.equal((await dav('MOVE', 'scans/~scan.tmp', { headers: { destination: '/dav/scans/a.pdf' }, from: '127.0.0.2' })).status, 201);
  assert.equal((await dav('MOVE', 'scans/~scan.tmp', { headers: { destination: '/dav/scans/b.pdf' }, from: '127.0.0.3' })).status, 201);
  assert.equal((await arrived('a.pdf')).sha256, sha256(first));
  assert.equal((await arrived('b.pdf')).sha256, sha256(second));
  assert.equal((await deliveries()).length, 2);
});

test('G4: two documents under one temporary name from one address: the older one is sent under it, the newer one gets the name', async (t) => {
  const { server, dav, arrived, deliveries } = await davServer(t);
  const [first, second] = [documentOf(20_000), documentOf(30_000)];
  assert.equal((await dav('PUT', 'scans/~scan.tmp', { body: first })).status, 201);
  assert.ok([201, 204].includes((await dav('PUT', 'scans/~scan.tmp', { body: second })).status));
  assert.equal((await arrived('~scan.tmp')).sha256, sha256(first), 'it was answered 201');
  assert.equal((await dav('MOVE', 'scans/~scan.tmp', { headers: { destination: '/dav/scans/b.pdf' } })).status, 201);
  assert.equal((await arrived('b.pdf')).sha256, sha256(second));
  assert.equal((await deliveries()).length, 2);
  assert.match(await server.metrics(), /^latchkey_webdav_released_total 1$/m);
});

test('D1: a PUT whose answer was lost, and that is sent once more while the document waits, is one document', async (t) => {
  const { admin, drive, dav, arrived, deliveries, spooled } = await davServer(t, { settle: '5m' });
  const document = documentOf(20_000);
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: document })).status, 201);
  await admin.set('webdav.settle', '0s');
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: document })).status, 204);
  assert.equal((await arrived('scan.pdf')).sha256, sha256(document));
  assert.equal((await deliveries()).length, 1);
  await until('the spool to be empty', async () => (await spooled()) === 0);
  assert.equal(drive.files.size, 1);
});

test('G4: what is held is sent as it is when nobody completes it: nothing that was accepted is thrown away', async (t) => {
  const { dav, arrived } = await davServer(t, { hold: '1s' });
  const document = documentOf(10_000);
  assert.equal((await dav('PUT', 'scans/scan.pdf.part', { body: document })).status, 201);
  assert.equal((await arrived('scan.pdf.part')).sha256, sha256(document));
});

test('G4: two documents put at one address are two documents, also where the first one waits for its destination', async (t) => {
  const { drive, dav, deliveries } = await davServer(t);
  drive.plan = () => ({ status: 503, headers: { 'retry-after': '1' } });
  const [first, second] = [documentOf(20_000), documentOf(30_000)];
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: first })).status, 201);
  await until('the first to be tried', async () => (await deliveries()).some(({ tries }) => tries > 0));
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: second })).status, 204);
  drive.plan = () => undefined;
  await until('both to be delivered', async () => (await deliveries()).every(({ state }) => state === 'delivered'), { timeout: 60_000 });
  assert.deepEqual([...drive.files.values()].map((file) => file.sha256).sort(), [first, second].map(sha256).sort());
});

test('G4: DELETE of a document that has been tried already takes away the entry alone, and the document arrives', async (t) => {
  const { drive, dav, arrived, deliveries } = await davServer(t);
  drive.plan = () => ({ status: 503, headers: { 'retry-after': '1' } });
  const document = documentOf(20_000);
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: document })).status, 201);
  await until('it to be tried', async () => (await deliveries()).some(({ tries }) => tries > 0));
  assert.equal((await dav('DELETE', 'scans/scan.pdf')).status, 204);
  assert.equal((await dav('GET', 'scans/scan.pdf')).status, 404);
  drive.plan = () => undefined;
  assert.equal((await arrived('scan.pdf')).sha256, sha256(document));
});

test('G4: DELETE before sending cancels; what has been sent is only no longer listed', async (t) => {
  const { admin, drive, dav, arrived, deliveries, spooled } = await davServer(t, { settle: '5m' });
  assert.equal((await dav('PUT', 'scans/irrtum.pdf', { body: 'not this one' })).status, 201);
  assert.equal((await dav('DELETE', 'scans/irrtum.pdf')).status, 204);
  assert.equal((await dav('GET', 'scans/irrtum.pdf')).status, 404);
  assert.equal(await spooled(), 0);
  assert.deepEqual(await deliveries(), []);
  const audit = await admin.must('GET', '/api/v1/activity?limit=20');
  assert.ok(audit.items.some((entry) => entry.action === 'delivery.cancelled' && entry.actor.name === 'printer-1'), JSON.stringify(audit.items));
  await admin.set('webdav.settle', '0s');
  assert.equal((await dav('PUT', 'scans/gut.pdf', { body: 'this one' })).status, 201);
  await arrived('gut.pdf');
  assert.equal((await dav('DELETE', 'scans/gut.pdf')).status, 204);
  assert.deepEqual(listed((await dav('PROPFIND', 'scans/', { headers: { depth: '1' } })).text), { '/dav/scans/': { size: undefined, collection: true } });
  assert.equal((await dav('DELETE', 'scans/gut.pdf')).status, 404);
  assert.equal(drive.files.size, 1, 'the destination keeps what it has');
});

test('the habits of scanners: HEAD first, Expect: 100-continue, doubled slashes, chunked bodies', async (t) => {
  const { server, dav, arrived } = await davServer(t);
  const document = documentOf(2_000_000);
  assert.equal((await dav('HEAD', 'scans/scan.pdf')).status, 404);
  assert.equal((await dav('HEAD', 'scans/')).status, 200);
  const folder = await temporaryFolder(t, 'scanner');
  const file = path.join(folder, 'scan.pdf');
  await writeFile(file, document);
  const put = await run('curl', ['-sSv', '-u', `printer-1:${pin}`, '-H', 'Expect: 100-continue', '-T', file, '-o', '-', '-w', '%{http_code}', `${server.url}/dav/scans//scan.pdf`]);
  assert.equal(put.stdout, '201', put.stderr);
  assert.match(put.stderr, /HTTP\/1\.1 100 Continue/);
  assert.equal((await arrived('scan.pdf')).sha256, sha256(document));
  const chunked = await run('curl', ['-sS', '-u', `printer-1:${pin}`, '-H', 'Transfer-Encoding: chunked', '-T', file, '-o', '-', '-w', '%{http_code}', `${server.url}/dav/scans/chunked.pdf`]);
  assert.equal(chunked.stdout, '201', chunked.stderr);
  assert.equal((await arrived('chunked.pdf')).sha256, sha256(document));
});

test('G1: each sees their own documents of a connector that is theirs, and of the rest not even that it is there', async (t) => {
  const { admin, provider, drive, dav } = await davServer(t);
  away(drive);
  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  const other = { username: 'printer-2', secret: 'another-pin-77' };
  await admin.addOAuthUser({ username: other.username, pin: other.secret, type: 'scripted-drive', allow_token: false });
  const elsewhere = await admin.group('Elsewhere');
  await admin.must('POST', '/api/v1/connectors', { id: 'others', name: 'Others', type: 'scripted-drive', account: 'caller', groups: [elsewhere] });
  assert.equal((await dav('PUT', 'scans/geheim.pdf', { body: 'secret' })).status, 201);
  for (const method of ['GET', 'HEAD', 'DELETE']) assert.equal((await dav(method, 'scans/geheim.pdf', other)).status, 404, method);
  assert.equal((await dav('MOVE', 'scans/geheim.pdf', { ...other, headers: { destination: '/dav/scans/mine.pdf' } })).status, 404);
  assert.deepEqual(Object.keys(listed((await dav('PROPFIND', 'scans/', { ...other, headers: { depth: '1' } })).text)), ['/dav/scans/']);
  for (const method of ['PROPFIND', 'PUT', 'MKCOL', 'DELETE']) {
    const [absent, foreign] = await Promise.all(['nowhere', 'others'].map((id) => dav(method, `${id}/x.pdf`, { headers: { depth: '0' }, body: method === 'PUT' ? 'x' : undefined })));
    assert.equal(absent.status, 404, method);
    assert.deepEqual([foreign.status, foreign.text], [absent.status, absent.text], 'the same words');
  }
  const wrong = await dav('PROPFIND', 'scans/', { headers: { depth: '0' }, secret: 'wrong-pin-1234' });
  assert.equal(wrong.status, 401);
  const nobody = await dav('PROPFIND', 'scans/', { headers: { depth: '0' }, anonymous: true });
  assert.equal(`${nobody.status} ${nobody.headers['www-authenticate']}`, '401 Basic realm="Latchkey", charset="UTF-8"');
  assert.equal((await dav('GET', 'scans/geheim.pdf')).text, 'secret');
});

test('G3: pages of other sites have no business at /dav', async (t) => {
  const { dav, deliveries } = await davServer(t);
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }]) {
    for (const method of ['OPTIONS', 'PROPFIND', 'PUT', 'DELETE']) {
      const answer = await dav(method, 'scans/x.pdf', { headers: { depth: '0', ...headers }, body: method === 'PUT' ? 'x' : undefined });
      assert.equal(answer.status, 403, `${method} ${JSON.stringify(headers)}`);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
  }
  assert.deepEqual(await deliveries(), []);
});

test('D7: a path that climbs, and names with separators or control characters, are refused at the door and leave nothing', async (t) => {
  const { server, drive, dav, deliveries, spooled } = await davServer(t, { settle: '5m' });
  const raw = async (target) => (await speak(server, `PUT ${target} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: ${basic()}\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx`)).split('\r\n')[0];
  for (const target of [
    '/dav/scans/../../etc/passwd', '/dav/scans/..', '/dav/../dav/scans/x', '/dav/scans/./x', '/dav/scans/%2e%2e/x', '/dav/scans/%2e%2e%2fx',
    '/dav/scans/..%2f..%2fx', '/dav/scans/..%5cx', '/dav/scans/a%5cb', '/dav/scans/a\\b', '/dav/scans/a%00b', '/dav/scans/a%0d%0aX:y',
    '/dav/scans/a%7fb', '/dav/scans/%c0%ae%c0%ae/x', '/dav/scans/%ff', '/dav/scans/%', '/dav/scans/...',
  ]) assert.match(await raw(target), /^HTTP\/1\.1 400 /, target);
  assert.equal((await dav('PUT', 'scans/a.pdf', { body: 'x' })).status, 201);
  for (const destination of [
    '/dav/scans/../../x', '/dav/scans/%2e%2e%2fx', '/dav/scans/a%5cb', '/dav/scans/a%00', '/dav/scans/a%0d%0ab', '/dav/scans/..', '/etc/passwd', 'file:///etc/passwd', '',
  ]) {
    const answer = await dav('MOVE', 'scans/a.pdf', { headers: { destination } });
    assert.ok([400, 404].includes(answer.status), `${destination}: ${answer.status}`);
  }
  assert.equal((await dav('MOVE', 'scans/a.pdf', { headers: { destination: 'http://elsewhere.example/dav/scans/b.pdf' } })).status, 502);
  assert.equal((await dav('MOVE', 'scans/a.pdf', { headers: { destination: '/dav/other/b.pdf' } })).status, 403);
  assert.deepEqual(Object.keys(listed((await dav('PROPFIND', 'scans/', { headers: { depth: '1' } })).text)), ['/dav/scans/', '/dav/scans/a.pdf']);
  assert.equal((await deliveries()).length, 1);
  assert.equal(await spooled(), 1);
  assert.equal(drive.files.size, 0);
  await assert.rejects(access('/etc/passwd/x'));
});

test('P6: a type that is no text is none, and what lists the document is well-formed', async (t) => {
  const { server, dav } = await davServer(t, { settle: '5m' });
  const request = `PUT /dav/scans/a.pdf HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: ${basic()}\r\nConnection: close\r\nContent-Type: application/\xff\r\nContent-Length: 1\r\n\r\nx`;
  assert.match(await speak(server, Buffer.from(request, 'latin1')), /^HTTP\/1\.1 201 /);
  const list = await dav('PROPFIND', 'scans/', { headers: { depth: '1' } });
  assert.match(new TextDecoder('utf-8', { fatal: true }).decode(list.body), /<D:getcontenttype>application\/octet-stream<\/D:getcontenttype>/);
});

test('D7: XML with document types, entities, too much depth or size is refused; the server lives on', async (t) => {
  const { dav } = await davServer(t);
  const ask = (body, depth = '0') => dav('PROPFIND', 'scans/', { headers: { depth }, body });
  const laughs = `<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><propfind xmlns="DAV:"><prop>&c;</prop></propfind>`;
  assert.equal((await ask(laughs)).status, 400);
  assert.equal((await ask('<!DOCTYPE p SYSTEM "file:///etc/passwd"><propfind xmlns="DAV:"><allprop/></propfind>')).status, 400);
  assert.equal((await ask(`<propfind xmlns="DAV:">${'<a>'.repeat(5000)}`)).status, 400);
  assert.equal((await ask('not xml')).status, 400);
  assert.equal((await ask(`<propfind xmlns="DAV:"><allprop/>${' '.repeat(100_000)}</propfind>`)).status, 413);
  const infinite = await ask('', 'infinity');
  assert.equal(infinite.status, 403);
  assert.match(infinite.text, /<D:propfind-finite-depth\/>/);
  assert.equal((await ask('<propfind xmlns="DAV:"><propname/></propfind>')).status, 207);
});

test('a PROPFIND that asks too much of too many is refused with 507, not answered with all the memory there is', async (t) => {
  const { dav } = await davServer(t, { settle: '5m' });
  for (let number = 0; number < 90; number += 1) assert.equal((await dav('MKCOL', `scans/folder ${number}`)).status, 201);
  const many = Array.from({ length: 100 }, (_, number) => `<x:a${number}/>`).join('');
  const ask = (depth) => dav('PROPFIND', 'scans/', { headers: { depth }, body: `<propfind xmlns="DAV:"><prop xmlns:x="urn:${'x'.repeat(490)}">${many}</prop></propfind>` });
  assert.equal((await ask('0')).status, 207);
  const refused = await ask('1');
  assert.equal(refused.status, 507);
  assert.match(refused.text, /urn:latchkey:problem:answer_too_long/);
  const usual = await dav('PROPFIND', 'scans/', { headers: { depth: '1' } });
  assert.equal(Object.keys(listed(usual.text)).length, 91);
});

test('PROPFIND answers by name, PROPPATCH refuses by name, and what would need a lock is told so', async (t) => {
  const { dav } = await davServer(t, { settle: '5m' });
  await dav('PUT', 'scans/a.pdf', { body: 'hello', headers: { 'content-type': 'application/pdf' } });
  const some = await dav('PROPFIND', 'scans/a.pdf', { headers: { depth: '0' }, body: '<propfind xmlns="DAV:"><prop><getcontentlength/><getcontenttype/><x:y xmlns:x="urn:z"/></prop></propfind>' });
  assert.match(some.text, /<D:getcontentlength>5<\/D:getcontentlength><D:getcontenttype>application\/pdf<\/D:getcontenttype><\/D:prop><D:status>HTTP\/1\.1 200 OK/);
  assert.match(some.text, /<x:y xmlns:x="urn:z"\/><\/D:prop><D:status>HTTP\/1\.1 404 Not Found/);
  const patched = await dav('PROPPATCH', 'scans/a.pdf', { body: '<propertyupdate xmlns="DAV:"><set><prop><x:y xmlns:x="urn:z">1</x:y></prop></set></propertyupdate>' });
  assert.equal(patched.status, 207);
  assert.match(patched.text, /<x:y xmlns:x="urn:z"\/><\/D:prop><D:status>HTTP\/1\.1 403 Forbidden/);
  const options = await dav('OPTIONS', 'scans/', { anonymous: true });
  assert.equal(`${options.status} ${options.headers.dav}`, '200 1');
  const locked = await dav('LOCK', 'scans/a.pdf', { body: '<lockinfo xmlns="DAV:"/>' });
  assert.equal(locked.status, 405);
  assert.doesNotMatch(locked.headers.allow, /LOCK/);
  assert.equal((await dav('PUT', 'scans/a.pdf', { body: 'x', headers: { if: '(<opaquelocktoken:none>)' } })).status, 412);
  assert.equal((await dav('PUT', 'scans/a.pdf', { body: 'x', headers: { 'if-none-match': '*' } })).status, 412);
  assert.equal((await dav('PUT', 'scans/a.pdf', { body: 'x', headers: { 'content-range': 'bytes 0-0/5' } })).status, 400);
  assert.equal((await dav('MOVE', 'scans/a.pdf', { headers: { destination: '/dav/scans/b.pdf' } })).status, 201);
  assert.equal((await dav('PUT', 'scans/a.pdf', { body: 'again' })).status, 201);
  assert.equal((await dav('MOVE', 'scans/a.pdf', { headers: { destination: '/dav/scans/b.pdf', overwrite: 'F' } })).status, 412);
  assert.equal((await dav('COPY', 'scans/a.pdf', { headers: { destination: '/dav/scans/c.pdf' } })).status, 201);
  assert.equal((await dav('GET', 'scans/c.pdf')).text, 'again');
});

test('D2: what is held, and its name, survive kill -9', async (t) => {
  const { server, dav, arrived } = await davServer(t);
  const document = documentOf(40_000);
  assert.equal((await dav('PUT', 'scans/~0001.tmp', { body: document })).status, 201);
  await server.kill();
  await server.launch();
  assert.deepEqual(Object.keys(listed((await dav('PROPFIND', 'scans/', { headers: { depth: '1' } })).text)), ['/dav/scans/', '/dav/scans/~0001.tmp']);
  assert.equal((await dav('MOVE', 'scans/~0001.tmp', { headers: { destination: '/dav/scans/scan.pdf' } })).status, 201);
  assert.equal((await arrived('scan.pdf')).sha256, sha256(document));
});

test('a document whose end nobody states is refused with 411, not stored as an empty one', async (t) => {
  const { server, dav, deliveries } = await davServer(t);
  const head = (more) => `PUT /dav/scans/scan.pdf HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: ${basic()}\r\nConnection: close\r\n${more}\r\n`;
  assert.match(await speak(server, head('')), /^HTTP\/1\.1 411 .*urn:latchkey:problem:length_required/s);
  assert.deepEqual(await deliveries(), []);
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: '' })).status, 201, 'who says that it is empty puts an empty one');
});

test('a document that trickles is ended with 408, and nothing of it is kept', async (t) => {
  const { server, admin, dav, deliveries, spooled } = await davServer(t);
  await admin.set('delivery.upload_rate_window', '1s');
  await admin.set('delivery.upload_rate_min', '50000');
  const head = `PUT /dav/scans/slow.pdf HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: ${basic()}\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n`;
  assert.match(await trickle(server, head), /^HTTP\/1\.1 408 .*urn:latchkey:problem:upload_too_slow/s);
  await until('the spool to be empty', async () => (await spooled()) === 0);
  assert.deepEqual(await deliveries(), []);
  assert.equal((await dav('PUT', 'scans/fast.pdf', { body: 'fast enough' })).status, 201);
});

test('an upload that is cut off leaves nothing, and what it was to complete goes on waiting', async (t) => {
  const { server, dav, deliveries, spooled } = await davServer(t);
  assert.equal((await dav('PUT', 'scans/scan.pdf', { body: '' })).status, 201);
  const before = (await deliveries())[0];
  await assert.rejects(new Promise((resolve, reject) => {
    const request = davClient(server)('PUT', 'scans/scan.pdf', { body: 'short', headers: { 'content-length': '1000000' } });
    request.then(resolve, reject);
    until('the document to come in', async () => (await spooled()) === 2).then(() => reject(new Error('cut')), reject);
  }));
  await server.restart();
  const after = await deliveries();
  assert.deepEqual(after.map(({ id, size, state }) => [id, size, state]), [[before.id, 0, 'queued']]);
  await until('the rest to be swept', async () => (await spooled()) === 1);
});
