// A standby database takes over that has not heard of what was committed last: real servers, a real PostgreSQL and its standby.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowness } from '../support/latchkey.mjs';
import { at, sharedScene } from '../support/nodes.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const whileItTakes = { timeout: 60_000 * slowness, every: 100 };

/** Two nodes on a primary and its asynchronous standby, with an account for each of `names`. */
async function scene(t, names, provider = {}) {
  const primary = await Postgres.start(t);
  const standby = await primary.standby(t);
  const store = `postgresql://latchkey@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/latchkey_1`;
  const shared = await sharedScene(t, { postgres: primary, config: { store }, provider: { revokesFamily: true, accessLifetime: 3600, ...provider } });
  standby.database = primary.database;
  const grants = {};
  for (const name of names) {
    shared.provider.account = { id: name, name: `${name}@example.com` };
    grants[name] = (await shared.admin.addOAuthUser({ username: name, pin, type: 'scripted-type' })).grant_id;
  }
  return { ...shared, primary, standby, grants };
}
const isWait = (id) => id.startsWith('fail_over_waits');
const alertsOf = async (admin) => (await admin.must('GET', '/api/v1/alerts')).items.map((alert) => alert.id);

test('F5: what one node was answered in the moments that the standby lacks is not asked for again by another', { skip: withoutPostgres, timeout: 240_000 }, async (t) => {
  const { nodes: [first, second], admin, provider, primary, standby, grants } = await scene(t, ['moved', 'still']);
  t.after(() => second.child.kill('SIGCONT'));
  await standby.stopFollowing(primary);
  assert.equal((await at(second, admin).call('POST', `/api/v1/grants/${grants.moved}/refresh`)).status, 200);
  assert.equal(await primary.sql(`SELECT generation FROM grants WHERE id = '${grants.moved}'`), '2');
  second.child.kill('SIGSTOP');
  await primary.stop('immediate');
  await standby.promote();
  assert.equal(await standby.sql(`SELECT generation FROM grants WHERE id = '${grants.moved}'`), '1', 'the standby has not heard of it');

  await until('the first node to wait for the other', async () => (await alertsOf(admin)).some(isWait), whileItTakes);
  for (const grant of Object.values(grants)) await admin.call('POST', `/api/v1/grants/${grant}/refresh`);
  assert.equal(provider.seen('refresh').length, 1, 'nothing that may be spent is sent');
  for (const name of Object.keys(grants)) {
    const answer = await first.token(name, pin);
    assert.equal(answer.status, 200, 'tokens still good are served');
  }
  assert.match((await first.cli(['health'])).stdout, /has not said|have not said/);

  second.child.kill('SIGCONT');
  await until('the newer token to be back', async () => await standby.sql(`SELECT generation FROM grants WHERE id = '${grants.moved}'`) === '2', whileItTakes);
  await until('the wait to be over', async () => !(await alertsOf(admin)).some(isWait), whileItTakes);
  for (const grant of Object.values(grants)) {
    await until('it to be refreshed at the first node', async () => {
      await admin.call('POST', `/api/v1/grants/${grant}/refresh`);
      return Number(await standby.sql(`SELECT last_refreshed_at - issued_at FROM grants WHERE id = '${grant}'`)) === 0 && (await admin.grant(grant)).state === 'active';
    }, whileItTakes);
  }
  await until('both to have been sent', () => provider.seen('refresh').length >= 3, whileItTakes);
  assert.deepEqual(provider.spentUses, [], 'and nothing spent was sent');
  assert.ok([...provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
});

test('a fail-over that lost nothing, and a node that had stopped in order: within seconds everything goes on, and nobody is waited for', { skip: withoutPostgres, timeout: 240_000 }, async (t) => {
  const { nodes: [, second], admin, provider, primary, standby, grants } = await scene(t, ['printer-1']);
  await second.stop();
  await standby.stopFollowing(primary);
  await primary.stop('immediate');
  await standby.promote();
  await until('it to be refreshed', async () => (await admin.call('POST', `/api/v1/grants/${grants['printer-1']}/refresh`)).status === 200 && provider.seen('refresh').length === 1, whileItTakes);
  assert.ok(!(await alertsOf(admin)).some(isWait));
  assert.equal((await admin.grant(grants['printer-1'])).state, 'active');
  assert.deepEqual(provider.spentUses, []);
  await second.launch();
  await until('the other to work, too', async () => (await at(second, admin).call('POST', `/api/v1/grants/${grants['printer-1']}/refresh`)).status === 200, whileItTakes);
});
