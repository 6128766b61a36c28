// Hundreds of rounds of bad input at every door of the real binary: each is refused, nothing of it stays (no document, no descriptor, no
// conversation), and memory does not grow with it.

import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { deliveringServer, documentOf } from '../support/delivering.mjs';
import { slowness } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { pin } from '../support/scene.mjs';
import { mailWith, plainOf, spooled } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';
import { basic } from '../support/webdav.mjs';

const warmingRounds = 50;
const rounds = slowness > 1 ? 50 : 150;
const growthMaxKb = 1024; // 7 kB a round of ten
const half = documentOf(50_000);

/** Says it, and then waits, closes its own direction (`half-close`) or breaks the line (`reset`): everything that came back until it was closed. */
function say(port, octets, ending = 'wait') {
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = net.connect({ port, host: '127.0.0.1' }, () => {
      if (ending === 'half-close') socket.end(octets);
      else socket.write(octets, () => { if (ending === 'reset') socket.resetAndDestroy(); });
    });
    socket.setTimeout(30_000, () => { socket.destroy(); reject(new Error(`still open after ${JSON.stringify(String(octets).slice(0, 300))}: ${said}`)); });
    socket.on('data', (data) => { said += data; });
    socket.on('error', () => undefined); // what is written to a closed connection
    socket.on('close', () => resolve(said));
  });
}

/** What each door is told: [what it answers, octets, ending]. `as` are the fields Host and Authorization of a device, `plain` is what it shows to AUTH PLAIN. */
const request = (as, line, more, body = '') =>
  Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${as}Connection: close\r\n${more}\r\n`), Buffer.from(body)]);
const sized = (as, line, more, body) => request(as, line, `Content-Length: ${body.length}\r\n${more}`, body);
const beginning = (as, line) => request(as, line, 'Content-Length: 1000000\r\n', half);

const http = (as) => [
  ['404 Not', sized(as, 'POST /v1/deliver/nowhere', '', 'x')],
  ['Mend the name', sized(as, 'POST /v1/deliver/scans', 'Content-Disposition: attachment; filename="../up.pdf"\r\n', 'x')],
  ['413 Content', request(as, 'POST /v1/deliver/small', 'Transfer-Encoding: chunked\r\n', `c350\r\n${'x'.repeat(50_000)}\r\n0\r\n\r\n`)],
  ['The form ends', sized(as, 'POST /v1/deliver/scans', 'Content-Type: multipart/form-data; boundary=b\r\n', '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf')],
  ['names no boundary', sized(as, 'POST /v1/deliver/scans', 'Content-Type: multipart/form-data\r\n', 'x')],
  ['header is malformed', request(as, 'POST /v1/deliver/scans', 'Content-Length: many\r\n')],
  ['431 Request', request(as, 'POST /v1/deliver/scans', `X: ${'y'.repeat(200_000)}\r\n`)],
  ['header is malformed', Buffer.from('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n')],
  ['hung up', beginning(as, 'POST /v1/deliver/scans'), 'half-close'],
  ['', beginning(as, 'POST /v1/deliver/scans'), 'reset'],
];

const webdav = (as) => [
  ['address in the request line', sized(as, 'PUT /dav/scans/%2e%2e/x', '', 'x')],
  ['address in the request line', sized(as, 'PUT /dav/scans/a%00b', '', 'x')],
  ['413 Content', sized(as, 'PUT /dav/small/large.bin', '', half)],
  ['no XML', sized(as, 'PROPFIND /dav/scans/', 'Depth: 0\r\n', '<!DOCTYPE p [<!ENTITY a "ha">]><propfind xmlns="DAV:"><prop>&a;</prop></propfind>')],
  ['no XML', sized(as, 'PROPFIND /dav/scans/', 'Depth: 0\r\n', `<propfind xmlns="DAV:">${'<a>'.repeat(5000)}`)],
  ['finite-depth', sized(as, 'PROPFIND /dav/scans/', 'Depth: infinity\r\n', '')],
  ['404 Not', request(as, 'MOVE /dav/scans/none', 'Destination: /etc/passwd\r\n')],
  ['405 Method', sized(as, 'LOCK /dav/scans/a', '', '<lockinfo xmlns="DAV:"/>')],
  ['hung up', beginning(as, 'PUT /dav/scans/a.bin'), 'half-close'],
  ['', beginning(as, 'PUT /dav/scans/b.bin'), 'reset'],
];

const smtp = (plain) => {
  const signIn = `EHLO x\r\nAUTH PLAIN ${plain}\r\nMAIL FROM:<a@b>\r\n`;
  const to = (connector, mail) => `${signIn}RCPT TO:<${connector}@drop.internal>\r\nDATA\r\n${mail}`;
  const whole = (connector, mail) => `${to(connector, mail)}\r\n.\r\nQUIT\r\n`;
  return [
    ['421 4.7.0 The line', 'x'.repeat(100_000)],
    ['421 4.7.0 Too many', 'WHAT\r\n'.repeat(20)],
    ['500 5.5.2 The line', `HELO \0x\r\nNOOP ${'y'.repeat(5000)}\r\nQUIT\r\n`],
    ['550 5.1.1', `${signIn}RCPT TO:<nowhere@drop.internal>\r\nQUIT\r\n`],
    ['554 5.6.0', whole('scans', mailWith('../up.pdf', half))],
    ['554 5.6.0', whole('scans', mailWith('cut.pdf', half).replace('--b--', ''))],
    ['554 5.6.1', whole('scans', mailWith('coded.pdf', half).replace('Encoding: base64', 'Encoding: x-uuencode'))],
    ['552 5.3.4', whole('small', mailWith('large.pdf', half))],
    ['354 ', to('scans', mailWith('half.pdf', half)), 'half-close'],
    ['', to('scans', mailWith('reset.pdf', half)), 'reset'],
  ];
};

/** A server with all its doors, a connector that takes no more than 10,000 octets, and a device for both. */
async function scene(t) {
  const folder = await temporaryFolder(t, 'bad-input');
  const drop = path.join(folder, 'drop');
  await mkdir(path.join(drop, 'small'), { recursive: true });
  await chmod(path.join(drop, 'small'), 0o2770);
  const port = await freePort();
  const fixed = { account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [] };
  const made = await deliveringServer(t, {
    connector: fixed,
    config: { 'log.level': 'info', 'smtp.submission': `127.0.0.1:${port}`, 'folder.root': drop, 'folder.uids': [String(process.getuid())] },
  });
  const { server, admin } = made;
  await admin.must('POST', '/api/v1/connectors', { id: 'small', name: 'Small', type: 'scripted-drive', folder: 'In', size_bytes_max: 10_000, ...fixed });
  for (const [key, value] of [['folder.settle', '1s'], ['folder.incomplete_after', '5s']]) await admin.set(key, value);
  const { secret } = await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['scans', 'small'] });
  const as = `Host: 127.0.0.1:${server.port}\r\nAuthorization: ${basic('copier', secret)}\r\n`;
  return { ...made, port, drop: path.join(drop, 'small'), as, plain: plainOf('copier', secret) };
}

test('Attack: bad input without end leaves no descriptor and no memory behind, at any door', async (t) => {
  const { server, admin, drive, port, drop, as, plain } = await scene(t);
  const nothing = async (what, descriptors) => {
    await until(`${what}: nothing to be left`, async () => (await spooled(server)) === 0 && (await server.descriptors()) <= descriptors, { timeout: 30_000 });
    assert.equal((await admin.must('GET', '/api/v1/deliveries')).total, 0, what);
    assert.equal(drive.requests.filter(({ method }) => method !== 'GET').length, 0, what);
  };

  for (const [door, at, inputs] of [['HTTP', server.port, http(as)], ['WebDAV', server.port, webdav(as)], ['SMTP', port, smtp(plain)]]) {
    await t.test(door, async (t) => {
      const round = () => Promise.all(inputs.map(async ([answer, octets, ending]) => {
        const said = await say(at, octets, ending);
        assert.ok(said.includes(answer), `${said} to ${String(octets).slice(0, 300)}`);
        assert.doesNotMatch(said, /^HTTP\/1\.1 2|Accepted/, String(octets).slice(0, 300));
      }));
      await round();
      const descriptors = await server.descriptors();
      for (let number = 0; number < warmingRounds; number += 1) await round();
      const before = await server.anonymousKb();
      for (let number = 0; number < rounds; number += 1) await round();
      await nothing(door, descriptors);
      const growth = await server.anonymousKb() - before;
      t.diagnostic(`${rounds * inputs.length} bad inputs: ${growth} kB more`);
      if (slowness > 1) return t.diagnostic('a sanitizer keeps what was freed: its memory says nothing');
      assert.ok(growth < growthMaxKb, `${growth} kB more`);
    });
  }

  await t.test('folder', async () => {
    const descriptors = await server.descriptors();
    const bad = Array.from({ length: 40 }, (_, number) => [
      [`large ${number}.bin`, documentOf(10_001)], [`half ${number}.pdf`, '%PDF-1.7\n'], [`control\x01 ${number}`, 'x'],
    ]).flat();
    for (const [name, octets] of bad) await writeFile(path.join(drop, name), octets);
    for (let number = 0; number < 40; number += 1) await symlink('/etc/passwd', path.join(drop, `link ${number}`));
    const refused = async () => (await readdir(path.join(drop, '.refused')).catch(() => [])).filter((name) => !name.endsWith('.why.txt')).length;
    await until('all to be refused', async () => (await refused()) === bad.length + 40, { timeout: 60_000, every: 100 });
    await nothing('folder', descriptors);
  });
});
