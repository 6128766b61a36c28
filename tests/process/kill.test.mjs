// kill -9 of the real server at random and at named points, while it refreshes single-use grants (R2, R3, R4). The longer run
// is `make kill`.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { Ledger } from '../support/kill/ledger.mjs';
import { KillRun, makePoints } from '../support/kill/run.mjs';
import { postgres, sqlite } from '../support/kill/stores.mjs';
import { slowness } from '../support/latchkey.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { ScriptedProvider } from '../support/scripted_provider.mjs';

const seed = 3;
const kills = slowness > 1 ? 30 : 100;

/** A ledger of one grant whose journal is empty, what it has noticed, and the grant's first token. */
async function bareLedger(t, rule, options = {}) {
  const provider = await ScriptedProvider.start(t, { rotation: 'single-use', ...options });
  const noticed = [];
  const ledger = new Ledger(provider, rule, (words) => noticed.push(words));
  ledger.journal = await temporaryFolder(t, 'no-journal');
  const family = { account: 'a', grant: 'g', life: [], firstRefusal: undefined };
  ledger.families.set('a', family);
  const token = provider.issueRefreshToken();
  ledger.tokens.set(token, { family, issuedAt: Date.now(), lifetime: 3600, posts: [] });
  const send = (refresh_token) => fetch(`${provider.origin}/token`, {
    method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token, client_id: provider.clientId, client_secret: provider.clientSecret }),
  });
  return { provider, ledger, noticed, token, send };
}

for (const store of [sqlite, postgres]) {
  test(`R2, R3: killed again and again (${store.name}): no grant lost that its provider lets keep, no torn record, no spent token sent against the rule`, { skip: store.skip }, async (t) => {
    const run = await KillRun.start(t, { store, seed });
    for (const point of makePoints(kills, seed)) await run.strike(point);
    await run.finish();
    const named = [...run.figures.points.keys()];
    t.diagnostic(`${run.figures.kills} kills at ${named.length} kinds of points, ${run.sum('refreshes')} refreshes`);
    // What the run is for must have happened in it.
    for (const point of ['answer received', 'answer committed', 'answer begun', 'answer sent']) assert.ok(named.includes(point), `${point}: ${named}`);
    assert.ok(named.some((name) => /journal/.test(name)) && named.some((name) => /^(before|after|halfway) write .*(db-wal|to the database)/.test(name)), `${named}`);
    assert.ok(named.some((name) => name.startsWith('starting: ')), `${named}`);
    assert.ok(run.sum('keptAnswers') > kills, `${run.sum('keptAnswers')} kept answers`);
    assert.ok(run.sum('spentAgain') > 0, 'nothing ambiguous was ever sent again');
  });
}

/** Killed right after an answer was synced to the journal. */
const afterTheSync = { at: 'operation', nth: 2, action: 'after', only: { operation: 2, file: 1 } };

test('R2: killed right after the sync of an answer: it is found and used (the counter-proof below loses it)', async (t) => {
  const run = await KillRun.start(t, { store: sqlite, users: 2 });
  await run.strike(afterTheSync);
  assert.deepEqual([...run.figures.points.keys()], ['after sync journal/replies-N']);
  assert.ok(run.sum('keptAnswers') > 0);
});

test('R2: the alarm works: a journal that is gone after the kill loses grants, and the run says so', async (t) => {
  const sabotage = (run) => rm(run.journal, { recursive: true });
  const run = await KillRun.start(t, { store: sqlite, users: 2, patience: 3000, sabotage });
  // What one sync wrote for both users may be in the store by the next: such a kill has nothing to lose.
  const strikes = async () => {
    for (let left = 5; left > 0; left--) await run.strike(afterTheSync);
  };
  await assert.rejects(strikes(), /was lost|sent again although the answer to it had been kept/);
});

test('F1: the alarm works: a spent token that is sent again before its time is noticed, under each rule', async (t) => {
  for (const [rule, allowed] of [['revokes-family', 0], ['refused', 1], ['grace', 9]]) {
    const { provider, noticed, token, send } = await bareLedger(t, rule, { graceSeconds: rule === 'grace' ? 3600 : 0 });
    await send(token);
    for (let again = 0; again < allowed; again++) {
      provider.next('refresh', { commit: false });
      await send(token);
    }
    assert.deepEqual(noticed, [], rule);
    await send(token);
    assert.equal(noticed.length, rule === 'grace' ? 0 : 1, `${rule}: ${noticed}`);
  }
});

test('F5: the alarm works: an answer that was used and had not been kept before is noticed', async (t) => {
  for (const killedBetween of [true, false]) {
    const { ledger, noticed, token, send } = await bareLedger(t, 'revokes-family');
    const next = (await (await send(token)).json()).refresh_token;
    if (killedBetween) ledger.settleLife([]);
    assert.deepEqual(noticed, []);
    await send(next);
    ledger.settleLife([]);
    assert.match(noticed.join(), /used that the journal had not been given/);
  }
});
