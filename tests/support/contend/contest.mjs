// Two real nodes on one PostgreSQL that want to refresh the same grants at the same moment, against a provider that allows
// every refresh token once and ends the whole grant at its second use (R5).
//
// A generation counts as *contended* when callers at both nodes were answered with what its one POST brought, and both had
// asked before the provider spent it: each of the nodes had reason to POST, and one did.

import { at, sharedScene } from '../nodes.mjs';
import { Choices } from '../kill/random.mjs';
import { Latchkey, slowness } from '../latchkey.mjs';
import { pin } from '../scene.mjs';
import { until } from '../wait.mjs';
import { Witness } from './witness.mjs';

const lifetime = 3600;
const memoryMs = 1100; // what a node hands out from memory, it has read within the last second

/** As if an hour had passed: every access token has expired, every grant is due for the sweeps of both nodes. */
const anHourPasses = [
  'UPDATE grants SET issued_at = issued_at - 3600000, access_expires_at = access_expires_at - 3600000, last_refreshed_at = last_refreshed_at - 3600000, due_at = due_at - 3600000, version = version + 1',
  'UPDATE generations SET issued_at = issued_at - 3600000, access_expires_at = access_expires_at - 3600000',
].join('; ');

/** What happens in a round: who asks at both nodes, and whether the sweeps of both have reason to, too. */
const kinds = [
  { name: 'people in a hurry', asks: 'refresh' },
  { name: 'people in a hurry, and the sweeps', asks: 'refresh', expired: true },
  { name: 'programs whose token has expired, and the sweeps', asks: 'token', expired: true },
];
/** The last takes longest: what nodes have in memory must have grown old. */
const order = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 2];

export class Contest {
  /** apart: each node gets a database of its own, a copy, so that nothing stands between them: the alarm must sound. */
  static async start(t, { people = 24, seed = 1, apart = false } = {}) {
    const contest = new Contest();
    contest.choices = new Choices(seed);
    await contest.#build(t, people, apart);
    return contest;
  }

  faults = [];
  figures = { rounds: 0, contended: 0, refused: 0, kinds: new Map() };
  grants = []; // { id, account, username }
  #lastHandOut = -Infinity;

  get posts() {
    return this.witness.posts;
  }

  async #build(t, people, apart) {
    const scene = await sharedScene(t, { count: apart ? 1 : 2, provider: { revokesFamily: true, accessLifetime: lifetime }, config: { 'log.level': 'info' } });
    Object.assign(this, scene);
    this.witness = new Witness(this.provider, (words) => this.#fault(words));
    for (let number = 0; number < people; number++) {
      const account = `account-${number}`;
      this.provider.account = { id: account, name: `${account}@example.com` };
      const username = `person-${number}`;
      const { grant_id } = await this.admin.addOAuthUser({ username, pin, type: 'scripted-type' });
      this.grants.push({ id: grant_id, account, username });
    }
    if (apart) this.nodes.push(await this.#twin(t));
    this.sessions = this.nodes.map((node) => at(node, this.admin));
    // Argon2id is over before the contest begins; the Argon2 of all would take longer than a short one.
    if (!apart) for (const node of this.nodes) await Promise.all(this.grants.map(({ username }) => node.token(username, pin)));
    this.#lastHandOut = performance.now();
    this.provider.always('refresh', () => ({ delay: this.choices.of([0, 0, 0, 2, 20]) }));
    this.rolledBackBefore = await this.#rolledBack();
  }

  /** A second node on a copy of the first one's database. */
  async #twin(t) {
    const [first] = this.nodes;
    const { postgres } = this;
    await first.stop();
    const original = postgres.database;
    const copy = `${original}_copy`;
    await postgres.sql(`CREATE DATABASE ${copy} TEMPLATE ${original}`, 'postgres');
    await first.launch();
    const config = { ...first.options.config, store: `${postgres.address}/${copy}`, master_key_file: this.masterKey };
    return Latchkey.start(t, { ...first.options, config });
  }

  #fault(words) {
    if (this.faults.length < 100) this.faults.push(words);
  }

  /** Claims that lost at the store: nothing else rolls a transaction back in this run. */
  async #rolledBack() {
    return Number(await this.postgres.sql(`SELECT xact_rollback FROM pg_stat_database WHERE datname = '${this.postgres.database}'`));
  }

  /** Rounds until so many generations were contended, or something is wrong. */
  async run(generations, { told = () => {} } = {}) {
    while (this.figures.contended < generations && this.faults.length === 0) {
      await this.round(kinds[order[this.figures.rounds % order.length]]);
      told(this.figures);
    }
  }

  async round(kind) {
    if (kind.asks === 'token') {
      const rest = this.#lastHandOut + memoryMs - performance.now();
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    }
    if (kind.expired) await this.postgres.sql(anHourPasses);
    const contended = this.figures.contended;
    const answers = await Promise.all(this.choices.some(this.grants, this.grants.length).map((grant) => this.#askAtBoth(grant, kind)));
    for (const [grant, pair] of answers) {
      if (pair.every(Boolean) && pair[0].generation === pair[1].generation) this.#count(grant, pair);
    }
    if (kind.asks === 'token') this.#lastHandOut = performance.now();
    this.figures.rounds++;
    this.figures.kinds.set(kind.name, (this.figures.kinds.get(kind.name) ?? 0) + this.figures.contended - contended);
  }

  #count(grant, pair) {
    const spentAt = this.witness.grants.get(grant.account).born.get(pair[0].generation);
    if (pair[0].generation > 1 && pair.every((answer) => answer.askedAt < spentAt)) this.figures.contended++;
  }

  async #askAtBoth(grant, kind) {
    const nodes = this.choices.of([[0, 1], [1, 0]]);
    const pair = [];
    await Promise.all(nodes.map(async (node) => { pair[node] = await this.#ask(grant, node, kind); }));
    return [grant, pair];
  }

  /** { askedAt, generation } of an answer; undefined when there was none. */
  async #ask(grant, node, { asks }) {
    const askedAt = performance.now();
    const answer = asks === 'refresh'
      ? await this.sessions[node].call('POST', `/api/v1/grants/${grant.id}/refresh`)
      : await this.nodes[node].token(grant.username, pin);
    if (answer.status !== 200) {
      this.figures.refused++;
      return this.#fault(`${grant.account}: node ${node + 1} answered ${answer.status}: ${answer.text}`);
    }
    if (asks === 'refresh') return { askedAt, generation: answer.body.generation };
    const generation = this.witness.generationOf(grant.account, answer.body.access_token);
    if (generation === undefined) this.#fault(`${grant.account}: node ${node + 1} handed out an access token that is not this account's`);
    if (!this.provider.honours(answer.body.access_token)) this.#fault(`${grant.account}: node ${node + 1} handed out a token that the provider does not honour`);
    return { askedAt, generation };
  }

  /** The end: nothing is open, and what the store holds of every grant is the newest that the provider gave. */
  async finish() {
    const { postgres } = this;
    await until('the last replies to be kept', async () => await postgres.sql('SELECT count(*) FROM intents WHERE state = 0') === '0', { timeout: 20_000 * slowness });
    await new Promise((resolve) => setTimeout(resolve, memoryMs));
    for (const [number, grant] of this.grants.entries()) {
      const seen = this.witness.grants.get(grant.account);
      const held = await this.admin.grant(grant.id);
      if (held.state !== 'active') this.#fault(`${grant.account} is ${held.state}: ${held.why}`);
      if (held.generation !== seen.number) this.#fault(`${grant.account}: the store holds generation ${held.generation}, the provider has given ${seen.number}`);
      for (const node of this.nodes) {
        const answer = await node.token(grant.username, pin);
        if (answer.body.access_token !== seen.access) this.#fault(`${grant.account}: a node hands out another token than the newest: ${answer.status}`);
      }
      // The refresh token is the newest, too: the provider would end the grant at the sight of another.
      const answer = await this.sessions[number % 2].call('POST', `/api/v1/grants/${grant.id}/refresh`);
      if (answer.status !== 200 || answer.body.generation !== seen.number) this.#fault(`${grant.account}: the last refresh: ${answer.status} ${answer.text}`);
    }
    if (this.provider.spentUses.length > 0) this.#fault(`${this.provider.spentUses.length} spent tokens were sent`);
    const refreshed = this.grants.reduce((sum, { account }) => sum + this.witness.grants.get(account).number - 1, 0);
    if (refreshed !== this.witness.posts) this.#fault(`${this.witness.posts} POSTs brought ${refreshed} generations`);
    this.figures.byNode = await Promise.all(this.nodes.map(async (node) => Number(/latchkey_refreshes_total\{outcome="refreshed"\} (\d+)/.exec(await node.metrics())?.[1] ?? 0)));
    if (this.figures.byNode.some((count) => count === 0)) this.#fault(`one node did all the work: ${this.figures.byNode}`);
    this.figures.lostClaims = await this.#rolledBack() - this.rolledBackBefore;
  }
}
