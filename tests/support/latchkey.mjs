// The real binary under test: starts it in a temporary folder on a free loopback port, drives its API, its command line
// and its token door, and stops it by pid.

import { spawn } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Browserless } from './browserless.mjs';
import { freePort, temporaryFolder } from './ports.mjs';
import { until, untilReady } from './wait.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
export const binary = process.env.LATCHKEY_BIN ?? path.join(root, 'build', 'release', 'latchkey');
/** Sanitizer builds are slower; every deadline about speed is multiplied by this. */
export const slowness = process.env.LATCHKEY_SANITIZED ? 8 : 1;

const administrator = { username: 'root-admin', password: 'Correct-Horse-Battery-9', name: 'The Administrator' };

/** This environment without what would configure the server. */
const bareEnvironment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LATCHKEY_')));

function tomlValue(value) {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** {'listen': ..., 'outbound.allow': [...]} as TOML with dotted keys. */
export function toml(settings) {
  return Object.entries(settings).map(([key, value]) => `${key} = ${tomlValue(value)}\n`).join('');
}

/** Runs a program to its end: { status, signal, stdout, stderr, ms }. */
export function run(command, args, { input, after, env = {}, cwd, timeout = 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { cwd, env: { ...bareEnvironment, ...env } });
    let stdout = '';
    let stderr = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk;
      if (after && stdout.includes(after) && !child.stdin.writableEnded) child.stdin.end(input);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => { stderr += chunk; });
    child.stdin.on('error', () => {});
    if (!after) child.stdin.end(input ?? '');
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, stdout, stderr, ms: performance.now() - started });
    });
  });
}

/** An API answer: status, headers, body (parsed JSON where it is JSON), and the problem's code when it is a problem. */
async function answerOf(response, started) {
  const text = await response.text();
  let body = text;
  if (/json/.test(response.headers.get('content-type') ?? '')) body = JSON.parse(text);
  return {
    status: response.status, headers: response.headers, body, text, ms: performance.now() - started,
    code: body?.type?.startsWith?.('urn:latchkey:problem:') ? body.type.slice('urn:latchkey:problem:'.length) : undefined,
  };
}

/** A console session: cookies, CSRF token, and the calls of api/openapi.json. */
export class Session {
  constructor(url) {
    this.url = url;
    this.browser = new Browserless();
  }

  /** Any call; gives the answer whatever its status. */
  async call(method, route, body) {
    const started = performance.now();
    const headers = { accept: 'application/json' };
    if (method !== 'GET') headers['x-csrf-token'] = this.csrf ?? '';
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await this.browser.request(`${this.url}${route}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    return answerOf(response, started);
  }

  /** A call that must succeed; gives the body. */
  async must(method, route, body) {
    const answer = await this.call(method, route, body);
    if (answer.status >= 300) throw new Error(`${method} ${route}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  async begin() {
    const session = await this.must('GET', '/api/v1/session');
    this.csrf = session.csrf_token;
    return session;
  }

  async signIn(username = administrator.username, password = administrator.password) {
    await this.begin();
    const session = await this.must('POST', '/api/v1/session', { username, password });
    this.csrf = session.csrf_token;
    return session;
  }

  async setUp(code) {
    await this.begin();
    const session = await this.must('POST', '/api/v1/setup', { code, ...administrator });
    this.csrf = session.csrf_token;
    return session;
  }

  /** The group's id, created when it does not exist. */
  async group(name) {
    const page = await this.must('GET', `/api/v1/groups?search=${encodeURIComponent(name)}`);
    return (page.items.find((each) => each.name === name) ?? await this.must('POST', '/api/v1/groups', { name })).id;
  }

  /** Registers the app `oidc` (or `app`) for an issuer. */
  async registerOidc({ issuer, clientId, clientSecret, app = 'oidc', provider = 'oidc', params }) {
    return this.must('PUT', `/api/v1/apps/${app}`, {
      provider, client_id: clientId, params: params ?? { issuer }, secrets: clientSecret ? [{ value: clientSecret }] : [],
    });
  }

  /** Begins an authorization as the dialog does. */
  async startAuthorization({ group = 'Office', ...request }) {
    const members = request.link_user_id || request.replace_grant_id ? {} : { group_id: await this.group(group) };
    return this.must('POST', '/api/v1/authorizations', { allow_token: true, ...members, ...request });
  }

  /** Waits until an authorization is no longer pending. */
  async outcome(id, timeout = 15_000) {
    return until('the authorization to end', async () => {
      const attempt = await this.must('GET', `/api/v1/authorizations/${id}`);
      return attempt.state === 'pending' ? undefined : attempt;
    }, { timeout });
  }

  /**
   * The whole dialog: start, consent (`visit` presses the provider's buttons), outcome. The flow runs in this session's
   * browser, so nothing has to be confirmed.
   */
  async authorize({ visit, ...request }) {
    const started = await this.startAuthorization(request);
    const walk = await this.browser.open(started.start_url, { visit });
    return { started, walk, ...(await this.outcome(started.id)) };
  }

  /** Like authorize, but must complete: gives { user_id, grant_id, account, ... }. */
  async addOAuthUser(request) {
    const attempt = await this.authorize(request);
    if (attempt.state !== 'completed') {
      throw new Error(`authorization ended ${attempt.state}: ${JSON.stringify(attempt.problem)} after ${attempt.walk.trail.join(' -> ')}: ${attempt.walk.body.slice(0, 500)}`);
    }
    return attempt.result;
  }

  /** Answers what an authorization asks now, as somebody who has just read it; gives the answer, refused or not. */
  async answer(id, accept) {
    const { confirmation } = await this.must('GET', `/api/v1/authorizations/${id}`);
    return this.call('POST', `/api/v1/authorizations/${id}/confirm`, { accept, question: confirmation?.question ?? 'nothing' });
  }

  /** The same, which must go through; gives what it became. */
  async mustAnswer(id, accept) {
    const { status, body, text } = await this.answer(id, accept);
    if (status !== 200) throw new Error(`the answer to ${id}: ${status} ${text}`);
    return body;
  }

  grant(id) {
    return this.must('GET', `/api/v1/grants/${id}`);
  }

  set(key, value) {
    return this.must('PUT', `/api/v1/registry/${key}`, { value: String(value) });
  }
}

export class Latchkey {
  /**
   * options: config (keys of latchkey.toml), args (further arguments of serve), env, data (a folder to keep between
   * starts), port, tls ({certFile, keyFile}), providerFiles (name → content, for DATA/providers),
   * runAs (a user id), through (a command that ends by running the one after it), expectReady (false: do not wait for it).
   * Ends with the test `t`.
   */
  static async start(t, options = {}) {
    const server = new Latchkey();
    server.folder = options.data ? path.dirname(options.data) : await temporaryFolder(t, 'server');
    server.data = options.data ?? path.join(server.folder, 'data');
    server.port = options.port ?? await freePort();
    server.options = options;
    t?.after(() => server.stop());
    await server.launch({ expectReady: options.expectReady ?? true });
    return server;
  }

  /** A started server whose first administrator is signed in as `server.admin`. */
  static async ready(t, options = {}) {
    const server = await Latchkey.start(t, options);
    server.admin = new Session(server.url);
    await server.admin.setUp(await server.setupCode());
    return server;
  }

  stdout = '';
  stderr = '';

  get url() {
    return this.options.publicUrl ?? `${this.options.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get logs() {
    return this.stdout + this.stderr;
  }

  get pid() {
    return this.child.pid;
  }

  get running() {
    return this.child && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Starts the process (again, over the same data folder) and waits until it is ready. */
  async launch({ expectReady = true } = {}) {
    const { config = {}, args = [], env = {}, tls, providerFiles } = this.options;
    const configFile = path.join(this.folder, 'latchkey.toml');
    await mkdir(this.folder, { recursive: true });
    if (providerFiles) {
      await mkdir(path.join(this.data, 'providers'), { recursive: true, mode: 0o700 });
      for (const [name, content] of Object.entries(providerFiles)) await writeFile(path.join(this.data, 'providers', name), JSON.stringify(content));
    }
    await writeFile(configFile, toml({
      listen: `127.0.0.1:${this.port}`, public_url: this.url,
      ...(tls ? { 'tls.certificate': tls.certFile, 'tls.key': tls.keyFile } : {}), ...config,
    }));
    this.startedAt = performance.now();
    let program = binary;
    let identity = {};
    if (this.options.runAs && this.options.runAs !== process.getuid()) {
      // Somebody else may not be able to read where the build stands: they get a copy and own the folder.
      program = path.join(this.folder, 'latchkey');
      await copyFile(binary, program);
      await chmod(this.folder, 0o755);
      for (const each of [this.folder, configFile]) await chown(each, this.options.runAs, this.options.runAs);
      identity = { uid: this.options.runAs, gid: this.options.runAs };
    }
    const [command, ...words] = [...(this.options.through ?? []), program, 'serve', '--config', configFile, '--data', this.data, ...args];
    this.child = spawn(command, words, { env: { ...bareEnvironment, ...env }, stdio: ['ignore', 'pipe', 'pipe'], ...identity });
    this.ended = new Promise((resolve) => this.child.on('close', (status, signal) => resolve({ status, signal })));
    this.child.on('error', (error) => { this.stderr += `${error.message}\n`; });
    this.child.stdout.setEncoding('utf8').on('data', (chunk) => { this.stdout += chunk; });
    this.child.stderr.setEncoding('utf8').on('data', (chunk) => { this.stderr += chunk; });
    if (!expectReady) return;
    await untilReady(this, 'the server to be ready', async () => {
      const response = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2000) });
      await response.arrayBuffer();
      return response.status === 200;
    }, { timeout: 20_000 * slowness });
    this.readyAfterMs = performance.now() - this.startedAt;
  }

  /** SIGTERM, then SIGKILL when it has not ended by the deadline. Resolves with { status, signal }. */
  async stop({ deadline = 60_000 } = {}) {
    if (!this.running) return this.ended;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), deadline);
    const ended = await this.ended;
    clearTimeout(timer);
    return ended;
  }

  /** kill -9. */
  async kill() {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  async restart() {
    await this.stop();
    await this.launch();
  }

  /** The one-time code of the set-up address that the first start prints. */
  setupCode() {
    return until('the set-up address', () => /\/setup#code=([A-Za-z0-9_-]+)/.exec(this.logs)?.[1]);
  }

  /** `latchkey ARGS... --data DIR`. */
  cli(args, options = {}) {
    return run(binary, [...args, '--data', this.data], options);
  }

  /** A client verb (`token`, `send`) that goes over the network instead of the control socket. */
  client(args, options = {}) {
    return run(binary, [...args, '--server', this.url], options);
  }

  /** A file in the test's folder (a PIN or a secret for the command line). */
  async file(name, content) {
    const where = path.join(this.folder, name);
    await writeFile(where, content, { mode: 0o600 });
    return where;
  }

  /** POST /v1/token with username and PIN; `body` is sent as form fields, or as it is when it is text. */
  async token(username, pin, body, { headers = {}, signal } = {}) {
    const started = performance.now();
    const response = await fetch(`${this.url}/v1/token`, {
      method: 'POST', redirect: 'manual', signal: signal ?? AbortSignal.timeout(60_000),
      headers: { authorization: `Basic ${Buffer.from(`${username}:${pin}`).toString('base64')}`, ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : new URLSearchParams(body),
    });
    return answerOf(response, started);
  }

  /** How many descriptors it holds. */
  async descriptors() {
    return (await readdir(`/proc/${this.pid}/fd`)).length;
  }

  /** Its memory that is no file's (Pss_Anon), in kB; undefined where the system does not say. */
  async anonymousKb() {
    const kb = /^Pss_Anon: +(\d+) kB$/m.exec(await readFile(`/proc/${this.pid}/smaps_rollup`, 'utf8').catch(() => ''))?.[1];
    return kb && Number(kb);
  }

  async metrics() {
    return (await fetch(`${this.url}/metrics`)).text();
  }

  async remove() {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Any request to any address, answered as the other calls are. */
export async function fetchAnswer(url, options = {}) {
  const started = performance.now();
  return answerOf(await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(30_000), ...options }), started);
}
