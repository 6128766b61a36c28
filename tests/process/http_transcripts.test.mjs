// What a device asked for and was told at the doors that speak HTTP, as its page, the API and the command line show it: with real clients, and no
// secret in it.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { answerSchema, faults } from '../support/contract.mjs';
import { deliveringServer } from '../support/delivering.mjs';
import { run } from '../support/latchkey.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';
import { basic, speak } from '../support/webdav.mjs';

const confidential = 'streng vertraulich ';

/** A server whose connector `scans` opens the account of `printer-1` by itself; `device(wish)` makes one that delivers there. */
async function scene(t) {
  const made = await deliveringServer(t, { connector: { account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [], folder: 'In/{user}' } });
  const { server, admin } = made;
  const file = path.join(server.data, 'scan.pdf');
  await writeFile(file, confidential.repeat(1000));
  const curl = async (where, ...args) => {
    const { stdout, stderr } = await run('curl', ['-sS', '-A', 'COPIER 3000', '-H', 'Expect:', '-w', '\n%{http_code}', ...args, `${server.url}${where}`]);
    const [, text, status] = /^(.*)\n(\d+)$/s.exec(stdout) ?? assert.fail(stderr);
    return { status: Number(status), text };
  };
  const device = (wish) => admin.must('POST', '/api/v1/devices', { connectors: ['scans'], ...wish });
  const conversations = async (of) => (await admin.must('GET', `/api/v1/devices/${of.id}/conversations`)).items;
  const kept = (of, done) => until(`a conversation of ${of.name}`, async () => (await conversations(of)).find((one) => done.test(told(one).join('\n'))));
  return { ...made, file, curl, device, conversations, kept };
}
const told = ({ lines }) => lines.map(({ from, text }) => `${{ device: 'C', server: 'S', note: '-' }[from]} ${text}`);

test('WebDAV: requests and their answers stand there line by line, without the secret and without the document', async (t) => {
  const { server, admin, file, curl, device, conversations } = await scene(t);
  const copier = await device({ name: 'copier' });
  const user = ['-u', `copier:${copier.secret}`];
  assert.equal((await curl('/dav/scans/Rechnung%20M%C3%A4rz.tmp', ...user, '-T', file)).status, 201);
  assert.equal((await curl('/dav/scans/Rechnung%20M%C3%A4rz.tmp', ...user, '-X', 'MOVE', '-H', `Destination: http://copier:${copier.secret}@127.0.0.1/dav/scans/b.pdf`)).status, 400);
  assert.equal((await curl('/dav/scans/Rechnung%20M%C3%A4rz.tmp', ...user, '-X', 'MOVE', '-H', `Destination: ${server.url}/dav/scans/b.pdf`)).status, 201);
  assert.equal((await curl('/dav/nowhere/b.pdf', ...user, '-T', file)).status, 404);
  const [one, ...others] = await conversations(copier);
  assert.deepEqual(others, [], 'one conversation');
  assert.equal(`${one.door} ${one.source}`, 'webdav 127.0.0.1');
  const first = ['C Authorization: Basic (hidden)', 'C User-Agent: COPIER 3000'];
  const lines = told(one);
  assert.deepEqual(lines.slice(0, -1), [
    'C PUT /dav/scans/Rechnung%20M%C3%A4rz.tmp', ...first, 'C Content-Length: 19000', '- The body, 19000 octets', 'S 201 Created',
    'C MOVE /dav/scans/Rechnung%20M%C3%A4rz.tmp', ...first, 'C Destination: (hidden)', 'S 400 Bad Request', 'S bad_destination: Destination must name an address on this server.',
    'C MOVE /dav/scans/Rechnung%20M%C3%A4rz.tmp', ...first, 'C Destination: /dav/scans/b.pdf', 'S 201 Created',
    'C PUT /dav/nowhere/b.pdf', ...first, 'C Content-Length: 19000', '- The body was not read', 'S 404 Not Found',
  ]);
  assert.match(lines.at(-1), /^S no_such_connector: /);
  const listed = await admin.must('GET', `/api/v1/devices/${copier.id}/conversations`);
  assert.deepEqual(faults(listed, answerSchema('GET', '/api/v1/devices/{id}/conversations')), []);
  const shown = await server.cli(['device', 'transcript', 'copier']);
  assert.match(shown.stdout, /from 127\.0\.0\.1 by WebDAV\n  C: PUT \/dav\/scans\/Rechnung%20M%C3%A4rz\.tmp\n[^]*  -- The body, 19000 octets\n  S: 201 Created\n/);
  for (const text of [JSON.stringify(listed), shown.stdout, server.logs]) {
    for (const secret of [copier.secret, basic('copier', copier.secret).slice(6), confidential.trim()]) assert.equal(text.includes(secret), false, secret);
  }
});

test('HTTP: documents, what became of them and the panel, without query, keys, cookies and the document', async (t) => {
  const { server, admin, file, curl, device, conversations, kept } = await scene(t);
  const copier = await device({ name: 'copier' });
  const user = ['-u', `copier:${copier.secret}`];
  const hidden = { key: 'schluessel-0815', cookie: 'keks-0815', query: 'frage-0815', own: 'eigenes-0815' };
  const delivered = await curl('/v1/deliver/scans', ...user, '--data-binary', `@${file}`, '-H', 'Prefer: wait=60', '-H', 'Content-Disposition: attachment; filename="scan.pdf"',
    '-H', `Idempotency-Key: "${hidden.key}"`, '-b', `session=${hidden.cookie}`, '-H', `X-Api-Key: ${hidden.own}`);
  assert.equal(delivered.status, 201, delivered.text);
  const { id } = JSON.parse(delivered.text);
  assert.equal((await curl(`/v1/deliveries/${id}`, ...user)).status, 200);
  assert.equal((await curl(`/v1/connectors/scans/list?kind=file&filter=${hidden.query}`, ...user)).status, 200);
  assert.equal((await curl('/v1/deliver/scans', ...user, '-F', `document=@${file}`, '-H', 'Content-Encoding: gzip')).status, 415);
  // Nobody had been let in when that was refused: anybody might have said so, and it stands beside.
  const refused = told(await kept(copier, /S 415 Unsupported Media Type/));
  const [one, ...others] = (await conversations(copier)).filter((each) => !told(each).includes('S 415 Unsupported Media Type'));
  assert.deepEqual(others, [], 'one conversation');
  assert.equal(`${one.door} ${one.source}`, 'http 127.0.0.1');
  const first = ['C Authorization: Basic (hidden)', 'C User-Agent: COPIER 3000'];
  const lines = told(one);
  const at = lines.indexOf('S 201 Created');
  assert.deepEqual(lines.slice(0, at).sort(), [
    'C POST /v1/deliver/scans', ...first, 'C Content-Length: 19000', 'C Content-Type: application/x-www-form-urlencoded', 'C Prefer: wait=60',
    'C Content-Disposition: attachment; filename="scan.pdf"', 'C Idempotency-Key: (hidden)', '- The body, 19000 octets',
  ].sort());
  assert.deepEqual(lines.slice(at + 1, at + 9), [
    `C GET /v1/deliveries/${id}`, ...first, 'S 200 OK', 'C GET /v1/connectors/scans/list?(hidden)', ...first, 'S 200 OK',
  ]);
  assert.deepEqual(lines.slice(at + 9), []);
  assert.equal(refused[0], 'C POST /v1/deliver/scans');
  for (const line of ['C Content-Encoding: gzip', '- The body was not read', 'S 415 Unsupported Media Type']) assert.ok(refused.includes(line), refused.join('\n'));
  const shown = await server.cli(['device', 'transcript', 'copier']);
  assert.match(shown.stdout, /from 127\.0\.0\.1 by HTTP\n  C: POST \/v1\/deliver\/scans\n/);
  for (const text of [JSON.stringify(await admin.must('GET', `/api/v1/devices/${copier.id}/conversations`)), shown.stdout]) {
    for (const secret of [...Object.values(hidden), copier.secret, basic('copier', copier.secret).slice(6), confidential.trim()]) assert.equal(text.includes(secret), false, secret);
  }
});

test('who is refused is known by the name that was shown, else by the address; what broke off is said', async (t) => {
  const { server, file, curl, device, conversations, kept } = await scene(t);
  const copier = await device({ name: 'copier' });
  const fax = await device({ name: 'fax', sources: ['127.0.0.2'] });
  const wrong = 'w'.repeat(52);
  assert.equal((await curl('/dav/scans/a.pdf', '-u', `Copier:${wrong}`, '-T', file)).status, 401);
  const refused = await kept(copier, /S 401 Unauthorized\nS invalid_credentials: Username or PIN is wrong, unknown or switched off\.$/);
  assert.equal(told(refused)[0], 'C PUT /dav/scans/a.pdf');
  assert.equal((await curl('/v1/deliveries', '-u', `copier:${wrong}`)).status, 401);
  const asked = await kept(copier, /^C GET \/v1\/deliveries\n/);
  assert.equal(asked.door, 'http');
  for (const secret of [wrong, basic('Copier', wrong).slice(6), basic('copier', wrong).slice(6)]) assert.equal(JSON.stringify([refused, asked]).includes(secret), false, secret);

  assert.equal((await curl('/dav/scans/', '--interface', '127.0.0.2', '-X', 'PROPFIND')).status, 401);
  await kept(fax, /^C PROPFIND \/dav\/scans\/\nC User-Agent: COPIER 3000\nS 401 Unauthorized\n/);

  const head = (more) => `PUT /dav/scans/b.pdf HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: ${basic('copier', copier.secret)}\r\n${more}\r\n\r\n`;
  assert.match(await speak(server, head('Connection: close')), /^HTTP\/1\.1 411 /);
  await kept(copier, /- The body was not read\nS 411 Length Required\nS length_required: /);
  const socket = net.connect(server.port, '127.0.0.1', () => socket.write(head('Expect: 100-continue\r\nContent-Length: 1000')));
  t.after(() => socket.destroy());
  socket.once('data', () => socket.write('x'.repeat(100), () => socket.end()));
  await kept(copier, /C Content-Length: 1000\n- Of the body \d+ octets had been taken in\n- The line was cut$/);
  assert.equal((await conversations(fax)).length, 1, "nobody else's");
});

test('a person leaves nothing, neither by the address of a device nor by what is refused', async (t) => {
  const { file, curl, device, conversations, kept } = await scene(t);
  const fax = await device({ name: 'fax', sources: ['127.0.0.2'] });
  const person = ['--interface', '127.0.0.2', '-u', `printer-1:${pin}`];
  assert.equal((await curl('/dav/scans/a.pdf', ...person, '-T', file)).status, 201);
  assert.equal((await curl('/dav/scans/nothing.pdf', ...person)).status, 404);
  assert.equal((await curl('/dav/nowhere/a.pdf', ...person, '-T', file)).status, 404);
  assert.match(String((await curl('/v1/deliver/scans', ...person, '--data-binary', `@${file}`)).status), /^20[12]$/);
  assert.equal((await curl('/v1/deliver/nowhere', ...person, '--data-binary', `@${file}`)).status, 404);
  assert.equal((await curl('/v1/deliveries', ...person)).status, 200);
  assert.equal((await curl('/v1/connectors/nowhere/list', ...person)).status, 404);
  assert.equal((await curl('/dav/scans/', '--interface', '127.0.0.2', '-X', 'OPTIONS')).status, 200);
  assert.equal((await curl('/dav/scans/z.pdf', '--interface', '127.0.0.2', '-u', 'fax:wrong', '-T', file)).status, 401);
  await kept(fax, /C PUT \/dav\/scans\/z\.pdf\n/);
  const all = await conversations(fax);
  assert.deepEqual(all.flatMap(told).filter((line) => /^C [A-Z]+ \//.test(line)), ['C PUT /dav/scans/z.pdf']);
});
