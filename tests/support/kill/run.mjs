// Kills the real server again and again while it refreshes single-use grants of three kinds of provider, and proves after
// every kill that nothing was lost which the provider's rules allow to keep (RULES F, scenarios R2 and R3).
//
// A point says where a kill strikes:
//   { at: 'operation', nth, action }   the nth write, sync, rename or the like on the data folder after refreshes were asked for;
//                                      with `only`, those of one kind (members of Faults.arm)
//   { at: 'start', nth, action }       the same, counted from the start after the last kill: recovery itself is killed
//   { at: 'wire', stage, nth }         the nth refresh request is: received, committed, begun (part of the answer is sent), sent
//   { at: 'moment', ms }               so long after refreshes were asked for
//   { at: 'disk', nth, code, times }   from the nth such operation on the disk refuses with ENOSPC or EIO, then comes the kill
// `impatient` points do not wait for the next life to have put everything in order.

import { ScriptedProvider } from '../scripted_provider.mjs';
import { Latchkey, slowness } from '../latchkey.mjs';
import { freePort, temporaryFolder } from '../ports.mjs';
import { providerFile } from '../provider_file.mjs';
import { gate, until } from '../wait.mjs';
import { Faults, files, operations } from './faults.mjs';
import { readJournal, unconfirmed } from './journal_file.mjs';
import { Ledger } from './ledger.mjs';
import { Choices } from './random.mjs';

const pin = 'Grüße-42 an alle';
const longGrace = 86_400;
const rules = {
  grace: { type: { replay: 'grace', grace_s: longGrace }, provider: { graceSeconds: longGrace } },
  refused: { type: { replay: 'refused' }, provider: {} },
  'revokes-family': { type: { replay: 'revokes_family' }, provider: { revokesFamily: true } },
};
const stages = ['received', 'committed', 'begun', 'sent'];
const burstMs = 700; // by then a burst of refreshes is over: a point that was not reached is struck by hand
// A full disk has no room for what is new; the journal's segments have theirs.
const roomless = { operation: operations.write | operations.resize | operations.rename, file: files.log | files.database | files.other };

/** A mixed list of points; every kind of them within any ten. */
export function makePoints(count, seed) {
  const choices = new Choices(seed);
  const actions = ['before', 'after', 'halfway'];
  return Array.from({ length: count }, (_, number) => {
    const impatient = choices.below(5) === 0;
    const action = choices.of(actions);
    switch ([0, 1, 0, 2, 0, 1, 3, 0, 1, 4][number % 10]) {
      // The store writes far more often than the journal, which therefore has points of its own.
      case 0: return choices.below(3) === 0
        ? { at: 'operation', nth: 1 + choices.below(12), action, only: { file: files.journal }, impatient }
        : { at: 'operation', nth: 1 + choices.below(45), action, impatient };
      case 1: return { at: 'wire', stage: stages[Math.floor(number / 2) % stages.length], nth: 1 + choices.below(5), impatient };
      case 2: return { at: 'start', nth: 1 + choices.below(25), action };
      case 3: return { at: 'moment', ms: choices.below(80), impatient };
      default: return { at: 'disk', nth: 1 + choices.below(40), code: choices.of(['ENOSPC', 'EIO']), times: choices.of([1, 5, -1]) };
    }
  });
}

export class KillRun {
  /** store: of stores.mjs; sabotage(run): called between a kill and the next start, to prove that the alarm works. */
  static async start(t, { store, seed = 1, users = 8, lifetime = 16, patience = 15_000, sabotage } = {}) {
    const run = new KillRun();
    Object.assign(run, { t, choices: new Choices(seed), lifetime, patience: patience * slowness, sabotage });
    run.store = await store.prepare(t);
    await run.#build(users);
    return run;
  }

  faults = []; // violations, in words
  figures = { kills: 0, starts: 0, forced: 0, rested: 0, torn: 0, points: new Map() };
  story = []; // the latest events, told when something is wrong
  promised = new Map(); // grant → the generation it must reach
  grants = []; // { id, rule, user }

  async #build(users) {
    const folder = await temporaryFolder(this.t, 'kill');
    this.ledgers = {};
    for (const [rule, { provider }] of Object.entries(rules)) {
      const made = await ScriptedProvider.start(this.t, { port: await freePort(), rotation: 'single-use', accessLifetime: this.lifetime, ...provider });
      this.ledgers[rule] = new Ledger(made, rule, (words) => this.#fault(words));
    }
    const providers = Object.values(this.ledgers).map((ledger) => ledger.provider);
    const files = Object.entries(rules).map(([rule, { type }]) => [`${rule}.json`, providerFile({ id: rule, types: { [`${rule}-type`]: type } })]);
    const data = `${folder}/data`;
    this.disk = new Faults(folder, data);
    this.t.after(() => this.disk.close());
    this.server = await Latchkey.ready(this.t, {
      ...this.store.options, data, providerFiles: Object.fromEntries(files), env: { ...this.store.options.env, ...this.disk.environment },
      config: { 'log.level': 'info', ...this.store.options.config, 'outbound.allow': providers.map((each) => `127.0.0.1:${each.port}`) },
    });
    this.journal = `${this.server.data}/journal`;
    const { admin } = this.server;
    for (const [rule, ledger] of Object.entries(this.ledgers)) {
      const { provider } = ledger;
      ledger.journal = this.journal;
      await admin.registerOidc({ app: rule, provider: rule, issuer: provider.issuer, clientId: provider.clientId, clientSecret: provider.clientSecret });
    }
    for (let number = 0; number < users; number++) {
      let user;
      for (const [rule, ledger] of Object.entries(this.ledgers)) {
        const account = { id: `${rule}-${number}`, name: `person-${number}@${rule}.example` };
        ledger.provider.account = account;
        const type = `${rule}-type`;
        const made = await admin.addOAuthUser(user ? { link_user_id: user, type } : { username: `person-${number}`, pin, type });
        user ??= made.user_id;
        ledger.families.get(account.id).grant = made.grant_id;
        this.grants.push({ id: made.grant_id, rule, account, type, username: `person-${number}` });
      }
    }
  }

  #fault(words) {
    this.faults.push(words);
    this.#tell(`FAULT ${words}`);
  }

  #tell(words) {
    this.story.push(words);
    if (this.story.length > 60) this.story.shift();
  }

  get providers() {
    return Object.values(this.ledgers).map((ledger) => ledger.provider);
  }

  sum(figure) {
    return Object.values(this.ledgers).reduce((total, ledger) => total + ledger[figure], 0);
  }

  /** One kill at a point, and the next life up to where the point is patient. Throws with the story when a promise is broken. */
  async strike(point) {
    this.#tell(`${this.figures.kills + 1}: ${JSON.stringify(point)}`);
    if (point.at === 'start') await this.#strike({ at: 'moment', ms: this.choices.below(25) });
    await this.#strike(point);
    await this.#launch();
    if (!point.impatient) await this.#verify();
    this.#insist();
  }

  #insist() {
    if (this.faults.length === 0) return;
    throw new Error(`${this.faults.join('\n')}\n--- what happened:\n${this.story.join('\n')}\n--- the server said:\n${this.server.logs.slice(-6000)}`);
  }

  async #strike(point) {
    const released = gate();
    if (point.at === 'start') {
      this.disk.arm({ nth: point.nth, action: point.action });
      await this.#launch({ expectReady: false });
    } else {
      if (point.at === 'operation') this.disk.arm({ nth: point.nth, action: point.action, ...point.only });
      if (point.at === 'disk') this.disk.arm({ nth: point.nth, action: 'refuse', code: point.code, times: point.times, ...(point.code === 'ENOSPC' ? roomless : {}) });
      if (point.at === 'wire') this.#await(point, released);
    }
    const asked = point.at === 'start' ? [] : this.#ask();
    const patience = setTimeout(() => this.server.child.kill('SIGKILL'), (point.at === 'moment' ? point.ms : burstMs) * slowness);
    await this.server.ended;
    clearTimeout(patience);
    released.open();
    for (const provider of this.providers) provider.always('refresh', undefined);
    await Promise.all(asked);
    await until('the dead process’s lines to close', () => this.providers.every((provider) => provider.lines === 0));
    await this.#settle(this.#nameOf(point), point.code === 'EIO');
  }

  #nameOf(point) {
    if (point.at === 'wire') return point.hit ? `answer ${point.stage}` : 'while idle';
    if (point.at === 'moment') return 'at a random moment';
    if (point.at === 'disk') return this.disk.struck ? `after ${point.code}` : 'while idle';
    if (!this.disk.struck) return 'while idle';
    const what = this.disk.what.replace(/\d+/g, 'N');
    return `${point.at === 'start' ? 'starting: ' : ''}${point.action === 'halfway' && !/^write/.test(what) ? 'before' : point.action} ${what}`;
  }

  /** Kills when the nth refresh request has come to the point's stage; the answers of the others are not held back. */
  #await(point, released) {
    let requests = 0;
    const strike = () => {
      point.hit = true;
      this.server.child.kill('SIGKILL');
    };
    const plan = () => {
      if (++requests !== point.nth) return {};
      if (point.stage === 'received') {
        strike();
        return { commit: false, gate: released.passed };
      }
      // The request is committed when its answer is being made, so what follows holds the answer back.
      if (point.stage === 'committed') {
        setImmediate(strike);
        return { gate: released.passed };
      }
      if (point.stage === 'begun') return { stallAfter: 1 + this.choices.below(700), stalled: strike, resume: released.passed };
      setTimeout(strike, this.choices.below(4));
      return {};
    };
    for (const provider of this.providers) provider.always('refresh', plan);
  }

  #ask() {
    const { admin } = this.server;
    return this.choices.some(this.grants, 7).map((grant) => admin.call('POST', `/api/v1/grants/${grant.id}/refresh`).catch(() => undefined));
  }

  /** The process is dead: what it has left is looked at as it lies there. */
  async #settle(name, refused) {
    const { figures } = this;
    figures.kills++;
    figures.points.set(name, (figures.points.get(name) ?? 0) + 1);
    const journal = readJournal(this.journal);
    figures.torn += journal.torn;
    if (journal.torn > 0 && !name.includes('halfway')) this.#tell(`${journal.torn} torn records`);
    for (const ledger of Object.values(this.ledgers)) {
      ledger.journalRefused = refused;
      for (const { grant, generation } of ledger.settleLife(journal.records)) {
        this.promised.set(grant, Math.max(generation, this.promised.get(grant) ?? 0));
      }
      ledger.forget();
    }
    this.#tell(`  killed ${name}; ${unconfirmed(journal).length} answers wait in the journal`);
    const wrong = await this.store.fault(this.server.data);
    if (wrong) this.#fault(`the store is damaged: ${wrong}`);
    await this.sabotage?.(this);
  }

  async #launch(options) {
    if (options === undefined) this.disk.disarm();
    this.server.stdout = '';
    this.server.stderr = '';
    this.figures.starts++;
    await this.server.launch(options);
  }

  /** Reads, again where the line was one of the life before. */
  #read(question) {
    return until('an answer', question, { timeout: this.patience });
  }

  /** The next life has put in order what it found: kept answers are used, the journal is drained, nothing is lost. */
  async #verify() {
    const { admin } = this.server;
    for (const [id, generation] of this.promised) {
      const reached = async () => (await admin.grant(id)).generation >= generation;
      await until('a kept answer to be used', reached, { timeout: this.patience, every: 10 })
        .catch(async (error) => this.#fault(`${id}: the answer kept for generation ${generation} was lost: ${error.message}; ${JSON.stringify(await admin.grant(id))}`));
    }
    this.promised.clear();
    await until('the journal to be drained', () => unconfirmed(readJournal(this.journal)).length === 0, { timeout: this.patience, every: 10 })
      .catch((error) => this.#fault(error.message));
    const summary = await this.#read(() => admin.must('GET', '/api/v1/health-summary'));
    if (summary.by_state.needs_authorization > 0 || summary.by_state.uncertain > this.grants.length / 4) await this.#mend();
  }

  /** Every grant that asks for a person must have been forced to; then a person consents, and the run goes on with it. */
  async #mend() {
    const { admin } = this.server;
    for (const each of this.grants) {
      const grant = await this.#read(() => admin.grant(each.id));
      const asks = grant.state === 'needs_authorization';
      // An emergency try was killed, too: it rests for ten minutes, which is longer than this run wants to wait.
      const rests = grant.state === 'uncertain' && Date.parse(grant.next_refresh_at) > Date.now() + 2 * this.lifetime * 1000;
      if (!asks && !rests) continue;
      const ledger = this.ledgers[each.rule];
      if (asks && !ledger.isForced(each.account.id)) this.#fault(`${each.id} (${each.rule}) was lost: ${grant.why}`);
      if (rests && each.rule === 'grace') this.#fault(`${each.id} rests although its provider has a grace: ${grant.why}`);
      this.figures[asks ? 'forced' : 'rested']++;
      ledger.provider.account = each.account;
      const again = await admin.authorize({ replace_grant_id: each.id, type: each.type });
      if (again.state !== 'completed') throw new Error(`consent anew ended ${again.state}: ${JSON.stringify(again.problem)}`);
      ledger.families.get(each.account.id).grant = each.id;
    }
  }

  /** The end: every user gets a token that the provider honours, or rests for a reason; every grant that works is refreshed once more. */
  async finish() {
    await this.#verify();
    await this.#mend();
    const { admin } = this.server;
    for (const each of this.grants) {
      // After several tries that were killed the next one waits a little, for half a minute at most.
      if (each.rule === 'grace') await until('a grant within its grace to be asked for again', async () => (await admin.grant(each.id)).state !== 'uncertain', { timeout: 45_000 * slowness, every: 100 }).catch((error) => this.#fault(error.message));
      const grant = await this.#read(() => admin.grant(each.id));
      if (grant.state === 'uncertain' && each.rule !== 'grace') continue; // its turn comes, as the rule says
      const answer = await admin.call('POST', `/api/v1/grants/${each.id}/refresh`);
      const after = await this.#read(() => admin.grant(each.id));
      if (after.state === 'needs_authorization' && this.ledgers[each.rule].isForced(each.account.id)) {
        this.figures.forced++;
        continue;
      }
      if (after.state !== 'active' && !(after.state === 'uncertain' && each.rule !== 'grace')) this.#fault(`${each.id} (${each.rule}) at the end: ${answer.status}, ${after.state}: ${after.why}`);
    }
    for (const each of this.grants) {
      if ((await this.#read(() => admin.grant(each.id))).state !== 'active') continue;
      const token = await this.server.token(each.username, pin, { type: each.type });
      if (token.status !== 200 || !this.ledgers[each.rule].provider.honours(token.body.access_token)) this.#fault(`${each.id} (${each.rule}): ${token.status} ${token.text}`);
    }
    this.#insist();
  }
}
