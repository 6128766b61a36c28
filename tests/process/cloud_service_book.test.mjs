// docs/cloud-service.md, "For the operator: ten minutes" and "For the office", done as they are written: the file and the commands are
// read out of the page. Addresses, ports and paths are this machine's; a provider on loopback stands beside the page's, since nobody
// can consent at those here.

import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { certificateOfRelays, consenting, officeAt, Relay } from '../support/relay.mjs';
import { binary, fetchAnswer, run } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const page = await readFile(new URL('../../docs/cloud-service.md', import.meta.url), 'utf8');
const part = (heading) => {
  const from = page.indexOf(`\n## ${heading}`);
  assert.ok(from >= 0, `the page has a part "${heading}"`);
  return page.slice(from, page.indexOf('\n## ', from + 1));
};
const operators = part('For the operator: ten minutes');
const offices = part('For the office');
/** The page's words, as `pattern` finds them; it fails when the page has moved on. */
const written = (text, pattern) => {
  const found = pattern.exec(text);
  assert.ok(found, `the page says ${pattern}`);
  return found[1];
};

/** A relay whose file is the page's. */
class AsWritten extends Relay {
  get toml() {
    return this.file;
  }
}

test('the ten-minute stand-up: relay.toml and every command of docs/cloud-service.md, as written, until an office has authorised by way of it', async (t) => {
  const etc = await temporaryFolder(t, 'cloud-book');
  const [port, officePort] = [await freePort(), await freePort()];
  const url = `https://localhost:${port}`;
  const oidc = await OidcServer.start(t, { redirectUris: [`${url}/callback/op`], publicClient: true });
  const certificate = await certificateOfRelays();
  await mkdir(path.join(etc, 'bin'));
  await copyFile(binary, path.join(etc, 'bin', 'latchkey'));
  const here = (text) => text.replaceAll('https://relay.example', url).replaceAll('0.0.0.0:443', `127.0.0.1:${port}`).replaceAll('/etc/latchkey/', `${etc}/`);
  const took = {};
  let mark = performance.now();
  const step = (name) => {
    took[name] = (performance.now() - mark) / 1000;
    mark = performance.now();
  };

  // 1. the pair for an assertion key, by the page's command; certificate and secret are the operator's own.
  const file = path.join(etc, 'relay.toml');
  const pair = written(operators, /`(openssl genpkey [^`]+-out acme\.pem)`/);
  const shell = (command, options = {}) => run('sh', ['-c', command], { cwd: etc, env: { PATH: `${path.join(etc, 'bin')}:${process.env.PATH}` }, ...options });
  const made = await shell(pair);
  assert.equal(made.status, 0, made.stderr);
  await copyFile(path.join(etc, 'acme.pem'), path.join(etc, 'microsoft.pem'));
  await copyFile(certificate.certFile, path.join(etc, 'fullchain.pem'));
  await copyFile(certificate.keyFile, path.join(etc, 'privkey.pem'));
  await writeFile(path.join(etc, 'box.secret'), 'the-secret-from-box\n', { mode: 0o600 });

  // 2. and 3. the file, and the start.
  const block = written(operators, /```toml\n([^]*?)```/).replace(/^ {3}/gm, '');
  const beside = `\n[apps.op]\nprovider = "oidc"\nclient_id = "${oidc.clientId}"\nparams = { issuer = "${oidc.issuer}", scopes = "openid offline_access email" }\nauthorization_endpoint = "${oidc.issuer}/auth"\n`;
  const data = path.join(etc, 'data');
  const relay = new AsWritten();
  Object.assign(relay, { folder: etc, data, configFile: file, port, certificate, options: { apps: {} }, file: `data = "${data}"\nloopback_providers = true\n${here(block)}${beside}` });
  t.after(() => relay.stop());
  await relay.launch();
  assert.deepEqual((await fetchAnswer(`${url}/healthz`)).body, JSON.parse(written(operators, /\/healthz` answers `([^`]+)`/)));
  step('relay');

  // 4. what there is to keep a copy of.
  assert.match(operators, /Keep a copy of `relay\.keys`\*\* from the data directory/);
  const keys = await readFile(path.join(data, 'relay.keys'));
  assert.equal((await stat(path.join(data, 'relay.keys'))).mode & 0o077, 0);

  // 5. the office's code.
  const operator = async (command, more = '') => {
    const done = await shell(`${command}${more} --config ${file}`);
    assert.equal(done.status, 0, `${command}: ${done.stderr}`);
    return done.stdout;
  };
  const enrolling = written(operators, /```\n\s*(latchkey relay enrol .*)\n\s*```/);
  const printed = await operator(enrolling, ' --type oidc');
  const code = written(printed, /(LK1-[A-Za-z0-9_-]{64})/);
  step('enrolment code');

  // For the office: 1. to 3.
  const office = await officeAt(t, { oidc, relay }, { port: officePort, tls: certificate, publicUrl: `https://localhost:${officePort}` });
  step('an office server, set up');
  const joining = here(written(offices, /```\n\s*(latchkey cloud enrol \S+)/));
  const joined = await shell(`${joining} --data ${office.data}`, { input: `${code}\n` });
  assert.equal(joined.status, 0, joined.stderr);
  const checked = await office.cli(['cloud', 'check']);
  assert.equal(checked.status, 0, checked.stderr);
  const seen = [];
  const { user_id: user } = await office.admin.addOAuthUser({ username: 'scanner-1', pin, type: 'oidc', visit: consenting({ relay, oidc }, seen) });
  assert.ok(user);
  assert.equal(seen.length, 1);
  assert.match(seen[0], new RegExp(written(enrolling, /"([^"]+)"/)), 'the page names the label');
  assert.equal((await office.token('scanner-1', pin)).status, 200);
  step('the office enrolled, and its first account authorised');

  // 6. and what the page says of the days after: every verb it names.
  const listed = await operator(written(operators, /`(latchkey relay list)` shows/));
  assert.match(listed, /North Ltd/);
  const [{ office: id }] = JSON.parse(await operator('latchkey relay list', ' --json'));
  const named = (command) => command.replace('OFFICE', id);
  await operator(named(written(operators, /`(latchkey relay verify OFFICE)`/)), ` --ca-file ${certificate.certFile}`);
  assert.equal(JSON.parse(await operator('latchkey relay list', ' --json'))[0].verified_name, `localhost:${officePort}`);
  await operator(written(operators, /`(latchkey relay rotate-keys)`/));
  await relay.stop();
  assert.notDeepEqual(await readFile(path.join(data, 'relay.keys')), keys);
  await relay.launch();
  await office.admin.addOAuthUser({ username: 'scanner-2', pin, type: 'oidc', visit: consenting({ relay, oidc: { answering: () => oidc.answering('allow', 'anna') } }) })
    .catch((error) => assert.match(error.message, /needs_confirmation/));
  await operator(named(written(operators, /`(latchkey relay revoke OFFICE)`/)));
  const refused = await until('the service to know it', async () => {
    const answer = await office.cli(['cloud', 'check']);
    return answer.status === 0 ? undefined : answer;
  });
  assert.match(refused.stdout + refused.stderr, /revoked|does not know/);

  const verbs = new Set([...page.matchAll(/latchkey relay ([a-z][a-z-]*)/g)].map(([, verb]) => verb));
  assert.deepEqual([...verbs].sort(), ['enrol', 'list', 'revoke', 'rotate-keys', 'verify'], 'each verb of the page has been executed');
  for (const secret of ['the-secret-from-box', code]) assert.ok(!relay.logs.includes(secret));
  const total = took.relay + took['enrolment code'] + took['an office server, set up'] + took['the office enrolled, and its first account authorised'];
  t.diagnostic(`${Object.entries(took).map(([name, seconds]) => `${name}: ${seconds.toFixed(1)} s`).join('; ')}; together ${total.toFixed(1)} s`);
  assert.ok(total < 60, `the machine's part of the ten minutes took ${total.toFixed(1)} s`);
});
