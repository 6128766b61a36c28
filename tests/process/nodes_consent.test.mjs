// A consent that is begun at one node and comes back to another, as behind a balancer: nothing of it is one node's memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, sharedScene } from '../support/nodes.mjs';
import { withoutPostgres } from '../support/postgres.mjs';
import { pin } from '../support/scene.mjs';

test('A1 A2: a consent that comes back to another node ends where it should, is followed there, and its last page is shown by any node, also after a restart', { skip: withoutPostgres }, async (t) => {
  const { nodes: [here, there], admin, provider } = await sharedScene(t);
  const elsewhere = at(there, admin);
  const movedTo = (node, url) => `${node.url}${new URL(url).pathname}${new URL(url).search}`;
  const comesBack = async (request) => {
    const started = await admin.startAuthorization({ pin, type: 'scripted-type', ...request });
    assert.equal((await elsewhere.must('GET', `/api/v1/authorizations/${started.id}`)).started, false);
    const callback = await admin.browser.open(started.start_url, { stopAt: (url) => new URL(url).pathname.startsWith('/oauth/callback/') });
    const seen = await elsewhere.must('GET', `/api/v1/authorizations/${started.id}`);
    assert.deepEqual([seen.started, seen.redirect_uri], [true, started.redirect_uri], 'known to the node that did not begin it');
    const shown = await admin.browser.open(movedTo(there, callback.url));
    assert.equal((await admin.outcome(started.id)).state, 'completed');
    return { started, shown };
  };

  const { shown, started } = await comesBack({ username: 'printer-1', presentation: 'popup' });
  assert.match(shown.url, /\/oauth\/done\?r=/);
  const words = /anna@example\.com is authorised/;
  assert.match(shown.body, words);
  assert.match(shown.body, new RegExp(`/users\\?authorization=${started.id}`), 'the session that began it has a console');
  assert.match((await admin.browser.open(movedTo(here, shown.url))).body, words);

  provider.account = { id: 'acc-2', name: 'ben@example.com' };
  const { shown: list, started: page } = await comesBack({ username: 'printer-2', presentation: 'page' });
  assert.ok(list.url.endsWith(`/users?authorization=${page.id}`), list.url);

  await there.restart();
  assert.match((await admin.browser.open(movedTo(there, shown.url))).body, words);
});
