// The commit of a consent may have happened, and nobody is told: what the provider gave is neither lost nor given back (F5, F7).

import assert from 'node:assert/strict';
import { statSync, truncateSync } from 'node:fs';
import { test } from 'node:test';
import { DatabaseLine } from '../support/database_line.mjs';
import { Faults, files, operations } from '../support/kill/faults.mjs';
import { readJournal, unconfirmed } from '../support/kill/journal_file.mjs';
import { slowness } from '../support/latchkey.mjs';
import { sharedScene } from '../support/nodes.mjs';
import { temporaryFolder } from '../support/ports.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { pin, serverWithProvider } from '../support/scene.mjs';
import { gate, until } from '../support/wait.mjs';

const patience = { timeout: 45_000 * slowness };
const kept = (server) => unconfirmed(readJournal(`${server.data}/journal`)).length;
const answered = (server) => readJournal(`${server.data}/journal`).records.length;

for (const committed of [false, true]) {
  const name = `F5, F7: the line to PostgreSQL ends when a consent is committed, which has ${committed ? '' : 'not '}happened: the grant is there, its token is not revoked`;
  test(name, { skip: withoutPostgres, timeout: 180_000 }, async (t) => {
    const postgres = await Postgres.start(t);
    const line = await DatabaseLine.start(t, postgres.port);
    const store = `postgresql://latchkey@127.0.0.1:${line.port}/latchkey_1`;
    const { nodes: [node], admin, provider } = await sharedScene(t, { postgres, count: 1, provider: { rotation: 'single-use', revokesFamily: true }, config: { store } });
    await admin.group('Office');
    const { id, start_url } = await admin.startAuthorization({ username: 'printer-1', pin, type: 'scripted-type' });
    Object.assign(line, { words: 'grant.authorized', committed });
    const walking = admin.browser.open(start_url).catch(() => undefined);
    await until('the line to end', () => line.broken, patience);
    assert.equal(kept(node), 1, 'the answer is in the journal');
    line.mend();
    await walking;

    const attempt = await admin.outcome(id, patience.timeout);
    assert.equal(attempt.state, 'completed', JSON.stringify(attempt));
    await until('the journal to be drained', () => kept(node) === 0, patience);
    assert.equal(await postgres.sql('SELECT count(*) FROM grants'), '1');
    assert.equal(await postgres.sql('SELECT count(*) FROM revocations'), '0');
    assert.equal((await node.token('printer-1', pin)).status, 200);
    // Nothing is sent before the server has shown itself to the database that it has reached again.
    await until('a refresh', async () => (await admin.call('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`)).status === 200, patience);
    assert.equal(provider.seen('refresh').length, 1);
    assert.equal(provider.seen('code').length, 1, 'the code was spent once');
    assert.equal(provider.seen('revoke').length, 0);
  });
}

// What was not synced is gone with the machine, which is what cutting the log off says.
for (const lost of [true, false]) {
  const name = `F5, F7: EIO when the store syncs a consent, which a restart ${lost ? 'does not find' : 'finds'}: the answer waits in the journal, an alert says so, the next start completes it`;
  test(name, { timeout: 180_000 }, async (t) => {
    const folder = await temporaryFolder(t, 'disk');
    const disk = new Faults(folder, `${folder}/data`);
    t.after(() => disk.close());
    const { server, admin, provider } = await serverWithProvider(t, { provider: { rotation: 'single-use', revokesFamily: true }, data: `${folder}/data`, env: disk.environment });
    await admin.group('Office');
    const log = `${server.data}/latchkey.db-wal`;
    const answer = gate();
    provider.next('code', { gate: answer.passed });
    const { id, start_url } = await admin.startAuthorization({ username: 'printer-1', pin, type: 'oidc' });
    const walking = admin.browser.open(start_url).catch(() => undefined);
    await until('the code to arrive', () => provider.seen('code').length === 1);
    const synced = statSync(log).size;
    disk.arm({ operation: operations.sync, file: files.log, action: 'refuse', code: 'EIO', times: 1 });
    answer.open();
    await until('the fault to strike', () => disk.struck > 0, patience);
    await until('the alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.some((alert) => alert.title === 'The store cannot be written'), patience);
    assert.equal(answered(server), 1);
    assert.equal(kept(server), 1, 'the answer is in the journal');
    assert.equal((await admin.must('GET', `/api/v1/authorizations/${id}`)).state, 'pending', 'it is not over');
    await server.kill();
    await walking;
    disk.disarm();
    if (lost) truncateSync(log, synced);

    await server.launch();
    await admin.signIn();
    const attempt = await admin.outcome(id, patience.timeout);
    assert.equal(attempt.state, 'completed', JSON.stringify(attempt));
    await until('the journal to be drained', () => kept(server) === 0, patience);
    assert.equal((await server.token('printer-1', pin)).status, 200);
    const refreshed = await admin.call('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`);
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.equal(provider.seen('code').length, 1, 'the code was spent once');
    assert.equal(provider.seen('revoke').length, 0);
  });
}
