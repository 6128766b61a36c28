// The folder door on the real binary, behind the real file servers with the recipes that are shipped: what comes in whole arrives byte
// for byte, what breaks off does not.

import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { deliveringServer, documentOf, longDocument, sha256 } from '../support/delivering.mjs';
import { run } from '../support/latchkey.mjs';
import { scanner } from '../support/own_etc.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { hasSamba, startSamba } from '../support/samba.mjs';
import { pin } from '../support/scene.mjs';
import { hasSshd, startSshd } from '../support/sshd.mjs';
import { FtpClient, hasVsftpd, startVsftpd, vsftpdBinary } from '../support/vsftpd.mjs';
import { until } from '../support/wait.mjs';

const isRoot = process.getuid() === 0;
const needs = (has, what) => ({ skip: (!has && `${what} is not installed (scripts/setup --tests installs it)`) || (!isRoot && `only root may run ${what} with a configuration of its own`) });

/** A server whose fixed connector `scans` has a drop folder that `scanner` may write to. */
async function scene(t, { connector = {} } = {}) {
  const folder = await temporaryFolder(t, 'folder');
  const drop = path.join(folder, 'drop');
  await mkdir(path.join(drop, 'scans'), { recursive: true });
  if (isRoot) await chown(path.join(drop, 'scans'), scanner.uid, 0);
  await chmod(path.join(drop, 'scans'), 0o2770);
  const made = await deliveringServer(t, {
    connector: { account: 'fixed', owner: 'printer-1', groups: [], folder: 'In', owner_pin: pin, ...connector },
    config: { 'folder.root': drop, 'folder.uids': [String(isRoot ? scanner.uid : process.getuid())] },
  });
  await made.admin.set('folder.settle', '1s');
  await made.admin.set('folder.incomplete_after', '5s');
  const at = (name) => path.join(drop, 'scans', name);
  /** As a file server does it: under a hidden name, given to the user, then renamed. */
  const put = async (name, octets, { uid = isRoot ? scanner.uid : undefined } = {}) => {
    const before = path.join(drop, 'scans', '.coming');
    if (octets.pipe) await pipeline(octets, createWriteStream(before));
    else await writeFile(before, octets);
    if (uid !== undefined) await chown(before, uid, 0);
    await rename(before, at(name));
  };
  const arrived = (name, timeout = 30_000) => until(`${name} to arrive`, () => made.drive.files.get(`In/${name}`), { timeout });
  const refused = (name) => until(`${name} to be refused`, async () => (await readFile(at(`.refused/${name}.why.txt`), 'utf8')), { timeout: 30_000 });
  const emptied = () => until('nothing to be left', async () => (await readdir(path.join(drop, '.taken/scans'))).length === 0
    && (await readdir(path.join(drop, 'scans'))).every((name) => name.startsWith('.')));
  return { ...made, folder, drop, at, put, arrived, refused, emptied };
}

test('D9: names with spaces, umlauts and numbers behind arrive intact, of 0, 1, 50,000 and 5,000,000 octets; those in windows-1252 are read as that', async (t) => {
  const { put, arrived, emptied, drop, admin } = await scene(t);
  const documents = new Map([['Über sicht Q4 #1.pdf.1', 5_000_000], ['STOU.1', 50_000], ['one', 1], ['none.txt', 0]].map(([name, size]) => [name, documentOf(size)]));
  for (const [name, octets] of documents) await put(name, octets);
  const latin = documentOf(1000);
  await writeFile(path.join(drop, 'scans', '.coming'), latin);
  if (isRoot) await chown(path.join(drop, 'scans', '.coming'), scanner.uid, 0);
  await rename(path.join(drop, 'scans', '.coming'), Buffer.concat([Buffer.from(`${drop}/scans/`), Buffer.from('Pr\xfcfung \x80.pdf', 'latin1')]));
  for (const [name, octets] of documents) assert.equal((await arrived(name)).sha256, sha256(octets), name);
  assert.equal((await arrived('Prüfung €.pdf')).sha256, sha256(latin));
  assert.deepEqual((await admin.must('GET', '/api/v1/connectors')).items.map((one) => one.drop_folder), [{ path: `${drop}/scans`, there: true }]);
  await emptied();
});

test('D9: files are noticed as they come, long before the door would look by itself', async (t) => {
  const { server, put, arrived, drive, emptied } = await scene(t);
  const there = (name) => drive.files.has(`In/${name}`);
  let fastest = Infinity;
  // Once one has been handed in the door has looked, and looks again after five seconds, or when it is told: of a page that follows another it is.
  for (let round = 0; round < 4 && fastest > 2500; round += 1) {
    await put(`before ${round}`, 'x');
    await arrived(`before ${round}`);
    await emptied();
    const begun = performance.now();
    const since = () => performance.now() - begun;
    const first = `page ${round}.0`;
    for (let page = 0; page < 6 && !there(first); page += 1) {
      await put(`page ${round}.${page}`, 'x');
      await until('the next page', () => there(first) || since() > (page + 1) * 400);
    }
    await until('the first page to arrive', () => there(first), { timeout: 30_000 });
    fastest = Math.min(fastest, since());
  }
  t.diagnostic(`noticed, settled for a second and delivered in ${fastest.toFixed(0)} ms`);
  assert.ok(fastest <= 2500, `it took ${fastest} ms`);
  assert.doesNotMatch(server.logs, /drop_folders?_not_watched/);
});

test('D9: a file that has been as it is for long enough goes at once, and not at the next regular look', async (t) => {
  const { put, arrived } = await scene(t);
  await put('first.bin', 'hello');
  await arrived('first.bin');
  const took = [];
  for (const name of ['second.bin', 'third.bin', 'fourth.bin']) {
    const begun = performance.now();
    await put(name, 'hello');
    await arrived(name);
    took.push(performance.now() - begun);
  }
  assert.ok(Math.min(...took) < 4000, `${took} ms: a look every five seconds`);
});

test('files of 100 MB and 500 MB arrive whole', async (t) => {
  const { put, arrived, emptied } = await scene(t);
  const hashes = new Map();
  for (const size of [100_000_000, 500_000_000]) {
    const { stream, sha256: hash } = longDocument(size);
    await put(`${size}.bin`, stream);
    hashes.set(size, hash());
  }
  for (const [size, hash] of hashes) {
    const file = await arrived(`${size}.bin`, 240_000);
    assert.deepEqual([file.size, file.sha256], [size, hash]);
  }
  await emptied();
});

test('D9: a file still being written is not taken; one that stays without its end is refused, and the server says so', async (t) => {
  const { server, put, at, arrived, refused, drive, admin } = await scene(t);
  const writer = await run('python3', ['-c', `
import os, sys, time
out = open(${JSON.stringify(at('slow.bin'))}, 'wb', 0)
os.chown(out.fileno(), ${isRoot ? scanner.uid : process.getuid()}, -1)
for piece in range(8):
    out.write(b'x' * 1000)
    time.sleep(0.5)
`]);
  assert.equal(writer.status, 0, writer.stderr);
  assert.equal((await arrived('slow.bin')).sha256, sha256(Buffer.alloc(8000, 'x')));
  await put('half.pdf', Buffer.concat([Buffer.from('%PDF-1.7\n'), documentOf(20_000)]));
  assert.match(await refused('half.pdf'), /a PDF without its end: its upload broke off/);
  assert.equal(drive.files.has('In/half.pdf'), false);
  await until('the alert to stand', async () => /A drop folder refused a document/.test(JSON.stringify(await admin.must('GET', '/api/v1/alerts'))));
  await until('the metric to say it', async () => /latchkey_drop_folder_refused_total 1/.test(await server.metrics()));
});

test('D9: what a process left half taken is not read while its sender still writes to it', async (t) => {
  const { server, drop, arrived, emptied } = await scene(t);
  await emptied();
  await server.stop();
  const left = path.join(drop, '.taken/scans', `${'a'.repeat(32)}-slow.bin`);
  const writing = run('python3', ['-c', `
import os, time
out = open(${JSON.stringify(left)}, 'wb', 0)
os.chown(out.fileno(), ${isRoot ? scanner.uid : process.getuid()}, -1)
for piece in range(16):
    out.write(b'x' * 1000)
    time.sleep(0.5)
`]);
  await until('the first part to be there', async () => (await readFile(left)).length > 0);
  await server.launch();
  assert.equal((await arrived('slow.bin')).sha256, sha256(Buffer.alloc(16_000, 'x')));
  assert.equal((await writing).status, 0);
  await emptied();
});

test('G5: links and foreign files are refused and never read', { skip: !isRoot && 'only root gives files away' }, async (t) => {
  const { server, put, at, refused, drive } = await scene(t);
  await symlink(path.join(server.data, 'master.key'), at('key.pdf'));
  await put('foreign.pdf', 'hello', { uid: 4712 });
  assert.match(await refused('key.pdf'), /This is a link/);
  assert.match(await refused('foreign.pdf'), /user with the number 4712/);
  assert.equal(drive.files.size, 0);
});

test('a document beyond the limit is refused with words; one that lies there while its connector is switched off goes afterwards', async (t) => {
  const { admin, put, at, refused, arrived, drop } = await scene(t, { connector: { size_bytes_max: 10_000 } });
  await put('large.bin', documentOf(10_001));
  assert.match(await refused('large.bin'), /larger than this connector takes/);
  assert.equal((await readFile(at('.refused/large.bin'))).length, 10_001);
  const { enabled, ...wish } = { name: 'Scans', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', groups: [], folder: 'In' };
  await admin.must('PUT', '/api/v1/connectors/scans', { ...wish, enabled: false });
  await put('later.bin', 'hello');
  await admin.must('PUT', '/api/v1/connectors/scans', { ...wish, enabled: true });
  assert.equal((await arrived('later.bin')).sha256, sha256('hello'));
  assert.deepEqual(await readdir(path.join(drop, '.taken/scans')), []);
});

test('D2: killed again and again while files come in: each arrives once', async (t) => {
  const { server, put, drive, emptied, admin } = await scene(t);
  const documents = Array.from({ length: 12 }, (_, number) => [`scan ${number}.bin`, documentOf(300_000 + number)]);
  for (const [name, octets] of documents) await put(name, octets);
  for (let kills = 0; kills < 4; kills += 1) {
    await until('something to be under way', async () => (await admin.must('GET', '/api/v1/deliveries').catch(() => ({ total: 0 }))).total > kills * 2, { timeout: 30_000 });
    await server.kill();
    await server.launch();
  }
  await until('all of them to arrive', () => drive.files.size >= documents.length, { timeout: 60_000 });
  await emptied();
  assert.deepEqual([...drive.files.keys()].sort(), documents.map(([name]) => `In/${name}`).sort(), 'none twice under another name');
  for (const [name, octets] of documents) assert.equal(drive.files.get(`In/${name}`).sha256, sha256(octets), name);
});

test('the start is refused where the drop folder lies in the data folder, or where anybody may change it', async (t) => {
  const { server, drop } = await scene(t);
  await server.stop();
  await mkdir(path.join(server.data, 'drop'));
  for (const [root, mode, words] of [[path.join(server.data, 'drop'), 0o755, /must lie apart/], [drop, 0o777, /chmod go-w/], [path.join(drop, 'nowhere'), 0o755, /is not there/]]) {
    await chmod(drop, mode);
    server.options.config['folder.root'] = root;
    server.stderr = '';
    await server.launch({ expectReady: false });
    assert.notEqual((await server.ended).status, 0);
    assert.match(server.stderr, words);
  }
});

test('scan-to-FTP through vsftpd: curl puts passively, STOU gives names, a temporary name waits for its own', needs(hasVsftpd, vsftpdBinary), async (t) => {
  const { folder, drop, arrived, emptied } = await scene(t);
  const { port } = await startVsftpd(t, { folder: path.join(folder, 'ftp'), drop });
  const document = documentOf(3_000_000);
  await writeFile(path.join(folder, 'scan'), document);
  const curl = await run('curl', ['-sS', '--ftp-pasv', '-u', `${scanner.name}:${scanner.password}`, '-T', path.join(folder, 'scan'), `ftp://127.0.0.1:${port}/scans/M%C3%A4rz%20scan.bin`]);
  assert.equal(curl.status, 0, curl.stderr);
  assert.equal((await arrived('März scan.bin')).sha256, sha256(document));
  const client = await FtpClient.connect(port, t);
  await client.signIn();
  await client.command('CWD scans');
  for (const name of ['STOU.1', 'STOU.2']) {
    const data = await client.data();
    assert.match((await client.command('STOU')).text, /STOU\.\d/);
    data.end(name);
    assert.equal((await client.reply()).code, 226);
  }
  assert.match((await arrived('STOU.1')).sha256, new RegExp([sha256('STOU.1'), sha256('STOU.2')].join('|')));
  const data = await client.data();
  await client.command('STOR scan.part');
  data.end('whole');
  assert.equal((await client.reply()).code, 226);
  await client.command('RNFR scan.part');
  assert.equal((await client.command('RNTO scan.bin')).code, 250);
  assert.equal((await arrived('scan.bin')).sha256, sha256('whole'));
  await emptied();
});

test('scan-to-FTP: an upload that is reset, ends with ABOR, or whose sender dies is not delivered', needs(hasVsftpd, vsftpdBinary), async (t) => {
  const { folder, drop, at, refused, arrived, drive } = await scene(t);
  const { port } = await startVsftpd(t, { folder: path.join(folder, 'ftp'), drop });
  const half = Buffer.concat([Buffer.from('%PDF-1.7\n'), documentOf(100_000)]);
  const begin = async (name) => {
    const client = await FtpClient.connect(port, t);
    await client.signIn();
    await client.command('CWD scans');
    const data = await client.data();
    await client.command(`STOR ${name}`);
    data.write(half);
    await until('a part to be there', async () => (await readFile(at(name))).length === half.length);
    return { client, data };
  };
  const reset = await begin('reset.pdf');
  reset.data.resetAndDestroy();
  assert.equal((await reset.client.reply()).code, 426);
  const aborted = await begin('abor.pdf');
  aborted.client.socket.write('ABOR\r\n');
  aborted.data.resetAndDestroy();
  await until('both to be gone', async () => !(await readdir(path.join(drop, 'scans'))).some((name) => /reset|abor/.test(name)));
  const dead = await begin('dead.pdf'); // closed in good order by its system: to FTP this is a whole file
  dead.client.socket.destroy();
  dead.data.destroy();
  assert.match(await refused('dead.pdf'), /its upload broke off/);
  const whole = await begin('whole.pdf');
  whole.data.end('\n%%EOF\n');
  assert.equal((await whole.client.reply()).code, 226);
  assert.equal((await arrived('whole.pdf')).sha256, sha256(Buffer.concat([half, Buffer.from('\n%%EOF\n')])));
  assert.deepEqual([...drive.files.keys()], ['In/whole.pdf']);
});

test('scan-to-SMB through Samba: smbclient puts', needs(hasSamba, 'Samba'), async (t) => {
  const { folder, drop, arrived, emptied } = await scene(t);
  const { client } = await startSamba(t, { folder: path.join(folder, 'smb'), drop });
  const document = documentOf(3_000_000);
  await writeFile(path.join(folder, 'scan'), document);
  const put = await client(`put "${path.join(folder, 'scan')}" "Übersicht März.bin"`);
  assert.equal(put.status, 0, put.stdout + put.stderr);
  assert.equal((await arrived('Übersicht März.bin')).sha256, sha256(document));
  await emptied();
});

test('uploads by SFTP through OpenSSH: sftp puts, and a name that is given afterwards', needs(hasSshd, 'OpenSSH'), async (t) => {
  const { folder, drop, arrived, emptied } = await scene(t);
  const { sftp } = await startSshd(t, { folder: path.join(folder, 'ssh'), drop });
  const document = documentOf(3_000_000);
  await writeFile(path.join(folder, 'scan'), document);
  const put = await sftp(`put "${path.join(folder, 'scan')}" "scans/Übersicht März.bin"\nput "${path.join(folder, 'scan')}" scans/b.filepart\nrename scans/b.filepart scans/b.bin\n`);
  assert.equal(put.status, 0, put.stderr);
  for (const name of ['Übersicht März.bin', 'b.bin']) assert.equal((await arrived(name)).sha256, sha256(document));
  await emptied();
});
