// Backup and restore through the real program; yesterday's backup sends no spent token (R28, F10).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chown, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { deliveringServer, documentOf, sha256 } from '../support/delivering.mjs';
import { binary, Latchkey, run } from '../support/latchkey.mjs';
import { authorisedUser, pin, userUnderRules } from '../support/scene.mjs';
import { Faults, files, operations } from '../support/kill/faults.mjs';
import { spoilNewestRecord } from '../support/kill/journal_file.mjs';
import { backupOf, phrase, refreshNow, refreshTwice, restoreTo, singleUse } from '../support/restoring.mjs';
import { until } from '../support/wait.mjs';

async function fingerprint(folder) {
  const lines = [];
  for (const entry of (await readdir(folder, { recursive: true, withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.join(entry.parentPath, entry.name);
    if (/-shm$|\block$|\.sock$/.test(file) || !entry.isFile() || (/-wal$/.test(file) && (await stat(file)).size === 0)) continue;
    lines.push(`${path.relative(folder, file)} ${createHash('sha256').update(await readFile(file)).digest('hex')}`);
  }
  return lines.join('\n');
}

test('backup beside a running server; restored elsewhere, with the word that nothing ran since, everything goes on', async (t) => {
  const scene = await singleUse(t);
  const { server, admin, provider } = scene;
  const file = await backupOf(server);
  const content = await readFile(file);
  assert.equal(content.subarray(0, 8).toString('latin1'), 'LKBACKUP');
  assert.ok(!content.includes('printer-1'), 'a name in clear');
  assert.equal((await admin.must('GET', '/api/v1/keys')).last_backup.file, file);
  assert.equal((await admin.must('GET', '/api/v1/session')).server.master_key_backup_done, true, 'the key is in it');
  assert.match(await server.metrics(), /^latchkey_last_backup_timestamp_seconds \d/m);
  assert.deepEqual((await readdir(server.data)).filter((name) => name.startsWith('.backup')), []);
  await server.stop();
  assert.match((await server.cli(['backup', file, '--passphrase-file', await server.file('passphrase', phrase)])).stderr, /exists already/);
  await rm(server.data, { recursive: true });
  const report = await restoreTo(server, file, ['--nothing-ran-since']);
  assert.equal(report.grants_marked, 0);
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
  await admin.signIn();
  await refreshTwice(scene);
  assert.deepEqual(provider.spentUses, []);
  assert.equal((await admin.must('GET', '/api/v1/activity/verify')).ok, true, 'the audit trail is whole');
});

test('R28: yesterday’s backup without the journal: no spent token is sent, the access token is served, a person is asked', async (t) => {
  const scene = await singleUse(t);
  const { server, admin, provider, grant_id } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  await server.stop();
  const posted = provider.seen('refresh').length;
  await rm(server.data, { recursive: true });
  const report = await restoreTo(server, file);
  assert.equal(report.grants_marked, 1);
  await server.launch();
  await admin.signIn();
  assert.equal((await server.token('printer-1', pin)).status, 200, 'the backup’s access token is served while it lives');
  await refreshNow(scene);
  const grant = await until('a person to be asked', async () => {
    const seen = await admin.grant(grant_id);
    return seen.state === 'needs_authorization' && seen;
  });
  assert.match(grant.why, /restored from a backup of/);
  await refreshNow(scene);
  await server.restart();
  assert.equal((await server.token('printer-1', pin)).status, 200);
  assert.equal(provider.seen('refresh').length, posted, 'a refresh token was sent');
  assert.deepEqual(provider.spentUses, []);
  await admin.signIn();
  const again = await admin.authorize({ replace_grant_id: grant_id });
  assert.equal(again.state, 'completed');
  assert.equal((await refreshNow(scene)).status, 200, 'authorised again, it goes on');
  assert.deepEqual(provider.spentUses, []);
});

test('R28: with the journal that survived, the newest generation is recovered and goes on', async (t) => {
  const scene = await singleUse(t);
  const { server, admin, provider, grant_id } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  const newest = (await admin.grant(grant_id)).generation;
  await server.stop();
  const report = await restoreTo(server, file, ['--replace']);
  assert.ok(report.replies_recovered >= 1);
  assert.ok((await readdir(report.replaced)).includes('latchkey.db'), 'what was there is kept');
  await server.launch();
  await admin.signIn();
  await until('the journal to be merged', async () => (await admin.grant(grant_id)).generation === newest);
  assert.equal((await refreshNow(scene)).status, 200);
  assert.equal((await admin.grant(grant_id)).state, 'active');
  assert.ok(provider.honours((await server.token('printer-1', pin)).body.access_token));
  assert.deepEqual(provider.spentUses, []);
});

for (const [what, damage] of Object.entries({
  'its newest answer is torn': async (server) => spoilNewestRecord(path.join(server.data, 'journal'), (octets, at) => { octets[at + 150] ^= 1; }),
  'the file that holds its newest answer cannot be read': async (server) => {
    await spoilNewestRecord(path.join(server.data, 'journal'), (octets, at) => octets.fill(0, at));
    await writeFile(path.join(server.data, 'journal', 'replies-00000002'), Buffer.alloc(4 * 1024 * 1024, 'sick disk'));
  },
})) {
  test(`R28: the journal survived, but ${what}: the token before it is spent, and is not sent`, async (t) => {
    const scene = await singleUse(t);
    const { server, admin, provider, grant_id } = scene;
    const file = await backupOf(server);
    await refreshTwice(scene);
    await server.stop();
    const posted = provider.seen('refresh').length;
    await damage(server);
    const passphrase = await server.file('passphrase', phrase);
    const restored = await server.cli(['restore', file, '--passphrase-file', passphrase, '--replace']);
    assert.equal(restored.status, 0, restored.stderr);
    assert.match(restored.stdout, /ATTENTION: [^]*The newest answers of 1 grants are lost or may be/);
    if (what.startsWith('the file')) assert.match(restored.stdout, /cannot be read: .*replies-00000002/);
    await server.launch();
    await admin.signIn();
    await refreshNow(scene);
    const grant = await until('a person to be asked', async () => {
      const seen = await admin.grant(grant_id);
      return seen.state === 'needs_authorization' && seen;
    });
    assert.match(grant.why, /restored from a backup of/);
    assert.equal(provider.seen('refresh').length, posted, 'a refresh token was sent');
    assert.deepEqual(provider.spentUses, []);
  });
}

test('F10: a consent for another account after the backup: a device’s document does not go out with that account’s token', async (t) => {
  const scene = await deliveringServer(t, { type: { replay: 'revokes_family', rotation: 'single_use' }, provider: { revokesFamily: true } });
  const { server, admin, provider, drive, deliver, grant_id, group } = scene;
  const sentWith = new Set();
  drive.honours = (token) => sentWith.add(token) && provider.honours(token);
  const accounts = async () => {
    const all = await Promise.all([...sentWith].map(async (token) => {
      const answer = await fetch(`${provider.origin}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
      return answer.ok ? (await answer.json()).sub : 'refused';
    }));
    return [...new Set(all)];
  };
  await admin.must('POST', '/api/v1/connectors', { id: 'fixed', name: 'Fixed', type: 'scripted-drive', account: 'fixed', owner: 'printer-1', owner_pin: pin, groups: [group], folder: 'In' });
  const { secret } = await admin.must('POST', '/api/v1/devices', { name: 'mfp-1', connectors: ['fixed'] });
  const asDevice = () => deliver('a scan', { to: 'fixed', name: 'a.txt', wait: 5, username: 'mfp-1', secret });
  assert.equal((await refreshNow(scene)).status, 200);
  const before = (await admin.grant(grant_id)).account;
  const file = await backupOf(server);
  assert.equal((await asDevice()).body.state, 'delivered');
  assert.deepEqual([...new Set(await accounts())], [before.id]);

  provider.account = { id: 'acc-other', name: 'other@example.com' };
  const attempt = await admin.authorize({ replace_grant_id: grant_id });
  await admin.mustAnswer(attempt.id, true);
  await until('the other account', async () => (await admin.grant(grant_id)).account.id === 'acc-other');
  await refreshTwice(scene);
  await server.stop();
  const posted = provider.seen('refresh').length;
  assert.equal((await restoreTo(server, file, ['--replace'])).grants_marked, 1);
  sentWith.clear();
  await server.launch();
  await until('the journal to be merged', async () => /^latchkey_replies_(unowned|recovered)_total 2$/m.test(await server.metrics()));
  await asDevice();
  assert.ok(sentWith.size > 0, 'the device’s document was not tried');
  assert.ok(!(await accounts()).includes('acc-other'), 'it went out with the other account’s token');
  await admin.signIn();
  const asked = await until('a person to be asked', async () => {
    const seen = await admin.grant(grant_id);
    return seen.state === 'needs_authorization' && seen;
  }, { timeout: 60_000 });
  assert.deepEqual(asked.account, before);
  assert.match(asked.why, /restored from a backup of/);
  assert.equal(provider.seen('refresh').length, posted, 'a refresh token was sent');
  assert.match(await server.metrics(), /^latchkey_replies_unowned_total 2$/m);
  assert.doesNotMatch(server.logs, /reply_unreadable/);
});

test('R28: the journal is taken over although the master key was rotated after the backup', async (t) => {
  const scene = await singleUse(t);
  const { server, admin, provider, grant_id } = scene;
  await admin.set('keys.rotation_rest', '1s');
  const file = await backupOf(server);
  assert.equal((await server.cli(['keys', 'rotate'])).status, 0);
  await refreshTwice(scene);
  const newest = (await admin.grant(grant_id)).generation;
  await server.stop();
  const report = await restoreTo(server, file, ['--replace']);
  assert.notEqual(report.master_key_aside, '', 'the newer key is kept');
  await server.launch();
  await admin.signIn();
  await until('the journal to be merged', async () => (await admin.grant(grant_id)).generation === newest);
  assert.equal((await refreshNow(scene)).status, 200);
  assert.deepEqual(provider.spentUses, []);
});

test('F10: where a refresh token may be used again, grants go on by themselves', async (t) => {
  const scene = await userUnderRules(t, { type: { replay: 'harmless', rotation: 'none' }, provider: { rotation: 'none' } });
  const { server, admin } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  await server.stop();
  await rm(server.data, { recursive: true });
  await restoreTo(server, file);
  await server.launch();
  await admin.signIn();
  assert.equal((await refreshNow(scene)).status, 200);
  assert.equal((await admin.grant(scene.grant_id)).state, 'active');
});

const away = () => ({ status: 503, headers: { 'retry-after': '1' } });
const delivered = (road, id) => until(`delivery ${id}`, async () => {
  const { body } = await road(id);
  return body.state === 'delivered' ? body : undefined;
}, { timeout: 120_000, every: 50 });
const spoolOf = async (server) => (await readdir(path.join(server.data, 'spool'))).filter((name) => name !== 'unknown');

test('F10: documents that wait are in the backup; restored, each arrives once: one that was delivered since, and one that was not', async (t) => {
  const { server, drive, deliver, road } = await deliveringServer(t);
  const sizes = { 'small.txt': 1, 'edge.bin': 3 * 64 * 1024, 'large.bin': 3_000_000 };
  const documents = {};
  drive.plan = away;
  for (const [name, size] of Object.entries(sizes)) {
    const document = documentOf(size);
    const answer = await deliver(document, { name, wait: 0 });
    assert.equal(answer.status, 202, answer.text);
    documents[answer.body.id] = sha256(document);
  }
  const [sentSince] = Object.keys(documents);
  const passphrase = await server.file('passphrase', phrase);
  const file = path.join(server.folder, 'office.lkb');
  const made = await server.cli(['backup', file, '--passphrase-file', passphrase]);
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /3 documents that wait to be delivered/);
  drive.plan = ({ method, path: asked }) => (method === 'POST' || asked.endsWith(sentSince) ? undefined : away());
  await delivered(road, sentSince);
  await server.stop();
  await rm(server.data, { recursive: true });
  const report = await restoreTo(server, file);
  assert.equal(report.deliveries_marked, 3);
  assert.equal(report.deliveries_without_document, 0);
  assert.deepEqual((await spoolOf(server)).sort(), Object.keys(documents).sort());
  drive.plan = () => undefined;
  await server.launch();
  for (const [id, hash] of Object.entries(documents)) {
    const done = await delivered(road, id);
    assert.equal(done.receipt.hash, `sha256:${hash}`);
    assert.equal(drive.uploads.get(id).file.sha256, hash);
    assert.ok(done.timeline.some((step) => step.what === 'restored' && /may have been sent since/.test(step.words)), JSON.stringify(done.timeline));
  }
  assert.equal(drive.files.size, 3, 'each is one file there');
  await until('the spool to be empty', async () => (await spoolOf(server)).length === 0);
});

test('F10: a document that came in after the backup lies aside with the database that opens it, and is delivered once somebody goes back to it', async (t) => {
  const { server, drive, deliver, road } = await deliveringServer(t);
  const file = await backupOf(server);
  drive.plan = away;
  const answer = await deliver('a scan of today', { wait: 0 });
  assert.equal(answer.status, 202, answer.text);
  await server.stop();
  const passphrase = await server.file('passphrase', phrase);
  const restored = await server.cli(['restore', file, '--passphrase-file', passphrase, '--replace']);
  assert.equal(restored.status, 0, restored.stderr);
  const [, replaced] = restored.stdout.match(/ATTENTION: 1 documents had not been delivered.*They lie in (.*)\/spool/);
  assert.deepEqual(await readdir(path.join(replaced, 'spool')), [answer.body.id]);
  await server.launch();
  assert.equal((await road(answer.body.id)).status, 404);
  assert.deepEqual(await spoolOf(server), []);
  await server.stop();
  const back = await server.cli(['restore', replaced, '--replace', '--json']);
  assert.equal(back.status, 0, back.stderr);
  assert.equal(JSON.parse(back.stdout).deliveries_marked, 1);
  drive.plan = () => undefined;
  await server.launch();
  assert.equal((await delivered(road, answer.body.id)).receipt.hash, `sha256:${sha256('a scan of today')}`);
});

test('what editors and file managers leave among the provider files spoils no backup', async (t) => {
  const { server } = await userUnderRules(t);
  for (const name of ['.scripted.json.swp', '.DS_Store', '.gitkeep', '.old.json', 'notes.txt']) {
    await writeFile(path.join(server.data, 'providers', name), 'not a provider');
  }
  const file = await backupOf(server);
  await server.stop();
  await rm(server.data, { recursive: true });
  const report = await restoreTo(server, file, ['--nothing-ran-since']);
  assert.deepEqual(report.left_out, []);
  assert.deepEqual(await readdir(path.join(server.data, 'providers')), ['scripted.json']);
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

test('what cannot be restored is named in a sentence, and nothing is touched', async (t) => {
  const { server } = await authorisedUser(t);
  const file = await backupOf(server);
  const wrong = await server.file('wrong', 'another long phrase');
  const right = await server.file('passphrase', phrase);
  const refuse = async (args, words, at = server.data) => {
    const before = await fingerprint(at).catch(() => 'nothing');
    const answer = await run(binary, ['restore', ...args, '--data', at]);
    assert.equal(answer.status, 1, answer.stdout);
    assert.match(answer.stderr, words);
    assert.equal(answer.stderr.trim().split('\n').length, 1);
    assert.equal(await fingerprint(at).catch(() => 'nothing'), before, 'something was touched');
  };
  await refuse([file, '--passphrase-file', right, '--replace'], /is in use|Stop the server/i);
  await server.stop();
  await refuse([file, '--passphrase-file', right], /holds an installation already.*--replace/);
  await refuse([file, '--passphrase-file', wrong, '--replace'], /passphrase does not open/);

  const nowhere = path.join(server.folder, 'elsewhere');
  const altered = path.join(server.folder, 'altered.lkb');
  const content = await readFile(file);
  const middle = Buffer.from(content);
  middle[Math.floor(middle.length / 2)] ^= 1;
  await writeFile(altered, middle);
  await refuse([altered, '--passphrase-file', right], /is damaged/, nowhere);
  await refuse([altered, '--passphrase-file', right, '--replace'], /is damaged/);
  await copyFile(file, altered);
  await truncate(altered, content.length - 40);
  await refuse([altered, '--passphrase-file', right], /is cut off/, nowhere);
  const future = Buffer.from(content);
  future[9] = 9;
  await writeFile(altered, future);
  await refuse([altered, '--passphrase-file', right], /format 9/, nowhere);
  await writeFile(altered, 'a letter to somebody');
  await refuse([altered, '--passphrase-file', right], /no backup of Latchkey/, nowhere);
  await refuse([path.join(server.folder, 'none'), '--passphrase-file', right], /cannot be opened/, nowhere);
  await assert.rejects(stat(nowhere), 'a directory was left behind');
  const short = await run(binary, ['backup', path.join(server.folder, 'new.lkb'), '--data', server.data, '--passphrase-file', await server.file('short', 'short')]);
  assert.match(short.stderr, /at least 12/);

  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
});

// The staged journal makes its segments on a thread of its own: whether one is renamed, and when, differs from run to run.
const inOrder = files.all & ~files.journal;

/** It goes on with the newest generation, which only the journal of the installation that was replaced can know. */
async function goesOnWith(scene, newest) {
  const { server, admin, provider, grant_id } = scene;
  await server.launch();
  await admin.signIn();
  await until('the journal to be merged', async () => (await admin.grant(grant_id)).generation === newest);
  assert.equal((await refreshNow(scene)).status, 200);
  assert.equal((await admin.grant(grant_id)).state, 'active');
  assert.deepEqual(provider.spentUses, []);
}

test('R28: a restore that fails at its last steps leaves everything as it was, and its repetition loses nothing', async (t) => {
  const scene = await singleUse(t);
  const { server, admin, grant_id } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  const newest = (await admin.grant(grant_id)).generation;
  await server.stop();
  await mkdir(path.join(server.data, '.restore-0123456789abcdef'));
  await writeFile(path.join(server.data, '.restore-0123456789abcdef', 'master.key'), 'left by a restore that was killed');
  const before = await fingerprint(server.data);
  const passphrase = await server.file('passphrase', phrase);
  const failed = await server.cli(['restore', file, '--passphrase-file', passphrase, '--replace', '--master-key-file', path.join(server.folder, 'not-there', 'k.key')]);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /master key cannot be put into .*not-there.*nothing was changed/);
  const after = (await fingerprint(server.data)).split('\n');
  assert.deepEqual(after, before.split('\n').filter((line) => !line.startsWith('.restore-')), 'something was touched, or a key in clear was left');
  await goesOnWith(scene, newest);
  await server.stop();
  const report = await restoreTo(server, file, ['--replace']);
  assert.ok(report.replies_recovered >= 1);
  await goesOnWith(scene, newest + 1);
});

test('R28: a restore killed at any of its renamings is noticed at the start, and its repetition loses nothing', { timeout: 240_000 }, async (t) => {
  const scene = await singleUse(t);
  const { server, admin, grant_id } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  const newest = (await admin.grant(grant_id)).generation;
  await server.stop();
  const whole = path.join(server.folder, 'whole');
  await cp(server.data, whole, { recursive: true });
  const faults = new Faults(server.folder, server.data);
  const args = ['restore', file, '--passphrase-file', await server.file('passphrase', phrase), '--replace'];
  let killed = 0;
  let noticed = 0;
  let mixed = 0;
  let aside = 0;
  for (let nth = 1; ; nth++) {
    await rm(server.data, { recursive: true });
    await cp(whole, server.data, { recursive: true });
    faults.arm({ nth, operation: operations.rename, file: inOrder, action: 'after' });
    const broken = await server.cli(args, { env: faults.environment });
    faults.disarm();
    if (broken.status === 0) break;
    killed++;
    const left = await readdir(server.data);
    const marked = left.includes('restore.interrupted');
    for (const folder of left.filter((name) => name.startsWith('replaced-'))) {
      assert.ok(await isSetAside(path.join(server.data, folder)), `killed at renaming ${nth}: a server would start on ${folder}`);
      aside += (await readdir(path.join(server.data, folder))).includes('latchkey.db') ? 1 : 0;
    }
    if (marked && !left.includes('journal')) mixed++; // what survived lies aside
    if (marked && noticed === 0) {
      noticed++;
      server.stdout = '';
      server.stderr = '';
      await server.launch({ expectReady: false });
      assert.notEqual((await server.ended).status, 0);
      assert.match(server.logs, /restore.*was interrupted.*--replace/);
    }
    const report = await restoreTo(server, file, ['--replace']);
    assert.ok(report.replies_recovered >= 1, `killed at renaming ${nth}: the replies that survived were lost`);
    assert.ok(!(await readdir(server.data)).some((name) => /^\.restore-|restore\.interrupted/.test(name)), 'something was left behind');
    if (marked && !left.includes('journal') && mixed === 1) { // once: from then on the copy is out of date
      await goesOnWith(scene, newest);
      await server.stop();
    }
  }
  assert.ok(killed >= 5 && noticed === 1 && mixed >= 1 && aside >= 3, `${aside} set aside, ${killed} kills, ${noticed} noticed, ${mixed} with the journal aside`);
});

/** What the database in the folder says of it. */
async function noteIn(folder) {
  const names = await readdir(folder);
  const copy = await mkdtemp(path.join(tmpdir(), 'latchkey-aside-'));
  for (const name of names.filter((each) => each.startsWith('latchkey.db'))) await copyFile(path.join(folder, name), path.join(copy, name));
  const database = new DatabaseSync(path.join(copy, 'latchkey.db'));
  const note = database.prepare("SELECT value FROM meta WHERE key = 'set_aside'").get();
  database.close();
  await rm(copy, { recursive: true });
  return note;
}

/** Whether file and database both say so (the database, where it lies there already). */
async function isSetAside(folder) {
  const names = await readdir(folder);
  if (!names.includes('latchkey.db')) return names.includes('set-aside.json') || names.length === 0;
  return names.includes('set-aside.json') && await noteIn(folder) !== undefined;
}

test('R28: a restore of which any renaming fails leaves what was there, and it is served as before', { timeout: 120_000 }, async (t) => {
  const scene = await singleUse(t);
  const { server, admin, grant_id } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  const { generation } = await admin.grant(grant_id);
  await server.stop();
  const whole = path.join(server.folder, 'whole');
  await cp(server.data, whole, { recursive: true });
  const before = (await readdir(whole)).sort();
  const faults = new Faults(server.folder, server.data);
  const args = ['restore', file, '--passphrase-file', await server.file('passphrase', phrase), '--replace'];
  const failed = [];
  for (let nth = 0; ; nth++) { // the first time, one of the journal's own
    faults.arm({ nth: Math.max(nth, 1), operation: operations.rename, file: nth === 0 ? files.journal : inOrder, action: 'refuse', code: 'EIO', times: 1 });
    const { status, stderr } = await server.cli(args, { env: faults.environment });
    const { what, struck } = faults;
    faults.disarm();
    if (struck === 0 && nth > 0) break;
    if (status === 0) { // it could be done without
      await rm(server.data, { recursive: true });
      await cp(whole, server.data, { recursive: true });
      continue;
    }
    failed.push(what);
    assert.deepEqual((await readdir(server.data)).sort(), before, `${what}: ${stderr}`);
    assert.equal(await noteIn(server.data), undefined, `${what} failed, and no server would start`);
  }
  assert.ok(failed.includes('rename latchkey.db'), `${failed}`);
  await goesOnWith(scene, generation);
});

/** `serve` refuses the folder with words, whatever the configuration says of the key. */
async function refusesToServe(server, folder, words) {
  const key = await server.file('taken.key', await readFile(path.join(server.data, 'master.key')));
  const config = await server.file('aside.toml', `listen = "127.0.0.1:${server.port}"\npublic_url = "${server.url}"\nmaster_key_file = "${key}"\n`);
  const answer = await run(binary, ['serve', '--config', config, '--data', folder], { timeout: 20_000 });
  assert.equal(answer.status, 1, `it ended with ${answer.status} ${answer.signal}: ${answer.stderr}`);
  assert.match(answer.stderr, words);
}

/** A single-use grant of an installation that was restored over itself, after it had gone on beyond the backup. */
async function replacedByItsBackup(t) {
  const scene = await singleUse(t);
  const { server, admin } = scene;
  const file = await backupOf(server);
  await refreshTwice(scene);
  const { generation } = await admin.grant(scene.grant_id);
  await server.stop();
  const { replaced } = await restoreTo(server, file, ['--replace']);
  return { scene, generation, replaced };
}
/** The same, the installation restored having spent the newest token since. */
async function replacedAndRefreshed(t) {
  const { scene, generation, replaced } = await replacedByItsBackup(t);
  await goesOnWith(scene, generation);
  await scene.server.stop();
  return { ...scene, newest: generation + 1, replaced };
}

test('F10: what a restore has set aside is served, backed up and moved by nobody, wherever it is put', async (t) => {
  const { server, replaced } = await replacedAndRefreshed(t);
  const words = /was set aside by a restore on .*lives on in .*latchkey restore .*replaced-.* --data .* --replace/;
  await refusesToServe(server, replaced, words);
  await rm(path.join(replaced, 'set-aside.json'));
  await refusesToServe(server, replaced, words);
  const passphrase = await server.file('passphrase', phrase);
  const key = path.join(server.data, 'master.key');
  const backup = await run(binary, ['backup', path.join(server.folder, 'late.lkb'), '--data', replaced, '--master-key-file', key, '--passphrase-file', passphrase]);
  assert.equal(backup.status, 1, backup.stdout);
  assert.match(backup.stderr, words);
  const moved = await run(binary, ['migrate', '--to', 'postgresql://latchkey@127.0.0.1:1/latchkey', '--data', replaced]);
  assert.equal(moved.status, 1, moved.stdout);
  assert.match(moved.stderr, words);
  assert.ok(!(await readdir(server.folder)).includes('late.lkb'));
  // Put back by hand.
  await rm(path.join(server.data, 'journal'), { recursive: true });
  for (const name of await readdir(replaced)) {
    await rm(path.join(server.data, name), { recursive: true, force: true });
    await rename(path.join(replaced, name), path.join(server.data, name));
  }
  await refusesToServe(server, server.data, /was set aside by a restore on .*put back by hand.*latchkey restore .* --replace/);
});

test('F10: going back to what a restore has set aside: the newest token is in the other’s journal', async (t) => {
  const scene = await replacedAndRefreshed(t);
  const { server, replaced, newest } = scene;
  const back = await server.cli(['restore', replaced, '--replace', '--json']);
  assert.equal(back.status, 0, back.stderr);
  const report = JSON.parse(back.stdout);
  assert.equal(report.grants_marked, 1);
  assert.ok(report.replies_recovered >= 1);
  assert.ok(await isSetAside(report.replaced), 'now the other one is');
  assert.ok(await isSetAside(replaced), 'its copy stays as it was');
  assert.deepEqual((await readdir(replaced)).filter((name) => name.startsWith('.backup')), []);
  await goesOnWith(scene, newest);
});

for (const [what, put] of Object.entries({
  'where it lies': async ({ replaced }) => replaced,
  'put back by hand': async ({ server, replaced }) => {
    for (const name of await readdir(replaced)) {
      await rm(path.join(server.data, name), { recursive: true, force: true });
      await rename(path.join(replaced, name), path.join(server.data, name));
    }
    return server.data;
  },
})) {
  test(`F10: going back to what a restore has set aside, ${what}, without the other’s journal: no spent token is sent, a person is asked`, async (t) => {
    const scene = await replacedAndRefreshed(t);
    const { server, admin, provider, grant_id } = scene;
    const posted = provider.seen('refresh').length;
    await rm(path.join(server.data, 'journal'), { recursive: true });
    const back = await server.cli(['restore', await put(scene), '--replace', '--json']);
    assert.equal(back.status, 0, back.stderr);
    assert.equal(JSON.parse(back.stdout).replies_recovered, 0, 'its own journal is no newer than it');
    await server.launch();
    await admin.signIn();
    await refreshNow(scene);
    await until('a person to be asked', async () => (await admin.grant(grant_id)).state === 'needs_authorization');
    assert.equal(provider.seen('refresh').length, posted, 'a refresh token was sent');
    assert.deepEqual(provider.spentUses, []);
  });
}

test('F10: going back at once, with the word that nothing ran since, asks nobody', async (t) => {
  const { scene, generation, replaced } = await replacedByItsBackup(t);
  const back = await scene.server.cli(['restore', replaced, '--replace', '--nothing-ran-since']);
  assert.equal(back.status, 0, back.stderr);
  await goesOnWith(scene, generation);
});

test('F10: a database that is too damaged to be marked is replaced all the same, and its folder is set aside', async (t) => {
  const scene = await singleUse(t);
  const { server } = scene;
  const file = await backupOf(server);
  await server.stop();
  await writeFile(path.join(server.data, 'latchkey.db'), 'no database any more');
  const passphrase = await server.file('passphrase', phrase);
  const restored = await server.cli(['restore', file, '--passphrase-file', passphrase, '--replace']);
  assert.equal(restored.status, 0, restored.stderr);
  const [, replaced] = restored.stdout.match(/What was there lies in (\S+), set aside/);
  assert.match(restored.stdout, /ATTENTION: its database could not be marked as set aside/);
  await refusesToServe(server, replaced, /was set aside by a restore on/);
  const none = await server.cli(['restore', server.folder, '--replace']);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /holds nothing that a restore has set aside.*DATA\/replaced-/);
});

const otherUser = 65_534;

test('root backs up and restores for the service’s user, beside the server and after it, and the server starts again', { skip: process.getuid() !== 0 && 'needs root' }, async (t) => {
  const { server } = await authorisedUser(t, { runAs: otherUser });
  await backupOf(server, 'running.lkb');
  await server.stop();
  const file = await backupOf(server, 'stopped.lkb');
  const served = async (what) => {
    for (const entry of await readdir(server.data, { recursive: true, withFileTypes: true })) {
      const { uid } = await stat(path.join(entry.parentPath, entry.name));
      assert.equal(uid, otherUser, `${what}: ${entry.name} is not the service's`);
    }
    await server.launch();
    assert.equal((await server.token('printer-1', pin)).status, 200, what);
    await server.stop();
  };
  await served('after a backup');
  await restoreTo(server, file, ['--replace', '--nothing-ran-since']);
  await served('restored over what was there');
  await rm(server.data, { recursive: true });
  await mkdir(server.data, { mode: 0o700 });
  await chown(server.data, otherUser, otherUser);
  await restoreTo(server, file, ['--nothing-ran-since']);
  await served('restored into an empty directory');
});

test('a master key outside the data directory is found by the configuration, and goes back there', async (t) => {
  const folder = path.join((await Latchkey.start(t)).folder, 'etc');
  await mkdir(folder);
  const key = path.join(folder, 'latchkey.key');
  const { server } = await authorisedUser(t, { config: { master_key_file: key } });
  const passphrase = await server.file('passphrase', phrase);
  const config = path.join(server.folder, 'latchkey.toml');
  const file = path.join(server.folder, 'office.lkb');
  await server.stop();
  const lost = await server.cli(['backup', file, '--passphrase-file', passphrase]);
  assert.match(lost.stderr, /--master-key-file/);
  assert.equal((await server.cli(['backup', file, '--passphrase-file', passphrase, '--config', config])).status, 0);
  const before = await readFile(key, 'utf8');
  await rm(server.data, { recursive: true });
  await rm(key);
  const restored = await server.cli(['restore', file, '--passphrase-file', passphrase, '--config', config, '--nothing-ran-since']);
  assert.equal(restored.status, 0, restored.stderr);
  assert.equal(await readFile(key, 'utf8'), before);
  await server.launch();
  assert.equal((await server.token('printer-1', pin)).status, 200);
});
