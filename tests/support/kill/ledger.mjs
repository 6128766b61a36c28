// What a single-use provider and the reply journal together prove about one run: which refresh tokens were spent, which of
// the answers had been kept when the process died, and whether a spent token was sent again where the type's rule (RULES F1)
// allows it. The provider is the witness; the journal is read without Latchkey's own code.

import { readJournal } from './journal_file.mjs';

// A server on a shared database counts whole milliseconds from whole milliseconds: its stamps may be that much early.
const clockMs = 2;
const slackMs = 60; // both look at the same clock, in milliseconds and from two processes

/** The margin before expiry from which on nothing is left to lose, as src/grants/schedule.h states it. */
export function marginOf(lifetime) {
  return Math.min(Math.max(Math.floor(lifetime / 10), 60), 300, Math.floor(lifetime / 2));
}

/** Which provider of this process issued a token. */
const issuers = new Map();

export class Ledger {
  /** rule: `grace`, `refused` or `revokes-family`; fault: called with every violation in words. */
  constructor(provider, rule, fault) {
    Object.assign(this, { provider, rule, fault });
    provider.watch = (event, request) => this.#hear(event, request);
  }

  journal = undefined; // its folder, once the server has one
  journalRefused = false; // in this life the disk refused the journal: answers may go to the store without it
  tokens = new Map(); // refresh token → { family, issuedAt, lifetime, issuedBy (a post), posts }
  families = new Map(); // account id → { grant, posts of this life, refused }
  posts = 0;
  refreshes = 0;
  spentAgain = 0;
  keptAnswers = 0;
  lostAnswers = 0;

  #hear(event, request) {
    if (request.leg === 'code' && event === 'committed' && request.honest.status === 200) {
      const family = { account: this.provider.account.id, grant: undefined, life: [], firstRefusal: undefined };
      this.families.set(family.account, family);
      this.#issue(family, JSON.parse(request.honest.body));
    }
    if (request.leg !== 'refresh') return;
    if (event === 'received') this.#received(request);
    if (event === 'committed') this.#committed(request);
  }

  #issue(family, body, issuedBy) {
    issuers.set(body.refresh_token, this.provider.origin);
    this.tokens.set(body.refresh_token, { family, issuedAt: Date.now(), lifetime: body.expires_in, issuedBy, posts: [] });
  }

  #received(request) {
    this.posts++;
    const token = this.tokens.get(request.form.refresh_token);
    if (!token) {
      const issuer = issuers.get(request.form.refresh_token);
      return this.fault(`a refresh token was sent that was never issued here: ${issuer ? `it is of ${issuer}` : 'no provider of this run knows it'}`);
    }
    const post = { at: Date.now(), token, spends: false, answer: undefined, kept: undefined, used: false, excused: false };
    if (token.issuedBy) {
      token.issuedBy.used = true;
      this.#insistOnOrder(token.issuedBy);
    }
    const spentBy = token.posts.findLast((each) => each.spends);
    if (spentBy) {
      this.spentAgain++;
      this.#judge(token, spentBy, post);
    }
    token.posts.push(post);
    token.family.life.push(post);
    request.post = post;
  }

  // Whoever uses an answer's token had the answer, and must have kept it first (RULES F5).
  #insistOnOrder(post) {
    if (post.used && post.kept === false && !post.excused) this.fault(`${post.token.family.grant}: an answer was used that the journal had not been given`);
  }

  #judge(token, spentBy, post) {
    const grant = token.family.grant;
    if (this.#wasKept(spentBy)) return this.fault(`${grant}: a token was sent again although the answer to it had been kept`);
    // Refused before, so that there is nothing more to lose: the look that makes it final, or one that a kill cut short.
    if (token.family.firstRefusal) return undefined;
    const earlier = token.posts.length;
    const emergency = token.issuedAt + (token.lifetime - marginOf(token.lifetime)) * 1000 - slackMs;
    if (this.rule === 'grace') return undefined; // the provider's own grace is longer than any run
    if (this.rule === 'refused' && earlier < 2) return undefined;
    if (post.at >= emergency) return undefined;
    return this.fault(`${grant}: a spent token was sent again ${emergency - post.at} ms before the emergency window (rule ${this.rule})`);
  }

  #committed(request) {
    const post = request.post;
    if (!post) return;
    post.answer = request.honest.status;
    if (post.answer !== 200) {
      post.token.family.firstRefusal ??= post;
      return;
    }
    this.refreshes++;
    post.spends = true;
    this.#issue(post.token.family, JSON.parse(request.honest.body), post);
  }

  // While the process that got the answer lives, the journal as it is now decides.
  #wasKept(post) {
    if (post.kept !== undefined) return post.kept;
    return this.#recordOf(post, readJournal(this.journal).records) !== undefined;
  }

  // Posts of one grant never overlap, so a reply recorded between this post and the next is this one's.
  #recordOf(post, records) {
    const { life, grant } = post.token.family;
    const next = life[life.indexOf(post) + 1];
    return records.findLast((record) => record.grant === grant && record.recordedAt >= post.at - clockMs && (!next || record.recordedAt <= next.at));
  }

  /**
   * After a kill, when the dead process's lines have closed: which answers of its life were kept is settled. Gives what the
   * next life must show: [{ grant, generation }] of every kept answer with a new token.
   */
  settleLife(records) {
    const promises = [];
    for (const family of this.families.values()) {
      for (const post of family.life) {
        const record = this.#recordOf(post, records);
        post.kept = record !== undefined;
        post.excused = this.journalRefused;
        if (!post.spends) continue;
        this.#insistOnOrder(post);
        if (post.kept) this.keptAnswers++;
        else this.lostAnswers++;
        if (record) promises.push({ grant: family.grant, generation: record.generation + 1 });
      }
      family.life = [];
    }
    this.journalRefused = false;
    return promises;
  }

  /**
   * Why a grant that asks for a person had to: true when its first refusal was for a token whose answer never came to be kept
   * and which this provider does not take again. False: the provider's rules allowed to keep it.
   */
  isForced(account) {
    const refusal = this.families.get(account)?.firstRefusal;
    if (!refusal || this.rule === 'grace') return false;
    const spentBy = refusal.token.posts.find((post) => post.spends);
    return spentBy !== undefined && spentBy !== refusal && !this.#wasKept(spentBy);
  }

  /** What no grant needs any more; a long run would hold every token of its past. */
  forget() {
    this.provider.requests.length = 0;
  }
}
