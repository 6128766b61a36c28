// The certified authorization server (npm oidc-provider) on loopback, with refresh-token rotation and reuse detection,
// PKCE, revocation and the device flow. Its own small interaction page works in a browser and with Browserless alike.

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { Provider } from 'oidc-provider';
import { freePort } from './ports.mjs';

const escape = (text) => String(text).replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]);

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><h1>${escape(title)}</h1>${body}</html>`;
}

function readForm(request) {
  return new Promise((resolve, reject) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => { body += chunk; }).on('error', reject)
      .on('end', () => resolve(Object.fromEntries(new URLSearchParams(body))));
  });
}

export class OidcServer {
  /**
   * redirectUris: what the client may return to. accessLifetime, refreshLifetime: seconds, may be changed while running.
   * accounts: sub → { email, name }. headers: extra response headers for the interaction page (COOP, say).
   */
  static async start(t, options) {
    const server = new OidcServer(options);
    await server.#listen(options.port ?? await freePort());
    t?.after(() => server.close());
    return server;
  }

  clientId = 'latchkey-test';
  clientSecret = randomBytes(24).toString('hex');
  events = [];

  #server;

  /** Awaited before a request for the token endpoint is looked at: what a test does in the middle of one. */
  beforeToken = async () => {};
  /** Requests for the token endpoint that have arrived. */
  tokenRequests = 0;

  /** publicClient: no secret, PKCE alone. assertionKey: the client's public key (JWK), for private_key_jwt. */
  constructor({ redirectUris, publicClient = false, assertionKey, accessLifetime = 3600, refreshLifetime = 14 * 86_400, codeLifetime = 60, headers = {}, accounts } = {}) {
    Object.assign(this, { redirectUris, publicClient, assertionKey, accessLifetime, refreshLifetime, codeLifetime, headers });
    this.accounts = accounts ?? {
      anna: { email: 'anna@example.com', name: 'Anna Example' },
      bert: { email: 'bert@example.com', name: 'Bert Example' },
    };
  }

  /** How often an event ('grant.success', 'grant.error', 'grant.revoked', 'refresh_token.consumed') was seen. */
  count(name) {
    return this.events.filter((each) => each.name === name).length;
  }

  async close() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Ends every grant of the account, as when the owner withdraws consent on the provider's pages. */
  async revokeGrantsOf(accountId) {
    for (const { grantId } of this.events.filter((each) => each.name === 'grant.success' && each.accountId === accountId)) {
      await this.provider.RefreshToken.revokeByGrantId(grantId);
      await this.provider.AccessToken.revokeByGrantId(grantId);
    }
  }

  get #credentials() {
    if (this.assertionKey) return { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: this.assertionKey.alg, jwks: { keys: [this.assertionKey] } };
    if (this.publicClient) return { token_endpoint_auth_method: 'none' };
    return { token_endpoint_auth_method: 'client_secret_basic', client_secret: this.clientSecret };
  }

  async #listen(port) {
    this.port = port;
    this.issuer = `http://127.0.0.1:${port}`;
    this.provider = new Provider(this.issuer, {
      clients: [{
        client_id: this.clientId, ...this.#credentials, redirect_uris: this.redirectUris,
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], response_types: ['code'],
      }],
      cookies: { keys: [randomBytes(16).toString('hex')] },
      claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
      conformIdTokenClaims: false,
      features: {
        devInteractions: { enabled: false }, revocation: { enabled: true }, introspection: { enabled: true }, deviceFlow: { enabled: true },
        userinfo: { enabled: true },
      },
      findAccount: (_context, id) => (this.accounts[id] ? { accountId: id, claims: () => ({ sub: id, ...this.accounts[id] }) } : undefined),
      interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
      pkce: { required: () => true },
      rotateRefreshToken: true,
      ttl: {
        AccessToken: () => this.accessLifetime, AuthorizationCode: () => this.codeLifetime, RefreshToken: () => this.refreshLifetime,
        DeviceCode: 600, Grant: 14 * 86_400, IdToken: 3600, Interaction: 600, Session: 3600,
      },
      renderError: (context, out) => {
        context.type = 'html';
        context.body = page('Provider error', `<p id="error">${escape(out.error)}: ${escape(out.error_description ?? '')}</p>`);
      },
    });
    for (const name of ['grant.success', 'grant.error', 'grant.revoked', 'refresh_token.consumed', 'refresh_token.destroyed', 'authorization.error', 'server_error']) {
      this.provider.on(name, (...details) => {
        const context = details.find((each) => each?.oidc);
        const error = details.find((each) => each instanceof Error);
        this.events.push({
          name, at: Date.now(), error: error?.error ?? error?.message,
          grantType: context?.oidc?.params?.grant_type, grantId: context?.oidc?.entities?.Grant?.jti, accountId: context?.oidc?.entities?.Account?.accountId,
        });
      });
    }
    const rest = this.provider.callback();
    this.#server = http.createServer((request, response) => {
      if (request.url.startsWith('/interaction/')) {
        this.#interact(request, response).catch((error) => {
          response.statusCode = 500;
          response.end(page('Interaction failed', `<p id="error">${escape(error.message)}</p>`));
        });
      } else if (request.method === 'POST' && request.url === '/token') {
        this.tokenRequests += 1;
        this.beforeToken(request).then(() => rest(request, response));
      } else {
        rest(request, response);
      }
    });
    await new Promise((resolve, reject) => this.#server.on('error', reject).listen(port, '127.0.0.1', resolve));
  }

  async #interact(request, response) {
    const { uid, params, prompt, session } = await this.provider.interactionDetails(request, response);
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    response.setHeader('Cache-Control', 'no-store');
    if (request.method === 'GET') {
      const accounts = Object.keys(this.accounts).map((id) => `<option value="${escape(id)}">${escape(this.accounts[id].email)}</option>`).join('');
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(page('Sign in and allow', `
        <p>${escape(params.client_id)} asks for: <span id="scope">${escape(params.scope)}</span></p>
        <form method="post" action="/interaction/${uid}">
          <label>Account <select name="account">${accounts}</select></label>
          <button name="answer" value="allow">Allow</button> <button name="answer" value="refuse">Refuse</button>
        </form>`));
      return;
    }
    const form = await readForm(request);
    if (form.answer !== 'allow') {
      await this.provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'The owner refused.' }, { mergeWithLastSubmission: false });
      return;
    }
    const accountId = prompt.name === 'login' ? form.account : session.accountId;
    const grant = new this.provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope(this.reducedScope ?? params.scope);
    const grantId = await grant.save();
    await this.provider.interactionFinished(request, response, { login: { accountId }, consent: { grantId } }, { mergeWithLastSubmission: true });
  }

  /** A `visit` for Browserless.open that presses Allow (or Refuse) on the provider's pages. */
  answering(answer = 'allow', account = 'anna') {
    return (url, _response, body) => {
      if (new URL(url).origin !== this.issuer || !body.includes('name="answer"')) return undefined;
      return { url, form: { account, answer } };
    };
  }

  /** A `visit` for Browserless.open that enters a user code at the verification address, confirms it, and answers as `answering`. */
  entering(userCode, answer = 'allow', account = 'anna') {
    const answering = this.answering(answer, account);
    const seen = new Set();
    return (url, response, body) => {
      const [form, page] = /<form id="op\.device(Input|Confirm)Form"[\s\S]*?<\/form>/.exec(body) ?? [];
      if (!form) return answering(url, response, body);
      if (seen.has(page)) return undefined;  // asked for a code once more: that one is over
      seen.add(page);
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(form)[1];
      return { url: /action="([^"]+)"/.exec(form)[1], form: { xsrf, user_code: userCode, ...(page === 'Confirm' ? { confirm: 'yes' } : {}) } };
    };
  }
}
