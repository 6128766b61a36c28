// One refresh, from the claim to what the store holds afterwards.
#include <algorithm>
#include <utility>

#include "grants/altered_records.h"
#include "grants/brought_back.h"
#include "grants/canary.h"
#include "grants/keeper.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kStoreRetryMax = 1s;
constexpr auto kStopPatience = 10s;  // a store that refuses for ever must not hold the shutdown: the journal has the reply
constexpr auto kNews = 1s;  // for how long what the store has said of a grant holds without another look
constexpr int kLooksMax = 3;
constexpr auto kWritesRest = 1s;
constexpr Seconds kPatienceInLine{30};  // whoever has waited that long has gone
constexpr Seconds kProbeAnswers{2};     // whoever comes while the provider is being probed
constexpr auto kOtherHandsPatience = 15s;
constexpr std::chrono::milliseconds kOtherHandsLook = 100ms;  // and then after twice as long, and so on
constexpr std::chrono::milliseconds kOtherHandsLookMax = 2s;
constexpr auto kLookPatience = 2s;  // for a look at whom a new connection has reached
constexpr auto kLookPoll = 50ms;
constexpr int kReplaysAtOnceMax = 3;
constexpr int kJournalReadsMax = 3;

// A lease of another node that has not passed.
bool is_in_other_hands(const store::Grant& grant, NodeId node, WallTime now) {
  return !grant.lease_owner.none() && grant.lease_owner != node && now < grant.lease_until;
}

// Whether the store knows this claim, and nobody has taken its place.
bool holds(const store::GrantView& view, const Claim& claim, NodeId node) {
  const auto& intent = view.intent;
  return intent && intent->id == claim.intent.id && intent->version == claim.intent.version && intent->fence == claim.intent.fence &&
         intent->state == store::IntentState::open && view.grant.fence == claim.grant.fence && view.grant.lease_owner == node;
}

std::optional<Secret> token_in_use(const store::GrantView& view, const Sealing& sealing) {
  const auto* current = current_of(view);
  if (current == nullptr) return std::nullopt;
  auto held = sealing.open_refresh(view.grant, *current);
  if (!held) return std::nullopt;
  return std::move(held->token);
}

// What the store holds that the intent has made.
enum class Made { nothing, this_reply, another_reply };

Made made_by(const store::Intent& intent, const store::GrantView& view, const ExchangeOutcome& outcome, const Secret& spent, const Sealing& sealing) {
  const auto* token = token_of(outcome, spent);
  auto made = Made::nothing;
  for (const auto& generation : view.generations) {
    if (generation.intent != intent.id || generation.number == intent.generation) continue;
    const auto held = token == nullptr ? Result<RefreshMaterial>(RefreshMaterial{}) : sealing.open_refresh(view.grant, generation);
    if (token == nullptr || !held || held->token.equals(*token)) return Made::this_reply;
    made = Made::another_reply;
  }
  return made;
}

// Whether the store has settled the attempt since this answer came: catching up has brought it out of the journal.
bool is_told(const store::Intent& known, const ExchangeOutcome& outcome) {
  const auto* replied = std::get_if<Replied>(&outcome);
  return replied != nullptr && known.settled_at >= replied->received_at;
}

bool backs_off(const store::GrantView& view, WallTime now) {
  const auto& grant = view.grant;
  return grant.state == store::GrantState::unreachable && grant.failures > 0 && grant.due_at && now < *grant.due_at &&
         !is_from_the_future(view, now);
}


std::unexpected<Error> not_counted() {
  return fail(ErrorKind::unavailable, "store_unavailable",
              "This server has just reached its database, or reached it again; nothing is sent before it has shown itself there and told what it knows.", {.retry_after = Seconds(5)});
}

// Not for long: what is on its way is waited for where another database has been reached.
Task<void> wait_for_look(SteadyClock& steady, std::function<bool()> has_looked) {
  if (!has_looked) co_return;
  const auto until = steady.now() + kLookPatience;
  while (!has_looked() && steady.now() < until) co_await steady.sleep_for(kLookPoll);
}

}  // namespace

// While one lives, nobody is handed the token that the refresh on its way kills (F9).
class Keeper::HoldBack {
 public:
  HoldBack(Keeper& keeper, const store::Grant& grant, bool wanted) : keeper_(keeper), grant_(grant.id), wanted_(wanted) {
    if (!wanted_) return;
    keeper_.held_back_.add(grant_);
    keeper_.parts_.watcher.grant_changed(grant.user, grant.id);
  }
  HoldBack(const HoldBack&) = delete;
  HoldBack& operator=(const HoldBack&) = delete;
  ~HoldBack() {
    if (wanted_) keeper_.held_back_.remove(grant_);
  }

 private:
  Keeper& keeper_;
  GrantId grant_;
  bool wanted_;
};

Task<Result<store::Grant>> Keeper::refresh(std::shared_ptr<Flight> flight) {
  const auto grant = flight->grant;
  const auto urge = flight->urge;
  if (!halted_.empty()) {
    co_return fail(ErrorKind::unavailable, "provider_unreachable", "This server refreshes nothing at the moment: " + halted_ + ".",
                   {.retry_after = Seconds(60)});
  }
  if (!counts()) {
    flight->turned_away = true;
    co_return not_counted();
  }
  if (unmerged_.contains(grant)) {
    if (const auto merged = co_await merge_unmerged(grant); !merged) co_return std::unexpected(merged.error());
  }
  if (urge == Urge::merging) {
    auto view = co_await parts_.store.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (unreadable_.contains(grant)) {
      if (const auto read = co_await read_again(*view, grant); !read) co_return std::unexpected(read.error());
      if (*view) view = co_await parts_.store.grant(grant);
      if (!view) co_return std::unexpected(view.error());
    }
    if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
    co_return std::move((*view)->grant);  // whether it is due is the sweep's to find
  }
  if (urge != Urge::scheduled) co_await wait_for_look(parts_.steady, parts_.may_send);
  if (!may_send()) {
    flight->turned_away = true;
    co_return not_counted();
  }
  const auto begun_at = parts_.wall.now();
  auto urge_now = urge;
  bool conflicted = false;
  int journal_reads = 0;
  for (int round = 0;; ++round) {
    auto view = co_await parts_.store.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
    if (const auto checked = parts_.sealing.check((*view)->grant); !checked) {
      tell_altered(parts_.alerts, (*view)->grant);
      parts_.log.error("grant_not_used", checked.error());
      co_return std::unexpected(checked.error());
    }
    const store::Grant& record = (*view)->grant;
    // Back-off holds before the provider is asked for anything, its description of itself included.
    if (urge == Urge::demanded && round == 0 && backs_off(**view, parts_.wall.now())) co_return record;
    if (urge == Urge::demanded && round == 0) {
      if (auto refused = while_circuit_open(record.app, grant)) {
        flight->turned_away = true;
        co_return std::unexpected(*std::move(refused));
      }
    }
    const auto found = co_await parts_.clients.shared_client_for(record.type, record.app, record.params_json, record.extras_json);
    if (!found) co_return co_await end_unprepared(std::move(**view), found.error());
    const auto& client = *found;
    note_prepared(client->app, grant, client->paused);
    if (client->paused && urge != Urge::insisted) {
      co_return fail(ErrorKind::misconfigured, "app_misconfigured",
                     "The provider refuses this server's app registration; an administrator must mend it under OAuth settings.",
                     {.retry_after = Seconds(60)});
    }
    const auto rules = rules_for(client->type);
    const auto now = parts_.wall.now();
    if (conflicted && record.last_refreshed_at >= begun_at) co_return record;  // by somebody else, a moment ago
    if (is_in_other_hands(record, parts_.node, now)) {
      if (urge != Urge::scheduled) co_return co_await wait_for_other_hands(record);
      flight->idle = true;
      co_return record;
    }
    if (awaited_.empty()) lift_awaiting(**view);
    auto decision = decide_post(**view, rules, urge_now, parts_.node, now);
    if (decision.kind == PostDecision::Kind::ask_person && !awaited_.empty()) {
      // Nobody is asked before every node has said what its journal holds.
      decision = {.kind = PostDecision::Kind::wait, .at = now + kAwaitedAgain, .why = "Waiting for what other servers kept: " + awaited_};
    }
    const auto leases_for = std::chrono::duration_cast<Milliseconds>(journals_awaited_.leases_end - parts_.steady.now());
    decision = wait_for_journals(std::move(decision), **view, rules, journals_awaited_, leases_for, now);
    if (decision.kind == PostDecision::Kind::nothing) {
      auto error = error_of(record, now);
      if (record.due_at) co_await postpone(std::move(**view), now + std::chrono::hours(24), decision.why);
      co_return std::unexpected(std::move(error));
    }
    if (decision.kind == PostDecision::Kind::ask_person) {
      auto step = settle_restored(**view, decision.why);
      add_history(step, record, nullptr);
      if (auto committed = co_await parts_.store.commit(std::move(step.batch)); !committed) {
        if (committed.error().kind == ErrorKind::conflict && round < 20) continue;
        co_return std::unexpected(committed.error());
      }
      parts_.watcher.grant_changed(record.user, record.id);
      states_changed_ = true;  // asked for, not died: nothing was refused
      co_return std::unexpected(error_of(step.grant, now));
    }
    if (decision.kind == PostDecision::Kind::wait) {
      auto as_it_is = record;
      const bool later = record.due_at && decision.at > *record.due_at;
      if (urge == Urge::scheduled && later) co_await postpone(std::move(**view), decision.at, decision.why.empty() ? as_it_is.why : decision.why);
      flight->idle = !later && as_it_is.due_at && *as_it_is.due_at <= now;
      co_return as_it_is;
    }
    if (urge == Urge::scheduled && client->type.has(catalog::Quirk::refresh_kills_access) && uses_.any(grant)) {
      if (const auto at = after_uploads(record, now)) {
        auto as_it_is = record;
        co_await postpone(std::move(**view), *at, as_it_is.why);
        co_return as_it_is;
      }
    }
    // A token that an answer shows to be spent is sent once more only where that does no harm.
    const auto newest = parts_.journal.newest_answer(grant);
    if (journal_reads < kJournalReadsMax && is_behind(**view, newest)) {
      ++journal_reads;
      const auto unreadable = is_one_shot(rules.replay) ? Unreadable::error : Unreadable::passed_over;
      if (const auto merged = co_await merge_answers(**view, unreadable); !merged) co_return std::unexpected(merged.error());
      continue;
    }
    const bool is_anothers = anothers_.contains({grant, newest.generation, newest.recorded_at});
    if (is_one_shot(rules.replay) && !is_anothers && shows_spent(**view, newest)) {
      auto error = fail(ErrorKind::corrupt, "refresh_token_spent",
                        "The journal shows that a later refresh token than the one in the store has been in use, and what that was is not known here any more.").error();
      note_unreadable(grant, &error);
      co_return std::unexpected(std::move(error));
    }
    // Before the claim: whoever waits holds no lease, and no intent that another node must wait for.
    if (!flight->place) {
      if (const auto boarded = co_await board(flight, client->app, client->type.provider->id, is_one_shot(rules.replay)); !boarded) {
        co_return std::unexpected(boarded.error());
      }
    }
    if (!may_send()) {  // it has stood in line
      flight->turned_away = true;
      co_return not_counted();
    }
    auto spent = co_await spend(std::move(**view), client, rules, flight->with_token);
    flight->place.reset();  // another round pays the cap anew
    if (!spent) {
      // Somebody was faster: load again, still needed?
      if (spent.error().kind != ErrorKind::conflict || round >= 20) co_return spent;
      conflicted = true;
      continue;
    }
    // An ambiguous attempt is repeated at once where the type's rule allows it (F1), a first refusal is looked at again.
    const bool again_at_once = spent->state == store::GrantState::uncertain && spent->due_at && *spent->due_at <= parts_.wall.now();
    if (round >= kReplaysAtOnceMax || stopping_) co_return spent;
    if (!again_at_once && !(spent->state == store::GrantState::paused && co_await is_mended_since(client->app, client->app_version))) co_return spent;
    urge_now = Urge::insisted;
  }
}

// What cannot be asked for is told as what it is: out of reach, or somebody's to mend (R21, K6). Nothing was sent, nobody is
// dead.
Task<Result<store::Grant>> Keeper::end_unprepared(store::GrantView view, Error why) {
  const auto& grant = view.grant;
  const auto now = parts_.wall.now();
  if (why.kind == ErrorKind::corrupt) {
    tell_altered_app(parts_.alerts, grant.app);
    parts_.log.error("app_not_used", why);
    co_await postpone(std::move(view), now + 60s, why.text);
    co_return std::unexpected(std::move(why));
  }
  // The store's own trouble says nothing about the provider, and could not be written down either.
  const bool ours = why.kind == ErrorKind::ambiguous || why.kind == ErrorKind::conflict || why.reason == "store_unavailable";
  if (ours || !is_kept_fresh(grant.state)) co_return std::unexpected(std::move(why));
  const auto type = co_await parts_.clients.type_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  auto step = settle_unprepared(view, type ? rules_for(*type) : TypeRules{}, why, now);
  const ExchangeOutcome unsent(NotSent{why});
  add_history(step, grant, &unsent);
  // A conflict: somebody else has changed the grant, which is looked at again soon.
  const auto done = co_await parts_.store.commit(std::move(step.batch), store::Urgency::bookkeeping);
  if (done) note_change(grant, step.grant);
  else note_refused_write(done.error());
  if (why.kind == ErrorKind::unavailable) {
    if (type) note_failed(health(grant.app, type->provider->id), grant.id);
  } else {
    note_unprepared(grant);
    parts_.alerts.raise("app_misconfigured:" + grant.app, "The app registration " + grant.app + " cannot be used: " + sentence(why.text) +
                                                              " Its grants wait; nobody has to authorise again.");
    why.kind = ErrorKind::misconfigured;
    why.reason = "app_misconfigured";
  }
  if (!why.retry_after) why.retry_after = Seconds(60);
  co_return std::unexpected(std::move(why));
}

// Another node is at it: what it brings is as good as what a second POST would, and far safer.
Task<Result<store::Grant>> Keeper::wait_for_other_hands(store::Grant grant) {
  const auto until = parts_.steady.now() + kOtherHandsPatience;
  auto pause = kOtherHandsLook;
  while (!stopping_ && parts_.steady.now() < until) {
    co_await parts_.steady.sleep_for(pause);
    pause = std::min(pause * 2, kOtherHandsLookMax);
    const auto view = co_await parts_.store.grant(grant.id);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
    grant = (*view)->grant;
    if (!is_in_other_hands(grant, parts_.node, parts_.wall.now())) break;
  }
  co_return grant;
}

std::optional<Error> Keeper::while_circuit_open(const std::string& app, GrantId grant) const {
  const auto found = apps_.find(app);
  if (found == apps_.end() || !found->second.circuit.open()) return std::nullopt;
  const auto& state = found->second;
  const auto now = parts_.steady.now();
  // The one probe is not for a grant that fails whoever else is served.
  if (state.circuit.would_admit(now) && !state.unserved.is_odd(grant)) return std::nullopt;
  const auto next = state.circuit.next_try().value_or(now);
  return Error{.kind = ErrorKind::unavailable, .reason = "provider_unreachable",
               .text = "The provider has not answered lately. It is asked by one account at a time until it does.",
               .retry_after = std::max(kProbeAnswers, std::chrono::ceil<Seconds>(next - now))};
}

// The provider's cap, and how many it is asked by at once, hold for people in a hurry too (R25).
Task<Result<void>> Keeper::board(std::shared_ptr<Flight> flight, std::string app, std::string provider, bool one_shot) {
  auto& state = health(app, provider);
  const bool heeds_circuit = flight->urge == Urge::demanded;
  auto place = co_await gate_.enter({.app = app, .one_shot = one_shot, .cap = state.cap},
                                    [this, app, grant = flight->grant, heeds_circuit] { return !heeds_circuit || !while_circuit_open(app, grant); }, kPatienceInLine);
  if (!place) {
    flight->turned_away = true;
    if (stopping_) co_return fail(ErrorKind::unavailable, "provider_unreachable", "The server is shutting down.", {.retry_after = Seconds(5)});
    if (auto refused = while_circuit_open(app, flight->grant); refused && heeds_circuit) co_return std::unexpected(*std::move(refused));
    co_return fail(ErrorKind::unavailable, "provider_unreachable", "Too many other accounts wait for this provider.", {.retry_after = kPatienceInLine});
  }
  flight->place.emplace(*std::move(place));
  if (heeds_circuit && state.circuit.open()) flight->probes_app = app;
  if (heeds_circuit) static_cast<void>(state.circuit.admits(parts_.steady.now()));
  co_return Result<void>{};
}

Task<Result<store::Grant>> Keeper::spend(store::GrantView view, std::shared_ptr<const ProviderClient> client, TypeRules rules,
                                         LookAtToken with_token) {
  const auto* current = current_of(view);
  LATCHKEY_CHECK(current != nullptr);
  auto material = parts_.sealing.open_refresh(view.grant, *current);
  if (!material) co_return std::unexpected(material.error());
  const auto tuning = parts_.tuning();
  // Before the claim: the lease we count on is never longer than the store's.
  const Begun claim_begun{.steady = parts_.steady.now(), .wall = parts_.wall.now()};
  const auto begun = claim_begun.steady;
  const auto unsent = client->way && client->way->goes_on_unheard() ? Unsent::may_have_spent : Unsent::spent_nothing;
  const auto claim = claim_for(view, parts_.node, IntentId::make(parts_.wall.now(), parts_.entropy), tuning.lease, parts_.wall.now(), unsent);

  // Room for the reply first: a full disk must refuse while the token is still unspent (R4).
  if (const auto reserved = co_await parts_.journal.reserve(claim.intent.id); !reserved) {
    if (!parts_.journal.failed()) {
      parts_.alerts.raise("journal_full", "There is no room on the disk to keep token replies; refreshing waits. Free some space.");
    }
    co_return std::unexpected(reserved.error());
  }
  auto claimed = co_await parts_.store.commit(claim.batch, store::Urgency::ordinary);
  if (!claimed && claimed.error().kind == ErrorKind::ambiguous) {
    claimed = co_await find_out(claim, begun + tuning.lease - tuning.timeouts.total - kLeaseReserve);
  }
  if (!claimed && !(canary(Canary::lease_not_fenced) && claimed.error().kind == ErrorKind::conflict)) {
    parts_.journal.release(claim.intent.id);
    const auto kind = claimed.error().kind;
    if (kind == ErrorKind::unavailable || kind == ErrorKind::ambiguous) alert_store_refuses();
    co_return std::unexpected(claimed.error());
  }
  parts_.alerts.clear("journal_full");
  parts_.alerts.clear("store_refuses");
  StepTimes::add(parts_.counters.steps.claim, parts_.steady.now() - begun);

  std::optional<HoldBack> hold_back(std::in_place, *this, view.grant, client->type.has(catalog::Quirk::refresh_kills_access));
  const auto outcome = co_await exchange(client, claim, rules, *material, claim_begun);
  note_health(*client, view.grant, outcome);
  const auto replied_at = parts_.steady.now();
  store::GrantView as_claimed{.grant = claim.grant, .generations = view.generations, .intent = claim.intent};
  auto landed = co_await commit_step(view.grant.id, std::move(as_claimed), claim.intent, outcome, *material, client->type, std::move(rules),
                                   Origin::exchange);
  StepTimes::add(parts_.counters.steps.merge, parts_.steady.now() - replied_at);
  hold_back.reset();  // the new token is there
  const auto* replied = std::get_if<Replied>(&outcome);
  const bool is_its_own = !landed.unowned && replied != nullptr && !(landed.grant && is_of_another_account(*replied, *landed.grant));
  if (is_its_own && replied->reply.access_token && with_token) co_await with_token(*replied->reply.access_token);
  co_return std::move(landed.grant);
}

// The intent bears this flight's id, fence and version: whoever finds it so, open, has inserted it (F7).
Task<Result<void>> Keeper::find_out(Claim claim, SteadyTime until) {
  auto pause = std::chrono::milliseconds(50);
  for (;;) {
    const auto view = co_await parts_.store.grant(claim.grant.id);
    if (view && !*view) co_return fail(ErrorKind::not_found, "gone", "The grant was deleted.", {.field = "grant"});
    if (view) {
      if (holds(**view, claim, parts_.node)) co_return Result<void>{};
      co_return fail(ErrorKind::conflict, "version", "The claim has not happened.");
    }
    if (stopping_ || parts_.steady.now() >= until) co_return std::unexpected(view.error());
    co_await parts_.steady.sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, kStoreRetryMax);
  }
}

Task<bool> Keeper::still_holds(Claim claim, SteadyTime until) {
  for (int looks = 0; !stopping_ && parts_.steady.now() < until;) {
    const Begun asked{.steady = parts_.steady.now(), .wall = parts_.wall.now()};
    const auto view = co_await parts_.store.grant(claim.grant.id);
    if (!view && view.error().kind != ErrorKind::unavailable) co_return false;
    if (!view) {
      co_await parts_.steady.sleep_for(kOtherHandsLook);
      continue;
    }
    if (!*view || (*view)->grant.generation != claim.intent.generation || !holds(**view, claim, parts_.node)) co_return false;
    const auto state = (*view)->grant.state;
    if (state == store::GrantState::disabled || state == store::GrantState::revoked) co_return false;
    // An answer on which this process slept is looked for again; a store that is slow every time is believed.
    if (since(asked) <= kNews || ++looks == kLooksMax) co_return true;
  }
  co_return false;
}

std::size_t Keeper::first_secret(const ProviderClient& client) {
  auto& app = health(client.app, client.type.provider->id);
  if (std::exchange(app.secrets_of, client.app_version) != client.app_version) app.secret_next = 0;
  return client.secrets.empty() ? 0 : app.secret_next % client.secrets.size();
}

// The POST itself; twice where the newest of the app's secrets is refused, since the other one may still be good while
// secrets are being changed.
Task<ExchangeOutcome> Keeper::exchange(std::shared_ptr<const ProviderClient> client, Claim claim, TypeRules rules,
                                       const RefreshMaterial& material, Begun begun) {
  const auto tuning = parts_.tuning();
  ExchangeOutcome outcome = NotSent{{.kind = ErrorKind::unavailable, .reason = std::string(kLeaseTooShort),
                                     .text = "The claim took too long; the refresh is tried again."}};
  const auto lease_lasts = [&] { return since(begun) + tuning.timeouts.total + kLeaseReserve <= tuning.lease && may_send(); };
  const auto secrets = std::max<std::size_t>(client->secrets.size(), 1);
  auto slot = first_secret(*client);
  co_await wait_for_look(parts_.steady, parts_.may_send);  // the claim itself may have met a broken connection
  for (std::size_t tried = 0; lease_lasts(); ++tried, slot = (slot + 1) % secrets) {
    if (tried > 0) {
      // The refusal has taken the place reserved; the next reply needs one of its own.
      parts_.journal.confirm(claim.intent.id, parts_.wall.now());
      if (const auto reserved = co_await parts_.journal.reserve(claim.intent.id); !reserved) break;
    }
    // After a refusal, or in a process that was stopped: another node, or a person, may have brought newer tokens (R6).
    if (tried > 0 || since(begun) > kNews) {
      const auto until = begun.steady + tuning.lease - tuning.timeouts.total - kLeaseReserve;
      if (!co_await still_holds(claim, until) || !lease_lasts()) break;
    }
    if (!is_within_its_grace(claim.grant, claim.intent, rules, parts_.wall.now())) break;
    ExchangeRequest request{.intent = claim.intent.id, .grant = claim.grant.id, .generation = claim.intent.generation,
                            .attempt = claim.intent.attempts, .turn = static_cast<std::int64_t>(claim.intent.fence),
                            .account_mark = mark_of_account(claim.grant), .way = client->way,
                            .replay = rules.replay, .post = refresh_post(*client, material, slot),
                            .errors = client->type.errors, .shape = client->type.reply_shape, .timeouts = tuning.timeouts};
    outcome = co_await parts_.exchange.run(std::move(request));
    const auto* replied = std::get_if<Replied>(&outcome);
    const bool client_refused = replied != nullptr && replied->classified.outcome == oauth::RefreshOutcome::misconfigured_app &&
                                token_of(outcome, material.token) == nullptr;  // else the other secret would be sent with a spent token
    if (!client_refused || tried + 1 >= secrets) co_return outcome;
    // Until the others have been tried this says nothing about the app, and if there is no time for them now they come first next time.
    health(client->app, client->type.provider->id).secret_next = (slot + 1) % secrets;
    outcome = NotSent{{.kind = ErrorKind::unavailable, .reason = std::string(kLeaseTooShort),
                       .text = "The provider refused one of the app's secrets, and there was no time left to try the other one; it is tried next."}};
  }
  co_return outcome;
}

Step Keeper::step_for(const store::GrantView& view, const store::Intent& intent, const ExchangeOutcome& outcome,
                      const RefreshMaterial& spent, const catalog::ResolvedType& type, const TypeRules& rules) const {
  const auto now = parts_.wall.now();
  const bool overtaken = view.grant.generation != intent.generation;
  if (const auto* not_sent = std::get_if<NotSent>(&outcome)) {
    if (overtaken) return settle_overtaken(view, intent, not_sent->error.text, now);
    return settle_not_sent(view, intent, rules, not_sent->error.text, not_sent->error.retry_after, now);
  }
  if (const auto* no_reply = std::get_if<NoReply>(&outcome)) {
    if (overtaken) return settle_overtaken(view, intent, no_reply->error.text, now);
    return settle_ambiguous(view, intent, rules, no_reply->error.text, now);
  }
  const auto& replied = std::get<Replied>(outcome);
  // Whatever else is wrong with a reply that brought a new refresh token: the token is stored first (R12, F5).
  const auto* brought = token_of(outcome, spent.token);
  if (brought != nullptr && replied.classified.outcome != oauth::RefreshOutcome::refreshed) {
    return apply_refresh_token_alone(view, intent, *brought, spent, rules, parts_.sealing, why_alone(replied.reply, replied.classified),
                                     replied.classified.retry_after, now);
  }
  // Out of a journal: what the attempt after it came to is not known, and whether the refresh token is spent is for that one to say (F1).
  const bool another_followed = replied.attempt > 0 && replied.attempt < intent.attempts;
  const bool in_doubt = intent.state == store::IntentState::open || intent.state == store::IntentState::ambiguous;
  if (brought == nullptr && !overtaken && another_followed && in_doubt && is_one_shot(rules.replay) &&
      replied.classified.outcome == oauth::RefreshOutcome::refreshed) {
    return apply_access_token_alone(view, intent, replied.reply, rules, parts_.sealing, replied.received_at, now);
  }
  if (overtaken && replied.classified.outcome != oauth::RefreshOutcome::refreshed) {
    return settle_overtaken(view, intent, replied.classified.why, now);
  }
  switch (replied.classified.outcome) {
    case oauth::RefreshOutcome::refreshed: {
      auto learned = learned_of(view.grant.extras_json);
      if (const auto more = parts_.clients.catalog().learn(*type.provider, replied.reply.extras)) {
        for (const auto& [name, value] : *more) learned[name] = value;
      }
      return apply_reply(view, intent, replied.reply, spent, rules, parts_.sealing,
                         extras_with_learned(replied.reply.extras, learned), replied.received_at);
    }
    case oauth::RefreshOutcome::dead_grant:
      return settle_refused(view, intent, rules, parts_.sealing, IntentId::make(now, parts_.entropy), replied.classified.why, now);
    case oauth::RefreshOutcome::misconfigured_app:
      return settle_misconfigured(view, intent, replied.classified.why, complains_alone(view.grant), now);
    case oauth::RefreshOutcome::transient:
      // Somebody behind the endpoint may have rotated before it broke off; where that matters it counts as lost.
      if (replied.classified.may_have_spent && is_one_shot(rules.replay)) break;
      [[fallthrough]];
    case oauth::RefreshOutcome::too_early:
      return settle_transient(view, intent, rules, replied.classified, now);
    case oauth::RefreshOutcome::ambiguous: break;
  }
  return settle_ambiguous(view, intent, rules, replied.classified.why, now);
}

void Keeper::alert_store_refuses() {
  parts_.alerts.raise("store_refuses", "The store cannot be written (is the disk full?). Nothing is refreshed, and replies of providers are held, until it can.");
}

Task<Keeper::Landed> Keeper::commit_step(GrantId grant, std::optional<store::GrantView> known, store::Intent intent,
                                         const ExchangeOutcome& outcome, const RefreshMaterial& spent,
                                         const catalog::ResolvedType& type, TypeRules rules, Origin origin) {
  auto pause = std::chrono::milliseconds(10);
  std::optional<SteadyTime> give_up_at;
  std::optional<store::Version> conflict_at;  // the grant's version when a commit met a conflict
  bool caught_up = false;
  Result<std::optional<store::GrantView>> view = std::optional<store::GrantView>();
  std::optional<store::Grant> whose;  // the grant as it was first seen, whose consent brought what came
  std::optional<WayBack> unowned;
  for (;;) {
    if (!whose && view && *view) whose = std::move((*view)->grant);
    // Usually nobody has touched the grant since its claim, and the store says so itself by taking the step.
    const bool as_claimed = known.has_value();
    view = as_claimed ? std::exchange(known, std::nullopt) : co_await parts_.store.grant(grant);
    Result<void> committed = fail(ErrorKind::unavailable, "store_unavailable", "The store cannot be read.");
    // Declared lost meanwhile, another node may have changed the master key under which this step would be sealed.
    const bool counted = counts();
    const bool is_deleted = view && !*view;
    const bool is_revoked = view && *view && counted && (*view)->grant.state == store::GrantState::revoked;
    const bool fell_back = view && *view && counted && (*view)->grant.generation < intent.generation && origin == Origin::exchange && !caught_up;
    if (is_deleted || is_revoked) {
      // While its refresh was in flight: nobody owns the reply any more (F7).
      if (!unowned && is_revoked) unowned = way_back(whose ? *whose : (*view)->grant, outcome);
      if (!unowned) unowned = whose ? way_back(*whose, outcome) : WayBack{};
      committed = co_await give_back(*unowned);
      if (committed) {
        parts_.journal.confirm(intent.id, parts_.wall.now());
        if (is_deleted) co_return Landed{.grant = fail(ErrorKind::not_found, "no_such_grant", "The grant was deleted."), .unowned = true};
        co_return Landed{.grant = (*view)->grant, .unowned = true};
      }
    } else if (fell_back) {
      // While the answer was on its way: what came is no late reply but the newest. The journal has all of them (F5).
      committed = co_await merge_answers(**view, Unreadable::passed_over);
      // Where the journal could not be written, or cannot be read at this moment, its newest answer is at hand all the same.
      const auto* at_hand = std::get_if<Replied>(&outcome);
      const bool may_be_missing = committed || committed.error().reason == "disk_failed";
      if (may_be_missing && at_hand != nullptr && token_of(outcome, spent.token) != nullptr) committed = co_await merge_entry(as_sealed_now(at_hand->entry));
      if (!committed) parts_.log.error("reply_not_merged", committed.error());
      // Unless the store has gone away again: then once more, or the newest answer would be kept as if it had come late.
      caught_up = committed || (committed.error().reason != "store_unavailable" && committed.error().kind != ErrorKind::ambiguous);
      if (caught_up) continue;
    } else if (view && counted) {
      const auto& before = (*view)->grant;
      // The store fell back behind the consent that it came to, and knows that of another account only (F10).
      const auto* replied = std::get_if<Replied>(&outcome);
      const bool is_anothers = replied != nullptr && is_of_another_account(*replied, before);
      if (is_anothers && (origin == Origin::journal || before.created_at < intent.opened_at)) {
        note_anothers({.intent = intent.id, .grant = grant, .generation = intent.generation, .recorded_at = replied->received_at, .reply_sealed = {}});
        parts_.journal.confirm(intent.id, parts_.wall.now());
        co_return Landed{.grant = before};
      }
      const auto made = made_by(intent, **view, outcome, spent.token, parts_.sealing);
      const auto& known_intent = (*view)->intent;
      const bool still_there = known_intent && known_intent->id == intent.id;
      // The store fell back behind the claim of this very exchange: what became of it is written down all the same.
      const bool forgotten = origin == Origin::exchange && !as_claimed && !still_there && before.generation == intent.generation &&
                             before.created_at < intent.opened_at;  // else a new consent has taken its place
      if (forgotten && !known_intent) intent.version = kIntentUnknown;
      // ... unless others have gone on from an older one since, and number alike.
      const auto in_use = forgotten ? token_in_use(**view, parts_.sealing) : std::nullopt;
      const bool of_another_branch = in_use && !in_use->equals(spent.token);
      const auto* brought = token_of(outcome, spent.token);
      if (of_another_branch && brought == nullptr) {
        parts_.journal.confirm(intent.id, parts_.wall.now());
        co_return Landed{.grant = before};
      }
      if (of_another_branch) intent.version = kIntentUntracked;
      // Another node has gone on with this intent when the lease had passed: whatever it brought or brings counts as much as
      // this reply, which is kept beside it (R6, F2). Without a token there is nothing to keep, and the intent is the other's.
      // The store fell back behind this claim to an earlier one of the same attempt, and does not know this answer from the journal.
      const bool is_behind_claim = still_there && known_intent->fence < intent.fence && !is_told(*known_intent, outcome);
      const bool taken_over = made == Made::another_reply || (still_there && known_intent->fence != intent.fence && !is_behind_claim);
      if (is_behind_claim) intent.version = known_intent->version;
      if (made == Made::this_reply || (taken_over && token_of(outcome, spent.token) == nullptr)) {  // or the answer to an earlier commit was lost (F7)
        parts_.journal.confirm(intent.id, parts_.wall.now());
        co_return Landed{.grant = before};
      }
      if (taken_over) {
        intent.version = still_there ? known_intent->version : kIntentUntracked;
      } else if (conflict_at == before.version) {
        // The grant stands as it stood, so the intent has moved on: the answer to our own commit was lost. What was said counts
        // once; a token that came, and is not there, is kept all the same (F2).
        if (!brings_token(outcome, spent.token)) {
          parts_.journal.confirm(intent.id, parts_.wall.now());
          co_return Landed{.grant = before};
        }
        intent.version = kIntentUntracked;
      }
      auto step = of_another_branch ? keep_as_candidate(**view, intent, *brought, spent, parts_.sealing, parts_.wall.now())
                                    : step_for(**view, intent, outcome, spent, type, rules);
      if (origin == Origin::journal) {
        if (replied != nullptr) stamp(step, replied->received_at);
        spare_candidates(step, **view, brought, parts_.sealing);
        if (still_there && known_intent->state == store::IntentState::open && known_intent->node != parts_.node) leave_lease(step, before);
        hold_for_others(step, before, rules);
      }
      step.batch.push_back(store::DeleteIntentsBelow{grant, before.generation});
      add_history(step, before, &outcome);
      committed = co_await parts_.store.commit(std::move(step.batch), store::Urgency::token_reply);
      if (committed) {
        parts_.journal.confirm(intent.id, parts_.wall.now());
        parts_.alerts.clear("store_refuses");
        note_change(before, step.grant);
        co_return Landed{.grant = std::move(step.grant)};
      }
      const auto error = committed.error();
      if (as_claimed && (error.kind == ErrorKind::conflict || error.reason == "gone")) continue;
      if (error.reason == "gone" && error.field == "intent" && before.created_at < intent.opened_at && token_of(outcome, spent.token) != nullptr) {
        intent.version = kIntentUntracked;  // history already, and the consent is the same: others have gone on by it
        continue;
      }
      const bool is_replaced = error.reason == "gone" && error.field == "intent";
      if (is_replaced) {
        // A new consent has replaced the grant's tokens meanwhile; what came belongs to the old one.
        if (!unowned) unowned = way_back(whose ? *whose : before, outcome);
        committed = co_await give_back(*unowned);
        if (committed) {
          parts_.journal.confirm(intent.id, parts_.wall.now());
          co_return Landed{.grant = before, .unowned = true};
        }
      } else if (error.kind == ErrorKind::conflict || error.reason == "gone") {
        if (error.kind == ErrorKind::conflict) conflict_at = before.version;
        continue;  // somebody has changed it: look again
      }
    }
    if (counted) alert_store_refuses();
    if (stopping_) {
      if (!give_up_at) give_up_at = parts_.steady.now() + kStopPatience;
      if (parts_.steady.now() > *give_up_at) co_return Landed{.grant = std::unexpected(committed.error())};
    }
    co_await parts_.steady.sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, kStoreRetryMax);
  }
}

void Keeper::note_change(const store::Grant& before, const store::Grant& after) {
  parts_.watcher.grant_changed(after.user, after.id);
  parts_.log.debug("grant_settled", {{"grant", after.id.text()}, {"type", after.type}, {"generation", after.generation},
                                     {"state", store::name_of(after.state)}, {"due_at", after.due_at ? base::to_rfc3339(*after.due_at) : "never"}});
  if (after.state == before.state) return;
  states_changed_ = true;
  if (after.state == store::GrantState::needs_authorization) parts_.counters.died += 1;
}

// Moves a grant's due time without a POST; a conflict means somebody else has moved it, which is as good.
Task<void> Keeper::postpone(store::GrantView view, WallTime at, std::string why) {
  auto grant = std::move(view.grant);
  grant.due_at = at;
  grant.why = sentence(why);
  store::Batch batch;
  batch.push_back(store::UpdateGrant{std::move(grant)});
  if (const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping); !done) note_refused_write(done.error());
}

// What could not be written down stays as due as it was: it must not be begun again at once.
void Keeper::note_refused_write(const Error& error) {
  if (error.kind != ErrorKind::conflict) writes_rest_until_ = parts_.steady.now() + kWritesRest;
}

std::chrono::nanoseconds Keeper::since(Begun begun) const {
  return std::max<std::chrono::nanoseconds>(parts_.steady.now() - begun.steady, parts_.wall.now() - begun.wall);
}

}  // namespace latchkey::grants
