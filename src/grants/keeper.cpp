#include "grants/keeper.h"

#include <algorithm>

#include "grants/refused_writes.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kTickMax = 1s;
constexpr auto kRestAfterNothing = 5s;  // of a grant that is due and of which nothing could be done yet
constexpr auto kLeftOverGood = 2s;
constexpr std::size_t kLeftOverMax = 256;  // of an app, kept between two sweeps
constexpr std::size_t kOthersTried = 3;  // apps a place that has come back is offered to, besides its own
constexpr auto kQuickSweep = 25ms;
constexpr int kSweepRest = 20;  // times as long as a slow one took
constexpr int kBusyRest = 3;    // ... that has left grants behind
constexpr std::chrono::nanoseconds kSweepRestMax = 10s;
constexpr auto kCountStatesEvery = 60s;
constexpr int kCountRest = 20;  // times as long as counting took
constexpr auto kRestAfterFailure = 30s;
constexpr std::size_t kLookFurther = 1'000;  // rows read besides, where some of them are better to begin with
constexpr std::size_t kRestingMax = 100;  // rows read besides, so that those that rest hide no others
constexpr auto kSetAsideFor = 10min;
constexpr auto kMergeAgainEvery = 5s;
constexpr auto kReadAgainEvery = 30s;  // what lies in the journal and could not be read
constexpr std::size_t kReadAgainMax = 64;
constexpr auto kPatienceForMore = 10s;
constexpr int kGivenWayMax = 3;

// A flight of the sweep leaves the grant to the node that has begun to refresh it, and ends at once. Whoever has joined it needs
// more: to wait for that node.
bool gave_way(Urge urge, const std::optional<Result<store::Grant>>& result, NodeId node) {
  if (!result || !result->has_value()) return false;
  if (urge == Urge::merging) return true;  // and has asked nobody
  return urge == Urge::scheduled && !(*result)->lease_owner.none() && (*result)->lease_owner != node;
}

// What every other flight would end with as well.
bool is_of_the_store(const Error& error) {
  if (error.kind == ErrorKind::unavailable) return error.reason != "provider_unreachable";
  return error.kind == ErrorKind::ambiguous || error.kind == ErrorKind::conflict || error.kind == ErrorKind::bug;
}

std::string people(std::int64_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

}  // namespace

Keeper::Keeper(Parts parts)
    : parts_(std::move(parts)), flights_group_(parts_.executor, parts_.log), loop_group_(parts_.executor, parts_.log),
      wake_(parts_.executor), gate_(parts_.executor, parts_.steady, [this] {
        const auto tuning = parts_.tuning();
        return ExchangeGate::Bounds{.parallel = tuning.parallel, .one_shot = tuning.one_shot_parallel};
      }) {}

Keeper::~Keeper() = default;

Task<Result<void>> Keeper::start() {
  if (const auto read = co_await read_what_was_left(); !read) co_return read;
  started_ = true;
  static_cast<void>(note_quickened());
  start_recovering_codes();
  loop_group_.spawn("keeper", run());
  loop_group_.spawn("mend_stamps", mend_stamps());
  loop_group_.spawn("refused_writes", watch_refused_writes({.store = parts_.store, .journal = parts_.journal, .alerts = parts_.alerts,
                                                            .wall = parts_.wall, .steady = parts_.steady, .entropy = parts_.entropy}));
  co_return Result<void>{};
}

Task<void> Keeper::stop() {
  stopping_ = true;
  gate_.close();
  wake_.notify_all();
  co_await loop_group_.cancel_and_wait();
  co_await flights_group_.drain();
}

void Keeper::nudge() {
  nudged_ = true;
  wake_.notify_all();
}

void Keeper::await_nodes(std::string names) {
  const bool over = names.empty() && !awaited_.empty();
  awaited_ = std::move(names);
  if (over) nudge();
}

void Keeper::follow_fail_over(AwaitedJournals awaited) {
  const bool over = journals_awaited_.open && !awaited.open;
  journals_awaited_ = std::move(awaited);
  if (over) nudge();
}

Task<bool> Keeper::holds_answers() {
  const auto pending = co_await parts_.journal.pending();
  co_return !pending || !pending->empty();
}

void Keeper::halt(std::string why) {
  if (halted_.empty()) parts_.log.error("refreshing_halted", {{"why", why}});
  halted_ = std::move(why);
}

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

// ---- the loop ------------------------------------------------------------------------------------------------------

Task<void> Keeper::run() {
  while (!stopping_) {
    co_await settle_forgotten();
    parts_.clients.tidy();
    auto quickened = note_quickened();
    if (!quickened.empty()) loop_group_.spawn("bring_forward", bring_forward(std::move(quickened)));
    std::erase_if(not_before_, [now = parts_.steady.now()](const auto& entry) { return entry.second <= now; });
    co_await repeat_merging();
    co_await tick();
    co_await probe_paused_apps();
    co_await count_states();
    if (!nudged_ && !has_room_again()) co_await wake_.wait_for(parts_.steady, kTickMax);
  }
}

Task<void> Keeper::tick() {
  if (std::exchange(nudged_, false)) sweep_again_at_ = others_again_at_ = SteadyTime{};
  gate_.begin_sweep();
  if (gate_.in_flight() < parts_.tuning().parallel) left_over_done_ = false;
  if (!halted_.empty() || !may_send()) co_return;
  if (parts_.journal.failed()) {
    parts_.alerts.raise("journal_failed",
                        "The disk refused to keep token replies; nothing is refreshed until the server is restarted on a "
                        "sound disk. Tokens still valid are served.");
    co_return;
  }
  if (parts_.steady.now() < sweep_again_at_) co_return;
  std::set<std::string> capped;  // apps whose provider takes no more for now: theirs must not stand in the way of others'
  for (bool is_first = true;; is_first = false) {
    // Another database may have been reached meanwhile: whoever sets out then is turned away at once, and as due as before.
    if (stopping_ || !may_send() || gate_.is_full()) co_return;
    if (!capped.empty() && parts_.steady.now() < others_again_at_) co_return;
    const auto steady_now = parts_.steady.now();
    auto resting = resting_apps();
    resting.insert(resting.end(), capped.begin(), capped.end());
    const bool probes_some = std::ranges::any_of(apps_, [&](const auto& each) { return each.second.circuit.open() && each.second.circuit.would_admit(steady_now); });
    const auto parallel = parts_.tuning().parallel;
    const std::size_t wanted = (parallel - std::min(parallel, gate_.in_flight())) * 2 + 64 + passed_over_ + std::min(not_before_.size(), kRestingMax) +
                               (probes_some || !unprepared_.empty() ? kLookFurther : 0);
    const auto asked_at = parts_.steady.now();
    auto due = co_await parts_.store.due_grants(parts_.node, parts_.wall.now(), wanted, std::move(resting));
    const auto took = parts_.steady.now() - asked_at;
    if (!due) {
      // Once, not with every sweep of an outage, about which an alert speaks.
      if (!std::exchange(due_unreadable_, true)) parts_.log.error("due_grants_unreadable", due.error());
      co_return;
    }
    due_unreadable_ = false;
    if (is_first) {
      left_over_.clear();
      left_over_at_ = parts_.steady.now();
    }
    put_unprepared_last(*due);
    const auto probers = probers_among(*due);
    std::size_t started = 0;
    bool full = false;
    const auto passed_before = std::exchange(passed_over_, 0);
    const auto capped_before = capped.size();
    for (const auto& grant : *due) {
      if (flights_.contains(grant.id)) {  // their claim is still on its way
        ++passed_over_;
        continue;
      }
      if (not_before_.contains(grant.id)) continue;
      full = full || gate_.is_full();
      if (full) {
        leave_over(grant);
        continue;
      }
      const auto type = parts_.clients.catalog().find_type(grant.type);
      if (!type) {
        co_await postpone_unknown(grant.id);
        continue;
      }
      auto& state = health(grant.app, type->provider);
      if (capped.contains(grant.app)) {
        if (left_over_.contains(grant.app)) leave_over(grant);
        continue;
      }
      if (!state.circuit.would_admit(steady_now)) {  // its one probe has just begun
        capped.insert(grant.app);
        continue;
      }
      if (const auto prober = probers.find(grant.app); prober != probers.end() && state.circuit.open() && prober->second != grant.id) continue;
      auto place = gate_.try_enter({.app = grant.app, .one_shot = is_one_shot(type->replay), .cap = state.cap});
      if (!place) {
        capped.insert(grant.app);
        if (place.error() == ExchangeGate::Full::places || place.error() == ExchangeGate::Full::one_shots) leave_over(grant);
        continue;
      }
      const bool probes = state.circuit.open();
      static_cast<void>(state.circuit.admits(steady_now));
      const auto flight = join_or_start(grant.id, Urge::scheduled, {}, *std::move(place), probes ? grant.app : std::string());
      if (probes && flight->result) state.circuit.asked_nobody();
      ++started;
    }
    // Has walked past whatever is due and must wait: a million grants of an app that is paused take a second (R21).
    if (due->size() < wanted && took > kQuickSweep && !nudged_) {
      auto& again_at = capped_before == 0 ? sweep_again_at_ : others_again_at_;
      const int rest = gate_.has_refused() ? kBusyRest : kSweepRest;
      again_at = asked_at + std::min<std::chrono::nanoseconds>(took * rest, kSweepRestMax);
    }
    const bool others_may_follow = started > 0 || capped.size() > capped_before || passed_over_ > passed_before;
    if (!others_may_follow || due->size() < wanted) co_return;
  }
}

Task<void> Keeper::set_aside(GrantId grant, Error why) {
  auto view = co_await parts_.store.grant(grant);
  const auto now = parts_.wall.now();
  if (view && *view && (*view)->grant.due_at && *(*view)->grant.due_at <= now) co_await postpone(std::move(**view), now + kSetAsideFor, why.text);
}

// A type whose provider file is gone: looked at again in an hour, since there is no end to how many may wait.
Task<void> Keeper::postpone_unknown(GrantId grant) {
  auto view = co_await parts_.store.grant(grant);
  if (view && *view) co_await postpone(std::move(**view), parts_.wall.now() + 1h, "its type is unknown to this server: a provider file is missing");
}

// Grants that wait for a person are one alert, however many they are (R1, R27).
Task<void> Keeper::count_states() {
  const auto now = parts_.steady.now();
  if (now < (states_changed_ ? count_states_at_ : count_states_at_ + kCountStatesEvery)) co_return;
  states_changed_ = false;
  const auto states = co_await parts_.store.grant_states();
  // Of a million grants it takes long, and in a bad hour some change in every turn.
  count_states_at_ = parts_.steady.now() + (parts_.steady.now() - now) * kCountRest;
  if (!states) co_return;
  std::int64_t dead = 0;
  std::int64_t uncertain = 0;
  for (const auto& row : *states) {
    if (row.state == store::GrantState::needs_authorization) dead = row.count;
    if (row.state == store::GrantState::uncertain) uncertain = row.count;
  }
  if (dead > 0) {
    parts_.alerts.raise("needs_authorization", people(dead, "account needs", "accounts need") +
                                                   " somebody to authorise again; each says why. See Users, state: needs authorization.", dead);
  } else {
    parts_.alerts.clear("needs_authorization");
  }
  if (uncertain > 0) {
    parts_.alerts.raise("uncertain", people(uncertain, "account is", "accounts are") +
                                         " in doubt: a provider's answer was lost. Tokens still good are served; Latchkey asks again when "
                                         "the provider's rules allow it. If it stays, authorise again.", uncertain);
  } else {
    parts_.alerts.clear("uncertain");
  }
}

// Replies of an earlier process are merged by their grants' flights; what could not be is tried again.
Task<void> Keeper::repeat_merging() {
  const auto now = parts_.steady.now();
  if (unmerged_.empty()) merges_wait_ = false;
  if (!unreadable_.empty() && now >= read_again_at_) {
    read_again_at_ = now + kReadAgainEvery;
    std::vector<GrantId> again;  // some at a time, by turns
    for (auto next = unreadable_.upper_bound(read_again_after_); next != unreadable_.end() && again.size() < kReadAgainMax; ++next) again.push_back(*next);
    read_again_after_ = again.size() < kReadAgainMax ? GrantId{} : again.back();
    for (const auto& grant : again) {
      if (!unmerged_.contains(grant)) join_or_start(grant, Urge::merging, {});
    }
  }
  if (unmerged_.empty() || now < merge_again_at_) co_return;
  // A flight begins at once, and with a store that answers at once it may have ended, and its entry gone, before the next.
  std::vector<GrantId> waiting;
  const auto places = parts_.tuning().parallel;
  const auto room = places - std::min(places, merging_);
  merges_wait_ = false;
  for (const auto& [grant, entries] : unmerged_) {
    if (flights_.contains(grant) || (unreadable_.contains(grant) && not_before_.contains(grant))) continue;
    if (waiting.size() == room) {
      merges_wait_ = true;
      break;
    }
    waiting.push_back(grant);
  }
  if (!merges_wait_) merge_again_at_ = now + kMergeAgainEvery;
  for (const auto& grant : waiting) join_or_start(grant, Urge::merging, {});
}

// ---- flights -------------------------------------------------------------------------------------------------------

std::shared_ptr<Keeper::Flight> Keeper::join_or_start(GrantId grant, Urge urge, LookAtToken with_token, std::optional<ExchangeGate::Place> place,
                                                      std::string probes_app) {
  if (const auto known = flights_.find(grant); known != flights_.end()) return known->second;
  const auto flight = make_flight(grant, urge, std::move(place));
  flight->with_token = std::move(with_token);
  flight->probes_app = std::move(probes_app);
  merging_ += urge == Urge::merging ? 1 : 0;
  if (!flights_group_.spawn("refresh", fly(flight))) {
    flights_.erase(grant);
    merging_ -= urge == Urge::merging ? 1 : 0;
    flight->result = fail(ErrorKind::unavailable, "provider_unreachable", "The server is shutting down.", {.retry_after = Seconds(5)});
  }
  return flight;
}

std::shared_ptr<Keeper::Flight> Keeper::make_flight(GrantId grant, Urge urge, std::optional<ExchangeGate::Place> place) {
  auto flight = std::make_shared<Flight>(grant, urge, parts_.executor);
  if (place) {
    flight->app = place->app();
    flight->place.emplace(*std::move(place));
  }
  flights_[grant] = flight;
  return flight;
}

Task<void> Keeper::fly(std::shared_ptr<Flight> flight) {
  while (flight) {
    co_await fly_one(flight);
    flight = next_after(*flight);
    if (has_room_again()) wake_.notify_all();
  }
}

Task<void> Keeper::fly_one(std::shared_ptr<Flight> flight) {
  parts_.counters.in_flight += 1;
  Result<store::Grant> result = fail(ErrorKind::bug, "internal_error", "The refresh ended without an answer; the log says more.");
  try {
    result = co_await refresh(flight);
  } catch (const std::exception& problem) {  // whoever waits must hear of it
    parts_.log.error("refresh_failed", {{"grant", flight->grant.text()}, {"error", problem.what()}});
  }
  flight->result = std::move(result);
  parts_.counters.in_flight -= 1;
  flight->place.reset();
  if (flight->urge == Urge::merging) --merging_;
  if (!flight->probes_app.empty()) apps_[flight->probes_app].circuit.asked_nobody();  // or it has said so by now
  // Nothing was written, so the grant is as due as before: it must not be tried again in a loop (a full disk, an altered row).
  if (!flight->result->has_value()) {
    const auto& error = flight->result->error();
    // But for an app that waits to be mended: no sweep finds its grants, and once it is they are due at once.
    if (error.kind != ErrorKind::misconfigured && !flight->turned_away) not_before_[flight->grant] = parts_.steady.now() + kRestAfterFailure;
    if (flight->urge == Urge::merging && !unreadable_.contains(flight->grant)) merge_again_at_ = parts_.steady.now() + kMergeAgainEvery;
    if (error.kind == ErrorKind::corrupt || error.kind == ErrorKind::bug) co_await set_aside(flight->grant, error);
  }
  if (flight->idle && flight->urge == Urge::scheduled) not_before_[flight->grant] = parts_.steady.now() + kRestAfterNothing;
  flights_.erase(flight->grant);
  flight->landed.notify_all();
}

void Keeper::leave_over(const store::DueGrant& grant) {
  auto& waiting = left_over_[grant.app];
  if (waiting.size() < kLeftOverMax) waiting.push_back(grant);
}

std::shared_ptr<Keeper::Flight> Keeper::next_after(const Flight& landed) {
  if (landed.app.empty() || left_over_.empty() || stopping_ || !halted_.empty() || !may_send() || parts_.journal.failed()) return nullptr;
  const auto now = parts_.steady.now();
  if (now < writes_rest_until_) return nullptr;
  if (now > left_over_at_ + kLeftOverGood) {  // others may have been at them since
    left_over_.clear();
    left_over_done_ = true;
    return nullptr;
  }
  if (gate_.is_waited_for()) return nullptr;
  const auto& result = *landed.result;
  if (!result && is_of_the_store(result.error())) return nullptr;
  const bool app_refused = result ? result->state == store::GrantState::paused : result.error().kind == ErrorKind::misconfigured;
  if (app_refused) left_over_.erase(landed.app);
  if (auto next = next_of(landed.app)) return next;
  std::vector<std::pair<WallTime, std::string>> others;
  for (const auto& [app, waiting] : left_over_) {
    if (app != landed.app) others.emplace_back(waiting.front().due_at, app);
  }
  const auto few = std::min(others.size(), kOthersTried);
  std::ranges::partial_sort(others, others.begin() + static_cast<std::ptrdiff_t>(few));
  others.resize(few);
  for (const auto& [due_at, app] : others) {
    if (auto next = next_of(app)) return next;
  }
  return nullptr;
}

std::shared_ptr<Keeper::Flight> Keeper::next_of(const std::string& app) {
  const auto found = left_over_.find(app);
  if (found == left_over_.end()) return nullptr;
  auto& waiting = found->second;
  std::shared_ptr<Flight> next;
  while (!next && !waiting.empty()) {
    const auto& grant = waiting.front();
    const auto type = parts_.clients.catalog().find_type(grant.type);
    if (type && !flights_.contains(grant.id) && !not_before_.contains(grant.id)) {
      auto& state = health(app, type->provider);
      if (state.circuit.open()) {  // whom it is asked by is a sweep's to say
        left_over_.erase(found);
        return nullptr;
      }
      auto place = gate_.try_enter({.app = app, .one_shot = is_one_shot(type->replay), .cap = state.cap});
      if (!place) return nullptr;
      next = make_flight(grant.id, Urge::scheduled, *std::move(place));
    }
    waiting.pop_front();
  }
  if (waiting.empty()) {
    left_over_.erase(found);
    left_over_done_ = true;
  }
  return next;
}

bool Keeper::has_room_again() const {
  const auto now = parts_.steady.now();
  if (now < writes_rest_until_) return false;  // whatever is begun would end at once, as due as before
  const bool merges_wait = merges_wait_ && !unmerged_.empty() && now >= merge_again_at_;
  const bool wants_more = left_over_done_ && gate_.in_flight() < parts_.tuning().parallel;
  return wants_more || gate_.has_room_again() || (merges_wait && merging_ <= parts_.tuning().parallel / 2);
}

bool Keeper::is_fresh(const store::GrantView& view, Seconds min_valid) const {
  const auto asked = std::min<Seconds>(min_valid, lifetime_of(issue_of(view.grant)) / 2);
  return !held_back_.contains(view.grant.id) && usable_generation(view, parts_.wall.now() + asked) != nullptr;
}

Task<Result<store::GrantView>> Keeper::fresh(GrantId grant, Seconds min_valid) {
  auto view = co_await parts_.store.grant(grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
  if (held_back_.contains(grant)) {
    // The refresh on its way kills the token in use: whoever comes now gets the next one (F9).
    if (const auto flight = flights_.find(grant); flight != flights_.end()) {
      const auto until_landed = flight->second;
      while (!until_landed->result) co_await until_landed->landed.wait();
      view = co_await parts_.store.grant(grant);
      if (!view) co_return std::unexpected(view.error());
      if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
    }
  }
  if (is_fresh(**view, min_valid)) co_return std::move(**view);

  for (int round = 0;; ++round) {
    // Holding the flight keeps it alive until this caller has read what it came to.
    const auto flight = join_or_start(grant, Urge::demanded, {});
    if (!flight->result) {
      parts_.counters.handouts_waited += 1;
      // A token that is good for less than was asked is still a token: nobody waits long for a better one (R7).
      if (usable_generation(**view, parts_.wall.now()) != nullptr) {
        co_await flight->landed.wait_for(parts_.steady, kPatienceForMore);
      } else {
        while (!flight->result) co_await flight->landed.wait();
      }
    }
    view = co_await parts_.store.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "There is no such grant.");
    if (usable_generation(**view, parts_.wall.now()) != nullptr) co_return std::move(**view);
    if (gave_way(flight->urge, flight->result, parts_.node) && round < kGivenWayMax) continue;
    if (flight->result && !flight->result->has_value()) co_return std::unexpected(flight->result->error());
    co_return std::unexpected(error_of((*view)->grant, parts_.wall.now()));
  }
}

Task<Result<store::Grant>> Keeper::refresh_now(GrantId grant, LookAtToken with_token) {
  for (int round = 0;; ++round) {
    const auto flight = join_or_start(grant, Urge::insisted, with_token);
    while (!flight->result) co_await flight->landed.wait();
    if (gave_way(flight->urge, flight->result, parts_.node) && round < kGivenWayMax) continue;
    co_return *flight->result;
  }
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

}  // namespace latchkey::grants
