// What happens in a world: faults until it grows calm; programs that want tokens; people who click.
#include <fmt/format.h>

#include "world_inside.h"

namespace latchkey::simulation {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kRevocationsMost = 100'000;

}  // namespace

// ---- faults --------------------------------------------------------------------------------------------------------

void World::happened(const std::string& what, std::string_view where) {
  ++taken_[what];
  story_.tell("{}{}{}", what, where.empty() ? "" : ": ", where);
}

void World::happened_to(std::size_t subject, const std::string& what) {
  ++taken_[what];
  story_.tell_of(subject, "{}", what);
}

void World::plan_fault() {
  timeline_.after(around(chance_, between_faults_), nullptr, [this] {
    if (calm_) return;
    one_fault();
    plan_fault();
  });
}

// What the provider answers can be kept in the journal, and nobody else hears of it (F6).
void World::part_in_mid_exchange(Machine& machine, Nanoseconds span) {
  machine.weather.with_next_request = [this, which = &machine, span] {
    if (calm_) return;
    happened("fault.partition_store_in_mid_exchange", which->name);
    which->link.partitioned = true;
    timeline_.after(span, nullptr, [this, which] {
      if (!calm_) which->link.partitioned = false;
    });
  };
}

void World::one_fault() {
  auto& machine = *machines_[chance_.below(machines_.size())];
  auto* which = &machine;
  const auto for_a_while = Nanoseconds(Milliseconds(chance_.spread(2'000, 600'000)));
  const auto until_over = [&](auto undo) {
    timeline_.after(for_a_while, nullptr, [this, undo] {
      if (!calm_) undo();
    });
  };
  switch (chance_.below(18)) {
    case 0:
      if (machine.server) {
        happened("fault.crash", machine.name);
        machine.server->process.die();
      }
      break;
    case 1:
    case 2:
      happened("fault.crash_at_a_disk_call", machine.name);
      machine.dies_in = chance_.below(static_cast<std::uint64_t>(chance_.spread(1, 300)));
      break;
    case 3:
    case 4:
      if (machine.server) {
        happened("fault.stopped", machine.name);
        machine.server->process.stop_until(std::min(timeline_.now() + for_a_while, faults_until_));
      }
      break;
    case 5:
      happened("fault.partition_provider", machine.name);
      machine.weather.partitioned = true;
      until_over([which] { which->weather.partitioned = false; });
      break;
    case 6:
      if (own_store_) break;
      if (chance_.happens(0.5)) {
        happened("fault.partition_store", machine.name);
        machine.link.partitioned = true;
        until_over([which] { which->link.partitioned = false; });
        break;
      }
      part_in_mid_exchange(machine, for_a_while);
      break;
    case 7:
      if (!breaks_disks_) {
        // Longer than any lease: the other nodes would take the grant.
        if (!own_store_) part_in_mid_exchange(machine, Nanoseconds(Milliseconds(more_.spread(120'000, 600'000))));
        break;
      }
      happened("fault.disk_full", machine.name);
      machine.disk.full = true;
      until_over([which] { which->disk.full = false; });
      break;
    case 8: {
      if (!breaks_disks_) break;
      const bool writes = more_.happens(0.3);
      const bool reads = later_.happens(0.25);
      happened(reads ? "fault.read_fails" : writes ? "fault.write_fails" : "fault.sync_fails", machine.name);
      auto& disk = machine.disk;
      (reads ? disk.failing_reads : writes ? disk.failing_writes : disk.failing_syncs) = chance_.one_of({0.01, 0.2, 1.0});
      until_over([which] { which->disk.failing_syncs = which->disk.failing_writes = which->disk.failing_reads = 0; });
      break;
    }
    case 9: {
      if (!steps_clocks_) break;
      const auto how = chance_.below(4);
      happened(how == 0 ? "fault.clock_back" : how == 1 ? "fault.clock_1970" : "fault.clock_forward", machine.name);
      const Milliseconds off = how == 0 ? Milliseconds(-1h) : how == 1 ? -true_time(timeline_).time_since_epoch() : how == 2 ? Milliseconds(1h) : Milliseconds(72h);
      machine.wall.step_to(off);
      until_over([which] { which->wall.step_to(Milliseconds(0)); });
      break;
    }
    case 10: {
      const auto kind = static_cast<ProviderKind>(chance_.below(kProviders));
      if (providers_[kind].accounts.empty()) break;
      change_secret(kind);
      break;
    }
    case 11:
    case 12:
    case 13: {
      auto& provider = providers_[chance_.below(kProviders)];
      happened("fault.provider_trouble");
      const double most = std::min(0.8, 0.3 * severity_);
      provider.moods = {.trouble = chance_.happens(0.3) ? 1.0 : chance_.unit() * most, .half_done = chance_.unit() * most * 0.3, .lies = chance_.unit() * most * 0.3,
                        .odd_shapes = chance_.unit(), .no_refresh_token = chance_.unit() * most, .no_access_token = chance_.unit() * most * 0.5,
                        .unreadable = chance_.happens(0.2) ? chance_.unit() * most * 0.2 : 0,
                        .wrongly_typed = chance_.happens(0.2) ? chance_.unit() * most * 0.2 : 0, .error_beside = chance_.unit() * most * 0.5,
                        .gateways = later_.happens(0.4) ? later_.unit() * most * 0.5 : 0, .half_gateways = later_.happens(0.3) ? later_.unit() * most * 0.3 : 0,
                        .echoes = later_.happens(0.3) ? later_.unit() * most * 0.5 : 0};
      auto* moods = &provider.moods;
      until_over([moods] { *moods = {.odd_shapes = 0.1}; });
      break;
    }
    default: {
      const double most = std::min(0.8, 0.3 * severity_);
      auto& weather = machine.weather;
      weather.no_connection = chance_.unit() * most;
      weather.request_lost = chance_.unit() * most * 0.5;
      weather.reply_lost = chance_.unit() * most * 0.5;
      weather.reply_cut = chance_.unit() * most;
      weather.slow = chance_.unit() * most;
      weather.sender_stops = chance_.unit() * most * (nodes_ > 1 ? 0.5 : 0.02);
      weather.all_go_on_at = faults_until_;
      weather.late_request = chance_.happens(0.3) ? chance_.unit() * most * 0.2 : 0;
      auto& link = machine.link;
      if (!own_store_) {
        link.answer_lost = chance_.unit() * most * 0.3;
        link.refused = chance_.unit() * most * 0.3;
      }
      link.unread = more_.happens(0.5) ? more_.unit() * most * 0.3 : 0;
      weather.read_twice = repeats_requests_ && more_.happens(0.5) ? more_.unit() * most * 0.5 : 0;
      until_over([which] {
        const auto usual = which->weather.usual;
        const bool cut = which->weather.partitioned;
        which->weather = {.partitioned = cut, .usual = usual};
        which->link.answer_lost = which->link.refused = which->link.unread = 0;
      });
      break;
    }
  }
}

void World::calm() {
  calm_ = true;
  story_.tell("the faults are over");
  for (auto& machine : machines_) {
    machine->weather = {.usual = machine->weather.usual};
    machine->link = {.slow = machine->link.slow, .moment = machine->link.moment};
    machine->disk.full = false;
    machine->disk.failing_syncs = machine->disk.failing_writes = machine->disk.failing_reads = 0;
    machine->dies_in.reset();
    machine->wall.step_to(Milliseconds(0));
    if (machine->server && (machine->server->disk_failed() || breaks_disks_ || steps_clocks_ || chance_.happens(0.3))) {
      taken_["journal.failed"] += machine->server->disk_failed() ? 1 : 0;
      machine->server->process.die();  // what an operator does with a disk that has failed: mend it, start anew
    }
    auto* which = machine.get();
    timeline_.after(1s, nullptr, [this, which] {
      if (!which->server) start(*which);
    });
  }
  look_after_machines();
  for (auto& provider : providers_) provider.moods = {};
  for (auto& subject : invariants_.subjects) {
    if (subject.state != store::GrantState::disabled) continue;
    if (auto* server = any_server()) act(*server, switch_grant(this, server, invariants_.by_grant[subject.grant], true));
  }
}

// The provider takes another secret from now on; an operator hears of it in time, or later. One change at a time.
void World::change_secret(ProviderKind kind) {
  if (std::exchange(secret_changing_[kind], true)) return;
  happened("fault.secret_expired", fmt::format("p{}", static_cast<int>(kind)));
  auto& provider = providers_[kind];
  const auto fresh = fmt::format("secret-{}-{}", static_cast<int>(kind), chance_.next() % 100'000);
  const bool overlap = chance_.happens(0.5);  // both are good until it has been changed here
  if (overlap) provider.secrets.push_back(fresh);
  else provider.secrets = {fresh};
  tell_operator(kind, Nanoseconds(Seconds(chance_.spread(1, 600))));
}

void World::tell_operator(int provider, Nanoseconds after) {
  timeline_.after(after, nullptr, [this, provider] {
    if (over_) return;
    if (auto* server = any_server()) act(*server, mend_secret(this, server, provider));
    else tell_operator(provider, 5s);
  });
}

Task<void> World::mend_secret(World* world, Server* server, int provider) {
  const auto id = fmt::format("p{}", provider);
  while (!server->process.dead()) {
    auto found = co_await server->store().app(id);
    if (found && *found) {
      auto app = **found;
      const auto secret = world->providers_[static_cast<std::size_t>(provider)].secrets.back();  // whoever comes late brings no older one
      app.secrets[1] = {};
      if (world->chance_.happens(0.5)) {  // the one before stays as the second
        if (auto old = world->sealing_.open_app_secret(app, 0)) app.secrets[1].sealed = world->sealing_.seal_app_secret(app, 1, *old);
      }
      app.secrets[0].sealed = world->sealing_.seal_app_secret(app, 0, Secret(std::string_view(secret)));
      const bool was_paused = std::exchange(app.paused, false);
      app.pause_reason.clear();
      world->sealing_.vouch(app);
      store::Batch batch;
      batch.push_back(store::PutApp{app});
      if (co_await server->store().commit(std::move(batch), store::Urgency::ordinary)) {
        auto& accepted = world->providers_[static_cast<std::size_t>(provider)].secrets;
        if (accepted.back() == secret) {
          world->secret_changing_[static_cast<std::size_t>(provider)] = false;
          accepted = {secret};
        }
        world->invariants_.story.tell("an operator has given {} of {}, by {}", secret, id, server->process.name());
        server->clients().forget(id);
        if (was_paused) co_await server->keeper().wake_grants_of(id);
        co_return;
      }
    }
    co_await server->steady.sleep_for(5s);
  }
  world->tell_operator(provider, 5s);  // somebody tries again on another node
}

// ---- programs and people -------------------------------------------------------------------------------------------

void World::plan_caller() {
  timeline_.after(around(chance_, between_callers_), nullptr, [this] {
    if (over_) return;
    one_caller();
    plan_caller();
  });
}

void World::one_caller() {
  auto* server = any_server();
  if (server == nullptr || server->process.stopped()) return;
  const auto subject = chance_.below(invariants_.subjects.size());
  const auto min_valid = chance_.happens(0.7) ? Seconds(0) : Seconds(chance_.spread(1, 3600));
  const auto together = chance_.happens(0.02) ? 20 : 1;
  for (int one = 0; one < together; ++one) act(*server, ask_for_token(this, server, subject, min_valid));
}

Task<void> World::ask_for_token(World* world, Server* server, std::size_t subject, Seconds min_valid) {
  const auto grant = world->invariants_.subjects[subject].grant;
  world->invariants_.demanded(subject);
  const auto view = co_await server->keeper().fresh(grant, min_valid);
  if (server->process.dead() || server->process.stopped() || !view) co_return;
  if (store::is_locked(view->grant.state)) co_return;  // the token desk asks for the state; the keeper does not
  const auto* generation = grants::usable_generation(*view, server->clock().now());
  if (generation == nullptr) co_return;  // expired on the way here
  const auto opened = world->sealing_.open_access(view->grant, *generation, world->pair_->private_key);
  if (!opened) {
    world->invariants_.fail(subject, "a sealed token does not open", opened.error().reason);
    co_return;
  }
  world->invariants_.handed_out_token(subject, opened->reveal_text(), world->timeline_.now(), server->clock().now() - true_time(world->timeline_));
}

void World::plan_person() {
  timeline_.after(around(chance_, between_people_), nullptr, [this] {
    if (over_) return;
    one_person();
    plan_person();
  });
}

void World::one_person() {
  auto* server = any_server();
  if (server == nullptr) return;
  // Those who must authorise again do so, sooner or later.
  for (std::size_t index = 0; index < invariants_.subjects.size(); ++index) {
    auto& subject = invariants_.subjects[index];
    const bool waits = subject.state == store::GrantState::needs_authorization || subject.state == store::GrantState::revoked;
    if (waits && !authorising_.contains(index) && chance_.happens(0.5)) {
      act(*server, authorise_again(this, server, index));
      return;
    }
  }
  const auto index = chance_.below(invariants_.subjects.size());
  const auto& subject = invariants_.subjects[index];
  if (calm_) return;
  switch (chance_.below(4)) {
    case 0:
      ++taken_["person.disabled"];
      story_.tell_of(index, "a person switches it off");
      act(*server, switch_grant(this, server, index, false));
      switch_on_later(index, Seconds(chance_.spread(1, 600)));
      switch_off_beside(index);
      break;
    case 1:
      if (!chance_.happens(0.2) || authorising_.contains(index) || subject.state == store::GrantState::disabled) break;
      act(*server, authorise_again(this, server, index));
      break;
    default:
      ++taken_["person.refreshed"];
      story_.tell_of(index, "a person clicks Refresh");
      invariants_.demanded(index);
      act(*server, click_refresh(server, subject.grant));
      break;
  }
}

void World::switch_on_later(std::size_t index, Nanoseconds after) {
  timeline_.after(after, nullptr, [this, index] {
    auto* server = any_server();
    if (server == nullptr) return;
    ++taken_["person.enabled"];
    story_.tell_of(index, "a person switches it on");
    act(*server, switch_grant(this, server, index, true));
    if (calm_ || !switching_.happens(0.4)) return;
    switch_off_later(index, "person.disabled_again");  // some change their minds once more
  });
}

void World::switch_off_later(std::size_t index, const char* as) {
  timeline_.after(Seconds(switching_.spread(1, 120)), nullptr, [this, index, as] {
    auto* server = any_server(switching_);
    if (server == nullptr || calm_) return;
    happened_to(index, as);
    act(*server, switch_grant(this, server, index, false));
    switch_on_later(index, Seconds(switching_.spread(1, 600)));
  });
}

// Some want nothing of an account any more.
void World::switch_off_beside(std::size_t index) {
  const auto& subject = invariants_.subjects[index];
  const auto& its = invariants_.account_of(subject);
  if (!its.shares_with || !switching_.happens(0.5)) return;
  switch_off_later(providers_[subject.provider].accounts[*its.shares_with].subject, "person.disabled_beside");
}

Task<void> World::switch_grant(World* world, Server* server, std::size_t index, bool enabled) {
  const auto& subject = world->invariants_.subjects[index];
  const bool was_off = subject.state == store::GrantState::disabled;
  const auto done = co_await server->care().set_enabled(subject.grant, enabled, {.actor = "operator"});
  if (!enabled) co_return;
  if (done && was_off && world->ground_.revocation.disabled_after < 1h) ++world->taken_["person.enabled_in_time"];
  if (!done && done.error().reason == "authorization_needed") ++world->taken_["person.enabled_too_late"];
}

Task<void> World::click_refresh(Server* server, GrantId grant) { static_cast<void>(co_await server->care().refresh(grant, {.actor = "operator"})); }

// As the authorisation desk commits a new consent of the same account (authorization_exchange.cpp).
Task<void> World::authorise_again(World* world, Server* server, std::size_t index) {
  struct Authorising {  // nobody does so twice at a time
    std::set<std::size_t>& all;
    std::size_t index;
    ~Authorising() { all.erase(index); }
  };
  world->authorising_.insert(index);
  const Authorising authorising{world->authorising_, index};
  auto& subject = world->invariants_.subjects[index];
  auto& provider = world->invariants_.provider_of(subject);
  ++world->taken_["person.authorised_again"];
  world->story_.tell_of(index, "a person authorises it again");
  const bool was_revoked = subject.state == store::GrantState::revoked;
  if (was_revoked) ++world->taken_["person.authorised_what_was_revoked"];
  world->invariants_.consents_anew(index);
  const auto given = provider.consent(subject.account);
  const auto lifetime = provider.accounts[subject.account].habits.lifetime;
  const auto issued_at = server->clock().now();
  while (!server->process.dead()) {
    auto view = co_await server->store().grant(subject.grant);
    if (view && *view) {
      auto grant = (*view)->grant;
      // Locked while the consent was open (attempt_locks.h): what came is nobody's, and goes back.
      if (grant.state == store::GrantState::disabled || (grant.state == store::GrantState::revoked && !was_revoked)) {
        ++world->taken_["person.authorised_in_vain"];
        provider.accounts[subject.account].find(given.refresh_token)->known = RefreshToken::Known::unwanted;
        server->giving_back().later(grant, {.refresh = {Secret(std::string_view(given.refresh_token)), Secret()}, .access = Secret()});
        co_return;
      }
      const auto number = std::max(grant.generation, server->journal().newest_answer(grant.id).generation) + 1;
      grant.state = store::GrantState::active;
      grant.why.clear();
      grant.generation = number;
      grant.issued_at = grant.last_refreshed_at = grant.created_at = issued_at;
      grant.access_expires_at = issued_at + lifetime;
      grant.failures = 0;
      grant.dead_seen = false;
      grant.due_at = grants::due_time(grants::issue_of(grant), {.polling_time = world->ground_.polling_time}, grant.id);
      grant.lease_owner = {};
      grant.lease_until = {};
      grant.fence += 1;
      world->sealing_.vouch(grant);
      store::Generation brought{.grant = grant.id, .number = number, .access_expires_at = grant.access_expires_at, .issued_at = issued_at};
      brought.refresh_sealed = world->sealing_.seal_refresh(grant, number, {Secret(std::string_view(given.refresh_token)), Secret()});
      brought.access_sealed = world->sealing_.seal_access(grant, number, Secret(std::string_view(given.access_token)));
      store::Batch batch{store::UpdateGrant{grant}, store::DeleteIntentsOf{grant.id}};
      for (const auto& generation : (*view)->generations) batch.push_back(store::DeleteGeneration{grant.id, generation.number});
      batch.push_back(store::PutGeneration{std::move(brought)});
      const auto done = co_await server->store().commit(std::move(batch), store::Urgency::token_reply);
      if (done || done.error().kind == ErrorKind::ambiguous) co_return;
    }
    co_await server->steady.sleep_for(1s);
  }
}

// ---- the end -------------------------------------------------------------------------------------------------------

void World::check_end() {
  auto* server = any_server();
  if (server == nullptr) return invariants_.fail(0, "not fresh after the faults", "no server is running");
  const auto at_end = [&](auto check) {
    for (std::size_t index = 0; index < invariants_.subjects.size() && !invariants_.broken(); ++index) {
      auto view = finish(server->store().grant(invariants_.subjects[index].grant), 60s);
      if (!view || !*view || !**view) return invariants_.fail(index, "torn record", "a grant cannot be read at the end");
      check(index, ***view);
    }
  };
  at_end([&](std::size_t index, const store::GrantView& view) { invariants_.fresh_at_last(index, view, server->clock().now()); });
  if (invariants_.broken()) return;
  // Nothing new begins, what is in flight lands.
  over_ = true;
  for (auto& machine : machines_) {
    if (!machine->server) continue;
    machine->server->started = false;
    if (!finish(machine->server->stop(), 600s)) invariants_.fail(0, "does not stop", machine->name);
  }
  at_end([&](std::size_t, const store::GrantView& view) { invariants_.read_back(view); });
  if (invariants_.broken()) return;
  const auto waiting = finish(server->store().revocations(WallTime::max(), kRevocationsMost), 60s);
  if (!waiting || !*waiting) return invariants_.fail(0, "torn record", "what waits to be given back cannot be read at the end");
  invariants_.at_rest((*waiting)->items, server->clock().now());
}

}  // namespace latchkey::simulation
