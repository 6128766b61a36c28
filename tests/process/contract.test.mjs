// api/openapi.json is the contract: every route is in it and nothing else is, and answers are as it says.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { answerSchema, contract, faults } from '../support/contract.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';

const console_room = new URL('../../src/console/', import.meta.url);
const shape = (method, path) => `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`;

test('every route of the admin API is in the contract, and the contract has no other', async () => {
  const routes = new Set();
  for (const name of await readdir(console_room)) {
    if (!name.endsWith('.cpp') || name.endsWith('_test.cpp')) continue;
    const text = await readFile(new URL(name, console_room), 'utf8');
    for (const [, method, path] of text.matchAll(/\{"(GET|POST|PUT|PATCH|DELETE)",\s*"(\/api\/v1\/[^"]+)"/g)) routes.add(shape(method, path));
  }
  assert.ok(routes.size > 50, `${routes.size} routes found`);
  const promised = new Set();
  for (const [path, methods] of Object.entries(contract.paths)) {
    if (!path.startsWith('/api/v1/')) continue;
    for (const method of Object.keys(methods)) if (/^(get|post|put|patch|delete)$/.test(method)) promised.add(shape(method.toUpperCase(), path));
  }
  assert.deepEqual([...routes].sort(), [...promised].sort());
});

test('answers are as the contract says', async (t) => {
  const { admin, server, provider, user_id, grant_id } = await authorisedUser(t);
  await server.token('printer-1', pin);
  provider.next('refresh', { commit: false, status: 503, body: { error: 'temporarily_unavailable' } });
  for (let n = 0; n < 3; n++) await admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);
  await admin.set('notices.webhook_url', 'https://hooks.example.com/x');
  const asked = [
    ['GET', '/api/v1/health'], ['GET', '/api/v1/notices'], ['GET', '/api/v1/health-summary'], ['GET', '/api/v1/alerts'], ['GET', '/api/v1/keys'],
    ['GET', '/api/v1/session'], ['GET', '/api/v1/groups'], ['GET', '/api/v1/users'], ['GET', '/api/v1/users/{id}', user_id], ['GET', '/api/v1/apps'],
    ['GET', '/api/v1/grants/{id}', grant_id], ['GET', '/api/v1/grants/{id}/timeline', grant_id], ['GET', '/api/v1/activity'], ['GET', '/api/v1/registry'],
    ['POST', '/api/v1/notices/test', '', { channel: 'webhook' }], ['POST', '/api/v1/grants/revoke', '', { dry_run: true }],
  ];
  const wrong = [];
  for (const [method, path, id, body] of asked) {
    const answer = await admin.must(method, path.replace('{id}', id), body);
    wrong.push(...faults(answer, answerSchema(method, path)).map((fault) => `${method} ${path}: ${fault}`));
  }
  assert.deepEqual(wrong, []);
});

test('an answer that is not as the contract says would be found', () => {
  const schema = answerSchema('GET', '/api/v1/notices');
  const channel = { channel: 'mail', on: true, target: '', secret_set: false, last_told_at: null, failing_since: null, problem: '', told: 0, failed: 0 };
  assert.deepEqual(faults({ items: [channel], next_cursor: null, total: 1 }, schema), []);
  assert.deepEqual(faults({ items: [{ ...channel, channel: 'pigeon', on: 1, secret: 'x' }], next_cursor: null, total: 1 }, schema).length, 3);
  assert.deepEqual(faults({ items: [], next_cursor: null }, schema), ['$.total is missing']);
});
