// Wrong PINs from everywhere (P1, P2). Addresses come from a trusted proxy's X-Forwarded-For. Measures time: runs alone.

import assert from 'node:assert/strict';
import { cpus, loadavg } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { slowness } from '../support/latchkey.mjs';
import { authorisedUser, pin } from '../support/scene.mjs';
import { deviceServer, plainOf, speak } from '../support/smtp.mjs';
import { until } from '../support/wait.mjs';
import { davClient } from '../support/webdav.mjs';

/** A call that a TLS-terminating proxy forwards from there. */
const from = (address) => ({ 'x-forwarded-for': address, 'x-forwarded-proto': 'https' });
const device = from('192.0.2.10');
const config = { trusted_proxies: ['127.0.0.1'] };

/** Runs `count` calls with `parallel` of them at a time. */
async function flood(count, parallel, call) {
  let next = 0;
  const answers = new Map();
  await Promise.all(Array.from({ length: parallel }, async () => {
    for (let index = next++; index < count; index = next++) {
      const { status } = await call(index);
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  }));
  return answers;
}

/** The same flood from a thread of its own: gives the statuses counted. */
function floodFromThread(workerData) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('../support/flood_worker.mjs', import.meta.url), { workerData });
    worker.on('message', resolve).on('error', reject);
  });
}

function percentile(times, share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

test('P1: 10,000 wrong PINs from another address while the device goes on: unaffected, the attacker slowed, an alert', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t, { config: { ...config, 'log.level': 'info' } });
  assert.equal((await server.token('printer-1', pin, undefined, { headers: device })).status, 200);

  let over = false;
  const times = [];
  const working = (async () => {
    while (!over) {
      const answer = await server.token('printer-1', pin, undefined, { headers: device });
      assert.equal(answer.status, 200, answer.text);
      times.push(answer.ms);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const started = performance.now();
  const answers = await floodFromThread({ url: server.url, username: 'printer-1', headers: from('198.51.100.66'), count: 10_000, parallel: 200 });
  const seconds = (performance.now() - started) / 1000;
  over = true;
  await working;

  assert.deepEqual(Object.keys(answers).filter((status) => status !== '401' && status !== '429'), [], JSON.stringify(answers));
  assert.ok(times.length > 50, `the device was served only ${times.length} times`);
  const p99 = percentile(times, 0.99);
  t.diagnostic(`device: ${times.length} calls, median ${percentile(times, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; 10,000 guesses took ${seconds.toFixed(1)} s`);
  // The promise is 50 ms on a machine that is not busy with other things; where more runs than there are cores, say so.
  const busy = loadavg()[0] > cpus().length + 1;
  if (busy) t.diagnostic(`other work on this machine (load ${loadavg()[0].toFixed(1)}): the limit is 200 ms instead of 50`);
  assert.ok(p99 < (busy ? 200 : 50) * slowness, `p99 of the device was ${p99} ms`);
  assert.ok(seconds > 10, `the attacker was not slowed: ${seconds} s`);

  const guessed = await server.token('printer-1', pin, undefined, { headers: from('198.51.100.66') });
  assert.notEqual(guessed.status, 200, 'even the right PIN does not help the attacker now');
  const { throttle, grants } = await admin.must('GET', `/api/v1/users/${user_id}`);
  assert.ok(throttle.wrong_pins >= 3 && throttle.wrong_pins <= throttle.limit, JSON.stringify(throttle));
  assert.equal(grants[0].state, 'active', 'the grant is untouched');
  assert.ok((await admin.must('GET', '/api/v1/alerts')).items.length >= 1, 'an alert was raised');
});

test('P2: 1,000 addresses, one try each: the budget trips for unknown sources, known ones go on, also after a restart', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t, { config: { ...config, 'log.level': 'info' } });
  assert.equal((await server.token('printer-1', pin, undefined, { headers: device })).status, 200);
  const address = (index) => `10.${1 + Math.floor(index / 250)}.${index % 250}.7`;
  await flood(1000, 50, (index) => server.token('printer-1', `guess-${index}`, undefined, { headers: from(address(index)) }));

  const { throttle } = await admin.must('GET', `/api/v1/users/${user_id}`);
  assert.ok(throttle.locked, JSON.stringify(throttle));
  const stranger = { headers: from('203.0.113.200') };
  assert.notEqual((await server.token('printer-1', pin, undefined, stranger)).status, 200, 'a new address is refused, right PIN or not');
  assert.equal((await server.token('printer-1', pin, undefined, { headers: device })).status, 200, 'the known one goes on');

  await server.kill();
  await server.launch();
  await admin.signIn();
  assert.notEqual((await server.token('printer-1', pin, undefined, stranger)).status, 200, 'counted durably');
  assert.equal((await server.token('printer-1', pin, undefined, { headers: device })).status, 200);
});

test('P3: unknown user, wrong PIN and disabled user: same answer, same time', async (t) => {
  const { server, admin, provider } = await authorisedUser(t);
  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  const other = await admin.addOAuthUser({ username: 'switched-off', pin: 'another-PIN-1', type: 'oidc' });
  await admin.must('PATCH', `/api/v1/users/${other.user_id}`, { enabled: false });
  const kinds = {
    unknown: (round) => server.token(`nobody-${round}`, pin),
    wrong: (round) => server.token('printer-1', `wrong-${round}`),
    disabled: () => server.token('switched-off', 'another-PIN-1'),
  };
  const rounds = [];
  const texts = new Set();
  // Three wrong PINs in a row are free. Refusals come at steps of 300 ms, as many as the slowest hash of late has taken: on a
  // machine that stalls meanwhile the next one comes a step later, whatever its kind. So they are compared in turn.
  for (let round = 0; round < 3; round++) {
    const times = {};
    for (const [name, ask] of Object.entries(kinds)) {
      const answer = await ask(round);
      assert.equal(answer.status, 401, `${name}: ${answer.text}`);
      texts.add(answer.text);
      assert.ok(answer.ms >= 295, `${name} came back after ${answer.ms} ms`);
      times[name] = answer.ms;
    }
    rounds.push(times);
  }
  assert.equal(texts.size, 1, 'one wording for all');
  const spread = (times) => Math.max(...Object.values(times)) - Math.min(...Object.values(times));
  assert.ok(rounds.some((times) => spread(times) < 40), `they differ: ${JSON.stringify(rounds)}`);
});

/** How two doors answer a name and a secret from an address: { SMTP, WebDAV }, each giving { code, text, ms }. */
function doorsThatAnswer(t, { server, port }) {
  const dav = davClient(server);
  return {
    SMTP: async (name, secret, address) => {
      const { socket } = await speak(t, port, 'EHLO x\r\n', /^250 /m, address);
      const answer = new Promise((resolve) => { socket.once('data', (data) => resolve(String(data))); });
      const begun = performance.now();
      socket.write(`AUTH PLAIN ${plainOf(name, secret)}\r\n`);
      const text = await answer;
      const ms = performance.now() - begun;
      socket.destroy();
      return { code: text.slice(0, 3), text, ms };
    },
    WebDAV: async (name, secret, address) => {
      const begun = performance.now();
      const { status, text } = await dav('PROPFIND', 'scans/', { username: name, secret, from: address, headers: { depth: '0' } });
      return { code: String(status), text, ms: performance.now() - begun };
    },
  };
}

test('T5, P3: at SMTP and WebDAV, too: unknown user, wrong PIN, locked user and a wrong secret of a device: same answer, same time', async (t) => {
  const scene = await deviceServer(t);
  const { admin, provider, device: make } = scene;
  provider.account = { id: 'acc-2', name: 'bert@example.com' };
  const locked = await admin.addOAuthUser({ username: 'locked', pin: 'another-PIN-1', type: 'scripted-drive', allow_token: false });
  await make({ name: 'copier' });
  await admin.set('auth.pin_failures_unknown', 20);
  const doors = doorsThatAnswer(t, scene);
  // Every try from an address of its own: none of them has to wait for the one before.
  let last = 0;
  const fresh = () => `127.1.${Math.trunc(++last / 250)}.${1 + last % 250}`;
  // A few more than the budget: the last of it may be taken by one that is charged and not answered yet.
  await flood(24, 2, (index) => doors.WebDAV('locked', `guess-${index}`, fresh()).then(({ code }) => ({ status: code })));
  assert.ok((await admin.must('GET', `/api/v1/users/${locked.user_id}`)).throttle.locked);

  const kinds = {
    unknown: (index) => [`nobody-${index}`, pin], wrong: (index) => ['printer-1', `wrong-${index}`],
    locked: () => ['locked', 'another-PIN-1'], device: (index) => ['copier', `wrong-secret-${index}`],
  };
  for (const [door, ask] of Object.entries(doors)) {
    const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
    const answers = new Set();
    for (let index = 0; index < 4; index += 1) {
      for (const [kind, shown] of Object.entries(kinds)) {
        const { code, text, ms } = await ask(...shown(index), fresh());
        assert.equal(code, door === 'SMTP' ? '535' : '401', `${door}, ${kind}: ${text}`);
        assert.ok(ms >= 295, `${door}, ${kind}: ${ms} ms`);
        answers.add(text);
        times[kind].push(ms);
      }
    }
    assert.equal(answers.size, 1, `${door}: ${[...answers].join()}`);
    const medians = Object.values(times).map((all) => percentile(all, 0.5));
    t.diagnostic(`${door}: medians ${medians.map((each) => each.toFixed(0)).join(', ')} ms`);
    assert.ok(Math.max(...medians) - Math.min(...medians) < 150, `${door}: they differ: ${JSON.stringify(times)}`);
  }
});

test('T4, T8: a device’s secret is throttled like a PIN, at SMTP and WebDAV: after three wrong ones in a row from one address the next must wait', async (t) => {
  const scene = await deviceServer(t);
  const { secret } = await scene.device({ name: 'copier' });
  let address = 0;
  // Where refusals take longer than the first wait of one second, a later one makes it.
  for (const [door, ask] of Object.entries(doorsThatAnswer(t, scene))) {
    for (const name of ['printer-1', 'copier']) {
      address += 1;
      const refused = [];
      for (let index = 0; index < 12 && !['454', '429'].includes(refused.at(-1)); index += 1) refused.push((await ask(name, `wrong-${index}`, `127.2.0.${address}`)).code);
      const [wrong, wait] = door === 'SMTP' ? ['535', '454'] : ['401', '429'];
      assert.ok(refused.length > 3, `${door}, ${name}: ${refused}`);
      assert.deepEqual(refused, [...refused.slice(1).map(() => wrong), wait], `${door}, ${name}`);
      assert.match((await ask(name, name === 'copier' ? secret : pin, `127.3.0.${address}`)).code, /^2/, 'others go on');
    }
  }
});

test('T4: an administrator’s reset, and nothing else, opens a user to unknown sources again', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t, { config });
  await flood(130, 30, (index) => server.token('printer-1', `guess-${index}`, undefined, { headers: from(`10.9.${index}.7`) }));
  const stranger = { headers: from('203.0.113.201') };
  await until('the budget to trip', async () => (await admin.must('GET', `/api/v1/users/${user_id}`)).throttle.locked);
  assert.notEqual((await server.token('printer-1', pin, undefined, stranger)).status, 200);
  await admin.must('POST', `/api/v1/users/${user_id}/reset-throttle`);
  assert.equal((await admin.must('GET', `/api/v1/users/${user_id}`)).throttle.wrong_pins, 0);
  const answer = await server.token('printer-1', pin, undefined, stranger);
  assert.equal(answer.status, 200, answer.text);
});

test('T4: the same wrong PIN again counts once: a device with an old PIN does not lock its user', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t, { config });
  const counted = async () => (await admin.must('GET', `/api/v1/users/${user_id}`)).throttle.wrong_pins;
  await server.token('printer-1', 'last-years-PIN', undefined, { headers: device });
  assert.equal(await counted(), 1);
  for (let round = 0; round < 5; round++) await server.token('printer-1', 'last-years-PIN', undefined, { headers: device });
  assert.equal(await counted(), 1);
  const other = await server.token('printer-1', pin, undefined, { headers: from('192.0.2.77') });
  assert.equal(other.status, 200, other.text);
});

test('T3: X-Forwarded-For counts only from a trusted proxy', async (t) => {
  const { server, admin } = await authorisedUser(t);
  for (const proto of ['https', 'http']) {
    const answer = await server.token('printer-1', pin, undefined, { headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': proto } });
    assert.equal(answer.status, 403, 'who forwards for strangers without being trusted is not loopback any more');
    assert.equal(answer.code, 'insecure_transport');
  }
  const activity = JSON.stringify(await admin.must('GET', '/api/v1/activity'));
  assert.doesNotMatch(activity, /203\.0\.113\./, 'a forged address was believed');
});

test('T3: of a trusted proxy only the configured header counts: a Forwarded that it passes on says nothing', async (t) => {
  const { server, admin, user_id } = await authorisedUser(t, { config });
  await admin.must('PATCH', `/api/v1/users/${user_id}`, { sources: ['192.0.2.10'] });
  const ask = (headers) => server.token('printer-1', pin, undefined, { headers });
  const forged = (address) => ({ forwarded: `for=${address};proto=https` });
  assert.equal((await ask({ ...device, ...forged('203.0.113.9') })).status, 200, 'a printer behind the proxy');
  assert.equal((await ask({ ...from('203.0.113.9'), ...forged('192.0.2.10') })).status, 401, 'somebody who claims to be the printer');
  const clear = await ask({ 'x-forwarded-for': '192.0.2.10', 'x-forwarded-proto': 'http', ...forged('192.0.2.10') });
  assert.equal(clear.code, 'insecure_transport', 'the scheme is not the client’s to say either');
});

test('T7: sign-in and PINs over plain http from elsewhere than loopback are refused with the remedy', async (t) => {
  const { server } = await authorisedUser(t, { config });
  const headers = { 'x-forwarded-for': '203.0.113.5', 'x-forwarded-proto': 'http' };
  const session = await fetch(`${server.url}/api/v1/session`, { headers });
  const cookie = session.headers.getSetCookie().map((each) => each.split(';')[0]).join('; ');
  const { csrf_token: csrf, server: info } = await session.json();
  const signIn = await fetch(`${server.url}/api/v1/session`, {
    method: 'POST', headers: { ...headers, cookie, 'x-csrf-token': csrf, 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'root-admin', password: 'Correct-Horse-Battery-9' }),
  });
  assert.equal(signIn.status, 403);
  const problem = await signIn.json();
  assert.equal(problem.type, 'urn:latchkey:problem:insecure_transport');
  assert.match(problem.detail, /tls|https|certificate/i);
  assert.ok(info.insecure_notice === null || /http/i.test(info.insecure_notice));
});
