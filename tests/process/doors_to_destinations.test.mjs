// Every door to every destination that there is, on the real binary with real clients: a printer that knows only SMTP, one that knows only
// WebDAV, a share, and a script hand in several documents each, all at once; what arrives is compared by hash at the destination.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { documentOf, sha256 } from '../support/delivering.mjs';
import { destinations } from '../support/destinations.mjs';
import { run } from '../support/latchkey.mjs';
import { scanner } from '../support/own_etc.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { mailingServer } from '../support/practice_mail.mjs';
import { hasSamba, startSamba } from '../support/samba.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const isRoot = process.getuid() === 0;
const sizes = [100, 50_000, 5_000_000]; // swaks takes a single "-" for its input

/** Runs a client to its end, which must be a good one. */
async function done(program, args, options) {
  const { status, stdout, stderr } = await run(program, args, { timeout: 120_000, ...options });
  assert.equal(status, 0, `${program}: ${stdout}${stderr}`);
  return stdout;
}

/** swaks as `as` (name and secret), to `to`, with a file attached under a name. */
const swaks = (port, as, to, { name, file }) => done('swaks', ['--server', '127.0.0.1', '--port', String(port), '--from', 'printer@office.example', '--to', to,
  '--auth', 'PLAIN', '--auth-user', as.name, '--auth-password', as.secret, '--body', 'Scanned', '--attach-type', 'application/octet-stream', '--attach-name', name, '--attach', `@${file}`]);
const curl = (as, ...args) => done('curl', ['-sSf', '-u', `${as.name}:${as.secret}`, ...args]);

/** The four doors: how each hands in one of its files ({ name, octets, file }) with its real client. */
const doors = {
  'a printer that knows only SMTP': ({ smtp }, one, as) => swaks(smtp, as, 'scans@drop.internal', one),
  'a printer that knows only WebDAV': ({ server }, { name, file }, as) => curl(as, '-T', file, `${server.url}/dav/scans/${encodeURIComponent(name)}`),
  'a share': ({ share }, one) => share(one),
  'a script': ({ server }, { name, file }, as) =>
    curl(as, '--data-binary', `@${file}`, '-H', `Content-Disposition: attachment; filename="${name}"`, `${server.url}/v1/deliver/scans`),
};

/** A drop folder `scans`: { config, share }; `share(file)` puts one there, through Samba where root runs the test. */
async function dropFolder(t) {
  const folder = await temporaryFolder(t, 'drop');
  const drop = path.join(folder, 'drop');
  await mkdir(path.join(drop, 'scans'), { recursive: true });
  if (isRoot) await chown(path.join(drop, 'scans'), scanner.uid, 0);
  await chmod(path.join(drop, 'scans'), 0o2770);
  const config = { 'folder.root': drop, 'folder.uids': [String(isRoot ? scanner.uid : process.getuid())] };
  const put = async ({ name, octets }) => {
    const before = path.join(drop, 'scans', `.${name}`);
    await writeFile(before, octets);
    if (isRoot) await chown(before, scanner.uid, 0);
    await rename(before, path.join(drop, 'scans', name));
  };
  if (!isRoot) return { config, share: put };
  assert.ok(hasSamba, 'Samba is not installed: scripts/setup --tests installs it');
  const { client } = await startSamba(t, { folder: path.join(folder, 'smb'), drop });
  const share = async ({ name, file }) => {
    const { status, stdout, stderr } = await client(`put "${file}" "${name}"`);
    assert.equal(status, 0, stdout + stderr);
  };
  return { config, share };
}

// Mostly waiting (a share's files must have settled): all at once.
describe('into every destination', { concurrency: true }, () => {
  for (const destination of destinations) {
    test(`a printer that knows only SMTP, one that knows only WebDAV, a share and a script deliver into ${destination.name}`, { skip: destination.skip }, async (t) => {
      const smtp = await freePort();
      const { config, share } = await dropFolder(t);
      const { server, admin, hashes } = await destination.start(t, { 'smtp.submission': `127.0.0.1:${smtp}`, ...config });
      for (const key of ['webdav.settle', 'folder.settle']) await admin.set(key, '1s');
      const expected = new Map();
      const handing = Object.entries(doors).map(async ([who, door], number) => {
        const files = await Promise.all(sizes.map(async (size) => {
          const octets = documentOf(size);
          const name = `${who.replaceAll(' ', '-')} ${size}.bin`;
          expected.set(`In/${name}`, sha256(octets));
          return { name, octets, file: await server.file(`${number}-${size}`, octets) };
        }));
        const as = await admin.must('POST', '/api/v1/devices', { name: `device-${number}`, connectors: ['scans'] });
        await Promise.all(files.map((one) => door({ server, smtp, share }, one, as)));
      });
      await Promise.all(handing);
      const items = await until('all of them to be delivered', async () => {
        const { items: all } = await admin.must('GET', '/api/v1/deliveries?limit=50');
        return all.length >= expected.size && all.every(({ state }) => state === 'delivered') ? all : undefined;
      }, { timeout: 120_000, every: 100 });
      assert.deepEqual([...await hashes()].sort(), [...expected].sort());
      for (const how of [/^smtp /, /^webdav /, /^folder$/, /^http /]) {
        assert.equal(items.filter(({ source }) => how.test(source)).length, sizes.length, `${how}: ${items.map(({ source }) => source)}`);
      }
    });
  }
});

test('a printer that knows only SMTP writes to people: several mails at once, each attachment whole in the practice mailbox', async (t) => {
  const smtp = await freePort();
  const { server, admin, inbox } = await mailingServer(t, {
    connector: { account: 'fixed', owner: 'anna', owner_pin: pin, groups: [] }, config: { 'smtp.submission': `127.0.0.1:${smtp}` },
  });
  const copier = await admin.must('POST', '/api/v1/devices', { name: 'copier', connectors: ['mail'], uses: ['send'], recipient_domains: ['x.example'] });
  const documents = new Map(['bob', 'carol', 'dave'].map((name, number) => [`${name}@x.example`, documentOf([100, 50_000, 2_000_000][number])]));
  await Promise.all([...documents].map(async ([to, octets]) => swaks(smtp, copier, to, { name: 'scan.pdf', file: await server.file(to, octets) })));
  const mails = await until('all of them to arrive', async () => {
    const found = await inbox();
    return found.length >= documents.size ? found : undefined;
  }, { timeout: 60_000, every: 100 });
  assert.equal(mails.length, documents.size);
  for (const { mail_from: from, recipients, octets } of mails) {
    assert.equal(from, 'anna@practice.example');
    const [to, ...others] = recipients;
    assert.deepEqual(others, []);
    const text = octets.toString('latin1');
    const at = text.indexOf('\r\n\r\n', text.indexOf('scan.pdf')) + 4;
    assert.equal(sha256(Buffer.from(text.slice(at, text.indexOf('\r\n--', at)), 'base64')), sha256(documents.get(to)), to);
    documents.delete(to);
  }
  assert.equal(documents.size, 0, 'each has theirs');
});
