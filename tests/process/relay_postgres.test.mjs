// Two instances of one Cloud Service on one PostgreSQL: what they share, who posts, and what becomes of what one had under way
// when it died. The real relays, real offices, the certified provider with rotation and reuse detection.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { slowness } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { codeForm, consenting, enrolledOffice, Relay } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { TcpSwitch } from '../support/tcp_switch.mjs';
import { gate, until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const withinSeconds = { timeout: 5000 * slowness };

/** One service of two instances behind one name: { first, second, relay (the name), line, oidc, postgres }. */
async function twoInstances(t, oidcOptions = {}) {
  const folder = await temporaryFolder(t, 'relays');
  const postgres = await Postgres.start(t);
  const store = await postgres.makeDatabase();
  const line = await TcpSwitch.start(t);
  const publicUrl = `https://localhost:${line.port}`;
  const oidc = await OidcServer.start(t, { redirectUris: [`${publicUrl}/callback/op`], ...oidcOptions });
  const secret = path.join(folder, 'op.secret');
  await writeFile(secret, `${oidc.clientSecret}\n`, { mode: 0o600 });
  const op = { provider: 'oidc', client_id: oidc.clientId, params: { issuer: oidc.issuer, scopes: 'openid offline_access email' },
    authorization_endpoint: `${oidc.issuer}/auth`, token_endpoint: `${oidc.issuer}/token`, client_secret_file: secret };
  const instance = (name) => Relay.start(t, { data: path.join(folder, name), apps: { op }, config: { public_url: publicUrl, store } });
  const first = await instance('first');

  // With keys of its own it would be another service, whose blobs and replies nobody could use.
  const stranger = await instance('second').catch((error) => error);
  assert.match(stranger.message, /Copy relay\.keys from an instance of that service/);
  const keys = path.join(folder, 'second', 'relay.keys');
  await assert.rejects(stat(keys), { code: 'ENOENT' }, 'nothing lies in the way of the right ones');
  await mkdir(path.dirname(keys), { recursive: true, mode: 0o700 });
  await copyFile(path.join(folder, 'first', 'relay.keys'), keys);
  const second = await instance('second');

  line.to = first.port;
  return { first, second, relay: Object.assign(Object.create(first), { port: line.port }), line, oidc, postgres };
}
/** From now on the name leads to this instance; what was open breaks. */
function turnTo({ line }, instance) {
  line.to = instance.port;
  line.cut();
}

async function authorised(t, scene) {
  const office = await enrolledOffice(t, scene, 'North Ltd');
  const { grant_id: grantId } = await office.admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc', visit: consenting(scene) });
  return { office, grantId };
}
const refresh = (office, grantId) => office.admin.call('POST', `/api/v1/grants/${grantId}/refresh`);
const settled = (office, grantId, what, state) => until(what, async () => {
  const grant = await office.admin.grant(grantId);
  return state(grant) ? grant : undefined;
}, { timeout: 60_000 * slowness });
async function assertServed(office, message) {
  const answer = await office.token('printer-1', pin);
  assert.equal(answer.status, 200, `${message}: ${answer.text}`);
}

/** A scripted office asks at this instance. */
function at(office, instance) {
  office.relay = instance;
  return office;
}
const known = (office, instance) => until('the enrolment to be known there', async () => (await at(office, instance).ask('GET', '/relay/v1/office')).status === 200, withinSeconds);

describe('instances of a Cloud Service that share a database', { skip: withoutPostgres }, () => {
  test('S1 S4: what one has enrolled, exchanged or revoked holds at the other, also when the database has been away', async (t) => {
    const scene = await twoInstances(t);
    const { first, second, oidc, postgres } = scene;
    const { office, grantId } = await authorised(t, scene);
    turnTo(scene, second);
    const refreshed = await refresh(office, grantId);
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.equal((await office.admin.grant(grantId)).generation, 2, refreshed.text);
    await until('the acknowledgement', () => second.metric('latchkey_relay_replies_total{event="acknowledged"}').then((count) => count >= 1));

    const south = await ScriptedOffice.enrol(second, 'South Ltd');
    await known(south, first);
    const intent = randomUUID();
    const form = await codeForm(scene, 'bert');
    const nonce = randomBytes(16);
    const { reply } = await at(south, first).exchange(form, { intent, nonce });
    assert.equal(reply.status, 200);
    const posted = oidc.tokenRequests;
    assert.equal((await at(south, second).exchange(form, { intent, nonce })).code, 'request_repeated', 'a signed request is good at one instance');
    assert.deepEqual((await at(south, second).exchange(form, { intent })).reply, reply, 'what one keeps the other gives');

    await postgres.restart('immediate');
    await until('the database to be found again', async () => (await at(south, first).exchange(form, { intent })).reply?.status === 200, { timeout: 20_000 * slowness });
    assert.equal(oidc.tokenRequests, posted, 'nothing was posted again');

    assert.equal((await second.cli(['revoke', south.id])).status, 0);
    for (const instance of [first, second]) {
      await until('the revocation to hold', async () => (await at(south, instance).exchange(form, { intent })).code === 'office_unknown', withinSeconds);
    }
    assert.equal((await first.list()).find((each) => each.office === south.id).state, 'revoked');
    assert.equal((await refresh(office, grantId)).status, 200, 'the other office goes on');
  });

  test('S4: an intent is posted by one of them, however many ask at both', async (t) => {
    const scene = await twoInstances(t);
    const { first, second, oidc } = scene;
    const office = await ScriptedOffice.enrol(first, 'North Ltd');
    await known(office, second);
    const form = await codeForm(scene);
    const intent = randomUUID();
    const held = gate();
    oidc.beforeToken = () => held.passed;
    const posted = oidc.tokenRequests;
    const asked = at(office, first).exchange(form, { intent });
    await until('the POST', () => oidc.tokenRequests > posted);
    for (const turn of [1, 2]) {
      const refused = await at(office, second).exchange(form, { intent, turn });
      assert.deepEqual([refused.status, refused.code, refused.headers.get('retry-after')], [429, 'exchange_elsewhere', '2']);
    }
    held.open();
    const { reply } = await asked;
    assert.equal(reply.status, 200);
    assert.deepEqual((await at(office, second).exchange(form, { intent })).reply, reply);
    assert.equal(oidc.tokenRequests, posted + 1);

    // At the same moment at both, again and again: a spent token sent a second time would end the family.
    let blob = reply.body.refresh_token;
    for (let round = 0; round < 10; ++round) {
      const before = oidc.tokenRequests;
      const renewed = randomUUID();
      const refreshForm = { grant_type: 'refresh_token', refresh_token: blob, client_id: oidc.clientId };
      const answers = await Promise.all([first, second, first, second].map((instance) => at(office, instance).exchange(refreshForm, { intent: renewed })));
      assert.equal(oidc.tokenRequests, before + 1);
      const given = answers.filter((each) => each.status === 200);
      assert.ok(given.length >= 1 && answers.every((each) => each.status === 200 || each.code === 'exchange_elsewhere'));
      assert.equal(new Set(given.map((each) => each.reply.body.refresh_token)).size, 1);
      blob = given[0].reply.body.refresh_token;
    }
    assert.equal(oidc.count('grant.error'), 0);
  });

  test('S4: one dies with a reply that its office has not had: the other gives it, and nothing is posted again', async (t) => {
    const scene = await twoInstances(t);
    const { first, second, oidc } = scene;
    const { office, grantId } = await authorised(t, scene);
    const held = gate();
    oidc.beforeToken = () => held.passed;
    const posted = oidc.tokenRequests;
    refresh(office, grantId).catch(() => {});
    await until('the POST', () => oidc.tokenRequests > posted);
    turnTo(scene, second);
    held.open();
    await until('the reply to be kept', () => first.metric('latchkey_relay_exchanges_total{outcome="answered"}').then((count) => count === 2));
    await first.kill();
    await settled(office, grantId, 'the kept reply', (each) => each.state === 'active' && each.generation === 2);
    assert.equal(oidc.tokenRequests, posted + 1);
    assert.equal(oidc.count('grant.error'), 0);
    assert.equal(await second.metric('latchkey_relay_replies_total{event="repeated"}'), 1);
    await assertServed(office, 'with what was kept');
  });

  test('S4 F1: one dies in mid-POST: while its claim lasts nobody settles it, then nobody knows, and the other posts when nothing is left to lose', async (t) => {
    const scene = await twoInstances(t, { accessLifetime: 60 });
    const { first, second, oidc, postgres } = scene;
    const { office, grantId } = await authorised(t, scene);
    const posted = oidc.tokenRequests;
    oidc.beforeToken = async () => {
      oidc.beforeToken = async () => {};
      await first.kill();
      turnTo(scene, second);
      await new Promise(() => {}); // the provider never comes to it
    };
    refresh(office, grantId).catch(() => {});
    await until('the other to be asked', () => second.metric('latchkey_relay_refused_total{reason="exchange_elsewhere"}'), { timeout: 20_000 * slowness });
    assert.equal(oidc.tokenRequests, posted + 1);
    await assertServed(office, 'meanwhile');
    assert.equal(await postgres.sql('SELECT count(*) FROM relay_exchanges WHERE state = 0'), '1');
    await postgres.sql('UPDATE relay_exchanges SET claim_ends_at = 0 WHERE state = 0'); // two minutes later
    const grant = await settled(office, grantId, 'the grant to say so', (each) => each.state === 'uncertain');
    assert.match(grant.why, /does not know what came of it/);
    assert.equal(oidc.tokenRequests, posted + 1, 'the same turn is never posted twice');
    await settled(office, grantId, 'the refresh near the token\'s end', (each) => each.state === 'active' && each.generation === 2);
    assert.equal(oidc.tokenRequests, posted + 2);
    assert.equal(oidc.count('grant.error'), 0);
  });
});
