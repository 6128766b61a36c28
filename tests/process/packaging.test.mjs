// What `make install` puts in place, and that the packaged configuration is one the binary understands.

import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { binary, run } from '../support/latchkey.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const chore = (script, folder, env = {}) => run(path.join(root, 'scripts', script), [], { env: { DESTDIR: folder, PREFIX: '/usr/local', ...env } });
const exists = (file) => stat(file).then(() => true, () => false);

test('make help lists every chore', async () => {
  const { stdout, status } = await run('make', ['-C', root, '--no-print-directory', 'help'], { env: { MAKEFLAGS: '', MAKELEVEL: '' } });
  assert.equal(status, 0);
  for (const name of ['run', 'build', 'test', 'kill', 'install', 'uninstall', 'bench', 'fuzz', 'sanitize', 'format', 'lint']) {
    assert.match(stdout, new RegExp(`^ +make ${name} +\\S`, 'm'));
  }
});

test('make install builds first, also where a binary stands already, and PURGE reaches uninstall through sudo', async (t) => {
  const { stdout, status, stderr } = await run('make', ['-n', '-C', root, '--no-print-directory', 'install'], { env: { MAKEFLAGS: '', MAKELEVEL: '', SUDO_USER: '' } });
  assert.equal(status, 0, stderr);
  const built = stdout.indexOf('scripts/build release latchkey');
  assert.ok(built >= 0 && built < stdout.indexOf('scripts/install'), stdout);
  const folder = await temporaryFolder(t, 'purge');
  await mkdir(path.join(folder, 'var/lib/latchkey'), { recursive: true });
  await writeFile(path.join(folder, 'var/lib/latchkey/something'), 'data');
  const kept = await chore('uninstall', folder);
  const advice = /\((sudo )?(make uninstall[^)]*?) deletes it\)/.exec(kept.stderr);
  assert.ok(advice, kept.stderr);
  // Said as arguments of make: what stands before sudo would be stripped by it.
  const words = advice[2].split(' ').slice(1);
  const purged = await run('make', ['-C', root, '--no-print-directory', ...words], { env: { MAKEFLAGS: '', MAKELEVEL: '', DESTDIR: folder } });
  assert.equal(purged.status, 0, purged.stderr);
  assert.equal(await exists(path.join(folder, 'var/lib/latchkey')), false);
});

test('install and uninstall below DESTDIR: files, modes, a configuration that is never overwritten, data that stay', { skip: !binary.endsWith('build/release/latchkey') && 'installs the release build only' }, async (t) => {
  const folder = await temporaryFolder(t, 'install');
  const first = await chore('install', folder);
  assert.equal(first.status, 0, first.stderr);
  const at = (file) => path.join(folder, file);
  assert.equal((await stat(at('usr/local/bin/latchkey'))).mode & 0o777, 0o755);
  assert.equal((await stat(at('var/lib/latchkey'))).mode & 0o777, 0o700);
  const unit = await readFile(at('etc/systemd/system/latchkey.service'), 'utf8');
  assert.match(unit, /^ExecStart=\/usr\/local\/bin\/latchkey serve --config \/etc\/latchkey\/latchkey\.toml$/m);
  for (const line of ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'MemoryDenyWriteExecute=yes', 'LimitCORE=0', 'UMask=0077', 'PrivateTmp=yes', 'StateDirectory=latchkey']) {
    assert.ok(unit.split('\n').includes(line), line);
  }
  assert.doesNotMatch(unit, /@PREFIX@/);

  const settings = at('etc/latchkey/latchkey.toml');
  await writeFile(settings, `${await readFile(settings, 'utf8')}\n# changed by hand\n`);
  await writeFile(at('var/lib/latchkey/something'), 'data');
  assert.equal((await chore('install', folder)).status, 0);
  assert.match(await readFile(settings, 'utf8'), /changed by hand/);

  assert.equal((await chore('uninstall', folder)).status, 0);
  assert.equal(await exists(at('usr/local/bin/latchkey')), false);
  assert.equal(await exists(at('etc/systemd/system/latchkey.service')), false);
  assert.ok(await exists(settings));
  assert.ok(await exists(at('var/lib/latchkey/something')));
  assert.equal((await chore('uninstall', folder, { PURGE: '1' })).status, 0);
  assert.equal(await exists(settings), false);
  assert.equal(await exists(at('var/lib/latchkey')), false);
});

test('an installation never used leaves nothing behind', { skip: !binary.endsWith('build/release/latchkey') && 'installs the release build only' }, async (t) => {
  const folder = await temporaryFolder(t, 'install');
  assert.equal((await chore('install', folder)).status, 0);
  assert.equal((await chore('uninstall', folder)).status, 0);
  for (const file of ['etc/latchkey', 'var/lib/latchkey', 'usr/local/bin/latchkey']) assert.equal(await exists(path.join(folder, file)), false, file);
});

test('every key of the packaged configuration is known to the binary, also with its comment taken away', async (t) => {
  const packaged = await readFile(path.join(root, 'packaging', 'latchkey.toml'), 'utf8');
  const keys = [];
  let table = '';
  for (const line of packaged.split('\n')) {
    table = /^\[(\w+)\]$/.exec(line)?.[1] ?? table;
    const key = /^#(\w+) = (.+)$/.exec(line);
    if (key) keys.push({ name: table ? `${table}.${key[1]}` : key[1], value: key[2] });
  }
  const documented = ['listen', 'public_url', 'trusted_proxies', 'proxy_header', 'tls.certificate', 'tls.key', 'tls.source', 'data', 'store', 'store_password_file', 'master_key_file', 'log.level', 'outbound.allow', 'outbound.proxy', 'outbound.ca_file',
    'smtp.submission', 'smtp.submissions', 'smtp.plain', 'smtp.plain_sources', 'smtp.legacy', 'smtp.legacy_sources', 'smtp.drop_domain', 'folder.root', 'folder.uids'];
  assert.deepEqual(keys.map((each) => each.name).sort(), documented.sort());

  // A key that is known fails, if at all, for its value, never as unknown.
  const folder = await temporaryFolder(t, 'config');
  await mkdir(path.join(folder, 'data'), { mode: 0o700 });
  const tries = [{ name: 'no_such_key', value: '"x"' }, ...keys];
  for (const { name, value } of tries) {
    const file = path.join(folder, 'one.toml');
    await writeFile(file, `${name} = ${value}\n${name === 'listen' ? '' : `listen = "127.0.0.1:${await freePort()}"\n`}`);
    const { stdout, stderr } = await run(binary, ['serve', '--config', file, '--data', path.join(folder, 'data')], { timeout: 1500 });
    if (name === 'no_such_key') assert.match(stdout + stderr, /no_such_key/);
    else assert.doesNotMatch(stdout + stderr, /unknown key/i, name);
  }
});
