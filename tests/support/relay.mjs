// The real Cloud Service under test (`latchkey relay`): https on a free loopback port, its operator's verbs, and offices that
// are enrolled at it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { Browserless } from './browserless.mjs';
import { loopbackCertificate } from './certificates.mjs';
import { Faults } from './kill/faults.mjs';
import { binary, Latchkey, run, slowness } from './latchkey.mjs';
import { OidcServer } from './oidc.mjs';
import { freePort, temporaryFolder } from './ports.mjs';
import { until, untilReady } from './wait.mjs';

let made;
/** One certificate for all relays of this process, which trusts it as well (for fetch): two of one name would hide each other. */
export function certificateOfRelays() {
  made ??= (async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'latchkey-relay-tls-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    const certificate = await loopbackCertificate(folder);
    if (tls.setDefaultCACertificates) tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert.toString()]);
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // before Node 22.19
    return certificate;
  })();
  return made;
}

export class Relay {
  /** options: apps (id → keys of relay.toml), config (further keys), port, env (of the process). Ends with the test `t`. */
  static async start(t, options) {
    const relay = new Relay();
    relay.folder = await temporaryFolder(t, 'relay');
    relay.data = options.data ?? path.join(relay.folder, 'data');
    relay.configFile = path.join(relay.folder, 'relay.toml');
    relay.port = options.port ?? await freePort();
    relay.certificate = await certificateOfRelays();
    relay.options = options;
    t.after(() => relay.stop());
    await relay.launch();
    return relay;
  }

  stdout = '';
  stderr = '';

  get url() {
    return `https://localhost:${this.port}`;
  }

  get logs() {
    return this.stdout + this.stderr;
  }

  get running() {
    return this.child && this.child.exitCode === null && this.child.signalCode === null;
  }

  get toml() {
    const { apps, config = {} } = this.options;
    const settings = {
      listen: `127.0.0.1:${this.port}`, public_url: this.url, data: this.data, 'log.level': 'debug', loopback_providers: true,
      'tls.certificate': this.certificate.certFile, 'tls.key': this.certificate.keyFile, ...config,
    };
    const value = (each) => (typeof each === 'object' && !Array.isArray(each)
      ? `{ ${Object.entries(each).map(([key, inner]) => `${key} = ${JSON.stringify(inner)}`).join(', ')} }` : JSON.stringify(each));
    const lines = (members) => Object.entries(members).filter(([, each]) => each !== undefined).map(([key, each]) => `${key} = ${value(each)}\n`).join('');
    return lines(settings) + Object.entries(apps).map(([id, members]) => `\n[apps.${id}]\n${lines(members)}`).join('');
  }

  async launch() {
    await mkdir(this.folder, { recursive: true });
    await writeFile(this.configFile, this.toml);
    this.child = spawn(binary, ['relay', '--config', this.configFile], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...this.options.env } });
    this.ended = new Promise((resolve) => this.child.on('close', (status, signal) => resolve({ status, signal })));
    this.child.stdout.setEncoding('utf8').on('data', (chunk) => { this.stdout += chunk; });
    this.child.stderr.setEncoding('utf8').on('data', (chunk) => { this.stderr += chunk; });
    await untilReady(this, 'the relay to answer', async () => {
      const response = await fetch(`${this.health}/healthz`, { signal: AbortSignal.timeout(2000) });
      await response.arrayBuffer();
      return response.status === 200;
    }, { timeout: 20_000 * slowness });
  }

  /** Where the process itself is asked for its health. */
  get health() {
    return this.options.config?.['tls.certificate'] === undefined && this.options.inClear ? `http://localhost:${this.port}` : this.url;
  }

  async stop() {
    if (!this.running) return this.ended;
    this.child.kill('SIGTERM');
    return this.ended;
  }

  async kill() {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  /** `latchkey relay VERB ... --config FILE`. */
  cli(args, options = {}) {
    return run(binary, ['relay', ...args, '--config', this.configFile], options);
  }

  /** A one-time code: { office, code }. */
  async issue(label, args = []) {
    const { status, stdout, stderr } = await this.cli(['enrol', label, '--json', ...args]);
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  async list() {
    return JSON.parse((await this.cli(['list', '--json'])).stdout);
  }

  /** Revoked, and the running service knows it. */
  async revoke(office) {
    const before = await this.metric('latchkey_relay_offices');
    const { status, stderr } = await this.cli(['revoke', office]);
    if (status !== 0) throw new Error(stderr);
    await until('the relay to notice', async () => await this.metric('latchkey_relay_offices') < before);
  }

  async metric(name) {
    const text = await (await fetch(`${this.health}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`) && each.includes('} '));
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
  }
}

/** The provider and a relay that has a public client there: { oidc, relay }. */
export async function relayWithProvider(t, { oidc: oidcOptions = {}, ...options } = {}) {
  const port = await freePort();
  const oidc = await OidcServer.start(t, { redirectUris: [`https://localhost:${port}/callback/op`], publicClient: true, ...oidcOptions });
  const relay = await Relay.start(t, {
    port, ...options,
    apps: { op: { provider: 'oidc', client_id: oidc.clientId, params: { issuer: oidc.issuer, scopes: 'openid offline_access email' }, authorization_endpoint: `${oidc.issuer}/auth`, ...options.app } },
  });
  return { oidc, relay };
}

/** A relay with a public client at each of two providers, which call it by the same id, as the apps `op` and `other`: { oidc, other, relay }. */
export async function relayWithTwoProviders(t) {
  const port = await freePort();
  const [oidc, other] = await Promise.all(['op', 'other'].map((app) => OidcServer.start(t, { redirectUris: [`https://localhost:${port}/callback/${app}`], publicClient: true })));
  const app = ({ issuer, clientId }) => ({ provider: 'oidc', client_id: clientId, params: { issuer, scopes: 'openid offline_access email' }, authorization_endpoint: `${issuer}/auth` });
  const relay = await Relay.start(t, { port, apps: { op: app(oidc), other: app(other) } });
  return { oidc, other, relay };
}

/** What an enrolled office calls an app of its relay's. */
export async function relayedApp(office, app, type = 'oidc') {
  const { apps } = (await office.admin.must('GET', '/api/v1/types')).items.find((each) => each.id === type);
  return apps.find((each) => each.from_cloud_service && each.id.startsWith(`cloud-${app}-`)).id;
}

/**
 * The same with a client that has a secret (exchange mode) or, with `assertion`, a key pair (assertion mode): { oidc, relay, folder }.
 * With `faults`, what the relay writes can be made to kill it: { faults }.
 */
export async function relayWithClient(t, { assertion, faults: wanted = false, oidc: oidcOptions = {}, ...options } = {}) {
  const port = options.port ?? await freePort();
  const folder = await temporaryFolder(t, 'relay-client');
  const keys = assertion && generateKeyPairSync(assertion === 'RS256' ? 'rsa' : 'ec', { namedCurve: 'P-256', modulusLength: 2048 });
  const oidc = await OidcServer.start(t, {
    redirectUris: [`https://localhost:${port}/callback/op`], ...(keys && { assertionKey: { ...keys.publicKey.export({ format: 'jwk' }), alg: assertion } }), ...oidcOptions,
  });
  const file = path.join(folder, keys ? 'assertion.pem' : 'op.secret');
  await writeFile(file, keys ? keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) : `${oidc.clientSecret}\n`, { mode: 0o600 });
  const data = path.join(folder, 'data');
  const faults = wanted ? new Faults(folder, data) : undefined;
  if (faults) t.after(() => faults.close());
  const relay = await Relay.start(t, {
    port, data, ...options, env: faults?.environment,
    apps: { op: { provider: 'oidc', client_id: oidc.clientId, params: { issuer: oidc.issuer, scopes: 'openid offline_access email' },
      authorization_endpoint: `${oidc.issuer}/auth`, token_endpoint: `${oidc.issuer}/token`, [keys ? 'assertion_key_file' : 'client_secret_file']: file,
      revocation_endpoint: keys ? undefined : `${oidc.issuer}/token/revocation`, ...options.app } },
  });
  return { oidc, relay, folder, faults };
}

/** An office server that knows the relay's certificate and may reach relay and provider; not enrolled yet. */
export async function officeAt(t, { oidc, relay }, { config = {}, ...options } = {}) {
  return Latchkey.ready(t, {
    ...options,
    config: { 'log.level': 'debug', 'outbound.ca_file': relay.certificate.certFile, ...config,
      'outbound.allow': [`127.0.0.1:${oidc.port}`, `localhost:${relay.port}`, ...(config['outbound.allow'] ?? [])] },
  });
}

/** An office that is enrolled under that label: the server, with `office` (its id at the relay). */
export async function enrolledOffice(t, scene, label, options) {
  const server = await officeAt(t, scene, options);
  const { code, office } = await scene.relay.issue(label);
  await server.admin.must('PUT', '/api/v1/cloud-service', { address: scene.relay.url, enrolment_code: code });
  server.office = office;
  return server;
}

/** The relay has logged that refusal so many times, and not once more. */
export async function assertLogged(relay, reason, times) {
  const count = () => relay.logs.split('\n').filter((line) => line.includes(` reason=${reason} `)).length;
  await until(`${times} lines of ${reason}`, () => count() >= times);
  assert.equal(count(), times, `lines of ${reason}`);
  assert.equal(await relay.metric(`latchkey_relay_refused_total{reason="${reason}"}`), times, `refusals of ${reason} counted`);
}

/** A `visit` for Browserless.open that presses the relay's button on its confirmation page; `seen` collects those pages. */
export function pressing(relay, seen = []) {
  return (url, _response, body) => {
    if (!url.startsWith(`${relay.url}/begin`) || !body.includes('action="/continue"')) return undefined;
    seen.push(body);
    const form = Object.fromEntries([...body.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map((each) => [each[1], each[2]]));
    return { url: `${relay.url}/continue`, form };
  };
}

/** Both: through the relay's page and the provider's. */
export function consenting(scene, seen = []) {
  const press = pressing(scene.relay, seen);
  const answer = scene.oidc.answering();
  return (url, response, body) => press(url, response, body) ?? answer(url, response, body);
}

/** A code of the provider's for the relay's client, as an office would get it; gives the form that redeems it. */
export async function codeForm(scene, account = 'anna') {
  const verifier = randomBytes(32).toString('base64url');
  const redirectUri = `${scene.relay.url}/callback/op`;
  const parameters = new URLSearchParams({
    response_type: 'code', client_id: scene.oidc.clientId, redirect_uri: redirectUri, scope: 'openid offline_access', prompt: 'consent', state: randomBytes(32).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const { url } = await new Browserless().open(`${scene.oidc.issuer}/auth?${parameters}`, { visit: scene.oidc.answering('allow', account), stopAt: (each) => each.startsWith(redirectUri) });
  return { grant_type: 'authorization_code', code: new URL(url).searchParams.get('code'), redirect_uri: redirectUri, code_verifier: verifier, client_id: scene.oidc.clientId };
}
