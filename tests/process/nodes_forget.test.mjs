// `latchkey node forget` when the database does not answer: a sentence, an exit code, and nothing changed.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DatabaseLine } from '../support/database_line.mjs';
import { slowness } from '../support/latchkey.mjs';
import { at, sharedScene } from '../support/nodes.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

describe('node forget', { skip: withoutPostgres }, () => {
  test('F6: when the database is away, hangs, or goes in the midst of it: said in a line with exit code 1, the node stays listed; where the answer alone is lost, the list tells', { timeout: 240_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const line = await DatabaseLine.start(t, postgres.port);
    const { nodes: [lost, here], admin, provider } = await sharedScene(t, {
      postgres, config: { store: `postgresql://latchkey@127.0.0.1:${line.port}/latchkey_1` },
      provider: { graceSeconds: 3600 }, type: { replay: 'grace', grace_s: 3600 },
    });
    const { grant_id } = await admin.addOAuthUser({ username: 'printer-1', pin, type: 'scripted-type' });
    provider.next('refresh', { hold: true });
    const asked = admin.call('POST', `/api/v1/grants/${grant_id}/refresh`).catch(() => undefined);
    await until('the first node to have asked', () => provider.seen('refresh').length === 1);
    await lost.kill();
    await asked;
    const [{ id }] = JSON.parse((await here.cli(['node', 'list', '--json'])).stdout).filter((each) => !each.here);
    await postgres.sql(`UPDATE nodes SET seen_at = 0 WHERE id = '${id}'`);
    const kept = async () => ({
      node: await postgres.sql(`SELECT count(*) FROM nodes WHERE id = '${id}'`),
      forgotten: await postgres.sql("SELECT count(*) FROM audit WHERE action = 'node.forgotten'"),
    });
    // What it had under way is settled before its name goes: only a line that breaks between the two leaves one without the other.
    const underWay = async () => [await postgres.sql('SELECT * FROM intents WHERE state = 0'), await postgres.sql('SELECT * FROM grants ORDER BY 1')];
    const [before, open] = [await kept(), await underWay()];
    assert.deepEqual(before, { node: '1', forgotten: '0' });
    assert.notEqual(open[0], '');
    for (const [what, strike, words, settled] of [
      ['away', () => { line.broken = true; }, /^latchkey: The database latchkey_1 at 127\.0\.0\.1:\d+ cannot be reached: .*nothing was changed$/, false],
      ['silent', () => { line.silent = true; }, /^latchkey: The database latchkey_1 at 127\.0\.0\.1:\d+ cannot be reached: .*nothing was changed$/, false],
      ['gone at the settling', () => { line.words = 'UPDATE intents'; }, /^latchkey: Node \S+ may not be forgotten yet: .*nothing was forgotten\. .*`latchkey node list`/, false],
      ['gone at the deletion', () => { line.words = 'DELETE FROM nodes'; }, /^latchkey: Node \S+ may not be forgotten yet: .*cannot be reached.*`latchkey node list`/, true],
    ]) {
      strike();
      const answer = await here.cli(['node', 'forget', id], { timeout: 100_000 });
      const said = answer.stderr.trim();
      assert.deepEqual([answer.status, answer.signal, answer.stdout], [1, null, ''], `${what}: ${said}`);
      assert.match(said, words, what);
      assert.ok(!said.includes('\n'), `${what}: one sentence after the other, in a line: ${said}`);
      assert.ok(line.words === undefined, `${what}: it came as far as that`);
      line.mend();
      await until(`the database again, after ${what}`, async () => (await here.cli(['node', 'list'])).status === 0, { timeout: 60_000 * slowness, every: 200 });
      assert.deepEqual(await kept(), before, what);
      if (settled) assert.equal((await underWay())[0], '', what);
      else assert.deepEqual(await underWay(), open, `${what}: nothing is changed`);
    }
    // The database has forgotten it and its answer is lost: it is asked again, and says that there is none.
    Object.assign(line, { words: 'node.forgotten', committed: true });
    const unsure = await here.cli(['node', 'forget', id]);
    assert.equal(unsure.status, 1, unsure.stdout);
    assert.match(unsure.stderr, /may not be forgotten yet: .*it may or may not have happened\. .*`latchkey node list`/);
    line.mend();
    await until('the database again', async () => (await here.cli(['node', 'list'])).status === 0, { timeout: 60_000 * slowness, every: 200 });
    assert.doesNotMatch((await here.cli(['node', 'list'])).stdout, new RegExp(id));
    assert.deepEqual(await kept(), { node: '0', forgotten: '1' });
    const there = at(here, admin);
    await postgres.sql('UPDATE grants SET lease_until = 0, version = version + 1');
    await until('the grant to go on', async () => (await there.call('POST', `/api/v1/grants/${grant_id}/refresh`)).status === 200, { timeout: 60_000 * slowness, every: 250 });
    // On a slow machine the call that is answered 200 may be another than the one that asked: what counts is the token.
    const [first, again] = provider.seen('refresh').map((request) => request.form.refresh_token);
    assert.equal(again, first, 'the type allows the same token again');
    assert.equal((await there.grant(grant_id)).state, 'active');
  });
});
