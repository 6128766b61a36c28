// A standby database takes over that has not heard of what was committed last: real servers, a real PostgreSQL and its standby.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowness } from '../support/latchkey.mjs';
import { at, sharedScene } from '../support/nodes.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const whileItTakes = { timeout: 90_000 * slowness, every: 100 };

/** Two nodes on a primary and its asynchronous standby, with an account for each of `names`. */
async function scene(t, names) {
  const primary = await Postgres.start(t);
  const standby = await primary.standby(t);
  const store = `postgresql://latchkey@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/latchkey_1`;
  const shared = await sharedScene(t, {
    postgres: primary, config: { store }, provider: { revokesFamily: true, accessLifetime: 3600 },
    settings: { 'oauth.refresh_total_timeout': '5s', 'oauth.refresh_lease': '30s' },
  });
  standby.database = primary.database;
  const grants = {};
  for (const name of names) {
    shared.provider.account = { id: name, name: `${name}@example.com` };
    grants[name] = (await shared.admin.addOAuthUser({ username: name, pin, type: 'scripted-type' })).grant_id;
  }
  return { ...shared, primary, standby, grants };
}
const waits = async (admin) => (await admin.must('GET', '/api/v1/alerts')).items.some((alert) => alert.id.startsWith('fail_over_waits'));
const generation = async (database, grant) => Number(await database.sql(`SELECT generation FROM grants WHERE id = '${grant}'`));
/** All nodes have told the database that is asked. */
const allHaveTold = async (database) => {
  const told = await database.sql("SELECT encode(value, 'escape') FROM meta WHERE key = 'lineage'");
  return told.endsWith('/00000002');
};

test('F5: what one node was answered in the moments that the standby lacks is not asked for again by another', { skip: withoutPostgres, timeout: 300_000 }, async (t) => {
  const { nodes: [first, second], admin, provider, primary, standby, grants } = await scene(t, ['moved', 'still']);
  t.after(() => second.child.kill('SIGCONT'));
  await standby.stopFollowing(primary);
  assert.equal((await at(second, admin).call('POST', `/api/v1/grants/${grants.moved}/refresh`)).status, 200);
  assert.equal(await generation(primary, grants.moved), 2);
  second.child.kill('SIGSTOP');
  await primary.stop('immediate');
  await standby.promote();
  assert.equal(await generation(standby, grants.moved), 1, 'the standby has not heard of it');

  await until('the first node to wait for the other', () => waits(admin), whileItTakes);
  for (const name of Object.keys(grants)) assert.equal((await first.token(name, pin)).status, 200, 'tokens still good are served');
  assert.match((await first.cli(['health'])).stdout, /have not said/);
  const other = JSON.parse((await first.cli(['node', 'list', '--json'])).stdout).find((each) => !each.here);
  assert.equal((await first.cli(['node', 'forget', other.id])).status, 1, 'whether the other runs cannot be told so early');
  // Past the leases of whatever may have been on its way, when the journals alone are what is waited for.
  const since = performance.now();
  await until('the leases to have passed', async () => {
    for (const grant of Object.values(grants)) await admin.call('POST', `/api/v1/grants/${grant}/refresh`);
    return performance.now() - since > 32_000;
  }, { timeout: 90_000 * slowness, every: 1000 });
  assert.equal(provider.seen('refresh').length, 1, 'nothing that may be spent is sent');

  second.child.kill('SIGCONT');
  await until('the newer token to be back', async () => await generation(standby, grants.moved) === 2, whileItTakes);
  await until('the wait to be over', async () => !await waits(admin) && await allHaveTold(standby), whileItTakes);
  for (const [name, grant] of Object.entries(grants)) {
    const before = await generation(standby, grant);
    await until(`${name} to be refreshed at the first node`, async () => {
      await admin.call('POST', `/api/v1/grants/${grant}/refresh`);
      return await generation(standby, grant) > before;
    }, whileItTakes);
    assert.equal((await admin.grant(grant)).state, 'active');
  }
  assert.deepEqual(provider.spentUses, [], 'and nothing spent was sent');
  assert.ok([...provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
});

test('F5: a node that is stopped, and started again, before it has told the standby is waited for all the same', { skip: withoutPostgres, timeout: 300_000 }, async (t) => {
  const { nodes: [first, second], admin, provider, primary, standby, grants } = await scene(t, ['moved']);
  await standby.stopFollowing(primary);
  assert.equal((await at(second, admin).call('POST', `/api/v1/grants/${grants.moved}/refresh`)).status, 200);
  await primary.stop('immediate');
  await second.stop();
  await standby.promote();
  await until('the first node to wait for it', () => waits(admin), whileItTakes);
  await second.launch();
  await until('the newer token to be back', async () => await generation(standby, grants.moved) === 2, whileItTakes);
  await until('it to be refreshed at the first node', async () => {
    await admin.call('POST', `/api/v1/grants/${grants.moved}/refresh`);
    return await generation(standby, grants.moved) > 2;
  }, whileItTakes);
  assert.deepEqual(provider.spentUses, []);
  assert.ok([...provider.postsPerRefreshToken.values()].every((posts) => posts === 1));
});

test('the former primary that comes back is refused, by a node that starts then, too', { skip: withoutPostgres, timeout: 300_000 }, async (t) => {
  const { nodes: [first, second], admin, provider, primary, standby, grants } = await scene(t, ['printer-1']);
  await second.stop();
  await standby.stopFollowing(primary);
  await primary.stop('immediate');
  await standby.promote();
  await until('it to go on with the standby', async () => await allHaveTold(standby), whileItTakes);
  assert.ok(!await waits(admin), 'who had stopped in order is not waited for');
  await until('it to be refreshed', async () => (await admin.call('POST', `/api/v1/grants/${grants['printer-1']}/refresh`)).status === 200 && provider.seen('refresh').length === 1, whileItTakes);
  await until('the new token to be kept', async () => await generation(standby, grants['printer-1']) === 2, whileItTakes);
  await first.stop();
  await primary.launch();
  assert.equal(await generation(primary, grants['printer-1']), 1);
  await assert.rejects(first.launch(), /is a former primary/);
  await primary.stop('immediate');
  await first.launch();
  await until('it to be refreshed', async () => (await admin.call('POST', `/api/v1/grants/${grants['printer-1']}/refresh`)).status === 200 && await generation(standby, grants['printer-1']) === 3, whileItTakes);
  assert.deepEqual(provider.spentUses, []);
  await second.launch();
  await until('the other to work, too', async () => (await at(second, admin).call('POST', `/api/v1/grants/${grants['printer-1']}/refresh`)).status === 200, whileItTakes);
  assert.deepEqual(provider.spentUses, []);
});
