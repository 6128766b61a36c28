// What a provider that allows every refresh token once has seen: which generation each token belongs to, how often it was sent,
// and when it was spent. The provider and whoever asks run in one process, so their moments are on one clock.

const kept = 64; // generations of a grant that are remembered; a long run would hold every token of its past

export class Witness {
  /** fault: called with every violation in words. */
  constructor(provider, fault) {
    Object.assign(this, { provider, fault });
    provider.watch = (event, request) => this.#hear(event, request);
  }

  posts = 0;
  grants = new Map(); // account id → { grant, number (the newest generation), born: number → moment, access, sent: the tokens, oldest first }
  #tokens = new Map(); // refresh token → { account, number, posts }
  #access = new Map(); // access token → { account, number }

  #hear(event, request) {
    if (event === 'received') this.provider.requests.length = 0; // nobody reads them here
    if (request.leg === 'code' && event === 'committed' && request.honest.status === 200) this.#issue(this.provider.account.id, 1, request);
    if (request.leg !== 'refresh') return;
    const token = request.form.refresh_token;
    if (event === 'received') this.#received(token);
    if (event === 'committed') this.#committed(token, request);
  }

  #received(token) {
    this.posts++;
    const known = this.#tokens.get(token);
    if (!known) return this.fault('a refresh token was sent that was never issued, or was spent long ago');
    if (++known.posts > 1) this.fault(`${known.account}: generation ${known.number} was sent ${known.posts} times`);
    const { number } = this.grants.get(known.account);
    if (known.number !== number) this.fault(`${known.account}: generation ${known.number} was sent when ${number} was the newest`);
    return undefined;
  }

  #committed(token, request) {
    const known = this.#tokens.get(token);
    if (!known) return;
    if (request.honest.status !== 200) return this.fault(`${known.account}: generation ${known.number} was refused: ${request.honest.body}`);
    this.#issue(known.account, known.number + 1, request);
    return undefined;
  }

  #issue(account, number, request) {
    const body = JSON.parse(request.honest.body);
    if (!this.grants.has(account)) this.grants.set(account, { born: new Map(), sent: [] });
    const grant = this.grants.get(account);
    grant.number = number;
    grant.born.set(number, performance.now());
    grant.access = body.access_token;
    grant.sent.push([body.refresh_token, body.access_token]);
    this.#tokens.set(body.refresh_token, { account, number, posts: 0 });
    this.#access.set(body.access_token, { account, number });
    while (grant.sent.length > kept) {
      const [refresh, access] = grant.sent.shift();
      this.#tokens.delete(refresh);
      this.#access.delete(access);
      this.provider.postsPerRefreshToken.delete(refresh);
      grant.born.delete(number - kept);
    }
  }

  /** The generation an access token came with; undefined when this account was never given it. */
  generationOf(account, accessToken) {
    const known = this.#access.get(accessToken);
    return known?.account === account ? known.number : undefined;
  }
}
