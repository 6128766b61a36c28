// Connectors that do not take every type of document, on the real binary: what they refuse is refused at each door in its own words,
// and nothing of it is kept.

import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { answerSchema, faults } from '../support/contract.mjs';
import { deliveringServer, documentOf } from '../support/delivering.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { mailingServer } from '../support/practice_mail.mjs';
import { pin } from '../support/scene.mjs';
import { mailWith, plainOf, scanningServer, speak } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';
import { davClient } from '../support/webdav.mjs';

const content_types = ['application/pdf', 'image/*', '.dwg'];
const spooled = async (server) => (await readdir(path.join(server.data, 'spool'))).filter((name) => name !== 'unknown').length;
const nothingKept = (server) => until('the spool to be empty', async () => (await spooled(server)) === 0);

test('HTTP: 415 before the body is sent, by the type that is stated and by the name; forms are taken whole or not at all', async (t) => {
  const { server, drive, deliver } = await deliveringServer(t, { connector: { folder: '', content_types } });
  const refused = async (words, ...request) => {
    const answer = await deliver(...request);
    assert.equal(`${answer.status} ${answer.code}`, '415 content_type_not_allowed', answer.text);
    assert.match(answer.body.detail, /application\/pdf, image\/\*, \.dwg/);
    assert.match(answer.body.detail, words);
  };
  const type = (value) => ({ headers: { 'content-type': value } });
  await refused(/This one is \.docx\./, 'x', { name: 'letter.docx', ...type('application/octet-stream') });
  await refused(/This one is text\/html\./, 'x', { name: 'scan.pdf', ...type('text/html; charset=utf-8') });
  await refused(/This one is \.exe\./, 'x', { name: 'scan.exe', ...type('application/pdf') });
  await refused(/give its name an ending/, 'x', { name: 'scan', ...type('application/octet-stream') });
  await refused(/give its name an ending/, 'x', type('application/x-www-form-urlencoded'));
  await refused(/give its name an ending/, 'x', { name: 'scan.pdf.part', ...type('application/octet-stream') });
  const form = new FormData();
  form.append('file', new Blob(['%PDF'], { type: 'application/pdf' }), 'a.pdf');
  form.append('file', new Blob(['x'], { type: 'text/plain' }), 'b.txt');
  await refused(/text\/plain/, form);
  await nothingKept(server);

  // A page's file input that was left empty is no document, and so none of an unknown type.
  const nameless = ['--b', 'Content-Disposition: form-data; name="empty"; filename=""', 'Content-Type: application/octet-stream', '', '',
    '--b', 'Content-Disposition: form-data; name="file"; filename="a.pdf"', 'Content-Type: application/pdf', '', '%PDF', '--b--', ''].join('\r\n');
  const given = [
    await deliver('x', { name: 'a plan.DWG', ...type('application/acad') }), await deliver('x', type('image/tiff')),
    await deliver('x', { name: 'scan.jpg', ...type('application/octet-stream') }), await deliver(nameless, type('multipart/form-data; boundary=b')),
  ];
  for (const answer of given) assert.equal(answer.status, 201, answer.text);
  assert.deepEqual([...drive.files.keys()].sort(), ['a plan.DWG', 'a.pdf', 'document.tif', 'scan.jpg']);
});

test('SMTP: 554 5.6.1 with the whole mail, in words for a person; what the connector takes arrives', async (t) => {
  const { server, admin, drive, port } = await scanningServer(t, { connector: { folder: '', content_types: ['image/*'] } });
  const begin = `EHLO copier\r\nAUTH PLAIN ${plainOf('printer-1', pin)}\r\nMAIL FROM:<copier@office.example>\r\nRCPT TO:<scans@drop.internal>\r\nDATA\r\n`;
  const { said } = await speak(t, port, `${begin}${mailWith('scan.pdf', documentOf(100_000))}\r\n.\r\nQUIT\r\n`, /354[^]*221/);
  assert.match(said, /\r\n554 5\.6\.1 Only documents of these types are taken here: image\/\*\. This one is application\/pdf\. Choose another file format at the device/);
  await speak(t, port, `${begin}Subject: x\r\n\r\nonly text\r\n.\r\nQUIT\r\n`, /554 5\.6\.1[^]*221/);
  await nothingKept(server);
  assert.equal(drive.files.size, 0);
  const connector = (await admin.must('GET', '/api/v1/connectors')).items[0];
  assert.deepEqual(connector.content_types, ['image/*']);
  const changed = await server.cli(['connector', 'set', 'scans', '--content-type', 'image/*', '--content-type', 'application/pdf']);
  assert.equal(changed.status, 0, changed.stderr);
  await speak(t, port, `${begin}${mailWith('scan.pdf', documentOf(1000))}\r\n.\r\nQUIT\r\n`, /250 2\.0\.0 Accepted[^]*221/);
  await until('it to arrive', () => drive.files.has('scan.pdf'));
});

test('WebDAV: 415 at PUT and at the MOVE that names it; a temporary name need not tell, and goes nowhere if it never does', async (t) => {
  const { server, admin, drive, group } = await deliveringServer(t, { connector: { folder: '', content_types } });
  await admin.set('webdav.settle', '0s');
  await admin.set('webdav.hold', '1h');
  const dav = davClient(server);
  const status = async (...request) => { const { status, text } = await dav(...request); return `${status} ${/content_type_not_allowed/.test(text)}`; };
  const to = (name) => ({ headers: { destination: `${server.url}/dav/scans/${name}` } });
  assert.equal(await status('PUT', 'scans/letter.docx', { body: 'x' }), '415 true');
  assert.equal(await status('PUT', 'scans/scan.pdf', { body: 'x', headers: { 'content-type': 'text/html' } }), '415 true');
  assert.equal(await status('PUT', 'scans/~letter.docx', { body: 'x' }), '415 true', 'a temporary name that does tell');
  assert.equal(await status('PUT', 'scans/letter', { body: 'x' }), '415 true');
  await nothingKept(server);

  assert.equal(await status('PUT', 'scans/scan.pdf.part', { body: 'document' }), '201 false');
  assert.equal(await status('MOVE', 'scans/scan.pdf.part', to('scan.docx')), '415 true');
  assert.equal(await status('MOVE', 'scans/scan.pdf.part', to('other.tmp')), '201 false');
  assert.equal(await status('MOVE', 'scans/other.tmp', to('scan.pdf')), '201 false');
  await until('it to arrive', () => drive.files.has('scan.pdf'));

  await admin.set('webdav.hold', '1s');
  assert.equal(await status('PUT', 'scans/never.tmp', { body: 'document' }), '201 false');
  const failed = await until('it to fail', async () => (await admin.must('GET', '/api/v1/deliveries')).items.find((one) => one.name === 'never.tmp' && one.state === 'failed'));
  assert.match(failed.why, /give its name an ending/);
  assert.equal(drive.files.size, 1);
  assert.equal(await spooled(server), 1, 'the document is still here, for whoever decides');
  await admin.must('POST', '/api/v1/connectors', { id: 'archive', name: 'Archive', type: 'scripted-drive', account: 'caller', groups: [group], folder: 'Archive', content_types: ['text/plain'] });
  await admin.must('POST', `/api/v1/deliveries/${failed.id}/reroute`, { connector: 'archive' });
  await until('what an administrator sends elsewhere to arrive', () => drive.files.has('Archive/never.tmp'));
});

test('a drop folder: what is not taken lies in .refused with the words; a name that an FTP server has numbered still tells', async (t) => {
  const folder = await temporaryFolder(t, 'types');
  const drop = path.join(folder, 'drop');
  await mkdir(path.join(drop, 'scans'), { recursive: true });
  await chmod(path.join(drop, 'scans'), 0o2770);
  const { admin, drive } = await deliveringServer(t, {
    connector: { account: 'fixed', owner: 'printer-1', groups: [], folder: '', owner_pin: pin, content_types: ['text/plain'] },
    config: { 'folder.root': drop, 'folder.uids': [String(process.getuid())] },
  });
  await admin.set('folder.settle', '1s');
  const put = async (name) => {
    await writeFile(path.join(drop, 'scans', '.coming'), 'hello');
    await rename(path.join(drop, 'scans', '.coming'), path.join(drop, 'scans', name));
  };
  for (const name of ['note.csv', 'note', 'note.txt', 'note.txt.1']) await put(name);
  const why = (name) => until(`${name} to be refused`, () => readFile(path.join(drop, 'scans/.refused', `${name}.why.txt`), 'utf8'), { timeout: 30_000 });
  assert.match(await why('note.csv'), /Only documents of these types are taken here: text\/plain\. This one is \.csv\./);
  assert.match(await why('note'), /give its name an ending/);
  await until('the others to arrive', () => drive.files.size === 2, { timeout: 30_000 });
  assert.deepEqual([...drive.files.keys()].sort(), ['note.txt', 'note.txt.1']);
});

test('the list of types: checked, shown as api/openapi.json says, ended by an empty one', async (t) => {
  const { server, admin, group, deliver } = await deliveringServer(t, { connector: { folder: '' } });
  const wish = { name: 'Scans', type: 'scripted-drive', account: 'caller', groups: [group], folder: '' };
  for (const entry of ['pdf', '*/*', 'application/pdf; x=y']) {
    const refused = await admin.call('PUT', '/api/v1/connectors/scans', { ...wish, content_types: [entry] });
    assert.equal(refused.status, 422, JSON.stringify(refused.body));
    assert.equal(refused.body.errors[0].field, 'content_types');
  }
  const set = (...args) => server.cli(['connector', 'set', 'scans', ...args]);
  const shown = async () => (await admin.must('GET', '/api/v1/connectors')).items[0].content_types;
  assert.equal((await set('--content-type', 'Application/PDF', '--content-type', '.TXT')).status, 0);
  assert.deepEqual(await shown(), ['application/pdf', '.txt']);
  assert.equal((await set('--name', 'Others')).status, 0);
  assert.deepEqual(await shown(), ['application/pdf', '.txt'], 'what is not named stays');
  assert.deepEqual(faults(await admin.must('GET', '/api/v1/connectors'), answerSchema('GET', '/api/v1/connectors')), []);
  assert.equal((await deliver('x', { name: 'a.csv' })).status, 415);
  assert.equal((await set('--content-type', '')).status, 0);
  assert.deepEqual(await shown(), []);
  assert.equal((await deliver('x', { name: 'a.csv' })).status, 201);
});

test('a connector that sends mail has no list of types', async (t) => {
  const { admin, group } = await mailingServer(t);
  const refused = await admin.call('PUT', '/api/v1/connectors/mail', { name: 'Mail', type: 'sandbox-mail', account: 'caller', groups: [group], content_types: ['application/pdf'] });
  assert.equal(refused.status, 422, JSON.stringify(refused.body));
  assert.equal(refused.body.errors[0].field, 'content_types');
});
