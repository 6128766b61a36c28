// Whether an app's provider answers and takes its registration: circuits, and apps that are paused until somebody mends them
// (F8, R21).
#include <algorithm>

#include "grants/keeper.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kProbePausedAppEvery = 300s;  // a mended secret is noticed without anybody pressing a button
constexpr std::size_t kWokenMax = 200;       // the others fall due by themselves within a minute
constexpr std::size_t kProbeChoice = 1'000;
constexpr std::size_t kComplaintsMax = 3;
constexpr Seconds kPatienceInHaste{5};  // a code that was sent back may live 30 s
constexpr auto kUnpreparedStale = 300s;  // they are looked at every minute
constexpr auto kLookAgain = 60s;
constexpr std::size_t kUnpreparedMany = 64;     // in a row: it is the app's trouble, and not each of them need say so
constexpr std::size_t kUnpreparedKept = 1'000;
constexpr auto kLetInLately = 60s;

std::string alert_cause(const std::string& app) { return "app_misconfigured:" + app; }

}  // namespace

Keeper::AppHealth& Keeper::health(const std::string& app, const std::string& provider) {
  const auto [at, fresh] = apps_.try_emplace(app);
  if (!fresh) return at->second;
  const auto known = parts_.clients.catalog().find_provider(provider);
  if (known && known->rate_cap) {
    at->second.cap = RateCap(RateCap::Limit{.requests = std::max<std::int64_t>(1, known->rate_cap->requests),
                                            .per = std::max(Seconds(1), known->rate_cap->per)});
  }
  return at->second;
}

Task<ExchangeGate::Place> Keeper::place_in_haste(std::string app, std::string provider, bool one_shot) {
  auto& state = health(app, provider);
  co_return co_await gate_.enter_in_haste({.app = std::move(app), .one_shot = one_shot, .cap = state.cap}, kPatienceInHaste);
}

void Keeper::note_health(const ProviderClient& client, const store::Grant& grant, const ExchangeOutcome& outcome) {
  auto& state = health(client.app, client.type.provider->id);
  auto& counters = parts_.counters;
  if (const auto* not_sent = std::get_if<NotSent>(&outcome)) {
    counters.not_sent += 1;
    // A claim that took too long says nothing about the provider, and a way that failed no more (C7).
    if (not_sent->error.reason == kLeaseTooShort || is_of_the_way(not_sent->error)) state.circuit.asked_nobody();
    else note_failed(state, grant.id);
    return;
  }
  if (std::holds_alternative<NoReply>(outcome)) {
    counters.ambiguous += 1;
    note_failed(state, grant.id);
    return;
  }
  const auto& replied = std::get<Replied>(outcome);
  bool client_accepted = false;  // whatever it says of the grant, the provider has let the app in
  switch (replied.classified.outcome) {
    case oauth::RefreshOutcome::refreshed:
      counters.refreshed += 1;
      state.circuit.succeeded();
      client_accepted = true;
      break;
    case oauth::RefreshOutcome::dead_grant:
      counters.refused += 1;
      state.circuit.succeeded();
      client_accepted = true;
      parts_.log.info("refresh_refused",
                      {{"app", client.app}, {"user", grant.user.text()}, {"why", replied.classified.why}});
      break;
    case oauth::RefreshOutcome::misconfigured_app: {
      counters.misconfigured += 1;
      state.circuit.succeeded();
      note_complaint(state, client, grant.id, replied);
      break;
    }
    case oauth::RefreshOutcome::too_early:
      state.circuit.succeeded();
      client_accepted = true;
      break;
    case oauth::RefreshOutcome::transient:
      (replied.classified.may_have_spent && is_one_shot(client.type.type->replay) ? counters.ambiguous : counters.transient) += 1;
      note_failed(state, grant.id);
      break;
    case oauth::RefreshOutcome::ambiguous:
      counters.ambiguous += 1;
      note_failed(state, grant.id);
      break;
  }
  if (!client_accepted) return;
  state.let_in_at = parts_.steady.now();
  state.unserved.note_served(grant.id);
  state.complaining.note_served(grant.id);
  if (client.paused) flights_group_.spawn("resume_app", resume_app(client.app));
}

void Keeper::note_failed(AppHealth& state, GrantId grant) {
  if (state.unserved.note_failure(grant)) state.circuit.failed(parts_.steady.now());
  else state.circuit.said_nothing(parts_.steady.now());
}

void Keeper::note_complaint(AppHealth& state, const ProviderClient& client, GrantId grant, const Replied& replied) {
  if (!state.complaining.note_failure(grant)) return;
  // A refused client is everybody's trouble, unless somebody was let in a moment ago (a tenant that shuts the app out); a refused request
  // may be this grant's alone (a scope, a resource).
  const auto& error = replied.reply.error;
  const bool refuses_client = error == "invalid_client" || error == "unauthorized_client";
  const bool let_in_lately = state.let_in_at && parts_.steady.now() - *state.let_in_at < kLetInLately;
  if ((!refuses_client || let_in_lately) && state.complaining.failing() < kComplaintsMax) return;
  flights_group_.spawn("pause_app", pause_app(client.app, client.app_version, replied.classified.why));
}

bool Keeper::complains_alone(const store::Grant& grant) const {
  const auto found = apps_.find(grant.app);
  return found != apps_.end() && found->second.complaining.is_odd(grant.id);
}

std::vector<std::string> Keeper::resting_apps() const {
  const auto now = parts_.steady.now();
  std::vector<std::string> resting;
  for (const auto& [app, state] : apps_) {
    if (!state.circuit.would_admit(now)) resting.push_back(app);
  }
  for (const auto& [app, state] : unprepared_) {
    if (state.in_a_row >= kUnpreparedMany && now < state.look_at) resting.push_back(app);
  }
  return resting;
}

void Keeper::put_unprepared_last(std::vector<store::DueGrant>& due) const {
  if (unprepared_.empty()) return;
  std::vector<store::DueGrant> first;
  std::vector<store::DueGrant> last;
  for (auto& grant : due) {
    const auto app = unprepared_.find(grant.app);
    const bool waits = app != unprepared_.end() && app->second.seen.contains(grant.id);
    (waits ? last : first).push_back(std::move(grant));
  }
  due = std::move(first);
  std::ranges::move(last, std::back_inserter(due));
}

std::map<std::string, GrantId> Keeper::probers_among(const std::vector<store::DueGrant>& due) const {
  std::map<std::string, GrantId> probers;
  std::set<std::string> settled;  // with one of which nothing speaks against being served
  for (const auto& grant : due) {
    const auto state = apps_.find(grant.app);
    if (state == apps_.end() || !state->second.circuit.open() || settled.contains(grant.app)) continue;
    if (flights_.contains(grant.id) || not_before_.contains(grant.id)) continue;
    probers.try_emplace(grant.app, grant.id);
    if (state->second.unserved.has_failed(grant.id)) continue;
    probers[grant.app] = grant.id;
    settled.insert(grant.app);
  }
  return probers;
}

std::vector<AppCircuit> Keeper::circuits() const {
  const auto now = parts_.steady.now();
  const auto wall = parts_.wall.now();
  const auto as_wall = [&](const std::optional<SteadyTime>& time) -> std::optional<WallTime> {
    if (!time) return std::nullopt;
    return wall + std::chrono::duration_cast<Milliseconds>(*time - now);
  };
  std::vector<AppCircuit> all;
  for (const auto& [app, state] : apps_) {
    all.push_back({.app = app,
                   .open = state.circuit.open(),
                   .failures = state.circuit.failures(),
                   .since = as_wall(state.circuit.opened_at()),
                   .next_try_at = as_wall(state.circuit.next_try())});
  }
  return all;
}

void Keeper::raise_paused(const std::string& app, std::string_view why) {
  parts_.alerts.raise(alert_cause(app),
                      "The provider refuses the app registration " + app + ": " + sentence(why) +
                          " Its grants wait; nobody has to authorise again. Mend it under OAuth settings.");
}

Task<void> Keeper::pause_app(std::string app, store::Version refused, std::string why) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto found = co_await parts_.store.app(app);
    if (!found || !*found) co_return;
    // Mended meanwhile: what was refused is not what stands there now.
    if (!(*found)->paused && (*found)->version != refused) co_return;
    raise_paused(app, why);
    if ((*found)->paused) co_return;
    auto record = **found;
    record.paused = true;
    record.pause_reason = sentence(why);
    store::Batch batch;
    batch.push_back(store::PutApp{record});
    batch.push_back(store::AppendAudit{
        {.at = parts_.wall.now(), .actor = "keeper", .action = "app.paused", .subject = app, .detail = why}});
    if (co_await parts_.store.commit(std::move(batch))) {
      parts_.clients.forget(app);
      co_return;
    }
  }
}

Task<bool> Keeper::is_mended_since(std::string app, store::Version refused) {
  const auto found = co_await parts_.store.app(app);
  if (!found || !*found || (*found)->paused || (*found)->version == refused) co_return false;
  parts_.clients.forget(app);
  co_return true;
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
      batch.push_back(
          store::AppendAudit{{.at = parts_.wall.now(), .actor = "keeper", .action = "app.resumed", .subject = app}});
      if (!co_await parts_.store.commit(std::move(batch))) continue;
      parts_.clients.forget(app);
    }
    parts_.alerts.clear(alert_cause(app));
    co_await wake_grants_of(app);
    co_return;
  }
}

void Keeper::note_unprepared(const store::Grant& grant) {
  const auto now = parts_.steady.now();
  auto& state = unprepared_[grant.app];
  if (state.seen.size() < kUnpreparedKept || state.seen.contains(grant.id)) state.seen[grant.id] = now;
  if (++state.in_a_row >= kUnpreparedMany) state.look_at = now + kLookAgain;
}

void Keeper::note_prepared(const std::string& app, GrantId grant, bool paused) {
  const auto found = unprepared_.find(app);
  if (found == unprepared_.end()) return;
  found->second.in_a_row = 0;
  found->second.seen.erase(grant);
  if (!found->second.seen.empty()) return;
  unprepared_.erase(found);
  if (!paused) parts_.alerts.clear(alert_cause(app));
}

void Keeper::forget_unprepared(const std::set<std::string>& paused_apps) {
  const auto now = parts_.steady.now();
  for (auto each = unprepared_.begin(); each != unprepared_.end();) {
    std::erase_if(each->second.seen, [&](const auto& grant) { return now - grant.second > kUnpreparedStale; });
    if (!each->second.seen.empty()) {
      ++each;
      continue;
    }
    if (!paused_apps.contains(each->first)) parts_.alerts.clear(alert_cause(each->first));
    each = unprepared_.erase(each);
  }
}

Task<void> Keeper::wake_grants_of(std::string app) {
  const auto grants = co_await parts_.store.grants_of_app(app, kWokenMax);
  if (!grants) co_return;
  for (const auto& waiting : *grants) {
    if (waiting.state != store::GrantState::paused || flights_.contains(waiting.id)) continue;
    not_before_.erase(waiting.id);
    auto woken = waiting;
    woken.due_at = parts_.wall.now();
    store::Batch batch;
    batch.push_back(store::UpdateGrant{std::move(woken)});
    // A conflict means that somebody else has moved it: as good.
    [[maybe_unused]] const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  }
  nudge();
}

Task<void> Keeper::probe_paused_apps() {
  const auto apps = co_await parts_.store.apps();
  if (!apps) co_return;
  const auto now = parts_.steady.now();
  std::set<std::string> paused;
  for (const auto& app : *apps) {
    if (app.paused) paused.insert(app.id);
  }
  forget_unprepared(paused);
  for (auto& [id, state] : apps_) {
    if (paused.contains(id)) continue;
    state.probe_at = {};
    if (!unprepared_.contains(id)) parts_.alerts.clear(alert_cause(id));  // mended, or deleted, perhaps at another server
  }
  for (const auto& app : *apps) {
    if (!app.paused) continue;
    auto& state = health(app.id, app.provider);
    if (state.probe_at == SteadyTime{}) {
      state.probe_at = now + kProbePausedAppEvery;
      raise_paused(app.id, app.pause_reason);  // paused by an earlier process: the alert stands anew
    }
    if (now < state.probe_at) continue;
    state.probe_at = now + kProbePausedAppEvery;
    // Another grant each time, and one that has not been refused itself if there is any: it may be at fault alone.
    auto grants = co_await parts_.store.grants_of_app(app.id, kProbeChoice);
    if (!grants) continue;
    std::erase_if(*grants, [](const store::Grant& grant) {
      return store::is_locked(grant.state) || grant.state == store::GrantState::needs_authorization;
    });
    const auto is_refused = [&](const store::Grant& grant) { return grant.state == store::GrantState::paused || state.complaining.has_failed(grant.id); };
    if (!std::ranges::all_of(*grants, is_refused)) std::erase_if(*grants, is_refused);
    if (!grants->empty()) join_or_start((*grants)[state.probes++ % grants->size()].id, Urge::insisted, {});
  }
}

}  // namespace latchkey::grants
