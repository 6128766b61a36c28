// A Cloud Service in exchange mode behind a real nginx with the configuration that is shipped: tokens, kept replies and refusals pass it as they are,
// and a line that breaks at nginx costs no token. The real relay, real offices, the certified provider with rotation and reuse detection.

import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Balancer } from '../support/balancer.mjs';
import { fetchAnswer, slowness } from '../support/latchkey.mjs';
import { nginxBinary, startNginx } from '../support/nginx.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { certificateOfRelays, consenting, enrolledOffice, Relay, relayWithClient } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { gate, until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const withinSeconds = { timeout: 5000 * slowness };

/** nginx, and behind it a relay with a client that has a secret: { nginx, instance (the process), relay (the name), oidc }. */
async function behindNginx(t, { ports = [], changes = [], data, store } = {}) {
  assert.ok(nginxBinary, 'nginx is not installed: scripts/setup --tests installs it');
  const port = ports[0] ?? await freePort();
  const certificate = await certificateOfRelays();
  const nginx = await startNginx(t, { folder: await temporaryFolder(t, 'nginx'), upstream: port, bind: Balancer.address, ...certificate, changes });
  const publicUrl = `https://localhost:${nginx.httpsPort}`;
  const { relay: instance, oidc } = await relayWithClient(t, {
    port, inClear: true, oidc: { redirectUris: [`${publicUrl}/callback/op`] }, ...(data && { data }),
    config: { public_url: publicUrl, trusted_proxies: [Balancer.address], 'tls.certificate': undefined, 'tls.key': undefined, store },
  });
  return { nginx, instance, oidc, relay: Object.assign(Object.create(instance), { port: nginx.httpsPort }) };
}
const refresh = (office, grantId) => office.admin.call('POST', `/api/v1/grants/${grantId}/refresh`);
const settled = (office, grantId, what, generation) => until(what, async () => {
  const grant = await office.admin.grant(grantId);
  return grant.state === 'active' && grant.generation === generation;
}, { timeout: 60_000 * slowness });

test('S4: behind the nginx configuration that is shipped: consent, refreshes and revocation pass; a line that nginx breaks while the provider has the token costs nothing', async (t) => {
  const scene = await behindNginx(t);
  const { nginx, instance, oidc, relay } = scene;
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const seen = [];
  const { grant_id: grantId } = await office.admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc', visit: consenting(scene, seen) });
  assert.match(seen[0], /sees what gives access to your account in passing/);
  assert.equal((await refresh(office, grantId)).status, 200);
  assert.equal((await office.admin.grant(grantId)).generation, 2);
  await until('the acknowledgements', async () => await instance.metric('latchkey_relay_replies_total{event="acknowledged"}') === 2, withinSeconds);

  // nginx goes while the provider has the token, and comes back when the reply is kept.
  const held = gate();
  oidc.beforeToken = () => held.passed;
  const posted = oidc.tokenRequests;
  const asked = refresh(office, grantId);
  await until('the POST', () => oidc.tokenRequests === posted + 1);
  await nginx.stop();
  oidc.beforeToken = async () => {};
  held.open();
  await until('the reply to be kept', async () => await instance.metric('latchkey_relay_exchanges_total{outcome="answered"}') === 3, withinSeconds);
  assert.equal((await office.token('printer-1', pin)).status, 200, 'meanwhile');
  await nginx.launch();
  await asked;
  await settled(office, grantId, 'the kept reply', 3);
  assert.equal(oidc.tokenRequests, posted + 1, 'posted once');
  assert.equal(await instance.metric('latchkey_relay_replies_total{event="repeated"}'), 1);
  assert.equal((await refresh(office, grantId)).status, 200, 'and its refresh token is the one that counts');
  assert.equal(oidc.count('grant.error'), 0);

  await office.admin.must('DELETE', `/api/v1/grants/${grantId}`);
  await until('the provider to be told', () => oidc.count('grant.revoked') === 1);
});

test('S1 S4: what the relay refuses behind nginx is its own words, of any size; past nginx, in clear, nothing is exchanged', async (t) => {
  const scene = await behindNginx(t);
  const { instance, oidc, relay } = scene;
  const office = await ScriptedOffice.enrol(relay, 'North Ltd');
  const form = (token) => ({ grant_type: 'refresh_token', refresh_token: token, client_id: oidc.clientId });
  const large = await office.exchange(form('x'.repeat(60_000)));
  assert.equal(large.code, 'refresh_token_foreign', large.text);
  const much = await office.exchange(form('x'.repeat(100_000)));
  assert.deepEqual([much.status, much.code], [413, 'body_too_large'], much.text);
  assert.doesNotMatch(much.text, /<html|nginx/);
  const direct = await fetchAnswer(`http://localhost:${instance.port}/relay/v1/token`, { method: 'POST', body: '{}', headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' } });
  assert.deepEqual([direct.status, direct.code], [403, 'not_https'], direct.text);
  assert.equal(oidc.tokenRequests, 0);
  assert.equal((await fetchAnswer(`${relay.url}/metrics`)).status, 403);
});

test('S4: behind nginx with two instances in turn that share a database: replies are kept and fetched at whichever, refreshes go on when one has died, and no token is posted twice', { skip: withoutPostgres }, async (t) => {
  const ports = [await freePort(), await freePort()];
  const folder = await temporaryFolder(t, 'relays');
  const store = await (await Postgres.start(t)).makeDatabase();
  const redirect = '    return 308 https://$host$request_uri;\n}\n';
  const scene = await behindNginx(t, {
    ports, store, data: path.join(folder, 'first'),
    changes: [
      [`http://127.0.0.1:${ports[0]};`, 'http://relays;'], [redirect, `${redirect}\nupstream relays {\n${ports.map((port) => `    server 127.0.0.1:${port};\n`).join('')}}\n`],
      ['proxy_next_upstream off;', 'proxy_next_upstream error;'],
    ],
  });
  const { instance: first, oidc } = scene;
  await mkdir(path.join(folder, 'second'), { mode: 0o700 });
  await copyFile(path.join(folder, 'first', 'relay.keys'), path.join(folder, 'second', 'relay.keys'));
  const second = await Relay.start(t, { ...first.options, port: ports[1], data: path.join(folder, 'second') });
  const instances = [first, second];
  const office = await enrolledOffice(t, scene, 'North Ltd');
  for (const each of instances) await until('the enrolment to be known', async () => await each.metric('latchkey_relay_offices') === 1, withinSeconds);
  const { grant_id: grantId } = await office.admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc', visit: consenting(scene) });
  const answered = () => Promise.all(instances.map((each) => each.metric('latchkey_relay_exchanges_total{outcome="answered"}')));
  const refreshed = async (message) => {
    const answer = await refresh(office, grantId);
    assert.equal(answer.status, 200, `${message}: ${answer.text}`);
  };
  // A refresh is a request and its acknowledgement: another one between two of them turns the turns round.
  await until('both to have exchanged', async () => {
    await refreshed('of two');
    await fetchAnswer(`${scene.relay.url}/healthz`);
    return (await answered()).every((count) => count > 1);
  }, { timeout: 30_000 * slowness });
  const posted = oidc.tokenRequests;
  const { generation } = await office.admin.grant(grantId);
  assert.equal(generation, posted, 'each was posted once, the consent included');

  await first.kill();
  for (let n = 1; n <= 4; n++) await refreshed('of one');
  assert.equal((await office.admin.grant(grantId)).generation, generation + 4);
  assert.equal(oidc.tokenRequests, posted + 4);
  await first.launch();
  await refreshed('of two again');
  assert.equal(oidc.count('grant.error'), 0);
  assert.equal((await office.token('printer-1', pin)).status, 200);
});
