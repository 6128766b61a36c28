// measure.mjs --seconds N --rounds N [--begun N] [--flows N]: see README.md. LATCHKEY_BIN names the binary.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Browserless } from '../../tests/support/browserless.mjs';
import { Latchkey, run } from '../../tests/support/latchkey.mjs';
import { freePort } from '../../tests/support/ports.mjs';
import { pressing, Relay } from '../../tests/support/relay.mjs';
import { Scope } from '../../tests/support/scope.mjs';
import { ScriptedOffice } from '../../tests/support/scripted_office.mjs';
import { ScriptedProvider } from '../../tests/support/scripted_provider.mjs';

const { values: wish } = parseArgs({ options: { seconds: { type: 'string', default: '8' }, rounds: { type: 'string', default: '5' }, begun: { type: 'string', default: '10000' }, flows: { type: 'string', default: '100' } } });
const scope = new Scope();
const kInFlight = Number(wish.flows);
const kPin = 'correct-horse-7';
const at = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);

async function pssAnon(pid) {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/Pss_Anon:\s+(\d+)/.exec(text)[1]) / 1024;
}

async function start() {
  const provider = await ScriptedProvider.start(scope, { port: await freePort(), clientSecret: null });
  const relay = await Relay.start(scope, {
    config: { 'log.level': 'error' },
    apps: { op: { provider: 'oidc', client_id: provider.clientId, params: { issuer: provider.issuer }, authorization_endpoint: `${provider.issuer}/authorize` } },
  });
  const office = await Latchkey.ready(scope, {
    config: { 'outbound.ca_file': relay.certificate.certFile, 'outbound.allow': [`127.0.0.1:${provider.port}`, `localhost:${relay.port}`] },
  });
  const { code } = await relay.issue('Bench Ltd', ['--flows-per-minute', '0']);
  await office.admin.must('PUT', '/api/v1/cloud-service', { address: relay.url, enrolment_code: code });
  return { provider, relay, office };
}

/** A browser of its own with its flow at the provider's redirect: { browser, url } the provider sends it to. */
async function atRedirect({ relay, office }, username, session) {
  const started = await office.admin.startAuthorization({ username, pin: kPin, type: 'oidc' });
  const response = await fetch(started.start_url, { redirect: 'manual', headers: { cookie: session } });
  const browser = new Browserless();
  browser.jar.take(started.start_url, response);
  const { url } = await browser.open(response.headers.get('location'), { visit: pressing(relay), stopAt: (each) => each.startsWith(`${relay.url}/callback/`) });
  return { browser, url };
}

/** Milliseconds of processor time that a process's threads have had. */
async function processorTime(pid) {
  const threads = await readdir(`/proc/${pid}/task`);
  const spent = await Promise.all(threads.map(async (thread) => Number((await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ')[0])));
  return spent.reduce((sum, each) => sum + each, 0) / 1e6;
}

const sample = (pids) => Promise.all(pids.map(processorTime));

/**
 * Per flow, in milliseconds: whole (browser's request to the relay's callback until the code at the token endpoint), relay (until the relay's 303) and
 * rest. Per round: processor time of relay, office, browsers and provider.
 */
async function latencies(parts) {
  const flows = [];
  const times = [];
  const session = parts.office.admin.browser.jar.for(parts.office.url);
  const browsers = fork(new URL('browsers.mjs', import.meta.url));
  scope.after(() => browsers.kill());
  const pids = [parts.relay.child.pid, parts.office.child.pid, browsers.pid, process.pid];
  for (let round = 0; round < Number(wish.rounds); round++) {
    const go = [];
    for (let n = 0; n < kInFlight; n++) {
      const { browser, url } = await atRedirect(parts, `bench-${round}-${n}`, session);
      go.push({ url, relayCookie: browser.jar.for(url), officeCookie: browser.jar.for(`${parts.office.url}/oauth/relayed`) });
    }
    browsers.send({ warm: { relay: parts.relay.url, office: parts.office.url, ca: parts.relay.certificate.cert.toString(), count: kInFlight } });
    await once(browsers, 'message');
    const seenBefore = parts.provider.seen('code').length;
    const before = await sample(pids);
    browsers.send({ go });
    const [{ done }] = await once(browsers, 'message');
    const arrived = new Map(parts.provider.seen('code').slice(seenBefore).map((each) => [each.form.code, each.at]));
    if (arrived.size !== kInFlight) throw new Error(`${arrived.size} codes of ${kInFlight}`);
    times.push((await sample(pids)).map((each, i) => each - before[i]));
    done.forEach(({ left, redirected }, i) => {
      const at = arrived.get(new URL(go[i].url).searchParams.get('code'));
      flows.push({ round, whole: at - left, relay: redirected - left, rest: at - redirected });
    });
  }
  return { flows, times };
}

function ask(agent, method, url, headers = {}, body = undefined) {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(url, { method, agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk; }).on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** `count` authorisations begun and left: through the page and the button. Gives the last one's way back. */
async function begin({ relay, provider }, mallory, count) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16, ca: relay.certificate.cert });
  let left = count;
  let last;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const address = mallory.beginUrl({ endpoint: `${provider.issuer}/authorize` });
      const flow = new URL(address).searchParams.get('flow');
      const page = await ask(agent, 'GET', address);
      if (page.status !== 200) throw new Error(`${page.status} ${page.text}`);
      const cookie = page.headers['set-cookie'][0].split(';')[0];
      const token = /name="token" value="([^"]+)"/.exec(page.text)[1];
      const body = new URLSearchParams({ flow, token }).toString();
      const gone = await ask(agent, 'POST', `${relay.url}/continue`, { cookie, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length }, body);
      if (gone.status !== 200) throw new Error(`${gone.status} ${gone.text}`);
      const onwards = /url=([^"]+)"/.exec(gone.text)[1].replaceAll('&amp;', '&');
      last = { cookie: gone.headers['set-cookie'][0].split(';')[0], state: new URL(onwards).searchParams.get('state') };
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  agent.destroy();
  return last;
}

async function redirects(relay, { cookie, state }) {
  const address = `${relay.url}/callback/op?code=${'c'.repeat(64)}&state=${state}`;
  const { stdout, stderr, status } = await run('wrk', ['-t2', '-c64', `-d${wish.seconds}s`, '-H', `Cookie: ${cookie}`, address], { timeout: 120_000 });
  if (status !== 0 || /Non-2xx or 3xx/.test(stdout)) throw new Error(stdout + stderr);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]);
}

try {
  console.log(`${cpus().length} processors, load ${loadavg()[0].toFixed(2)} before, ${path.basename(process.env.LATCHKEY_BIN ?? 'build/release/latchkey')}`);
  const parts = await start();
  const idle = await pssAnon(parts.relay.child.pid);
  const { flows, times } = await latencies(parts);
  row(`${flows.length} flows, ${kInFlight} in flight`, 'p50', 'p99', 'worst');
  row('---', '---', '---', '---');
  for (const [name, member] of [['provider\'s redirect to code in the office', 'whole'], ['of it, until the relay\'s 303', 'relay'], ['of it, from there', 'rest']]) {
    const spans = flows.map((each) => each[member]);
    if (spans.length > 0) row(name, ...[at(spans, 0.5), at(spans, 0.99), Math.max(...spans)].map((each) => `${Math.round(each)} ms`));
  }
  const worst = times.map((_, round) => Math.round(Math.max(...flows.filter((each) => each.round === round).map((each) => each.whole))));
  if (times.length > 0) console.log(`\nworst of each round, the first of which finds no line open between office and relay but one: ${worst.join(', ')} ms`);
  const mean = (i) => Math.round(times.reduce((sum, each) => sum + each[i], 0) / times.length);
  if (times.length > 0) console.log(`\nprocessor time a round: relay ${mean(0)} ms, office ${mean(1)} ms, browsers ${mean(2)} ms, provider ${mean(3)} ms`);
  const mallory = await ScriptedOffice.enrol(parts.relay, 'Load Ltd', { args: ['--flows-per-minute', '0'] });
  const last = await begin(parts, mallory, Number(wish.begun));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  console.log(`\nPss_Anon of the relay: ${idle.toFixed(1)} MiB at first, ${(await pssAnon(parts.relay.child.pid)).toFixed(1)} MiB with ${wish.begun} authorisations begun`);
  console.log(`redirects a second on kept-alive connections: ${Math.round(await redirects(parts.relay, last))}`);
} finally {
  await scope.end();
}
