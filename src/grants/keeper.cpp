#include "grants/keeper.h"

#include <algorithm>

#include "oauth/revocation.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kTickMax = 1s;
constexpr auto kLeaseReserve = 15s;          // what must be left of the lease beyond the hard deadline (F3)
constexpr auto kProbePausedAppEvery = 300s;  // a mended secret is noticed without anybody pressing a button
constexpr auto kStoreRetryMax = 1s;
constexpr auto kStopPatience = 10s;          // a store that refuses for ever must not hold the shutdown: the journal has the reply
constexpr int kReplaysAtOnceMax = 3;
constexpr std::size_t kUnsettledMax = 10'000;
constexpr std::size_t kWokenMax = 10'000;  // the others fall due by themselves within a minute

std::string alert_cause(const std::string& app) { return "app_misconfigured:" + app; }

bool is_one_shot(catalog::ReplayPolicy policy) { return policy != catalog::ReplayPolicy::harmless; }

oauth::FormPost refresh_post(const ProviderClient& client, const RefreshMaterial& material, std::size_t slot) {
  oauth::Refresh request{.endpoint = client.endpoints.token, .client = client.registration(slot), .refresh_token = &material.token};
  request.extra = client.type.extra.refresh;
  if (client.type.has(catalog::Quirk::refresh_repeats_redirect_uri)) request.redirect_uri = client.redirect_uri;
  if (client.type.has(catalog::Quirk::refresh_repeats_code_verifier) && !material.code_verifier.empty()) {
    request.code_verifier = &material.code_verifier;
  }
  if (client.type.has(catalog::Quirk::refresh_repeats_scope)) {
    for (const auto& scope : client.type.scopes) {
      if (!request.scope.empty()) request.scope += client.type.provider->scope_separator;
      request.scope += scope;
    }
  }
  return oauth::refresh(request);
}

}  // namespace

struct Keeper::Flight {
  Flight(GrantId grant_in, Urge urge_in, const Executor& executor) : grant(grant_in), urge(urge_in), landed(executor) {}
  GrantId grant;
  Urge urge;
  std::function<Task<void>(const Secret&)> with_token;
  base::Broadcast landed;
  std::optional<Result<store::Grant>> result;
};

Keeper::Keeper(Parts parts)
    : parts_(std::move(parts)), flights_group_(parts_.executor, parts_.log), loop_group_(parts_.executor, parts_.log),
      wake_(parts_.executor) {}

Keeper::~Keeper() = default;

Task<Result<void>> Keeper::start() {
  if (const auto merged = co_await merge_journal(); !merged) co_return merged;
  co_await settle_forgotten_intents();
  loop_group_.spawn("keeper", run());
  co_return Result<void>{};
}

Task<void> Keeper::stop() {
  stopping_ = true;
  wake_.notify_all();
  co_await loop_group_.cancel_and_wait();
  co_await flights_group_.drain();
}

void Keeper::nudge() { wake_.notify_all(); }

TypeRules Keeper::rules_for(const catalog::ResolvedType& type) const {
  TypeRules rules;
  // A type may ask for less often than the registry says, never for more.
  rules.pace.polling_time = std::max(parts_.polling_time(type.type->id), type.type->polling_time.value_or(Seconds(0)));
  rules.pace.refused_until_before_expiry = type.early_refresh_refused;
  rules.pace.idle_lifetime = type.type->idle_lifetime;
  rules.replay = type.type->replay;
  rules.grace = type.type->grace;
  rules.lifetime_fallback = type.access_lifetime_fallback;
  rules.scopes = type.scopes;
  return rules;
}

Keeper::AppHealth& Keeper::health(const std::string& app) { return apps_[app]; }

// ---- the loop ------------------------------------------------------------------------------------------------------

Task<void> Keeper::run() {
  while (!stopping_) {
    co_await tick();
    co_await probe_paused_apps();
    co_await wake_.wait_for(kTickMax);
  }
}

Task<void> Keeper::tick() {
  if (parts_.journal.failed()) {
    parts_.alerts.raise("journal_failed",
                        "The disk refused to keep token replies; nothing is refreshed until the server is restarted on a "
                        "sound disk. Tokens still valid are served.");
    co_return;
  }
  const auto tuning = parts_.tuning();
  for (;;) {
    if (stopping_ || flights_.size() >= tuning.parallel) co_return;
    const auto steady_now = parts_.steady.now();
    std::vector<std::string> resting;
    for (const auto& [app, state] : apps_) {
      if (state.circuit.open() && state.circuit.wait(steady_now) > 1s) resting.push_back(app);
    }
    const std::size_t wanted = (tuning.parallel - flights_.size()) * 2 + 64;
    const auto due = co_await parts_.store.due_grants(parts_.wall.now(), wanted, std::move(resting));
    if (!due) {
      parts_.log.error("due_grants_unreadable", due.error());
      co_return;
    }
    std::size_t started = 0;
    for (const auto& grant : *due) {
      if (flights_.size() >= tuning.parallel) break;
      if (flights_.contains(grant.id)) continue;
      const auto type = parts_.clients.catalog().find_type(grant.type);
      if (!type) continue;
      if (is_one_shot(type->replay) && one_shots_ >= tuning.one_shot_parallel) continue;
      auto& state = health(grant.app);
      if (!state.cap_known) {
        const auto provider = parts_.clients.catalog().find_provider(type->provider);
        if (provider && provider->rate_cap) {
          const auto per_minute = provider->rate_cap->requests * 60 / std::max<std::int64_t>(1, provider->rate_cap->per.count());
          state.cap = RateCap(static_cast<int>(std::clamp<std::int64_t>(per_minute, 1, 1'000'000)));
        }
        state.cap_known = true;
      }
      if (!state.circuit.admits(steady_now)) continue;
      if (!state.cap.take(steady_now)) continue;
      join_or_start(grant.id, Urge::scheduled, {});
      ++started;
    }
    if (started == 0 || due->size() < wanted) co_return;
  }
}

Task<void> Keeper::probe_paused_apps() {
  const auto apps = co_await parts_.store.apps();
  if (!apps) co_return;
  const auto now = parts_.steady.now();
  for (const auto& app : *apps) {
    if (!app.paused) continue;
    auto& state = health(app.id);
    if (state.probe_at == SteadyTime{}) state.probe_at = now + kProbePausedAppEvery;
    if (now < state.probe_at) continue;
    state.probe_at = now + kProbePausedAppEvery;
    const auto grants = co_await parts_.store.grants_of_app(app.id, 1);
    if (grants && !grants->empty()) join_or_start(grants->front().id, Urge::insisted, {});
  }
}

// ---- flights -------------------------------------------------------------------------------------------------------

std::shared_ptr<Keeper::Flight> Keeper::join_or_start(GrantId grant, Urge urge, std::function<Task<void>(const Secret&)> with_token) {
  if (const auto known = flights_.find(grant); known != flights_.end()) return known->second;
  auto flight = std::make_shared<Flight>(grant, urge, parts_.executor);
  flight->with_token = std::move(with_token);
  flights_[grant] = flight;
  if (!flights_group_.spawn("refresh", fly(flight))) {
    flights_.erase(grant);
    flight->result = fail(ErrorKind::unavailable, "provider_unreachable", "The server is shutting down.", {.retry_after = Seconds(5)});
  }
  return flight;
}

Task<void> Keeper::fly(std::shared_ptr<Flight> flight) {
  parts_.counters.in_flight += 1;
  flight->result = co_await refresh(flight->grant, flight->urge, flight->with_token);
  parts_.counters.in_flight -= 1;
  flights_.erase(flight->grant);
  flight->landed.notify_all();
  if (flights_.size() <= parts_.tuning().parallel / 2) wake_.notify_all();
}

Task<Result<store::GrantView>> Keeper::fresh(GrantId grant, Seconds min_valid) {
  auto view = co_await parts_.store.grant(grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
  const auto lifetime = lifetime_of(issue_of((*view)->grant));
  const auto asked = std::min<Seconds>(min_valid, lifetime / 2);
  if (usable_generation(**view, parts_.wall.now() + asked) != nullptr) co_return std::move(**view);

  // Holding the flight keeps it alive until this caller has read what it came to.
  const auto flight = join_or_start(grant, Urge::demanded, {});
  if (!flight->result) {
    parts_.counters.handouts_waited += 1;
    // A token that is good for less than was asked is served at once when the provider is slow (R7).
    if (usable_generation(**view, parts_.wall.now()) != nullptr && asked == Seconds(0)) co_return std::move(**view);
    co_await flight->landed.wait();
  }
  view = co_await parts_.store.grant(grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
  if (usable_generation(**view, parts_.wall.now()) != nullptr) co_return std::move(**view);
  if (flight->result && !flight->result->has_value()) co_return std::unexpected(flight->result->error());
  co_return std::unexpected(error_of((*view)->grant, parts_.wall.now()));
}

Task<Result<store::Grant>> Keeper::refresh_now(GrantId grant, std::function<Task<void>(const Secret&)> with_token) {
  const auto flight = join_or_start(grant, Urge::insisted, std::move(with_token));
  while (!flight->result) co_await flight->landed.wait();
  co_return *flight->result;
}

Error Keeper::error_of(const store::Grant& grant, WallTime now) const {
  const auto retry = [&] {
    if (!grant.due_at || *grant.due_at <= now) return Seconds(5);
    return std::max(Seconds(1), std::chrono::ceil<Seconds>(*grant.due_at - now));
  };
  switch (grant.state) {
    case store::GrantState::needs_authorization:
      return {.kind = ErrorKind::needs_person, .reason = "authorization_needed",
              .text = "The account must be authorised again in the console: " + sentence(grant.why)};
    case store::GrantState::held:
      return {.kind = ErrorKind::needs_person, .reason = "authorization_needed",
              .text = "The account waits for an administrator's approval in the console."};
    case store::GrantState::disabled:
    case store::GrantState::revoked:
      return {.kind = ErrorKind::needs_person, .reason = "authorization_needed",
              .text = "The grant is switched off. An administrator can switch it on or authorise it again in the console."};
    case store::GrantState::paused:
      return {.kind = ErrorKind::misconfigured, .reason = "app_misconfigured",
              .text = "The provider refuses this server's app registration; an administrator must mend it under OAuth settings.",
              .retry_after = Seconds(60)};
    case store::GrantState::active:
    case store::GrantState::unreachable:
    case store::GrantState::uncertain: break;
  }
  return {.kind = ErrorKind::unavailable, .reason = "provider_unreachable",
          .text = "The provider could not be asked for a new token: " + sentence(grant.why.empty() ? "it did not answer" : grant.why),
          .retry_after = retry()};
}

// ---- one refresh ---------------------------------------------------------------------------------------------------

Task<Result<store::Grant>> Keeper::refresh(GrantId grant, Urge urge, std::function<Task<void>(const Secret&)> with_token) {
  for (int round = 0;; ++round) {
    auto view = co_await parts_.store.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
    if (const auto checked = parts_.sealing.check((*view)->grant); !checked) {
      parts_.alerts.raise("record_altered", "A stored grant was altered from outside and is not used. See the log.");
      parts_.log.error("grant_not_used", checked.error());
      co_return std::unexpected(checked.error());
    }
    const store::Grant& record = (*view)->grant;
    auto client = co_await parts_.clients.client_for(record.type, record.app, record.params_json, record.extras_json);
    if (!client) {
      co_await postpone(std::move(**view), parts_.wall.now() + 60s, client.error().text);
      auto error = client.error();
      if (error.kind == ErrorKind::misconfigured) error.reason = "app_misconfigured";
      if (!error.retry_after) error.retry_after = Seconds(60);
      co_return std::unexpected(std::move(error));
    }
    if (client->paused && urge != Urge::insisted) {
      co_return fail(ErrorKind::misconfigured, "app_misconfigured",
                     "The provider refuses this server's app registration; an administrator must mend it under OAuth settings.",
                     {.retry_after = Seconds(60)});
    }
    const auto rules = rules_for(client->type);
    const auto now = parts_.wall.now();
    const auto decision = decide_post(**view, rules, round == 0 ? urge : Urge::insisted, parts_.node, now);
    if (decision.kind == PostDecision::Kind::nothing) {
      if (record.due_at) co_await postpone(std::move(**view), now + std::chrono::hours(24), decision.why);
      co_return std::unexpected(error_of((*view)->grant, now));
    }
    if (decision.kind == PostDecision::Kind::wait) {
      if (urge == Urge::scheduled && record.due_at && decision.at > *record.due_at) {
        co_await postpone(std::move(**view), decision.at, decision.why.empty() ? record.why : decision.why);
      }
      co_return record;
    }
    auto spent = co_await spend(std::move(**view), std::move(*client), rules, with_token);
    if (!spent) {
      if (spent.error().kind == ErrorKind::conflict && round < 20) continue;  // somebody was faster: load again, still needed?
      co_return spent;
    }
    // An ambiguous attempt is repeated at once where the type's rule allows it (F1), a first refusal is looked at again.
    const bool again_at_once = spent->state == store::GrantState::uncertain && spent->due_at && *spent->due_at <= parts_.wall.now();
    if (again_at_once && round < kReplaysAtOnceMax && !stopping_) continue;
    co_return spent;
  }
}

Task<Result<store::Grant>> Keeper::spend(store::GrantView view, ProviderClient client, TypeRules rules,
                                         std::function<Task<void>(const Secret&)> with_token) {
  const auto* current = current_of(view);
  LATCHKEY_CHECK(current != nullptr);
  auto material = parts_.sealing.open_refresh(view.grant, *current);
  if (!material) co_return std::unexpected(material.error());
  const auto tuning = parts_.tuning();
  const auto begun = parts_.steady.now();  // before the claim: the lease we count on is never longer than the store's
  const auto claim = claim_for(view, parts_.node, IntentId::make(parts_.wall.now(), parts_.entropy), tuning.lease, parts_.wall.now());

  // Room for the reply first: a full disk must refuse while the token is still unspent (R4).
  if (const auto reserved = co_await parts_.journal.reserve(claim.intent.id); !reserved) {
    parts_.alerts.raise("journal_full", "There is no room on the disk to keep token replies; refreshing waits. Free some space.");
    co_return std::unexpected(reserved.error());
  }
  if (const auto claimed = co_await parts_.store.commit(claim.batch, store::Urgency::ordinary); !claimed) {
    parts_.journal.release(claim.intent.id);
    co_return std::unexpected(claimed.error());
  }
  parts_.alerts.clear("journal_full");

  ExchangeOutcome outcome = NotSent{{.kind = ErrorKind::unavailable, .reason = "lease_too_short",
                                     .text = "The claim took too long; the refresh is tried again."}};
  const bool one_shot = is_one_shot(rules.replay);
  one_shots_ += one_shot ? 1 : 0;
  for (std::size_t slot = 0; parts_.steady.now() - begun + tuning.timeouts.total + kLeaseReserve <= tuning.lease; ++slot) {
    ExchangeRequest request{.intent = claim.intent.id, .grant = view.grant.id, .generation = claim.intent.generation,
                            .replay = rules.replay, .post = refresh_post(client, *material, slot),
                            .errors = client.type.errors, .shape = client.type.reply_shape, .timeouts = tuning.timeouts};
    outcome = co_await parts_.exchange.run(std::move(request));
    // The newest secret is refused: the other one may still be good while secrets are being changed. Nothing was spent.
    const auto* replied = std::get_if<Replied>(&outcome);
    const bool client_refused = replied != nullptr && replied->classified.outcome == oauth::RefreshOutcome::misconfigured_app;
    if (!client_refused || slot + 1 >= client.secrets.size()) break;
  }
  one_shots_ -= one_shot ? 1 : 0;
  if (const auto* replied = std::get_if<Replied>(&outcome); replied && replied->reply.access_token && with_token) {
    co_await with_token(*replied->reply.access_token);
  }
  co_await note_health(client, outcome, view.grant.user);
  co_return co_await commit_step(view.grant.id, claim.intent, outcome, *material, client, std::move(rules));
}

Step Keeper::step_for(const store::GrantView& view, const store::Intent& intent, const ExchangeOutcome& outcome,
                      const RefreshMaterial& spent, const ProviderClient& client, const TypeRules& rules) const {
  const auto now = parts_.wall.now();
  if (const auto* not_sent = std::get_if<NotSent>(&outcome)) {
    return settle_not_sent(view, intent, rules, not_sent->error.text, not_sent->error.retry_after, now);
  }
  if (const auto* no_reply = std::get_if<NoReply>(&outcome)) {
    return settle_ambiguous(view, intent, rules, no_reply->error.text, now);
  }
  const auto& replied = std::get<Replied>(outcome);
  // Whatever else is wrong with a reply that brought a new refresh token: the token is stored first (R12, F5).
  if (!replied.reply.access_token && replied.reply.refresh_token && replied.reply.error.empty()) {
    return apply_refresh_token_alone(view, intent, *replied.reply.refresh_token, spent, rules, parts_.sealing,
                                     "The provider's answer held a new refresh token but no access token.", now);
  }
  switch (replied.classified.outcome) {
    case oauth::RefreshOutcome::refreshed: {
      auto learned = learned_of(view.grant.extras_json);
      if (const auto more = parts_.clients.catalog().learn(*client.type.provider, replied.reply.extras)) {
        for (const auto& [name, value] : *more) learned[name] = value;
      }
      return apply_reply(view, intent, replied.reply, spent, rules, parts_.sealing,
                         extras_with_learned(replied.reply.extras, learned), now);
    }
    case oauth::RefreshOutcome::dead_grant:
      return settle_refused(view, intent, parts_.sealing, replied.classified.why, now);
    case oauth::RefreshOutcome::misconfigured_app:
      return settle_misconfigured(view, intent, replied.classified.why, now);
    case oauth::RefreshOutcome::transient:
    case oauth::RefreshOutcome::too_early:
      return settle_transient(view, intent, rules, replied.classified, now);
    case oauth::RefreshOutcome::ambiguous: break;
  }
  return settle_ambiguous(view, intent, rules, replied.classified.why, now);
}

Task<Result<store::Grant>> Keeper::commit_step(GrantId grant, store::Intent intent, const ExchangeOutcome& outcome,
                                               const RefreshMaterial& spent, const ProviderClient& client, TypeRules rules) {
  auto pause = std::chrono::milliseconds(10);
  std::optional<SteadyTime> give_up_at;
  for (;;) {
    const auto view = co_await parts_.store.grant(grant);
    if (view && !*view) {
      // Deleted while its refresh was in flight: nobody owns the reply any more (F7).
      parts_.counters.replies_unowned += 1;
      parts_.journal.confirm(intent.id, parts_.wall.now());
      co_return fail(ErrorKind::not_found, "no_such_grant", "The grant was deleted.");
    }
    Result<void> committed = fail(ErrorKind::unavailable, "store_unavailable", "The store cannot be read.");
    if (view) {
      const bool applied = std::ranges::any_of((*view)->generations, [&](const store::Generation& generation) {
        return generation.intent == intent.id && generation.number != intent.generation;
      });
      if (applied) {  // the answer to an earlier commit was lost: done is done (F7)
        parts_.journal.confirm(intent.id, parts_.wall.now());
        co_return (*view)->grant;
      }
      auto step = step_for(**view, intent, outcome, spent, client, rules);
      step.batch.push_back(store::DeleteIntentsBelow{grant, (*view)->grant.generation});
      const bool died = step.grant.state == store::GrantState::needs_authorization &&
                        (*view)->grant.state != store::GrantState::needs_authorization;
      if (died) {
        step.batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = "keeper", .action = "grant.needs_authorization",
                                                 .subject = step.grant.type + " " + step.grant.account_name,
                                                 .user = step.grant.user, .detail = step.grant.why}});
      }
      committed = co_await parts_.store.commit(std::move(step.batch), store::Urgency::token_reply);
      if (committed) {
        parts_.journal.confirm(intent.id, parts_.wall.now());
        parts_.alerts.clear("store_refuses");
        parts_.watcher.grant_changed(step.grant.user, grant);
        if (died) parts_.counters.died += 1;
        co_return step.grant;
      }
      if (committed.error().kind == ErrorKind::conflict) continue;
    }
    parts_.alerts.raise("store_refuses", "The store cannot be written (is the disk full?). Replies of providers are held until it can.");
    if (stopping_) {
      if (!give_up_at) give_up_at = parts_.steady.now() + kStopPatience;
      if (parts_.steady.now() > *give_up_at) co_return std::unexpected(committed.error());
    }
    co_await parts_.steady.sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, kStoreRetryMax);
  }
}

Task<void> Keeper::note_health(const ProviderClient& client, const ExchangeOutcome& outcome, UserId user) {
  auto& state = health(client.app);
  const auto now = parts_.steady.now();
  auto& counters = parts_.counters;
  if (std::holds_alternative<NotSent>(outcome)) {
    counters.not_sent += 1;
    state.circuit.failed(now);
    co_return;
  }
  if (std::holds_alternative<NoReply>(outcome)) {
    counters.ambiguous += 1;
    state.circuit.failed(now);
    co_return;
  }
  const auto& replied = std::get<Replied>(outcome);
  switch (replied.classified.outcome) {
    case oauth::RefreshOutcome::refreshed:
      counters.refreshed += 1;
      state.circuit.succeeded();
      if (client.paused) co_await resume_app(client.app);
      break;
    case oauth::RefreshOutcome::dead_grant:
      counters.refused += 1;
      state.circuit.succeeded();
      parts_.log.info("refresh_refused", {{"app", client.app}, {"user", user.text()}, {"why", replied.classified.why}});
      break;
    case oauth::RefreshOutcome::misconfigured_app:
      counters.misconfigured += 1;
      co_await pause_app(client.app, replied.classified.why);
      break;
    case oauth::RefreshOutcome::too_early: state.circuit.succeeded(); break;
    case oauth::RefreshOutcome::transient:
      counters.transient += 1;
      state.circuit.failed(now);
      break;
    case oauth::RefreshOutcome::ambiguous: counters.ambiguous += 1; break;
  }
}

Task<void> Keeper::pause_app(std::string app, std::string why) {
  parts_.alerts.raise(alert_cause(app), "The provider refuses the app registration " + app + ": " + sentence(why) +
                                            " Its grants wait; nobody has to authorise again. Mend it under OAuth settings.");
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto found = co_await parts_.store.app(app);
    if (!found || !*found || (*found)->paused) co_return;
    auto record = **found;
    record.paused = true;
    record.pause_reason = sentence(why);
    store::Batch batch;
    batch.push_back(store::PutApp{record});
    batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = "keeper", .action = "app.paused", .subject = app, .detail = why}});
    if (co_await parts_.store.commit(std::move(batch))) co_return;
  }
}

Task<void> Keeper::resume_app(std::string app) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto found = co_await parts_.store.app(app);
    if (!found || !*found) co_return;
    auto record = **found;
    if (record.paused) {
      record.paused = false;
      record.pause_reason.clear();
      store::Batch batch;
      batch.push_back(store::PutApp{record});
      batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = "keeper", .action = "app.resumed", .subject = app}});
      if (!co_await parts_.store.commit(std::move(batch))) continue;
    }
    parts_.alerts.clear(alert_cause(app));
    co_await wake_grants_of(app);
    co_return;
  }
}

Task<void> Keeper::wake_grants_of(std::string app) {
  const auto grants = co_await parts_.store.grants_of_app(app, kWokenMax);
  if (!grants) co_return;
  for (const auto& waiting : *grants) {
    if (waiting.state != store::GrantState::paused || flights_.contains(waiting.id)) continue;
    auto woken = waiting;
    woken.due_at = parts_.wall.now();
    store::Batch batch;
    batch.push_back(store::UpdateGrant{std::move(woken)});
    // A conflict means that somebody else has moved it: as good.
    [[maybe_unused]] const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  }
  nudge();
}

// Moves a grant's due time without a POST; a conflict means somebody else has moved it, which is as good.
Task<void> Keeper::postpone(store::GrantView view, WallTime at, std::string why) {
  auto grant = std::move(view.grant);
  grant.due_at = at;
  grant.why = sentence(why);
  store::Batch batch;
  batch.push_back(store::UpdateGrant{std::move(grant)});
  [[maybe_unused]] const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
}

// ---- after a crash -------------------------------------------------------------------------------------------------

Task<Result<void>> Keeper::merge_journal() {
  auto entries = co_await parts_.journal.unconfirmed();
  if (!entries) co_return std::unexpected(entries.error());
  for (auto& entry : *entries) co_await merge_entry(std::move(entry));
  co_return Result<void>{};
}

Task<void> Keeper::merge_entry(store::JournalEntry entry) {
  const auto id = entry.intent;
  if (entry.generation == 0) {
    if (!recover_code_) co_return;
    if (const auto done = co_await recover_code_(std::move(entry)); !done) {
      parts_.log.error("code_not_recovered", done.error());
      co_return;  // stays in the journal for the next start
    }
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  const auto view = co_await parts_.store.grant(entry.grant);
  if (!view) co_return;  // stays in the journal for the next start
  if (!*view) {
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  const auto& grant = (*view)->grant;
  const auto spent_generation = std::ranges::find((*view)->generations, entry.generation, &store::Generation::number);
  if (spent_generation == (*view)->generations.end()) {
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  auto client = co_await parts_.clients.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  if (!client) {
    parts_.log.error("journal_entry_not_merged", client.error());
    co_return;  // stays in the journal for the next start
  }
  auto spent = parts_.sealing.open_refresh(grant, *spent_generation);
  auto replied = parts_.exchange.replay(entry, client->type.errors, client->type.reply_shape);
  if (!spent || !replied) {
    parts_.log.error("journal_entry_not_merged", spent ? replied.error() : spent.error());
    co_return;
  }
  store::Intent intent{.id = id, .grant = entry.grant, .generation = entry.generation, .node = parts_.node, .opened_at = entry.recorded_at};
  if ((*view)->intent && (*view)->intent->id == id) intent = *(*view)->intent;
  if (intent.state == store::IntentState::applied || intent.state == store::IntentState::refused) {
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  const auto done = co_await commit_step(entry.grant, intent, ExchangeOutcome(std::move(*replied)), *spent, *client, rules_for(client->type));
  if (done) {
    parts_.counters.replies_recovered += 1;
    parts_.log.info("reply_recovered", {{"grant", entry.grant.text()}, {"generation", entry.generation}});
  }
}

// Intents this node left open and of which the journal knows no reply: whether they were sent is not known.
Task<void> Keeper::settle_forgotten_intents() {
  const auto intents = co_await parts_.store.unsettled_intents(kUnsettledMax);
  if (!intents) co_return;
  for (const auto& intent : *intents) {
    if (intent.state != store::IntentState::open || intent.node != parts_.node) continue;
    store::Batch batch;
    const auto view = co_await parts_.store.grant(intent.grant);
    if (view && *view && (*view)->intent && (*view)->intent->id == intent.id) {
      const auto& grant = (*view)->grant;
      const auto client = co_await parts_.clients.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
      const auto rules = client ? rules_for(client->type) : TypeRules{};
      batch = settle_ambiguous(**view, intent, rules, "The server stopped before the answer came.", parts_.wall.now()).batch;
      parts_.counters.ambiguous += 1;
    } else {
      auto settled = intent;
      settled.state = store::IntentState::refused;
      settled.outcome = "The server stopped before the answer came.";
      settled.settled_at = parts_.wall.now();
      batch.push_back(store::UpdateIntent{std::move(settled)});
    }
    if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) parts_.log.error("intent_not_settled", done.error());
  }
}

}  // namespace latchkey::grants
