// What an administrator has agreed to of the Cloud Service's registrations is what new consents use (RULES S1 to S4): who sees tokens,
// as whose client, and for what is not the service's to change afterwards.

import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { binary, run } from '../support/latchkey.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { consenting, officeAt, Relay } from '../support/relay.mjs';
import { until } from '../support/wait.mjs';

const pin = 'correct-horse-7';

/** A relay with a public client and an office that is enrolled there; `later`: registrations the relay has when the code is issued, and not when the office enrols. */
async function enrolled(t, later = {}) {
  const port = await freePort();
  const folder = await temporaryFolder(t, 'relay-terms');
  const oidc = await OidcServer.start(t, { redirectUris: [`https://localhost:${port}/callback/op`], publicClient: true });
  const of = ({ issuer, clientId }) => ({ provider: 'oidc', client_id: clientId, params: { issuer, scopes: 'openid offline_access email' }, authorization_endpoint: `${issuer}/auth` });
  const relay = await Relay.start(t, { port, apps: { op: of(oidc), ...later } });
  const scene = { oidc, relay };
  const { code } = await relay.issue('North Ltd');
  const restart = async (apps) => {
    await relay.stop();
    relay.options.apps = apps;
    await relay.launch();
  };
  await restart({ op: of(oidc) });
  const office = await officeAt(t, scene);
  await office.admin.must('PUT', '/api/v1/cloud-service', { address: relay.url, enrolment_code: code });
  const secretFile = path.join(folder, 'op.secret');
  await writeFile(secretFile, 'a-secret-of-the-service\n', { mode: 0o600 });
  const offer = async (apps) => {
    await restart(apps);
    const checked = await office.cli(['cloud', 'check']);
    assert.equal(checked.status, 0, checked.stderr);
    return checked.stdout;
  };
  const exchanging = { ...of(oidc), token_endpoint: `${oidc.issuer}/token`, revocation_endpoint: `${oidc.issuer}/token/revocation`, client_secret_file: secretFile };
  const begin = async (username, members = {}) => office.admin.call('POST', '/api/v1/authorizations', { allow_token: true, group_id: await office.admin.group('Office'), username, pin, type: 'oidc', ...members });
  const refused = async (username, members) => {
    const answer = await begin(username, members);
    assert.deepEqual([answer.status, answer.code], [409, 'cloud_app_not_agreed'], answer.text);
  };
  const offered = async () => (await office.admin.must('GET', '/api/v1/cloud-service')).apps;
  const shown = async () => (await office.cli(['cloud', 'show'])).stdout;
  /** As an administrator does: the line out of `cloud show`, into a shell. */
  const paste = async (line) => {
    const bin = path.join(folder, 'bin');
    await mkdir(bin, { recursive: true });
    await copyFile(binary, path.join(bin, 'latchkey'));
    return run('sh', ['-c', line], { env: { PATH: `${bin}:${process.env.PATH}` } });
  };
  const audited = async (action) => (await office.admin.must('GET', `/api/v1/activity?search=${action}`)).items.map((each) => each.detail);
  return { ...scene, scene, office, of, offer, exchanging, refused, begin, offered, shown, paste, audited };
}
const commandIn = (words) => /^ +(latchkey cloud agree .*)$/m.exec(words)?.[1];
const refreshes = (oidc) => oidc.events.filter((each) => each.name === 'grant.success' && each.grantType === 'refresh_token').length;

test('Attack: S3 S4: a relay that turns a registration to exchange mode afterwards sees no new consent\'s tokens before the command that `cloud show` prints was pasted; accounts go on as they came', async (t) => {
  const { oidc, relay, scene, office, of, offer, exchanging, refused, offered, shown, paste, audited } = await enrolled(t);
  const { grant_id: grant } = await office.admin.addOAuthUser({ username: 'printer-1', pin, type: 'oidc', visit: consenting(scene) });
  const [before] = await offered();
  assert.deepEqual([before.mode, before.agreed, before.agreed_types, before.changes], ['forward', true, ['oidc'], []]);
  assert.deepEqual((await audited('cloud.enrolled')).map((each) => /mode: forward, types: oidc/.test(each)), [true]);
  assert.equal(commandIn(await shown()), undefined);

  await offer({ op: exchanging });
  const [after] = await offered();
  assert.deepEqual([after.mode, after.agreed, after.agreed_types, after.changes], ['exchange', false, [], ['mode: exchange instead of forward']]);
  assert.notEqual(after.id, before.id);
  await refused('printer-2');
  await refused('printer-2', { app: after.id });
  await refused('printer-2', { app: before.id });
  await office.admin.must('POST', `/api/v1/grants/${grant}/refresh`);
  await until('the refresh, straight at the provider', () => refreshes(oidc) === 1);
  assert.equal(await relay.metric('latchkey_relay_exchanges_total{outcome="answered"}') ?? 0, 0, 'the relay saw nothing of it');
  assert.ok((await audited('cloud.checked')).some((each) => each.includes('op: mode: exchange instead of forward')));

  const words = await shown();
  assert.match(words, /sees these accounts' tokens in passing/);
  const command = commandIn(words);
  assert.match(command, /--mode exchange --type oidc --param issuer=/);
  // What was not seen is not agreed to: the relay's operator adds a value while the administrator reads.
  await offer({ op: { ...exchanging, params: { ...exchanging.params, scopes: 'openid offline_access email profile' } } });
  const late = await paste(command);
  assert.notEqual(late.status, 0);
  assert.match(late.stderr, /Nothing was agreed to/);
  await refused('printer-2');
  await offer({ op: exchanging });
  const agreed = await paste(command);
  assert.equal(agreed.status, 0, agreed.stderr);
  assert.deepEqual((await offered()).map((each) => each.agreed), [true]);
  assert.ok((await audited('cloud.app_agreed')).some((each) => each.includes('mode: exchange, types: oidc')));
  const started = await office.admin.startAuthorization({ username: 'printer-2', pin, type: 'oidc' });
  assert.equal(started.presentation, 'page');
  assert.equal((await office.admin.must('GET', `/api/v1/authorizations/${started.id}`)).state, 'pending');
  await office.admin.must('POST', `/api/v1/grants/${grant}/refresh`);
  await until('the account goes on as it came', () => refreshes(oidc) === 2);
  assert.equal(await relay.metric('latchkey_relay_exchanges_total{outcome="answered"}') ?? 0, 0);

  // Back again: that was agreed to once, and is another thing now.
  const checked = await offer({ op: of(oidc) });
  assert.match(checked, /mode: forward instead of exchange/);
  await refused('printer-3');
});

test('Attack: S1 S2: a registration that a relay adds afterwards is used for nothing before somebody has agreed to it; what was agreed to goes on', async (t) => {
  const microsoft = { client_id: '00000000-0000-0000-0000-000000000001' };
  const { oidc, scene, office, of, offer, refused, begin, offered, paste, audited } = await enrolled(t, { microsoft });
  const printed = await offer({ op: of(oidc), microsoft });
  const added = (await offered()).find((each) => each.provider === 'microsoft');
  assert.deepEqual([added.mode, added.agreed, added.agreed_types, added.changes], ['forward', false, [], ['a registration that nobody here has agreed to']]);
  assert.ok(added.types.includes('sharepoint'));
  await refused('printer-1', { type: 'sharepoint' });
  await refused('printer-1', { type: 'sharepoint', app: added.id });
  assert.ok((await audited('cloud.checked')).some((each) => /microsoft is new: provider: microsoft, client: 0{8}.*, mode: forward, types: .*sharepoint/.test(each)));
  await office.admin.addOAuthUser({ username: 'printer-2', pin, type: 'oidc', visit: consenting(scene) });
  const agreed = await paste(commandIn(printed));
  assert.equal(agreed.status, 0, agreed.stderr);
  const begun = await begin('printer-1', { type: 'sharepoint', app: added.id });
  assert.equal(begun.status, 201, begun.text);
  assert.equal((await offer({ op: of(oidc), microsoft })).includes('latchkey cloud agree'), false);
  assert.equal((await audited('cloud.checked')).length, 1, 'nothing new is no entry');
});
