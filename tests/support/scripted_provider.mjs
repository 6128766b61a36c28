// An OAuth provider on bare sockets that does, request by request, what the test tells it: any byte, any delay, the line
// cut after N bytes. Left alone it is an honest authorization server: code + PKCE, rotation, revocation, userinfo.
//
// A plan says how one request is answered. Every member is optional:
//   delay        milliseconds before the first byte of the answer
//   gate         a promise to wait for before answering (after `commit` has happened)
//   commit       false: the provider forgets the request (nothing issued, nothing spent); default true
//   status, headers, body   instead of the honest answer; body may be text, bytes, or a value to send as JSON
//   change       function over the honest JSON answer's members
//   raw          bytes sent as they are, instead of an HTTP answer
//   cutAfter     the line is cut after this many bytes of the answer; 'headers' cuts after the empty line
//   reset        true: cut with RST instead of FIN
//   hold         true: no answer at all until the provider closes
//   stallAfter   only this many bytes of the answer are sent, then `stalled` (a function) is told, and `resume` (a promise) lets
//                the rest go
//
// `watch`, if given, hears of every request: 'received' (before anything is decided), 'committed' (the provider has done its
// part: a spent token is spent), 'sent' (the system has taken the last byte of the answer).

import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code';

function base64url(bytes) {
  return Buffer.from(bytes).toString('base64url');
}

function signedJwt(claims) {
  const head = base64url(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: 'scripted' }));
  const body = base64url(JSON.stringify(claims));
  const signature = createSign('RSA-SHA256').update(`${head}.${body}`).sign(keys.privateKey);
  return `${head}.${body}.${base64url(signature)}`;
}

export class ScriptedProvider {
  /**
   * rotation: 'none' (the refresh token lives on and is not sent again), 'single-use' (a new one each time).
   * graceSeconds: how long a spent single-use token is still honoured. revokesFamily: a spent one used again ends the grant.
   * consent: 'auto' redirects back at once, 'page' shows buttons, 'refuse' answers `refusal`.
   * accountFor: gives the account that consents to an authorization request, by its parameters; else it is `account`.
   * issuer: defaults to the provider's own origin. deviceInterval, deviceCodeLifetime: seconds, of device codes.
   */
  static async start(t, options = {}) {
    const provider = new ScriptedProvider(options);
    await provider.#listen(options.port ?? 0);
    t?.after(() => provider.close());
    return provider;
  }

  requests = [];
  connections = 0;
  postsPerRefreshToken = new Map();
  /** Refresh requests that carried a token already spent (and out of grace). */
  spentUses = [];

  #plans = new Map();
  #standing = new Map();
  #codes = new Map();
  #deviceCodes = new Map();
  #refresh = new Map();
  #access = new Map();
  #families = new Map();
  #sockets = new Set();
  #browsers = new WeakSet();
  #server;
  #serial = 0;

  constructor({
    rotation = 'none', graceSeconds = 0, revokesFamily = false, accessLifetime = 3600, clientId = 'scripted-client',
    clientSecret = 'scripted-secret', account = { id: 'acc-1', name: 'anna@example.com' }, consent = 'auto', refusal = 'access_denied', certificate,
    accountFor = () => undefined, consentHeaders = {}, issuer, deviceInterval = 1, deviceCodeLifetime = 600, now = () => Date.now(), watch = () => {},
  } = {}) {
    Object.assign(this, { watch, accountFor, deviceInterval, deviceCodeLifetime, rotation, graceSeconds, revokesFamily, accessLifetime, clientId, clientSecret, account, consent, refusal, certificate, consentHeaders, now });
    this.issuer = issuer;
  }

  get origin() {
    return `${this.certificate ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** Plans for the next requests to an endpoint ('token', 'refresh', 'code', 'poll', 'device', 'authorize', 'userinfo', 'revoke', 'discovery'), in order. */
  next(endpoint, ...plans) {
    this.#plans.set(endpoint, [...(this.#plans.get(endpoint) ?? []), ...plans]);
    return this;
  }

  /** A plan (or function of the request giving one) for every request without a plan of its own; undefined lifts it. */
  always(endpoint, plan) {
    this.#standing.set(endpoint, plan);
    return this;
  }

  /** Requests seen at an endpoint, oldest first. */
  seen(endpoint) {
    return this.requests.filter((each) => each.endpoint === endpoint || each.leg === endpoint);
  }

  /** A refresh token as if consent had been given elsewhere (for imports). */
  issueRefreshToken(account = this.account, scope = 'openid offline_access') {
    const family = this.#newFamily(account, scope);
    return this.#newRefreshToken(family);
  }

  /** Lines that stand at this moment, but for those of browsers, which keep them in hope of more to ask. */
  get lines() {
    return [...this.#sockets].filter((socket) => !this.#browsers.has(socket)).length;
  }

  /** Every grant ends, as when the owner withdraws consent on the provider's pages. */
  revokeEverything() {
    for (const family of this.#families.values()) family.revoked = true;
  }

  /** True when the access token was issued, has not expired (more than `lateMs` ago) and its grant lives. */
  honours(accessToken, { lateMs = 0 } = {}) {
    const entry = this.#access.get(accessToken);
    return Boolean(entry && !this.#families.get(entry.family).revoked && entry.expires + lateMs > this.now());
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Stops listening (connections are refused) until `comeBack`. */
  async goAway() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async comeBack() {
    await this.#listen(this.port);
  }

  #listen(port) {
    const serve = (socket) => this.#serve(socket);
    this.#server = this.certificate
      ? tls.createServer({ key: this.certificate.key, cert: this.certificate.cert }, serve)
      : net.createServer({ allowHalfOpen: true }, serve);
    return new Promise((resolve, reject) => {
      this.#server.on('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.port = this.#server.address().port;
        this.issuer ??= this.origin;
        resolve();
      });
    });
  }

  #serve(socket) {
    const connection = ++this.connections;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let buffer = Buffer.alloc(0);
    let queue = Promise.resolve();
    socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      for (;;) {
        const end = buffer.indexOf('\r\n\r\n');
        if (end < 0) return;
        const [requestLine, ...lines] = buffer.subarray(0, end).toString('latin1').split('\r\n');
        const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
        const length = Number(headers['content-length'] ?? 0);
        if (buffer.length < end + 4 + length) return;
        const body = buffer.subarray(end + 4, end + 4 + length).toString('utf8');
        buffer = buffer.subarray(end + 4 + length);
        const [method, target, version] = requestLine.split(' ');
        const url = new URL(target, this.origin);
        const request = {
          at: this.now(), connection, method, target, version, path: url.pathname, query: Object.fromEntries(url.searchParams), headers, body,
          form: headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? Object.fromEntries(new URLSearchParams(body)) : {},
        };
        queue = queue.then(() => this.#answer(socket, request)).catch((error) => {
          this.fault = error;
          socket.destroy();
        });
      }
    });
    socket.on('end', () => queue.finally(() => socket.end()));
  }

  #route(request) {
    switch (request.path) {
      case '/.well-known/openid-configuration':
      case '/.well-known/oauth-authorization-server': return 'discovery';
      case '/authorize': return 'authorize';
      case '/consent': return 'consent';
      case '/token': return 'token';
      case '/userinfo': return 'userinfo';
      case '/revoke': return 'revoke';
      case '/device_authorization': return 'device';
      case '/jwks': return 'jwks';
      default: return 'unknown';
    }
  }

  #planFor(request) {
    for (const name of [request.leg, request.endpoint].filter(Boolean)) {
      const queued = this.#plans.get(name);
      if (queued?.length) return queued.shift();
    }
    for (const name of [request.leg, request.endpoint].filter(Boolean)) {
      const standing = this.#standing.get(name);
      if (standing !== undefined) return standing;
    }
    return {};
  }

  async #answer(socket, request) {
    request.endpoint = this.#route(request);
    if (request.endpoint === 'token') request.leg = { refresh_token: 'refresh', [deviceCodeGrant]: 'poll' }[request.form.grant_type] ?? 'code';
    if (['authorize', 'consent'].includes(request.endpoint)) this.#browsers.add(socket);
    this.requests.push(request);
    if (request.leg === 'refresh') {
      const token = request.form.refresh_token;
      this.postsPerRefreshToken.set(token, (this.postsPerRefreshToken.get(token) ?? 0) + 1);
    }
    this.watch('received', request);
    let plan = this.#planFor(request);
    if (typeof plan === 'function') plan = (await plan(request)) ?? {};
    request.plan = plan;
    const honest = plan.commit === false ? this.#json(200, {}) : this.#honest(request);
    request.honest = honest;
    if (plan.commit !== false) this.watch('committed', request);
    if (plan.hold) return;
    if (plan.delay) await new Promise((resolve) => setTimeout(resolve, plan.delay));
    if (plan.gate) await plan.gate;
    if (socket.destroyed) return;

    const bytes = plan.raw ? Buffer.from(plan.raw) : this.#bytes(plan, honest);
    request.answeredAt = this.now();
    if (plan.cutAfter === undefined) {
      const begun = Math.min(plan.stallAfter ?? 0, bytes.length);
      if (begun > 0) socket.write(bytes.subarray(0, begun), () => plan.stalled?.());
      if (plan.resume) await plan.resume;
      if (socket.destroyed) return;
      socket.write(bytes.subarray(begun), () => this.watch('sent', request));
      if (plan.raw || /^connection: *close/im.test(bytes.toString('latin1'))) socket.end();
      return;
    }
    const limit = plan.cutAfter === 'headers' ? bytes.indexOf('\r\n\r\n') + 4 : plan.cutAfter;
    const cut = () => (plan.reset && socket.resetAndDestroy ? socket.resetAndDestroy() : socket.destroySoon());
    if (limit === 0) cut();
    else socket.write(bytes.subarray(0, limit), cut);
  }

  #bytes(plan, honest) {
    let { status, headers, body } = honest;
    if (plan.change) body = JSON.stringify(plan.change(JSON.parse(body)) ?? {});
    if (plan.status !== undefined) {
      status = plan.status;
      if (plan.body === undefined && !plan.change) body = '';
    }
    if (plan.body !== undefined) {
      const isText = typeof plan.body === 'string' || Buffer.isBuffer(plan.body);
      body = isText ? plan.body : JSON.stringify(plan.body);
      headers = isText ? { 'Content-Type': 'text/plain' } : { 'Content-Type': 'application/json' };
    }
    const payload = Buffer.from(body);
    const all = { 'Content-Length': payload.length, 'Cache-Control': 'no-store', ...headers, ...plan.headers };
    const head = [`HTTP/1.1 ${status} Scripted`, ...Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`), '', ''];
    return Buffer.concat([Buffer.from(head.join('\r\n')), payload]);
  }

  #json(status, value, headers = {}) {
    return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
  }

  #redirect(location) {
    return { status: 302, headers: { Location: location }, body: '' };
  }

  #honest(request) {
    switch (request.endpoint) {
      case 'discovery': return this.#json(200, this.metadata());
      case 'authorize': return this.#authorize(request);
      case 'consent': return this.#consented(request.form, request.form.answer);
      case 'token': return this.#token(request);
      case 'device': return this.#device(request);
      case 'userinfo': return this.#userinfo(request);
      case 'revoke': return this.#revoke(request);
      case 'jwks': return this.#json(200, { keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'scripted', alg: 'RS256', use: 'sig' }] });
      default: return this.#json(404, { error: 'not_found' });
    }
  }

  metadata() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.origin}/authorize`,
      token_endpoint: `${this.origin}/token`,
      userinfo_endpoint: `${this.origin}/userinfo`,
      revocation_endpoint: `${this.origin}/revoke`,
      device_authorization_endpoint: `${this.origin}/device_authorization`,
      jwks_uri: `${this.origin}/jwks`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', deviceCodeGrant],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', ...(this.clientSecret === null ? ['none'] : [])],
      code_challenge_methods_supported: ['S256'],
      scopes_supported: ['openid', 'offline_access', 'email', 'profile'],
      authorization_response_iss_parameter_supported: true,
    };
  }

  #authorize({ query }) {
    if (query.client_id !== this.clientId) return this.#json(400, { error: 'invalid_client' });
    if (this.consent === 'auto') return this.#consented(query, 'allow');
    if (this.consent === 'refuse') return this.#consented(query, 'refuse');
    const fields = Object.entries(query).map(([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}">`);
    return {
      status: 200,
      headers: { 'Content-Type': 'text/html; charset=utf-8', ...this.consentHeaders },
      body: `<!doctype html><html lang="en"><title>Scripted provider</title><h1>Scripted provider</h1><form method="post" action="/consent">${fields.join('')}<button name="answer" value="allow">Allow</button> <button name="answer" value="refuse">Refuse</button></form></html>`,
    };
  }

  #consented(parameters, answer) {
    const back = new URL(parameters.redirect_uri);
    back.searchParams.set('state', parameters.state);
    back.searchParams.set('iss', this.issuer);
    if (answer !== 'allow') {
      back.searchParams.set('error', this.refusal);
      return this.#redirect(back.href);
    }
    const code = `code-${randomBytes(12).toString('hex')}`;
    this.#codes.set(code, { parameters, account: this.accountFor(parameters) ?? this.account, used: false });
    back.searchParams.set('code', code);
    return this.#redirect(back.href);
  }

  #clientIsRight(request) {
    const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [request.form.client_id, request.form.client_secret];
    return id === this.clientId && (this.clientSecret === null || secret === this.clientSecret);
  }

  /** RFC 8628: a device code, pending until enterCode() is called with its user code. */
  #device(request) {
    if (!this.#clientIsRight(request)) return this.#json(401, { error: 'invalid_client' });
    const code = `device-${randomBytes(16).toString('hex')}`;
    const userCode = `WDJB-${String(++this.#serial).padStart(4, '0')}`;
    this.#deviceCodes.set(code, { userCode, scope: request.form.scope ?? '', answer: null, endsAt: this.now() + this.deviceCodeLifetime * 1000 });
    return this.#json(200, {
      device_code: code, user_code: userCode, verification_uri: `${this.origin}/device`,
      verification_uri_complete: `${this.origin}/device?user_code=${userCode}`, expires_in: this.deviceCodeLifetime, interval: this.deviceInterval,
    });
  }

  /** What a person does at the verification address: 'allow' or 'refuse', as `account`. */
  enterCode(userCode, answer = 'allow', account = this.account) {
    const entry = [...this.#deviceCodes.values()].find((each) => each.userCode === userCode);
    Object.assign(entry, { answer, account });
  }

  #poll(request) {
    const entry = this.#deviceCodes.get(request.form.device_code);
    if (!entry || entry.used) return this.#json(400, { error: 'invalid_grant' });
    if (this.now() > entry.endsAt) return this.#json(400, { error: 'expired_token' });
    if (entry.answer === null) return this.#json(400, { error: 'authorization_pending' });
    if (entry.answer !== 'allow') return this.#json(400, { error: 'access_denied' });
    entry.used = true;
    const family = this.#newFamily(entry.account, entry.scope);
    return this.#json(200, this.#tokenSet(family, this.#newRefreshToken(family)));
  }

  #token(request) {
    if (!this.#clientIsRight(request)) return this.#json(401, { error: 'invalid_client' });
    if (request.leg === 'poll') return this.#poll(request);
    if (request.leg === 'refresh') return this.#refreshGrant(request.form.refresh_token);
    const entry = this.#codes.get(request.form.code);
    const challenge = createHash('sha256').update(request.form.code_verifier ?? '').digest('base64url');
    if (!entry || entry.used || entry.parameters.redirect_uri !== request.form.redirect_uri || challenge !== entry.parameters.code_challenge) {
      return this.#json(400, { error: 'invalid_grant' });
    }
    entry.used = true;
    const family = this.#newFamily(entry.account, entry.parameters.scope ?? '', entry.parameters.nonce);
    return this.#json(200, this.#tokenSet(family, this.#newRefreshToken(family)));
  }

  #newFamily(account, scope, nonce) {
    const family = `family-${++this.#serial}`;
    this.#families.set(family, { account, scope, nonce, revoked: false });
    return family;
  }

  #newRefreshToken(family) {
    const token = `rt-${++this.#serial}-${randomBytes(16).toString('hex')}`;
    this.#refresh.set(token, { family, spentAt: null });
    return token;
  }

  #tokenSet(family, refreshToken) {
    const { account, scope, nonce } = this.#families.get(family);
    const accessToken = `at-${++this.#serial}-${randomBytes(16).toString('hex')}`;
    const issued = Math.floor(this.now() / 1000);
    this.#access.set(accessToken, { family, expires: this.now() + this.accessLifetime * 1000 });
    return {
      access_token: accessToken, token_type: 'Bearer', expires_in: this.accessLifetime, scope,
      ...(refreshToken ? { refresh_token: refreshToken } : {}),
      ...(scope.split(' ').includes('openid')
        ? { id_token: signedJwt({ iss: this.issuer, aud: this.clientId, sub: account.id, email: account.name, name: account.name, iat: issued, exp: issued + 600, ...(nonce ? { nonce } : {}) }) }
        : {}),
    };
  }

  #refreshGrant(token) {
    const entry = this.#refresh.get(token);
    if (!entry || this.#families.get(entry.family).revoked) return this.#json(400, { error: 'invalid_grant' });
    if (this.rotation === 'none') return this.#json(200, this.#tokenSet(entry.family));
    if (entry.spentAt !== null && this.now() - entry.spentAt > this.graceSeconds * 1000) {
      this.spentUses.push({ at: this.now(), token });
      if (this.revokesFamily) this.#families.get(entry.family).revoked = true;
      return this.#json(400, { error: 'invalid_grant', error_description: 'refresh token already used' });
    }
    entry.spentAt ??= this.now();
    return this.#json(200, this.#tokenSet(entry.family, this.#newRefreshToken(entry.family)));
  }

  #userinfo(request) {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!this.honours(token)) return this.#json(401, { error: 'invalid_token' }, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
    const { account } = this.#families.get(this.#access.get(token).family);
    return this.#json(200, { sub: account.id, email: account.name, name: account.name });
  }

  #revoke(request) {
    const entry = this.#refresh.get(request.form.token) ?? this.#access.get(request.form.token);
    if (entry) this.#families.get(entry.family).revoked = true;
    return { status: 200, headers: {}, body: '' };
  }
}
