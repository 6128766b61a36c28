// Three instances of one Cloud Service in forward mode behind one name: no request depends on which of them had the one before. What they share is what
// docs/cloud-service.md says that they must: the same relay.toml, the same relay.keys, and the book of enrolments, in one data directory or in PostgreSQL.
// The real relays and offices, the certified provider with a public client, and a balancer that sends every request to another instance.

import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Balancer } from '../support/balancer.mjs';
import { Browserless } from '../support/browserless.mjs';
import { fetchAnswer, slowness } from '../support/latchkey.mjs';
import { nginxBinary, startNginx } from '../support/nginx.mjs';
import { OidcServer } from '../support/oidc.mjs';
import { freePort, temporaryFolder } from '../support/ports.mjs';
import { Postgres, withoutPostgres } from '../support/postgres.mjs';
import { certificateOfRelays, consenting, enrolledOffice, pressing, Relay } from '../support/relay.mjs';
import { ScriptedOffice } from '../support/scripted_office.mjs';
import { until } from '../support/wait.mjs';

const pin = 'Grüße-42 an alle';
const withinSeconds = { timeout: 5000 * slowness };
const names = ['first', 'second', 'third'];
/** What a service is asked for one consent, by the browser and by its office, in this order. */
const steps = ['/relay/v1/office', '/begin', '/continue', '/callback/op', '/relay/v1/collect'];
/** What an instance counts of them. */
const flowSteps = ['shown', 'continued', 'returned', 'collected'];
const flowsAt = (step) => `latchkey_relay_flows_total{step="${step}"}`;

/** All over the data directory that the first one has made. */
async function shareFolder(t, folder, start) {
  const one = () => start({ data: path.join(folder, 'data') });
  return [await one(), ...await Promise.all([one(), one()])];
}
/** Each with a data directory of its own that had a copy of the first one's keys before anything else, as on machines of their own. */
async function shareDatabase(t, folder, start) {
  const store = await (await Postgres.start(t)).makeDatabase();
  const data = (name) => path.join(folder, name);
  const first = await start({ data: data('first'), store });
  return [first, ...await Promise.all(names.slice(1).map(async (name) => {
    await mkdir(data(name), { mode: 0o700 });
    await copyFile(path.join(data('first'), 'relay.keys'), path.join(data(name), 'relay.keys'));
    return start({ data: data(name), store });
  }))];
}

/** One service of three instances behind `port`, whose proxy calls them from Balancer.address: { instances, relay (the name), oidc }. */
async function threeInstances(t, share, port, ports = []) {
  const folder = await temporaryFolder(t, 'relays');
  const publicUrl = `https://localhost:${port}`;
  const oidc = await OidcServer.start(t, { redirectUris: [`${publicUrl}/callback/op`], publicClient: true });
  const op = { provider: 'oidc', client_id: oidc.clientId, params: { issuer: oidc.issuer, scopes: 'openid offline_access email' }, authorization_endpoint: `${oidc.issuer}/auth` };
  const instances = await share(t, folder, ({ data, store }) => Relay.start(t, {
    data, port: ports.shift(), inClear: true, apps: { op },
    config: { public_url: publicUrl, trusted_proxies: [Balancer.address], 'tls.certificate': undefined, 'tls.key': undefined, store },
  }));
  return { instances, oidc, relay: Object.assign(Object.create(instances[0]), { port }) };
}
/** The same with a balancer before them: { balancer }. */
async function balanced(t, share) {
  const balancer = await Balancer.start(t, await certificateOfRelays());
  const scene = await threeInstances(t, share, balancer.port);
  balancer.instances = scene.instances;
  return { ...scene, balancer };
}

const nameOf = ({ instances }, instance) => names[instances.indexOf(instance)];
/** Who has served what, since `balancer.served` was emptied: [path, name]. */
const trail = (scene) => scene.balancer.served.map(({ path: step, instance }) => [step, nameOf(scene, instance)]);

/** `work` for every instance, while the name leads to that one alone. */
async function atEach({ balancer, instances }, work) {
  for (const instance of instances) {
    balancer.only = instance;
    await work(instance, nameOf({ instances }, instance));
  }
  balancer.only = undefined;
}
/** Enrolled at one of them, and known to all: an enrolment made at one holds at the others within seconds. */
async function known({ instances }, offices) {
  for (const each of instances) await until('the enrolment to be known', async () => await each.metric('latchkey_relay_offices') === offices, withinSeconds);
}
async function officeOf(t, scene) {
  const office = await enrolledOffice(t, scene, 'North Ltd');
  await known(scene, 1);
  return office;
}

const places = {
  begin: ({ relay }) => (url) => url.startsWith(`${relay.url}/begin`),
  provider: ({ oidc }) => (url) => url.startsWith(oidc.issuer),
  callback: ({ relay }) => (url) => url.startsWith(`${relay.url}/callback/`),
  office: (_scene, office) => (url) => url.startsWith(`${office.url}/oauth/relayed`),
};
/** A consent that is begun, and walked as far as `place`; `page`: to the page with the button, which `button` presses. */
async function walk(office, scene, username, place) {
  const started = await office.admin.startAuthorization({ username, pin, type: 'oidc' });
  if (place !== 'page') {
    const { url } = await office.admin.browser.open(started.start_url, { visit: consenting(scene), stopAt: places[place]?.(scene, office) });
    return { id: started.id, username, url };
  }
  let button;
  const press = pressing(scene.relay);
  const { url } = await office.admin.browser.open(started.start_url, { visit: (...seen) => { button = press(...seen); } });
  return { id: started.id, username, url, button };
}
/** The consent has ended well: its grant is active, serves its device, and is renewed. An account of two users waits for a word. */
async function assertActive(office, { id, username }, message) {
  let attempt = await office.admin.outcome(id);
  if (attempt.state === 'needs_confirmation') {
    await office.admin.mustAnswer(id, true);
    attempt = await office.admin.outcome(id);
  }
  assert.equal(attempt.state, 'completed', `${message}: ${JSON.stringify(attempt.problem)}`);
  assert.equal((await office.admin.grant(attempt.result.grant_id)).state, 'active', message);
  assert.equal((await office.token(username, pin)).status, 200, message);
  assert.equal((await office.admin.call('POST', `/api/v1/grants/${attempt.result.grant_id}/refresh`)).status, 200, message);
  return attempt.result;
}

const ways = [['one data directory', shareFolder, false], ['a PostgreSQL', shareDatabase, withoutPostgres]];
for (const [where, share, skip] of ways) describe(`forward mode on three instances that share ${where}`, { skip }, () => {
  test('S2 S5: a consent of which no two steps are served by the same instance in a row completes, and each step can be any instance\'s', async (t) => {
    const scene = await balanced(t, share);
    const { balancer, instances, oidc } = scene;
    const [own, ...others] = await Promise.all(instances.map(({ configFile }) => readFile(configFile, 'utf8')));
    const common = (text) => text.replace(/^(listen|data) = .*\n/gm, '');
    for (const other of others) assert.equal(common(other), common(own), 'one relay.toml, but for what one machine cannot have twice');

    const office = await officeOf(t, scene);
    const servers = new Map(steps.map((step) => [step, new Set()]));
    // Five steps, three instances: the second consent is begun at another one than the first, and the third at the one that is left.
    for (const n of [1, 2, 3]) {
      balancer.served = [];
      const consent = await walk(office, scene, `printer-${n}`);
      assert.equal(new URL(consent.url).origin, office.url, consent.url);
      const taken = trail(scene);
      assert.deepEqual(taken.map(([step]) => step), steps);
      taken.slice(1).forEach(([step, by], at) => assert.notEqual(by, taken[at][1], `${step} at another than ${steps[at]}`));
      assert.equal(new Set(taken.map(([, by]) => by)).size, 3, 'one consent, all three instances');
      for (const [step, by] of taken) servers.get(step).add(by);
      await assertActive(office, consent, `consent ${n}`);
    }
    for (const [step, by] of servers) assert.equal(by.size, 3, `${step} has been served by each of them`);
    // They say the same of themselves: each consent took each step once, and at some instance.
    for (const step of flowSteps) assert.deepEqual(await Promise.all(instances.map((each) => each.metric(flowsAt(step)))), [1, 1, 1], step);
    assert.equal(oidc.events.filter(({ name, grantType }) => name === 'grant.success' && grantType === 'authorization_code').length, 3);
  });

  test('S2 S5: an instance is killed when it has taken a step of a consent: the others take the next ones, and nobody notices', async (t) => {
    const scene = await balanced(t, share);
    const { balancer } = scene;
    const office = await officeOf(t, scene);
    /** Whoever has taken this step dies, and is the one that the next step tries first. */
    const strike = async (step) => {
      const { path: taken, instance } = balancer.served.at(-1);
      assert.equal(taken, step);
      await instance.kill();
      assert.equal(instance.running, false);
      balancer.served = [];
      balancer.passedOver = [];
      balancer.turnTo(instance);
      return instance;
    };
    const on = ({ button, url }, stopAt) => office.admin.browser.open(button ?? url, { visit: consenting(scene), stopAt });

    for (const [n, place] of ['begin', 'page', 'provider', 'office'].entries()) {
      const consent = await walk(office, scene, `printer-${n}`, place);
      const dead = await strike(steps[n]);
      await on(consent);
      assert.ok(balancer.passedOver.includes(dead), `${place}: it was looked for`);
      assert.deepEqual(trail(scene).map(([step]) => step), steps.slice(n + 1), place);
      assert.ok(trail(scene).every(([, by]) => by !== nameOf(scene, dead)), place);
      await assertActive(office, consent, place);
      await dead.launch();
    }

    // One dies when it has shown its page, another when the button was pressed there: the last one takes what is left.
    const consent = await walk(office, scene, 'printer-9', 'page');
    const dead = [await strike('/begin')];
    const { url } = await on(consent, places.provider(scene));
    dead.push(await strike('/continue'));
    await on({ url });
    const left = names.filter((name) => !dead.some((each) => nameOf(scene, each) === name));
    assert.equal(left.length, 1);
    assert.deepEqual(trail(scene), steps.slice(3).map((step) => [step, left[0]]));
    await assertActive(office, consent, 'by the last one');
  });

  test('C3 Attack: one answer, or one link, brought through every instance by a browser that keeps its cookies: the office takes it once, and says so', async (t) => {
    const scene = await balanced(t, share);
    const { relay, oidc } = scene;
    const office = await officeOf(t, scene);
    const { browser } = office.admin;
    /** All there is of users and their grants, but when they were last used, which is noted at leisure. */
    const made = async () => {
      const { items } = await office.admin.must('GET', '/api/v1/users?search=printer');
      return { users: JSON.parse(JSON.stringify(items, (key, value) => (key === 'last_used_at' ? undefined : value))), posted: oidc.tokenRequests };
    };
    /** To the callback of each instance, which none of them can know to be the second. Gives where each sends the browser. */
    const passOn = async (answers) => {
      const handles = [];
      await atEach(scene, async (_instance, name) => {
        const url = answers[handles.length % answers.length];
        const answer = await fetchAnswer(url, { headers: { cookie: browser.jar.for(url) } });
        assert.equal(answer.status, 303, name);
        handles.push(answer.headers.get('location'));
        assert.ok(places.office(scene, office)(handles.at(-1)), name);
      });
      assert.equal(new Set(handles).size, 3, 'each has made one of its own');
      return handles;
    };
    const isOver = ({ body, url }, message) => {
      assert.match(body, /This authorisation is over/, message);
      assert.match(body, /Nothing was changed/, message);
      assert.doesNotMatch(url, /handle=/, message);
    };

    // One answer of the provider's.
    const answered = await walk(office, scene, 'printer-1', 'callback');
    const [handle, ...again] = await passOn([answered.url]);
    await browser.open(handle);
    await assertActive(office, answered, 'the first time');
    let before = await made();
    assert.equal(before.users.length, 1);
    for (const each of again) isOver(await browser.open(each), 'a second handle for the same answer');
    for (const each of await passOn([answered.url])) isOver(await browser.open(each), 'too late');
    assert.deepEqual(await made(), before, 'no account more, none changed, and no code posted');

    // One link, gone through as far as two answers: two codes under one state.
    const begun = await walk(office, scene, 'printer-2', 'begin');
    const answers = [];
    await atEach(scene, async () => answers.push((await browser.open(begun.url, { visit: consenting(scene), stopAt: places.callback(scene) })).url));
    const part = (name) => new Set(answers.map((each) => new URL(each).searchParams.get(name))).size;
    assert.deepEqual([part('state'), part('code')], [1, 3]);
    const handles = await passOn(answers);
    const posted = oidc.tokenRequests;
    const pages = await Promise.all(handles.map((each) => browser.open(each))); // at the same moment
    assert.equal(oidc.tokenRequests, posted + 1, 'one code of the three was posted');
    for (const each of pages.filter(({ url }) => url !== `${office.url}/users?authorization=${begun.id}`)) isOver(each, 'at the same moment'); // or where the console says how it ended
    for (const each of handles) isOver(await browser.open(each), 'a moment later');
    assert.equal(oidc.tokenRequests, posted + 1);
    await assertActive(office, begun, 'once');

    // What is kept of cookies goes with the first time; then it is the service itself that says so, whichever instance is asked.
    before = await made();
    assert.equal(before.users.length, 2);
    isOver(await browser.open(answered.url), 'a whole browser');
    await atEach(scene, async (_instance, name) => {
      const page = await browser.open(answered.url);
      assert.equal(page.status, 403, name);
      assert.match(page.body, /Not begun in this browser/, name);
      assert.match(page.body, /nothing was linked/i, name);
      assert.equal(new URL(page.url).origin, relay.url, name);
    });
    assert.deepEqual(await made(), before);
    assert.equal(oidc.count('grant.error'), 0, 'no code was ever posted twice');
    assert.equal(new Set(trail(scene).filter(([step]) => step === '/callback/op').map(([, by]) => by)).size, 3);
  });

  test('S1: an enrolment that the operator revokes at one instance is refused by all of them within seconds, at every step; other offices go on', async (t) => {
    const scene = await balanced(t, share);
    const { instances: [, second], relay } = scene;
    const south = await ScriptedOffice.enrol(relay, 'South Ltd', { origins: ['https://south.example'] });
    const east = await ScriptedOffice.enrol(relay, 'East Ltd', { origins: ['https://east.example'] });
    await known(scene, 2);
    const atOffice = (url) => /^https:\/\/(south|east)\.example/.test(url);
    const walked = async (office, stopAt) => {
      const browser = new Browserless();
      return { browser, ...await browser.open(office.beginUrl(), { visit: stopAt && consenting(scene), stopAt }) };
    };
    const collect = (office, { url }) => office.ask('POST', '/relay/v1/collect', { body: JSON.stringify({ handle: new URL(url).searchParams.get('handle') }) });

    // For each of them a consent that has come as far as each step, and is good at this moment.
    const open = [];
    await atEach(scene, async (_instance, name) => {
      const carried = await walked(south, atOffice);
      assert.equal((await collect(south, carried)).status, 200, name);
      open.push({ shown: await walked(south), answered: await walked(south, places.callback(scene)), carried });
    });
    const revoked = await second.cli(['revoke', south.id]);
    assert.equal(revoked.status, 0, revoked.stderr);
    const since = performance.now();
    await atEach(scene, (_instance, name) => until(`the revocation to hold at the ${name}`, async () => (await south.ask('GET', '/relay/v1/office')).code === 'office_unknown',
      { timeout: Math.max(0, withinSeconds.timeout - (performance.now() - since)) }));

    await atEach(scene, async (_instance, name) => {
      const { shown, answered, carried } = open.shift();
      const button = pressing(relay)(shown.url, undefined, shown.body);
      for (const [step, page] of [
        ['begun', await shown.browser.open(south.beginUrl())], ['its button pressed', await shown.browser.open(button, { stopAt: places.provider(scene) })],
        ['answered', await answered.browser.open(answered.url, { stopAt: atOffice })],
      ]) {
        assert.equal(page.status, 403, `${step}, at the ${name}`);
        assert.match(page.body, /This office is not served here/, `${step}, at the ${name}`);
        assert.match(page.body, /\(office_unknown\)/, `${step}, at the ${name}`);
      }
      assert.equal((await collect(south, carried)).code, 'office_unknown', `collected, at the ${name}`);
      assert.equal((await collect(east, await walked(east, atOffice))).status, 200, `another office's, at the ${name}`);
    });
  });

  test('S1: a real office is revoked in the middle of a consent, and a code before it is redeemed: both hear so from every instance, and a new code makes it good at all of them', async (t) => {
    const scene = await balanced(t, share);
    const { balancer, instances: [, second, third], relay, oidc } = scene;
    const office = await officeOf(t, scene);
    const answered = await walk(office, scene, 'printer-1', 'callback');
    assert.equal((await third.cli(['revoke', office.office])).status, 0);
    await known(scene, 0);
    await atEach(scene, async (_instance, name) => {
      const refused = await office.admin.call('POST', '/api/v1/authorizations', { username: 'printer-2', pin, type: 'oidc', group_id: await office.admin.group('Office') });
      assert.equal(refused.code, 'cloud_enrolment_revoked', name);
      assert.match((await office.admin.browser.open(answered.url)).body, /\(office_unknown\)/, name);
    });
    assert.deepEqual([oidc.tokenRequests, (await office.admin.must('GET', '/api/v1/users?search=printer')).total], [0, 0], 'nothing was made');

    assert.equal((await office.cli(['cloud', 'leave'])).status, 0);
    const enrol = (code) => office.admin.call('PUT', '/api/v1/cloud-service', { address: relay.url, enrolment_code: code });
    const withdrawn = await second.issue('North Ltd');
    assert.equal((await third.cli(['revoke', withdrawn.office])).status, 0);
    await atEach(scene, async (_instance, name) => assert.equal((await enrol(withdrawn.code)).code, 'cloud_code_unknown', name));
    const { code } = await third.issue('North Ltd');
    balancer.turnTo(second);
    assert.equal((await enrol(code)).status, 200);
    await known(scene, 1);
    await assertActive(office, await walk(office, scene, 'printer-3'), 'enrolled anew');
  });
});

test('S2 S5: behind the nginx configuration that is shipped, with three instances in turn for the one server: consents complete, also when one instance has died', async (t) => {
  assert.ok(nginxBinary, 'nginx is not installed: scripts/setup --tests installs it');
  const ports = [await freePort(), await freePort(), await freePort()];
  const certificate = await certificateOfRelays();
  const redirect = '    return 308 https://$host$request_uri;\n}\n';
  const { httpsPort } = await startNginx(t, {
    folder: await temporaryFolder(t, 'nginx'), upstream: ports[0], bind: Balancer.address, ...certificate,
    changes: [
      [`http://127.0.0.1:${ports[0]};`, 'http://relays;'], [redirect, `${redirect}\nupstream relays {\n${ports.map((port) => `    server 127.0.0.1:${port};\n`).join('')}}\n`],
      ['proxy_next_upstream off;', 'proxy_next_upstream error;'], // a POST that has been sent stays where it is all the same
    ],
  });
  const scene = await threeInstances(t, shareFolder, httpsPort, ports);
  const { instances } = scene;
  const office = await officeOf(t, scene);
  /** How many steps each has taken. */
  const taken = () => Promise.all(instances.map(async (each) => {
    const counts = await Promise.all(flowSteps.map((step) => each.metric(flowsAt(step))));
    return counts.reduce((sum, count) => sum + count);
  }));
  await assertActive(office, await walk(office, scene, 'printer-1'), 'of three');
  const counts = await taken();
  assert.equal(counts.reduce((sum, count) => sum + count), 4);
  assert.ok(counts.filter((count) => count > 0).length >= 2, `one consent, several instances: ${counts}`);

  const consent = await walk(office, scene, 'printer-2', 'provider');
  await instances[0].kill();
  await office.admin.browser.open(consent.url, { visit: consenting(scene) });
  await assertActive(office, consent, 'when one has died');
  for (const n of [3, 4]) await assertActive(office, await walk(office, scene, `printer-${n}`), 'of two');
});

test('S1: three instances that find an empty data directory at the same moment all serve, with one set of keys; their office is served at once', async (t) => {
  const together = (_t, folder, start) => Promise.all(names.map(() => start({ data: path.join(folder, 'data') })));
  const scene = await balanced(t, together);
  const office = await enrolledOffice(t, scene, 'North Ltd');
  await assertActive(office, await walk(office, scene, 'printer-1'), 'over what they made together');
});
