// An office that is enrolled like any other and then does what it likes: what the relay must withstand from one.

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { fetchAnswer } from './latchkey.mjs';
import { makeParty, openEnvelope, sealTo, signWith, textOf } from './cloud_crypto.mjs';

const field = (octets) => {
  const bytes = Buffer.from(octets);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
};

export class ScriptedOffice {
  /** Redeems a code of the relay's operator. */
  static async enrol(relay, label = 'Mallory Ltd', { origins = ['https://mallory.example'], args = [] } = {}) {
    const office = new ScriptedOffice();
    const { code, office: id } = await relay.issue(label, args);
    const octets = Buffer.from(code.slice('LK1-'.length), 'base64url');
    const secret = octets.subarray(16, 32);
    Object.assign(office, { relay, id, keys: makeParty() });
    const proven = Buffer.concat([Buffer.from('latchkey cloud enrolment 1\n'), octets, office.keys.octets]);
    const answer = await fetchAnswer(`${relay.url}/relay/v1/enrol`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ office: id, secret: textOf(secret), keys: textOf(office.keys.octets), proof: textOf(signWith(office.keys, proven)), return_origins: origins }),
    });
    if (answer.status !== 200) throw new Error(answer.text);
    office.view = answer.body;
    office.relayKeys = Buffer.from(answer.body.keys, 'base64url');
    return office;
  }

  get keyId() {
    return createHash('sha256').update(this.keys.octets).digest('hex').slice(0, 16);
  }

  /** A signed request; `time` (seconds), `as` (another office's id) and `nonce` as the test likes. */
  async ask(method, target, { body = '', time = Math.floor(Date.now() / 1000), as = this.id, sent = body, nonce = randomBytes(16) } = {}) {
    const { keyId } = this;
    const octets = Buffer.concat([
      'latchkey cloud request 1', as, keyId, method, target, createHash('sha256').update(body).digest(), String(time), nonce,
    ].map(field));
    return fetchAnswer(`${this.relay.url}${target}`, {
      method, body: method === 'GET' ? undefined : sent,
      headers: { authorization: `Latchkey office=${as}, key=${keyId}, time=${time}, nonce=${textOf(nonce)}, signature=${textOf(signWith(this.keys, octets))}` },
    });
  }

  /**
   * Exchange mode: a form for the provider's token endpoint, in `turn` of `intent`, for `grant`. The answer, with `reply` opened:
   * { status, body }; null: the relay does not know.
   */
  async exchange(form, { intent = randomUUID(), turn = 1, grant = this.grant, target = {}, ...signing } = {}) {
    const [app] = this.view.apps;
    const body = JSON.stringify({ intent, turn, grant, app: app.id, type: app.types[0], params: {}, learned: {}, form: new URLSearchParams(form).toString(), ...target });
    const answer = await this.ask('POST', '/relay/v1/token', { body, ...signing });
    if (answer.status === 200) answer.reply = answer.body.reply === null ? null : this.#open(intent, answer.body);
    return answer;
  }

  #open(intent, { turn, reply }) {
    const bound = `${this.id.length}:${this.id}${intent.length}:${intent}${turn}`;
    const plain = openEnvelope(this.keys, 'reply', bound, Buffer.from(reply, 'base64url')).toString();
    const [status, , , , ...rest] = plain.split('\n');
    return { status: Number(status), body: JSON.parse(rest.join('\n')) };
  }

  /** Assertion mode: what the relay has sealed to this office. */
  openAssertion(sealed) {
    return openEnvelope(this.keys, 'assertion', this.id, Buffer.from(sealed, 'base64url')).toString();
  }

  /** `hadReply`: whether it was told a reply; else that nobody knows. */
  acknowledge(intent, turn = 1, { hadReply = true } = {}) {
    return this.ask('POST', '/relay/v1/token/acknowledge', { body: JSON.stringify({ intent, turn, had_reply: hadReply }) });
  }

  /** Exchange mode: a form for the provider's revocation endpoint. */
  revoke(form, { grant = this.grant, target = {}, ...signing } = {}) {
    const [app] = this.view.apps;
    const body = JSON.stringify({ grant, app: app.id, type: app.types[0], params: {}, learned: {}, form: new URLSearchParams(form).toString(), ...target });
    return this.ask('POST', '/relay/v1/revocation', { body, ...signing });
  }

  grant = randomUUID();

  /** A flow as an honest office would make it, with `changes`; `url` changes parameters of the authorization address. */
  flow({ url = {}, endpoint, ...changes } = {}) {
    const [app] = this.view.apps;
    const parameters = new URLSearchParams({
      response_type: 'code', client_id: app.client_id, redirect_uri: app.redirect_uri, scope: 'openid offline_access', prompt: 'consent',
      state: textOf(randomBytes(32)), code_challenge: textOf(createHash('sha256').update('verifier').digest()), code_challenge_method: 'S256',
    });
    for (const [name, value] of Object.entries(url)) {
      if (value === null) parameters.delete(name);
      else parameters.set(name, value);
    }
    const payload = JSON.stringify({
      office: this.id, attempt: 'attempt-1', type: app.types[0], app: app.id, username: 'scanner', params: {},
      url: `${endpoint ?? `${app.params.issuer}/auth`}?${parameters}`, return: this.view.return_origins[0],
      end: new Date(Date.now() + 300_000).toISOString(), ...changes,
    });
    const signature = signWith(this.keys, Buffer.concat([Buffer.from('latchkey cloud flow 1\n'), Buffer.from(payload)]));
    return textOf(sealTo(this.relayKeys.subarray(32), 'flow', Buffer.concat([signature, Buffer.from(payload)])));
  }

  beginUrl(changes) {
    return `${this.relay.url}/begin?flow=${this.flow(changes)}`;
  }
}
