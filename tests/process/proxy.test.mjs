// Behind a real nginx and a real Caddy with the configurations that are shipped: what strangers forge of forwarded headers is never believed, unless the
// configured proxy says it. Who asks is shown by a user whose PIN is good from one address alone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { loopbackCertificate } from '../support/certificates.mjs';
import { caddyBinary, startCaddy } from '../support/caddy.mjs';
import { nginxBinary, startNginx } from '../support/nginx.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { pin, serverWithProvider } from '../support/scene.mjs';

const proxyAddress = '127.0.0.9';
const printer = '127.0.0.5';
const stranger = '127.0.0.6';
const shipped = new URL('../../packaging/proxy/', import.meta.url);

/** Every header by which a client may claim to be somebody else, on a line of another kind. */
const claimsToBe = (address, proto = 'https') => ({
  'x-forwarded-for': address, 'x-forwarded-proto': proto, 'x-forwarded-host': 'evil.example', 'x-real-ip': address,
  forwarded: `for=${address};proto=${proto};host=evil.example`, 'x-forwarded-port': '81',
});

/** One request from the loopback address `from`: { status, headers, text, code }. */
function ask(url, { from = printer, method = 'GET', headers = {}, body, ca } = {}) {
  return new Promise((resolve, reject) => {
    const { request } = url.startsWith('https:') ? https : http;
    const sent = request(url, { method, headers, localAddress: from, family: 4, ca, servername: 'localhost', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk; }).on('end', () => {
        const json = /json/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode, headers: response.headers, text, json, code: json?.type?.split(':').at(-1) });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const token = (origin, options = {}) => ask(`${origin}/v1/token`, {
  ...options, method: 'POST', headers: { authorization: `Basic ${Buffer.from(`printer-1:${pin}`).toString('base64')}`, ...options.headers },
});

const proxies = {
  nginx: { binary: nginxBinary, start: (t, options) => startNginx(t, { ...options, bind: proxyAddress }), address: proxyAddress },
  Caddy: { binary: caddyBinary, start: startCaddy, address: '127.0.0.1' },
};

/** A proxy, a server that believes it alone, and the user `printer-1`, whose PIN is good from `printer` only. */
async function behind(t, name, { changes } = {}) {
  const { binary, start, address } = proxies[name];
  assert.ok(binary, `${name} is not installed: scripts/setup --tests installs it`);
  const folder = await temporaryFolder(t, name.toLowerCase());
  const { certFile, keyFile, cert: ca } = await loopbackCertificate(folder);
  const port = await freePort();
  const proxy = await start(t, { folder, upstream: port, certFile, keyFile, changes });
  const origin = `https://localhost:${proxy.httpsPort}`;
  const scene = await serverWithProvider(t, { port, config: { public_url: origin, trusted_proxies: [address], 'outbound.ca_file': certFile } });
  const { server, provider, admin } = scene;
  await admin.group('Office');
  const [pinFile, tokenFile] = [await server.file('pin', pin), await server.file('refresh-token', provider.issueRefreshToken())];
  const added = await server.cli(['grant', 'import', 'printer-1', '--group', 'Office', '--type', 'oidc', '--pin-file', pinFile, '--refresh-token-file', tokenFile, '--allow', 'token']);
  assert.equal(added.status, 0, added.stderr);
  const [user] = (await admin.must('GET', '/api/v1/users?search=printer-1')).items;
  await admin.must('PATCH', `/api/v1/users/${user.id}`, { sources: [printer] });
  return { ...scene, proxy, origin, ca, direct: server.url };
}

for (const name of ['nginx', 'Caddy']) test(`the shipped configuration serves https, sends http there, hides the metrics, and the doctor is content (${name})`, async (t) => {
  const { server, proxy, origin, ca } = await behind(t, name);
  const session = await ask(`${origin}/api/v1/session`, { ca });
  assert.equal(session.status, 200);
  assert.equal(session.json.server.insecure_notice, null, 'the proxy\'s word on https is believed');
  const plain = await ask(`http://127.0.0.1:${proxy.httpPort}/users?x=1`, { headers: { host: 'localhost' } });
  assert.equal(plain.status, 308);
  assert.match(plain.headers.location, /^https:\/\/localhost(:\d+)?\/users\?x=1$/);
  assert.equal((await ask(`${origin}/metrics`, { ca })).status, 403);
  const foreign = await ask(`${origin}/`, { ca, headers: { host: 'evil.example' } });
  if (name === 'Caddy') assert.equal(foreign.text, '', 'Caddy serves another Host nothing');
  else assert.equal(foreign.status, 421, 'another Host is refused by the server itself');
  const report = JSON.parse((await server.cli(['doctor', '--json'])).stdout);
  const doors = report.findings.filter((each) => each.check === 'doors');
  assert.deepEqual(doors.map((each) => each.severity), ['ok', 'ok'], JSON.stringify(doors));
});

for (const name of ['nginx', 'Caddy']) test(`forwarded headers that a client forges are replaced on the way: neither address nor scheme nor host is believed (${name})`, async (t) => {
  const { server, admin, origin, ca } = await behind(t, name);
  assert.equal((await token(origin, { ca })).status, 200, 'the printer, by its own address');
  assert.equal((await token(origin, { ca, headers: claimsToBe(stranger, 'http') })).status, 200, 'what it says of itself changes nothing');
  const liar = await token(origin, { ca, from: stranger, headers: claimsToBe(printer) });
  assert.equal(liar.status, 401, 'a stranger who claims to be the printer');
  assert.equal((await token(origin, { ca, from: stranger })).status, 401, 'is answered like one who does not');
  const page = await ask(`${origin}/api/v1/session`, { ca, headers: claimsToBe(printer) });
  assert.ok(!page.text.includes('evil.example') && !JSON.stringify(page.headers).includes('evil.example'));
  const trail = JSON.stringify(await admin.must('GET', '/api/v1/activity'));
  assert.ok(!trail.includes('evil.example') && !server.logs.includes('evil.example'));
});

test('past the proxy: who is not the configured proxy is believed nothing, and says by forwarding that the line is not its own', async (t) => {
  const { direct } = await behind(t, 'nginx');
  assert.equal((await token(direct)).status, 200, 'on this machine, by its own address');
  for (const headers of [{ 'x-forwarded-for': printer, 'x-forwarded-proto': 'https' }, { forwarded: `for=${printer};proto=https` }]) {
    const attempt = await token(direct, { from: stranger, headers });
    assert.equal(attempt.code, 'insecure_transport', `${JSON.stringify(headers)}: ${attempt.text}`);
  }
  assert.equal((await token(direct, { from: stranger })).status, 401, 'and a stranger stays one');
});

for (const [name, changes] of [
  ['nginx', [['X-Forwarded-For   $remote_addr;', 'X-Forwarded-For   $http_x_forwarded_for;']]],
  ['Caddy', [['header_up X-Forwarded-For {remote_host}', 'header_up X-Forwarded-For {header.X-Forwarded-For}']]],
]) test(`the alarm: were the address taken from what the client says, the stranger would be the printer (${name})`, async (t) => {
  const { origin, ca } = await behind(t, name, { changes });
  assert.equal((await token(origin, { ca, from: stranger, headers: claimsToBe(printer) })).status, 200, 'the tests above would notice');
});

/** Addresses that bear what opens accounts, one secret each, as browsers and providers ask for them at office and relay. */
const bearers = ['/oauth/callback/box?code=%s&state=x', '/oauth/callback/box?code=x&state=%s', '/callback/box?code=%s&state=x', '/callback/box?code=x&state=%s',
  '/oauth/start/%s', '/oauth/relayed?handle=%s', '/oauth/done?r=%s', '/begin?flow=%s', '/continue?flow=%s', '/my?link=%s', '/api/v1/owner/link/%s'];

/** Asks for each of them by https and by http, while the server is up and when it is down, and ends the proxy: { secrets, written }. */
async function afterSecrets(t, name, changes) {
  const { server, proxy, origin, ca } = await behind(t, name, { changes });
  const secrets = [];
  const askForAll = async (when) => {
    for (const [number, address] of bearers.entries()) {
      for (const [scheme, base, options] of [['https', origin, { ca }], ['http', `http://127.0.0.1:${proxy.httpPort}`, {}]]) {
        const secret = `planted-${when}-${number}-${scheme}`;
        secrets.push(secret, `referred-${secret}`);
        const path = address.replace('%s', secret);
        const headers = { host: 'localhost', referer: `${origin}/callback/box?code=referred-${secret}`, cookie: `a=referred-${secret}` };
        const { status } = await ask(`${base}${path}`, { ...options, headers });
        if (scheme === 'http') assert.equal(status, 308, path);
        else if (when === 'down') assert.equal(status, 502, path);
        else assert.ok(status < 500, `${path}: ${status}`);
      }
    }
  };
  await askForAll('up');
  await server.stop();
  await askForAll('down');
  await proxy.stop();
  const written = await proxy.logs();
  return { secrets, written };
}
const found = ({ secrets, written }) => secrets.filter((each) => new RegExp(`${each}(?![0-9a-z])`).test(written));

for (const name of ['nginx', 'Caddy']) test(`A2: no code, state, ticket or link of an address is in the logs of the shipped configuration, with the server up or down (${name})`, async (t) => {
  assert.deepEqual(found(await afterSecrets(t, name)), []);
});

for (const [name, changes, when] of [
  ['nginx', [['    access_log off;\n', '']], /^planted-(up|down)/],
  ['nginx', [['    error_log /dev/null emerg;\n', '']], /^planted-down-\d+-https$/],
  ['Caddy', [['\t\t\t\trequest>uri delete\n', '']], /^planted-down-\d+-https$/],
]) test(`the alarm: without these lines of the shipped configuration the logs would hold them (${name}, ${changes[0][0].trim()})`, async (t) => {
  const there = found(await afterSecrets(t, name, changes));
  assert.ok(there.some((each) => when.test(each)), JSON.stringify(there));
});
