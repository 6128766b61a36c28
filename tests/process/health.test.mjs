// The picture of health, a grant's timeline, and the metrics a dashboard asks for.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { certificateOfRelays, relayWithClient } from '../support/relay.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { until } from '../support/wait.mjs';

const refreshNow = ({ admin, grant_id }) => admin.call('POST', `/api/v1/grants/${grant_id}/refresh`);

test('health: states, times, outcomes, circuits; the same by the command line', async (t) => {
  const scene = await authorisedUser(t, { provider: { accessLifetime: 3600 } });
  const { admin, provider, server } = scene;
  assert.equal((await refreshNow(scene)).status, 200);
  assert.match(await server.metrics(), /\nlatchkey_store_up 1\n/);
  const states = [...(await server.metrics()).matchAll(/^latchkey_grants\{state="(\w+)"\} (\d+)$/gm)].map(([, state, count]) => `${state} ${count}`);
  const empty = ['disabled', 'held', 'needs_authorization', 'paused', 'revoked', 'uncertain', 'unreachable'].map((state) => `${state} 0`);
  assert.deepEqual(states.sort(), ['active 1', ...empty], 'a panel finds a 0, not nothing');
  const sound = await server.cli(['health']);
  assert.equal(sound.status, 0, sound.stdout);
  assert.match(sound.stdout, /100\.0 % of 1 are fresh\.[^]*oidc +accepted/);
  const health = await until('a picture that has the refresh', async () => {
    const seen = await admin.must('GET', '/api/v1/health');
    return seen.hours.at(-1).refreshed + seen.hours.at(-2).refreshed >= 1 ? seen : undefined;
  });
  assert.equal(health.grants, 1);
  assert.equal(health.by_state.active, 1);
  assert.equal(health.hours.length, 24);
  const spot = (spans) => spans.filter((each) => each.count > 0);
  assert.deepEqual(spot(health.until_expiry), [{ from_s: 1800, until_s: 3600, count: 1 }]);
  assert.deepEqual(spot(health.until_refresh).map((each) => each.from_s), [600], 'due within the polling time of 20 minutes');
  assert.equal(health.apps.find((each) => each.id === 'oidc').circuit, 'closed');

  await provider.goAway();
  await admin.set('oauth.polling_time', '1m');
  for (let n = 0; n < 6; n++) await refreshNow(scene);
  const open = await until('the circuit to open', async () => {
    const app = (await admin.must('GET', '/api/v1/health')).apps.find((each) => each.id === 'oidc');
    return app.circuit === 'open' ? app : undefined;
  });
  assert.ok(open.failures >= 5 && open.open_since && open.next_try_at);
  assert.match(await server.metrics(), /latchkey_circuit_open\{app="oidc"\} 1/);
  await until('the alert', async () => (await admin.must('GET', '/api/v1/alerts')).items.some((each) => each.id.startsWith('provider_unreachable')), { timeout: 30_000 });
  const words = await server.cli(['health']);
  assert.equal(words.status, 1, 'a provider that is away is no sound state');
  assert.match(words.stdout, /A provider does not answer\..*oidc/);
  assert.match(words.stdout, /1 grant: 1 unreachable\n0\.0 % of 1 are fresh\./);
  assert.match(words.stdout, /Refreshes in the last 24 hours: 1 refreshed, \d+ failed and tried again, 0 refused\./);
  assert.match(words.stdout, /oidc +circuit open +\d/);
  assert.match(words.stdout, /Notices\nmail: off\nwebhook: off/);
  const counts = (await admin.must('GET', '/api/v1/health')).hours.reduce((sum, each) => sum + each.not_sent, 0);
  assert.ok(counts >= 5, `${counts} failures counted`);
  await server.restart();
  await admin.signIn();
  const kept = (await admin.must('GET', '/api/v1/health')).hours.reduce((sum, each) => sum + each.not_sent, 0);
  assert.ok(kept >= counts, 'the counts outlive a restart');
});

test('timeline: issued, refreshed, handed out, failed, with the provider\'s reply and no token', async (t) => {
  const scene = await authorisedUser(t);
  const { admin, provider, server, grant_id } = scene;
  await refreshNow(scene);
  await refreshNow(scene);
  const handed = await server.token('printer-1', pin);
  assert.equal(handed.status, 200);
  provider.next('refresh', ...Array.from({ length: 3 }, () => ({
    commit: false, status: 503, body: { error: 'temporarily_unavailable', error_description: `Try later, ${handed.body.access_token} was fine` },
  })));
  for (let n = 0; n < 2; n++) await refreshNow(scene);
  const failed_try = await server.cli(['grant', 'refresh', 'printer-1']);
  assert.equal(failed_try.status, 1, 'a refresh that brought nothing is no success');
  assert.match(failed_try.stdout, /was not refreshed \(refresh_failed, 503 temporarily_unavailable/);
  const done_try = await server.cli(['grant', 'refresh', 'printer-1']);
  assert.equal(done_try.status, 0, done_try.stdout);
  assert.match(done_try.stdout, /active, generation/);
  const items = await until('the hand-out to be counted', async () => {
    const seen = (await admin.must('GET', `/api/v1/grants/${grant_id}/timeline`)).items;
    return seen.some((each) => each.event === 'handed_out') ? seen : undefined;
  }, { timeout: 20_000 });
  const of = (event) => items.filter((each) => each.event === event);
  assert.equal(of('authorized').length, 1);
  assert.equal(of('authorized')[0].actor, 'root-admin');
  const [failed] = of('refresh_failed');
  assert.equal(failed.count, 3, 'the like of a failure joins it');
  assert.deepEqual(failed.reply, { status: 503, error: 'temporarily_unavailable' });
  assert.match(failed.detail, /^Try later, … was fine$/);
  assert.ok(!JSON.stringify(items).includes(handed.body.access_token), 'a token in the timeline');
  assert.equal(of('refreshed').reduce((sum, each) => sum + each.count, 0), 3, 'every refresh is in a line');
  const listed = await server.cli(['grant', 'timeline', 'printer-1']);
  assert.match(listed.stdout, /refresh_failed +3 +\d+ +503 temporarily_unavailable/);
  await server.restart();
  await admin.signIn();
  assert.deepEqual((await admin.must('GET', `/api/v1/grants/${grant_id}/timeline`)).items.filter((each) => each.event === 'refresh_failed'), of('refresh_failed'));
});

/** name → its labels, of what a server or a relay shows at /metrics. */
function metricsIn(text) {
  const there = new Map();
  for (const line of text.split('\n')) {
    const sample = /^([a-z_]+)(?:\{(.*)\})? [-+0-9.eE]+$/.exec(line);
    if (!sample) continue;
    const labels = there.get(sample[1]) ?? new Set();
    for (const label of (sample[2] ?? '').matchAll(/([a-z_]+)="/g)) labels.add(label[1]);
    there.set(sample[1], labels);
  }
  return there;
}

/** Names of metrics in the program's sources, whatever has to be switched on for them to be shown. */
async function metricsInSources() {
  const src = new URL('../../src/', import.meta.url);
  const files = (await readdir(src, { recursive: true })).filter((file) => /\.(cpp|h)$/.test(file) && !/_test(ing)?\.(cpp|h)$/.test(file));
  const names = new Set();
  for (const file of files) {
    for (const [, name] of (await readFile(new URL(file, src), 'utf8')).matchAll(/(?:"|# TYPE )(latchkey_[a-z_]+)/g)) names.add(name);
  }
  return [...names].sort();
}

/** Panels have ids of their own, lie within the 24 columns, and none on another. */
function assertPlaced(panels) {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids of panels');
  for (const [n, { title, gridPos: at }] of panels.entries()) {
    assert.ok(at.x >= 0 && at.x + at.w <= 24, `${title} is outside`);
    const over = panels.slice(n + 1).find(({ gridPos: other }) => at.x < other.x + other.w && other.x < at.x + at.w && at.y < other.y + other.h && other.y < at.y + at.h);
    assert.equal(over?.title, undefined, `lies on ${title}`);
  }
}

test('every query of the Grafana dashboard asks for metrics there are, every metric has its panel and its line in the docs; no user name in them', async (t) => {
  // Everything that shows metrics is on: TLS, the SMTP door, a drop folder, and a relay in exchange mode beside it.
  const folder = await temporaryFolder(t, 'health');
  const drop = path.join(folder, 'drop');
  await mkdir(path.join(drop, 'scans'), { recursive: true });
  const port = await freePort();
  const { relay } = await relayWithClient(t);
  const { server, admin } = await authorisedUser(t, {
    port, tls: await certificateOfRelays(), publicUrl: `https://localhost:${port}`,
    config: { 'smtp.submission': `127.0.0.1:${await freePort()}`, 'folder.root': drop, 'folder.uids': [String(process.getuid())] },
  });
  await relay.issue('North Ltd');
  await fetch(`${relay.url}/relay/v1/token`, { method: 'POST', body: '{}' });  // refusals are there by their reasons, once there is one
  await admin.set('notices.webhook_url', 'https://hooks.example.com/x');
  // The age of the last backup is there once there is one.
  const passphrase = await server.file('passphrase', 'eleven purple ladders\n');
  assert.equal((await server.cli(['backup', path.join(server.folder, 'office.lkb'), '--passphrase-file', passphrase])).status, 0);
  await admin.must('POST', '/api/v1/doctor');  // so are its findings once it has examined
  const text = await server.metrics() + await (await fetch(`${relay.url}/metrics`)).text();
  const there = metricsIn(text);
  assert.deepEqual((await metricsInSources()).filter((name) => !there.has(name)), [], 'in the sources and not at /metrics');
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  assert.deepEqual([...there.keys()].filter((name) => !new RegExp(`\`${name}[\`{]`).test(page)), [], 'every metric has its line in docs/operations.md');
  const dashboard = JSON.parse(await readFile(new URL('../../packaging/grafana-dashboard.json', import.meta.url)));
  const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel: panel.title, expr: target.expr })));
  assert.ok(queries.length >= 10);
  assert.deepEqual([...there.keys()].filter((name) => !queries.some(({ expr }) => new RegExp(`${name}\\b`).test(expr))), [], 'the dashboard shows all of it');
  assertPlaced(dashboard.panels);
  // Every node counts the whole store: a sum over nodes would be as many times the truth.
  const counted_by_all = /latchkey_(grants|grants_by_type|deliveries|grants_overdue|grants_dying_soon|tokens_ended|revocations_waiting|app_paused|nodes|last_backup_timestamp_seconds|devices|standing_delegations|cloud_service_enrolled|relay_offices|relay_replies_waiting)\b/g;
  for (const { panel, expr } of queries) {
    for (const found of expr.matchAll(counted_by_all)) assert.match(expr.slice(0, found.index), /\bmax(?: by \([a-z, ]+\) )?\($/, `${panel}: ${expr}`);
  }
  for (const { panel, expr } of queries) {
    const names = [...expr.matchAll(/latchkey_[a-z_]+/g)].map((each) => each[0]);
    assert.ok(names.length > 0, `${panel}: ${expr}`);
    for (const name of names) assert.ok(there.has(name), `${panel} asks for ${name}, which /metrics does not have`);
    for (const [, name, labels] of expr.matchAll(/(latchkey_[a-z_]+)\{([^}]*)\}/g)) {
      for (const [, label] of labels.matchAll(/([a-z_]+)\s*(?:=|!=|=~)/g)) assert.ok(there.get(name).has(label), `${panel}: ${name} has no label ${label}`);
    }
    for (const [, labels] of expr.matchAll(/by\s*\(([^)]*)\)/g)) {
      for (const label of labels.split(',').map((each) => each.trim())) assert.ok(names.some((name) => there.get(name).has(label)), `${panel}: nothing has the label ${label}`);
    }
  }
  assert.ok(!text.includes('printer-1') && !text.includes('anna@example.com') && !text.includes('North Ltd'));
});

test('a file of the reply journal that cannot be read is an alert', async (t) => {
  const { server, admin } = await authorisedUser(t);
  await server.stop();
  const journal = path.join(server.data, 'journal');
  const [name] = (await readdir(journal)).sort();
  await writeFile(path.join(journal, name), Buffer.alloc(4096, 0x5a));
  await server.launch();
  await admin.signIn();
  const { items } = await admin.must('GET', '/api/v1/alerts');
  const alert = items.find((each) => each.id.startsWith('journal_unreadable'));
  assert.equal(alert?.severity, 'critical', JSON.stringify(items));
  assert.match(server.logs, new RegExp(`reply_journal_unreadable file=${name}`));
  assert.equal((await server.cli(['health'])).status, 1);
  await admin.must('POST', `/api/v1/alerts/${alert.id}/dismiss`, {});
  const after = await admin.must('GET', '/api/v1/alerts');
  assert.ok(!after.items.some((each) => each.id === alert.id));
  const health = await server.cli(['health']);
  assert.equal(health.status, 1, 'a banner put away mends nothing');
  assert.match(health.stdout, /^critical \(put away\): A file of the reply journal cannot be read\./m);
});
