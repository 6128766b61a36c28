#include "grants/lifecycle.h"

#include <algorithm>

#include "grants/canary.h"

namespace latchkey::grants {
namespace {

using store::GenerationState;
using store::GrantState;
using store::IntentState;

constexpr Seconds kSecondLook{2};           // between a refusal and the look that makes it final
constexpr Seconds kCandidateSoon{1};
constexpr Seconds kNothingLeftToLose{600};  // between tries once the access token has gone, F1
constexpr Seconds kTwiceWithin{60};         // F9
constexpr Seconds kClockSlack{5};
constexpr Seconds kLeasesAgain{5};          // after a fail-over
constexpr Seconds kGraceReserve{5};         // before a grace ends: the last try must arrive within it
constexpr Seconds kMendedSoon{60};          // between looks whether what was misconfigured has been mended
constexpr Seconds kAloneMax{900};           // ... where it is one grant's trouble
constexpr Seconds kTooEarlyAgain{1};        // R15: the moment is near, and no token is stale for longer
constexpr int kTooEarlyAtThatPace = 10;     // ... unless it is not near at all: then with back-off
constexpr std::chrono::hours kBackOffMax{25};  // Retry-After is obeyed for a day
constexpr Seconds kShortestIdle{120};  // a refresh a minute, however short a life a provider says (F9)
constexpr Seconds kLongestIdle = std::chrono::hours(24 * 366);
constexpr int kAttemptsAtOnce = 3;
constexpr int kAttemptsAtOnceRefused = 2;
constexpr int kAttemptsFamily = 2;

// When the last of the intent's attempts came to its end, or the first began if none has: by the clock of whoever wrote it down.
WallTime last_stamp(const store::Intent& intent) { return intent.settled_at != WallTime{} ? intent.settled_at : intent.opened_at; }

// Its answer is there, and cannot be read yet: no reason to ask again at once (mark_unread).
bool is_unread(const store::Intent& intent) { return intent.state == IntentState::ambiguous && intent.settled_at == WallTime{}; }

// When an ambiguous generation may be sent again (F1). Reckoned from the moment its last attempt was settled, so that
// whoever asks later gets the same answer and the moment comes; `now` decides only whether a grace is over.
WallTime replay_time(const store::Grant& grant, const store::Intent& intent, const TypeRules& rules, WallTime now) {
  const auto issue = issue_of(grant);
  const auto emergency = emergency_from(issue, rules.pace);
  const auto expiry = issue.issued_at + lifetime_of(issue);
  // By a clock that has been set back since (R24): once without back-off, then by the clock as it is now.
  auto stamped = last_stamp(intent);
  // Whoever had it under way is gone, and has settled nothing: its attempt was over with its lease at the latest.
  if (intent.state == IntentState::open && grant.lease_until <= now) stamped = std::max(stamped, grant.lease_until);
  const bool unknown_when = is_from_the_future(stamped, now);
  const auto settled = unknown_when ? issue.issued_at : stamped;
  if (canary(Canary::doubt_ignored)) return settled;
  const auto back_off = retry_time(settled, std::max(1, grant.failures), std::nullopt, issue, rules.pace, grant.id);
  switch (rules.replay) {
    case catalog::ReplayPolicy::harmless: return intent.attempts < kAttemptsAtOnce ? settled : back_off;
    case catalog::ReplayPolicy::grace: {
      const auto grace_ends = intent.opened_at + rules.grace;
      const auto last_chance = grace_ends - std::min<Milliseconds>(kGraceReserve, Milliseconds(rules.grace) / 4);
      if (now > grace_ends || unknown_when || is_from_the_future(intent.opened_at, now)) break;  // the grace is over: nothing may be risked any more
      if (intent.attempts < kAttemptsAtOnce) return settled;
      return settled < last_chance ? std::min(back_off, last_chance) : back_off;
    }
    case catalog::ReplayPolicy::refused:
      return intent.attempts < kAttemptsAtOnceRefused && !is_unread(intent) ? settled : std::max(emergency, back_off);
    case catalog::ReplayPolicy::revokes_family: break;
  }
  if (intent.attempts < kAttemptsFamily) return std::max(settled, emergency);
  return std::max(expiry, settled) + kNothingLeftToLose;
}

void add_intent(store::Batch& batch, store::Intent intent, IntentState state, std::string outcome, WallTime now) {
  if (intent.version == kIntentUntracked) return;
  intent.state = state;
  intent.settled_at = now;
  intent.outcome = std::move(outcome);
  if (intent.version == kIntentUnknown) {
    batch.push_back(store::InsertIntent{std::move(intent)});
  } else {
    batch.push_back(store::UpdateIntent{std::move(intent)});
  }
}

// The provider has answered, or was never asked, and this attempt spent nothing. An earlier one may have: what is
// ambiguous stays so until a definite answer comes.
void add_unspent(store::Batch& batch, store::Intent intent, std::string outcome, WallTime now) {
  if (intent.attempts <= 1) {
    add_intent(batch, std::move(intent), IntentState::not_sent, std::move(outcome), now);
    return;
  }
  intent.attempts -= 1;
  add_intent(batch, std::move(intent), IntentState::ambiguous, std::move(outcome), now);
}

// The grant as the last mutation of the batch leaves it. The lease is given back, unless somebody else has claimed the
// grant meanwhile; what a person has locked during the exchange stays locked, whatever the exchange brought. `sealing` where
// something the MAC covers has changed: it is vouched for last, since whether the grant is locked is covered too.
Step finish(store::Batch batch, store::Grant grant, const store::Grant& before, const store::Intent& intent,
            const Sealing* sealing = nullptr) {
  if (store::is_locked(before.state)) {
    grant.state = before.state;
    grant.why = before.why;
    grant.due_at = before.due_at;
  }
  if (grant.fence == intent.fence) {
    grant.lease_owner = {};
    grant.lease_until = {};
  }
  if (sealing != nullptr) sealing->vouch(grant);
  batch.push_back(store::UpdateGrant{grant});
  grant.version += 1;
  return {.batch = std::move(batch), .grant = std::move(grant)};
}

store::Generation make_generation(const store::Grant& grant, store::GenerationNumber number, GenerationState state,
                                  const store::Intent& intent, WallTime now) {
  store::Generation generation;
  generation.grant = grant.id;
  generation.number = number;
  generation.state = state;
  generation.intent = intent.id;
  generation.issued_at = now;
  return generation;
}

store::GenerationNumber candidate_number(const store::GrantView& view) {
  store::GenerationNumber lowest = 0;
  for (const auto& generation : view.generations) lowest = std::min(lowest, generation.number);
  return lowest - 1;
}

// Another refresh token than the one refused is used next.
void try_next(store::Batch& batch, store::Grant& grant, const RefreshMaterial& material, const store::Intent& intent,
              const Sealing& sealing, std::string why, WallTime now) {
  const auto number = grant.generation + 1;
  auto promoted = make_generation(grant, number, GenerationState::current, intent, now);
  promoted.refresh_sealed = sealing.seal_refresh(grant, number, material);
  promoted.access_expires_at = grant.access_expires_at;
  batch.push_back(store::PutGeneration{std::move(promoted)});
  grant.generation = number;
  grant.dead_seen = false;
  grant.state = GrantState::uncertain;
  grant.why = std::move(why);
  grant.due_at = now + kCandidateSoon;
}

void note_scopes(store::Grant& grant, const oauth::TokenReply& reply, const TypeRules& rules) {
  if (!reply.scope) return;
  grant.scopes = *reply.scope;
  std::string missing;
  for (const auto& scope : oauth::missing_scopes(rules.scopes, *reply.scope)) {
    if (!missing.empty()) missing += ' ';
    missing += scope;
  }
  grant.missing_scopes = std::move(missing);
}

void restore_due(store::Grant& grant, const TypeRules& rules) {
  grant.due_at = due_time(issue_of(grant), pace_of(grant, rules), grant.id);
}

}  // namespace

Step keep_as_candidate(const store::GrantView& view, const store::Intent& intent, const Secret& refresh_token,
                       const RefreshMaterial& spent, const Sealing& sealing, WallTime now) {
  store::Batch batch;
  if (view.grant.state == GrantState::needs_authorization) {
    // What came before it was refused, and nothing else would ever be tried: it is this one's turn.
    auto grant = view.grant;
    add_intent(batch, intent, IntentState::applied, "Used next: what another reply had brought was refused.", now);
    try_next(batch, grant, {refresh_token.clone(), spent.code_verifier.clone()}, intent, sealing,
             "The provider refused the newest refresh token; one that arrived late is being tried.", now);
    return finish(std::move(batch), std::move(grant), view.grant, intent);
  }
  auto generation = make_generation(view.grant, candidate_number(view), GenerationState::candidate, intent, now);
  generation.refresh_sealed =
      sealing.seal_refresh(view.grant, generation.number, {refresh_token.clone(), spent.code_verifier.clone()});
  batch.push_back(store::PutGeneration{std::move(generation)});
  add_intent(batch, intent, IntentState::applied, "Kept as a candidate: another reply had been applied before.", now);
  return finish(std::move(batch), view.grant, view.grant, intent);  // of the grant as it stands: a new consent has no such candidate
}

std::string sentence(std::string_view words) {
  std::string text(words);
  if (!text.empty() && text.back() != '.' && text.back() != '!' && text.back() != '?') text += '.';
  return text;
}

bool is_kept_fresh(GrantState state) { return !store::is_locked(state) && state != GrantState::needs_authorization; }

Issue issue_of(const store::Grant& grant) { return {.issued_at = grant.issued_at, .expires_at = grant.access_expires_at}; }

const store::Generation* current_of(const store::GrantView& view) {
  for (const auto& generation : view.generations) {
    if (generation.number == view.grant.generation) return &generation;
  }
  return nullptr;
}

bool is_behind(const store::GrantView& view, const store::NewestAnswer& newest) {
  if (newest.generation != view.grant.generation) return newest.generation > view.grant.generation;
  return !view.intent || view.intent->generation != newest.generation || view.intent->settled_at < newest.recorded_at;
}

bool came_beside(const store::GrantView& view, WallTime recorded_at) {
  constexpr Seconds kOwnJournal{5};  // from the moment an answer has been read, which stamps what it brings, until it is kept
  const auto* current = current_of(view);
  return current != nullptr && recorded_at > current->issued_at + kOwnJournal;
}

Pace pace_of(const store::Grant& grant, const TypeRules& rules) {
  auto pace = rules.pace;
  if (grant.extras_json.find("refresh_") == std::string::npos) return pace;
  const auto extras = base::parse_json(grant.extras_json);
  if (!extras || !extras->is_object()) return pace;
  const auto stated = oauth::refresh_lifetime_in(extras->get_object());
  if (!stated || *stated <= 0) return pace;  // nothing said, or that it does not end
  const auto lifetime = std::clamp(*stated, std::int64_t{kShortestIdle.count()}, std::int64_t{kLongestIdle.count()});
  pace.idle_lifetime = std::min(pace.idle_lifetime.value_or(kLongestIdle), Seconds(lifetime));
  return pace;
}

std::vector<const store::Generation*> passed_over(const store::GrantView& view, catalog::ReplayPolicy replay) {
  std::vector<const store::Generation*> held;
  for (const auto& generation : view.generations) {
    if (generation.state != GenerationState::candidate) held.push_back(&generation);
  }
  std::ranges::sort(held, std::greater(), &store::Generation::number);
  std::vector<const store::Generation*> out;
  auto next = view.grant.generation;
  for (const auto* generation : held) {
    if (generation->number > view.grant.generation) continue;
    // What is missing in between was spent, and what came before it as well.
    if (is_one_shot(replay) && generation->number != next--) break;
    const bool is_older = generation->number < view.grant.generation && generation->state != GenerationState::refused;
    if (is_older && !generation->refresh_sealed.empty()) out.push_back(generation);
    // What came with an access token was given for the one before it, which is spent if it can be.
    if (!generation->access_sealed.empty() && is_one_shot(replay)) break;
  }
  return out;
}

bool shows_spent(const store::GrantView& view, const store::NewestAnswer& newest) {
  const auto* current = current_of(view);
  const auto since = std::max(view.grant.created_at, current == nullptr ? WallTime{} : current->issued_at);
  return newest.generation > view.grant.generation && newest.recorded_at >= since;
}

bool is_from_the_future(WallTime issued_at, WallTime now) { return issued_at > now + kClockSlack; }

bool is_from_the_future(const store::GrantView& view, WallTime now) {
  const auto& grant = view.grant;
  if (is_from_the_future(grant.issued_at, now)) return true;
  if (view.intent && is_from_the_future(last_stamp(*view.intent), now)) return true;
  // A refresh token that came without an access token leaves no other trace of when that was.
  if (const auto* current = current_of(view); current != nullptr && is_from_the_future(current->issued_at, now)) return true;
  return grant.failures > 0 && grant.due_at && *grant.due_at > now + kBackOffMax;
}

bool is_due_by_a_clock_ahead(const store::Grant& grant, WallTime now) {
  if (!grant.due_at) return false;
  if (grant.state == GrantState::paused) return is_from_the_future(*grant.due_at, now + kAloneMax);
  const bool in_order = grant.state == GrantState::active && grant.failures == 0 && !grant.dead_seen;
  return in_order && grant.access_expires_at && is_from_the_future(*grant.due_at, std::max(now, *grant.access_expires_at));
}

const store::Generation* usable_generation(const store::GrantView& view, WallTime when) {
  const store::Generation* best = nullptr;
  for (const auto& generation : view.generations) {
    if (generation.access_sealed.empty() || generation.state == GenerationState::candidate) continue;
    if (is_from_the_future(generation.issued_at, when)) continue;
    if (best == nullptr || generation.number > best->number) best = &generation;
  }
  // When that has ended, what came before it has: whatever a clock that was ahead once stamped it with (R24).
  const bool has_ended = best != nullptr && best->access_expires_at && *best->access_expires_at <= when;
  return has_ended ? nullptr : best;
}

namespace {

// Why nothing is sent for a generation that a restore has marked, and how long its access token lasts.
std::string why_restored(const store::GrantView& view, WallTime now) {
  const auto* usable = usable_generation(view, now);
  if (usable == nullptr || !usable->access_expires_at) return view.intent->outcome;
  return view.intent->outcome + ": the access token in use is served until " + base::to_rfc3339(*usable->access_expires_at).substr(0, 16) +
         " UTC, and none after it";
}

}  // namespace

PostDecision decide_post(const store::GrantView& view, const TypeRules& rules, Urge urge, NodeId node, WallTime now) {
  using Kind = PostDecision::Kind;
  const auto& grant = view.grant;
  if (!is_kept_fresh(grant.state)) return {.kind = Kind::nothing, .why = grant.why};
  const auto* current = current_of(view);
  if (current == nullptr || current->refresh_sealed.empty()) {
    return {.kind = Kind::nothing, .why = "The provider gave no refresh token."};
  }
  // However long the access token lasts: whoever must act had better hear of it now (F10).
  if (view.intent && view.intent->state == IntentState::restored && !awaits_journals(*view.intent) && rules.replay != catalog::ReplayPolicy::harmless) {
    return {.kind = Kind::ask_person, .why = why_restored(view, now)};
  }
  const auto issue = issue_of(grant);
  // The clock was set back since: whatever the times say, the token's end is not known (R24).
  const bool clock_was_set_back = is_from_the_future(issue.issued_at, now);
  if (clock_was_set_back && !view.intent) return {.kind = Kind::post};
  if (const auto earliest = earliest_refresh(issue, rules.pace); now < earliest && !clock_was_set_back) return {.kind = Kind::wait, .at = earliest};
  const bool backs_off = grant.failures > 0 && grant.due_at && now < *grant.due_at && !is_from_the_future(view, now);
  if (urge == Urge::demanded && backs_off) {
    return {.kind = Kind::wait, .at = *grant.due_at, .why = grant.why};
  }
  if (urge == Urge::demanded && grant.last_refreshed_at != WallTime{} && now < grant.last_refreshed_at + kTwiceWithin &&
      usable_generation(view, now) != nullptr) {
    return {.kind = Kind::wait, .at = grant.last_refreshed_at + kTwiceWithin};
  }
  if (urge == Urge::scheduled && grant.due_at && now < *grant.due_at) return {.kind = Kind::wait, .at = *grant.due_at};
  if (!view.intent) return {.kind = Kind::post};
  const auto& intent = *view.intent;
  switch (intent.state) {
    case IntentState::not_sent:
    case IntentState::refused: return {.kind = Kind::post};
    case IntentState::applied: return {.kind = Kind::post};
    case IntentState::restored:
      if (rules.replay == catalog::ReplayPolicy::harmless) return {.kind = Kind::post};
      return {.kind = Kind::wait, .at = now + kAwaitedAgain, .why = intent.outcome};  // other nodes' journals: people were asked for above
    case IntentState::open:
      if (intent.node != node && now < emergency_from(issue, rules.pace) && !canary(Canary::others_intent_ignored)) {
        return {.kind = Kind::wait, .at = emergency_from(issue, rules.pace), .why = "Another node's exchange has not been heard of yet."};
      }
      [[fallthrough]];
    case IntentState::ambiguous: {
      // A person insists: where a replay does no harm, at once.
      if (urge == Urge::insisted && rules.replay == catalog::ReplayPolicy::harmless) return {.kind = Kind::post};
      const auto at = replay_time(grant, intent, rules, now);
      if (now < at) return {.kind = Kind::wait, .at = at, .why = "An answer was lost; the type's rule says when to ask again."};
      return {.kind = Kind::post};
    }
  }
  return {.kind = Kind::nothing};
}

PostDecision wait_for_journals(PostDecision decision, const store::GrantView& view, const TypeRules& rules, const AwaitedJournals& awaited,
                               Milliseconds leases_for, WallTime now) {
  if (decision.kind != PostDecision::Kind::post || !awaited.open || canary(Canary::fail_over_ignored)) return decision;
  const auto why = awaited.names.empty() ? std::string("Another database server has taken over; other servers may have to find it yet.")
                                         : "Waiting for what other servers kept: " + awaited.names;
  const auto emergency = emergency_from(issue_of(view.grant), rules.pace);
  const bool leases_run = leases_for > Milliseconds(0);
  if (leases_run && (is_one_shot(rules.replay) || !awaited.names.empty())) {
    return {.kind = PostDecision::Kind::wait, .at = std::max(now + kLeasesAgain, std::min(now + leases_for, emergency)), .why = why};
  }
  if (!is_one_shot(rules.replay) || now >= emergency || awaited.names.empty()) return decision;
  return {.kind = PostDecision::Kind::wait, .at = std::min(now + kAwaitedAgain, emergency), .why = why};
}

Step settle_restored(const store::GrantView& view, std::string why) {
  auto grant = view.grant;
  grant.state = GrantState::needs_authorization;
  grant.why = sentence(why);
  grant.due_at.reset();
  store::Batch batch;
  batch.push_back(store::UpdateGrant{grant});
  grant.version += 1;
  return {.batch = std::move(batch), .grant = std::move(grant)};
}

bool is_within_its_grace(const store::Grant& grant, const store::Intent& intent, const TypeRules& rules, WallTime now) {
  if (rules.replay != catalog::ReplayPolicy::grace || intent.attempts <= 1 || now <= intent.opened_at + rules.grace) return true;
  if (grant.dead_seen) return true;  // what was refused is looked at again, and not in doubt (F2)
  auto before = intent;  // the claim has counted it
  before.attempts -= 1;
  return now >= replay_time(grant, before, rules, now);
}

Claim claim_for(const store::GrantView& view, NodeId node, IntentId fresh_id, Milliseconds lease, WallTime now, Unsent unsent) {
  Claim claim;
  claim.grant = view.grant;
  claim.batch.push_back(store::ClaimGrant{view.grant.id, view.grant.version, node, lease});
  claim.grant.version += 1;
  claim.grant.fence += 1;
  claim.grant.lease_owner = node;
  claim.grant.lease_until = now + lease;
  if (view.intent) {
    claim.intent = *view.intent;
    const bool untried = claim.intent.state == IntentState::not_sent;
    claim.intent.attempts += untried ? 0 : 1;
    // A grace begins where the token may first have been spent.
    if (untried && unsent == Unsent::spent_nothing) claim.intent.opened_at = now;
    claim.intent.state = IntentState::open;
    claim.intent.node = node;
    claim.intent.fence = claim.grant.fence;
    claim.batch.push_back(store::UpdateIntent{claim.intent});
    claim.intent.version += 1;
  } else {
    claim.intent = {.id = fresh_id, .grant = view.grant.id, .generation = view.grant.generation, .node = node,
                    .fence = claim.grant.fence, .opened_at = now};
    claim.batch.push_back(store::InsertIntent{claim.intent});
    if (canary(Canary::intent_skipped)) {
      claim.batch.pop_back();
      claim.intent.version = kIntentUntracked;
    }
  }
  return claim;
}

Step apply_reply(const store::GrantView& view, const store::Intent& intent, const oauth::TokenReply& reply,
                 const RefreshMaterial& spent, const TypeRules& rules, const Sealing& sealing, std::string extras_json,
                 WallTime now) {
  if (view.grant.generation != intent.generation && !canary(Canary::old_token_wins)) {
    const Secret& kept = reply.refresh_token ? *reply.refresh_token : spent.token;
    return keep_as_candidate(view, intent, kept, spent, sealing, now);
  }
  store::Batch batch;
  auto grant = view.grant;
  const auto number = grant.generation + 1;
  const bool rotated = reply.refresh_token && !reply.refresh_token->equals(spent.token);
  const Secret wiped;
  const Secret& refresh_token = rotated ? *reply.refresh_token : canary(Canary::missing_token_wipes) ? wiped : spent.token;
  const auto lifetime = oauth::sane_lifetime(reply.lifetime_s, rules.lifetime_fallback);

  auto generation = make_generation(grant, number, GenerationState::current, intent, now);
  generation.refresh_sealed = sealing.seal_refresh(grant, number, {refresh_token.clone(), spent.code_verifier.clone()});
  generation.access_sealed = sealing.seal_access(grant, number, *reply.access_token);
  generation.access_expires_at = now + lifetime;
  batch.push_back(store::PutGeneration{generation});
  // Generation n has just worked, so n-1 is no longer needed; where the token did not rotate, n itself is superfluous.
  for (const auto& older : view.generations) {
    // A candidate was kept in case n would not work.
    if (older.state == GenerationState::candidate || older.number < grant.generation || !rotated) {
      batch.push_back(store::DeleteGeneration{grant.id, older.number});
    }
  }
  add_intent(batch, intent, IntentState::applied, "refreshed", now);

  grant.generation = number;
  grant.issued_at = now;
  grant.last_refreshed_at = now;
  grant.access_expires_at = generation.access_expires_at;
  grant.state = GrantState::active;
  grant.why.clear();
  grant.failures = 0;
  grant.dead_seen = false;
  note_scopes(grant, reply, rules);
  if (!grant.missing_scopes.empty()) grant.why = "The provider granted less than was asked for: " + grant.missing_scopes + " is missing.";
  const bool learned = grant.extras_json != extras_json;
  grant.extras_json = std::move(extras_json);
  restore_due(grant, rules);
  return finish(std::move(batch), std::move(grant), view.grant, intent, learned ? &sealing : nullptr);
}

Step apply_refresh_token_alone(const store::GrantView& view, const store::Intent& intent, const Secret& refresh_token,
                               const RefreshMaterial& spent, const TypeRules& rules, const Sealing& sealing, std::string why,
                               std::optional<Seconds> retry_after, WallTime now) {
  if (view.grant.generation != intent.generation) return keep_as_candidate(view, intent, refresh_token, spent, sealing, now);
  store::Batch batch;
  auto grant = view.grant;
  const auto number = grant.generation + 1;
  auto generation = make_generation(grant, number, GenerationState::current, intent, now);
  generation.refresh_sealed = sealing.seal_refresh(grant, number, {refresh_token.clone(), spent.code_verifier.clone()});
  generation.access_expires_at = grant.access_expires_at;
  batch.push_back(store::PutGeneration{generation});
  add_intent(batch, intent, IntentState::applied, why, now);
  grant.generation = number;
  grant.dead_seen = false;  // that was another token
  grant.failures += 1;
  grant.state = GrantState::unreachable;
  grant.why = sentence(why);
  grant.due_at = retry_time(now, grant.failures, retry_after, issue_of(grant), rules.pace, grant.id);
  return finish(std::move(batch), std::move(grant), view.grant, intent);
}

Step apply_access_token_alone(const store::GrantView& view, const store::Intent& intent, const oauth::TokenReply& reply, const TypeRules& rules,
                              const Sealing& sealing, WallTime received_at, WallTime now) {
  const auto* current = current_of(view);
  LATCHKEY_CHECK(current != nullptr);
  store::Batch batch;
  auto grant = view.grant;
  auto generation = *current;
  generation.access_sealed = sealing.seal_access(grant, grant.generation, *reply.access_token);
  generation.issued_at = received_at;
  generation.access_expires_at = received_at + oauth::sane_lifetime(reply.lifetime_s, rules.lifetime_fallback);
  grant.issued_at = received_at;
  grant.last_refreshed_at = received_at;
  grant.access_expires_at = generation.access_expires_at;
  batch.push_back(store::PutGeneration{std::move(generation)});
  const bool waits = grant.state == GrantState::uncertain && intent.state == IntentState::ambiguous;
  if (waits) grant.due_at = std::max(now, replay_time(grant, intent, rules, now));
  batch.push_back(store::UpdateGrant{grant});
  grant.version += 1;
  return {.batch = std::move(batch), .grant = std::move(grant)};
}

std::string why_alone(const oauth::TokenReply& reply, const oauth::Classified& classified) {
  if (!reply.access_token && reply.error.empty()) return "The provider's answer held a new refresh token but no access token.";
  return sentence(classified.why) + " A new refresh token came with it, and is used next.";
}

Step settle_not_sent(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules, std::string why,
                     std::optional<Seconds> retry_after, WallTime now) {
  store::Batch batch;
  auto grant = view.grant;
  add_unspent(batch, intent, why, now);
  grant.failures += 1;
  grant.state = GrantState::unreachable;
  grant.why = sentence(why);
  grant.due_at = retry_time(now, grant.failures, retry_after, issue_of(grant), rules.pace, grant.id);
  return finish(std::move(batch), std::move(grant), view.grant, intent);
}

Step settle_transient(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules,
                      const oauth::Classified& classified, WallTime now) {
  store::Batch batch;
  auto grant = view.grant;
  // The provider answered and did not take the token: it may be sent again like one that was never sent.
  add_unspent(batch, intent, classified.why, now);
  grant.failures += 1;
  if (classified.outcome == oauth::RefreshOutcome::too_early) {
    // The provider may count from a token whose reply was lost: it goes on refusing long after the end of the one we know.
    const bool near = grant.failures <= kTooEarlyAtThatPace;
    grant.state = GrantState::active;
    grant.why = near ? "" : sentence(classified.why);
    const auto again = near ? now + kTooEarlyAgain
                            : retry_time(now, grant.failures - kTooEarlyAtThatPace, std::nullopt, issue_of(grant), rules.pace, grant.id);
    const auto earliest = is_from_the_future(grant.issued_at, now) ? now : earliest_refresh(issue_of(grant), rules.pace);
    grant.due_at = std::max({again, earliest, now + classified.retry_after.value_or(Seconds(0))});
    return finish(std::move(batch), std::move(grant), view.grant, intent);
  }
  grant.state = GrantState::unreachable;
  grant.why = sentence(classified.why);
  grant.due_at = retry_time(now, grant.failures, classified.retry_after, issue_of(grant), rules.pace, grant.id);
  return finish(std::move(batch), std::move(grant), view.grant, intent);
}

Step settle_ambiguous(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules, std::string why,
                      WallTime now) {
  store::Batch batch;
  auto grant = view.grant;
  auto settled = intent;
  settled.settled_at = now;
  add_intent(batch, settled, IntentState::ambiguous, why, now);
  grant.failures += 1;
  grant.state = GrantState::uncertain;
  grant.why = "The provider's answer to the last refresh was lost; whether it counted is not known. " + sentence(why);
  grant.due_at = std::max(now, replay_time(grant, settled, rules, now));
  return finish(std::move(batch), std::move(grant), view.grant, intent);
}

// Somebody has rotated meanwhile: the outcome concerns a token no longer in use (R22).
Step settle_overtaken(const store::GrantView& view, const store::Intent& intent, std::string why, WallTime now) {
  store::Batch batch;
  add_intent(batch, intent, IntentState::refused, std::move(why), now);
  return {.batch = std::move(batch), .grant = view.grant};
}

namespace {

void add_refused(store::Batch& batch, const store::GrantView& view) {
  const auto* current = current_of(view);
  if (current == nullptr) return;
  auto refused = *current;
  refused.state = GenerationState::refused;
  batch.push_back(store::PutGeneration{std::move(refused)});
}

// What is to be tried when the newest one has been refused for good, and no candidate is left.
std::optional<RefreshMaterial> untried(const store::GrantView& view, const TypeRules& rules, const Sealing& sealing) {
  std::vector<Secret> refused;
  for (const auto& generation : view.generations) {
    if (generation.number != view.grant.generation && generation.state != GenerationState::refused) continue;
    if (auto material = sealing.open_refresh(view.grant, generation)) refused.push_back(std::move(material->token));
  }
  for (const auto* generation : passed_over(view, rules.replay)) {
    auto material = sealing.open_refresh(view.grant, *generation);
    if (!material) continue;
    const auto is_same = [&](const Secret& other) { return other.equals(material->token); };
    if (std::none_of(refused.begin(), refused.end(), is_same)) return std::move(*material);
  }
  return std::nullopt;
}

}  // namespace

Step settle_refused(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules, const Sealing& sealing,
                    IntentId fresh_id, std::string why, WallTime now) {
  store::Batch batch;
  auto grant = view.grant;
  // The newest one first, twice: providers refuse falsely. Only then what else there is (F2).
  if (!grant.dead_seen) {
    add_intent(batch, intent, IntentState::refused, why, now);
    grant.dead_seen = true;
    grant.due_at = now + kSecondLook;
    return finish(std::move(batch), std::move(grant), view.grant, intent);
  }
  for (const auto& candidate : view.generations) {
    if (candidate.state != GenerationState::candidate) continue;
    const auto material = sealing.open_refresh(grant, candidate);
    if (!material) continue;
    batch.push_back(store::DeleteGeneration{grant.id, candidate.number});
    add_refused(batch, view);
    add_intent(batch, intent, IntentState::refused, why, now);
    try_next(batch, grant, *material, intent, sealing,
             "The provider refused the newest refresh token; another one it gave is being tried.", now);
    return finish(std::move(batch), std::move(grant), view.grant, intent);
  }
  if (auto older = untried(view, rules, sealing)) {
    add_refused(batch, view);
    add_intent(batch, intent, IntentState::refused, why, now);
    try_next(batch, grant, *older, intent, sealing,
             "The provider refused the newest refresh token; the one before it, which may still be good, is tried next.", now);
    if (is_one_shot(rules.replay)) {
      // What came of its own attempts is not known any more, nor when a grace of it began: F1 says when it may be sent.
      const store::Intent doubt{.id = fresh_id, .grant = grant.id, .generation = grant.generation, .node = intent.node,
                                .state = IntentState::ambiguous, .settled_at = now, .outcome = "What came of the attempts with this token is not known any more."};
      batch.push_back(store::InsertIntent{doubt});
      grant.due_at = std::max(*grant.due_at, replay_time(grant, doubt, rules, now));
    }
    return finish(std::move(batch), std::move(grant), view.grant, intent);
  }
  add_intent(batch, intent, IntentState::refused, why, now);
  grant.state = GrantState::needs_authorization;
  grant.why = sentence(why);
  grant.due_at.reset();
  return finish(std::move(batch), std::move(grant), view.grant, intent);
}

Step settle_misconfigured(const store::GrantView& view, const store::Intent& intent, std::string why, bool alone, WallTime now) {
  store::Batch batch;
  auto grant = view.grant;
  add_unspent(batch, intent, why, now);
  grant.state = GrantState::paused;
  grant.why = sentence(why);
  // Still due: the store leaves out grants of a paused app, so that mending the app is all that is needed.
  grant.due_at = now + kMendedSoon;
  if (alone) {
    grant.due_at = now + std::min<Seconds>(kMendedSoon * (1 << std::min(grant.failures, 4)), kAloneMax);
    grant.failures += 1;
  }
  return finish(std::move(batch), std::move(grant), view.grant, intent);
}

Step settle_unprepared(const store::GrantView& view, const TypeRules& rules, const Error& why, WallTime now) {
  LATCHKEY_CHECK(is_kept_fresh(view.grant.state));
  auto grant = view.grant;
  grant.why = sentence(why.text);
  if (why.kind == ErrorKind::unavailable) {
    grant.failures += 1;
    grant.state = GrantState::unreachable;
    grant.due_at = retry_time(now, grant.failures, why.retry_after, issue_of(grant), rules.pace, grant.id);
  } else {
    grant.state = GrantState::paused;
    grant.due_at = now + kMendedSoon;
  }
  store::Batch batch;
  batch.push_back(store::UpdateGrant{grant});
  grant.version += 1;
  return {.batch = std::move(batch), .grant = std::move(grant)};
}

}  // namespace latchkey::grants
