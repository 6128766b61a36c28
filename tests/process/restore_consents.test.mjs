// Consents that waited in a backup may have been answered since: a restore ends them, and gives nothing back (F10).

import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Browserless } from '../support/browserless.mjs';
import { backupOf, refreshNow, refreshTwice, restoreTo, singleUse } from '../support/restoring.mjs';
import { pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

/** Consent in another browser than the one that began: it is held for an administrator (A4). */
async function holdAnother(scene) {
  const { server, admin, provider } = scene;
  provider.account = { id: 'acc-held', name: 'held@example.com' };
  const started = await admin.startAuthorization({ username: 'printer-2', pin, type: 'scripted-type' });
  const confirming = (url, _response, body) => (/<form[^>]*method="?post/i.test(body) && url.startsWith(server.url)
    ? { url, form: Object.fromEntries([...body.matchAll(/<(?:input|button)[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map((each) => [each[1], each[2]])) } : undefined);
  await new Browserless().open(started.start_url, { visit: confirming });
  return admin.outcome(started.id);
}

/** Another account than before, for the grant there is: a question (F8). */
async function askAboutAnother({ admin, provider, grant_id }) {
  provider.account = { id: 'acc-other', name: 'other@example.com' };
  return admin.authorize({ replace_grant_id: grant_id });
}

const confirm = ({ admin }, id, accept) => admin.answer(id, accept);

for (const [state, wait] of Object.entries({ needs_confirmation: askAboutAnother, held: holdAnother })) {
  for (const accept of [true, false]) {
    test(`F10: a consent that waited in the backup (${state}), was accepted since and is ${accept ? 'accepted' : 'rejected'} again: the live grant is not touched`, async (t) => {
      const scene = await singleUse(t);
      const { server, admin, provider } = scene;
      const attempt = await wait(scene);
      assert.equal(attempt.state, state, JSON.stringify(attempt.problem));
      const pending = await admin.startAuthorization({ username: 'printer-3', pin, type: 'scripted-type' });
      const file = await backupOf(server);
      const accepted = await confirm(scene, attempt.id, true);
      assert.equal(accepted.body.state, 'completed', accepted.text);
      const id = accepted.body.result.grant_id;
      for (let time = 0; time < 2; time++) assert.equal((await admin.call('POST', `/api/v1/grants/${id}/refresh`)).status, 200);
      const live = (await server.token(state === 'held' ? 'printer-2' : 'printer-1', pin)).body.access_token;
      assert.ok(provider.honours(live));
      await server.stop();
      const report = await restoreTo(server, file, ['--replace']);
      assert.equal(report.authorizations_ended, 2);
      const spent = provider.spentUses.length;
      await server.launch();
      await admin.signIn();
      for (const each of [attempt.id, pending.id]) {
        const ended = await admin.must('GET', `/api/v1/authorizations/${each}`);
        assert.equal(ended.state, 'expired');
        assert.equal(ended.problem.code, 'restored');
        assert.match(ended.problem.detail, /restored from a backup of .*this consent waited.*not known.*Authorize again/);
      }
      assert.equal((await admin.must('GET', '/api/v1/authorizations')).total, 0);
      assert.equal((await confirm(scene, attempt.id, accept)).status, 409, 'it asks nothing any more');
      if (state === 'needs_confirmation') {
        // What the journal holds is another account's than the one the backup knows: a person says which it is to be.
        const asked = await until('a person to be asked', async () => {
          const seen = await admin.grant(id);
          return seen.state === 'needs_authorization' && seen;
        }, { timeout: 60_000 });
        assert.notEqual(asked.account.id, 'acc-other');
      }
      assert.ok(provider.honours(live), 'the consent that was given since was ended at the provider');
      assert.equal(provider.seen('revoke').length, 0, 'something was given back');
      assert.equal(provider.spentUses.length, spent, 'a spent token was sent');
      const { items } = await admin.must('GET', '/api/v1/activity?action=authorization.outdated');
      assert.equal(items.length, 2, JSON.stringify(items));
    });
  }
}

test('F10: a consent that waited in the backup, its time over by the restore: the sweep gives nothing back', async (t) => {
  const scene = await singleUse(t);
  const { server, admin, provider, grant_id } = scene;
  const attempt = await askAboutAnother(scene);
  const file = await backupOf(server);
  assert.equal((await confirm(scene, attempt.id, true)).body.state, 'completed');
  await refreshTwice(scene);
  const live = (await server.token('printer-1', pin)).body.access_token;
  await server.stop();
  await restoreTo(server, file, ['--replace']);
  const database = new DatabaseSync(path.join(server.data, 'latchkey.db'));
  database.exec('UPDATE authorizations SET expires_at = 1');
  database.close();
  await server.launch();
  await admin.signIn();
  await until('the sweep', async () => (await admin.call('GET', `/api/v1/authorizations/${attempt.id}`)).status === 404, { timeout: 30_000 });
  await until('what is given back to be done', async () => /^latchkey_revocations_waiting 0$/m.test(await server.metrics()));
  assert.ok(provider.honours(live));
  assert.equal(provider.seen('revoke').length, 0);
  assert.notEqual((await admin.grant(grant_id)).account.id, 'acc-other');
});

test('F10: with the word that nothing ran since, a consent that waits is answered after the restore', async (t) => {
  const scene = await singleUse(t);
  const { server, admin } = scene;
  const attempt = await askAboutAnother(scene);
  const file = await backupOf(server);
  await server.stop();
  const report = await restoreTo(server, file, ['--replace', '--nothing-ran-since']);
  assert.equal(report.authorizations_ended, 0);
  await server.launch();
  await admin.signIn();
  assert.equal((await confirm(scene, attempt.id, true)).body.state, 'completed');
  assert.equal((await refreshNow(scene)).status, 200);
});
