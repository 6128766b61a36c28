#include "world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "grants/key_rotation.h"
#include "store/sqlite/sqlite_store.h"
#include "world_inside.h"

namespace latchkey::simulation {

using namespace std::chrono_literals;
using catalog::ReplayPolicy;
using catalog::Rotation;

struct TypeRow {
  const char* name;
  const char* rotation;
  const char* replay;
  Rotation rotates;
  ReplayPolicy policy;
  Seconds grace;
};

namespace {

constexpr Seconds kEarlySpan{30};

constexpr TypeRow kTypes[] = {
    {"none", "none", "harmless", Rotation::none, ReplayPolicy::harmless, Seconds(0)},
    {"rolling", "rolling", "harmless", Rotation::rolling, ReplayPolicy::harmless, Seconds(0)},
    {"minute", "single_use", "grace", Rotation::single_use, ReplayPolicy::grace, Seconds(60)},
    {"grace", "single_use", "grace", Rotation::single_use, ReplayPolicy::grace, Seconds(1800)},
    {"refused", "single_use", "refused", Rotation::single_use, ReplayPolicy::refused, Seconds(0)},
    {"family", "single_use", "revokes_family", Rotation::single_use, ReplayPolicy::revokes_family, Seconds(0)},
};

std::string provider_file(int index) {
  std::string types;
  for (const auto& type : kTypes) {
    types += fmt::format(R"({}{{"id":"p{}-{}","name":"{}","kind":"storage","scopes":{{"request":[{{"scope":"files","why":"x"}}]}},)"
                         R"("resource":"https://p{}.example","rotation":"{}","replay":"{}"{}}})",
                         types.empty() ? "" : ",", index, type.name, type.name, index, type.rotation, type.replay,
                         type.grace > Seconds(0) ? fmt::format(",\"grace_s\":{}", type.grace.count()) : "");
  }
  std::string extras;
  if (index == kEarly) extras = fmt::format(R"("quirks":[{{"quirk":"early_refresh_refused","value":{}}}],"errors":[{{"where":"token","status":400,"error":"access_token_not_expired","meaning":"too_early"}}],)", kEarlySpan.count());
  if (index == kKills) extras = R"("quirks":[{"quirk":"refresh_kills_access"}],)";
  if (index == kCapped) extras = fmt::format(R"("rate_cap":{{"requests":{},"per_s":{}}},)", kCapRequests, kCapPer.count());
  return fmt::format(R"({{"schema":1,"id":"p{0}","name":"P{0}","seen_on":"2026-11-23",)"
                     R"("endpoints":{{"issuer":"https://p{0}.example","authorization":"https://p{0}.example/authorize","token":"https://p{0}.example/token"{3}}},)"
                     R"("client_authentication":["client_secret_post"],"pkce":true,"code_lifetime_s":60,{1})"
                     R"("redirect":{{"https_required":true,"http_localhost":true,"note":"none"}},)"
                     R"("account":{{"source":"reply","id":["account"],"name":["account"]}},)"
                     R"("steps":[{{"text":"one"}},{{"text":"two"}},{{"text":"three"}}],"types":[{2}]}})",
                     index, extras, types, index == kCapped ? "" : fmt::format(R"(,"revocation":"https://p{}.example/revoke")", index));
}

const std::shared_ptr<const catalog::Catalog>& catalogue() {
  static const auto made = [] {
    auto all = *catalog::Catalog::load_builtin();
    for (int index = 0; index < kProviders; ++index) {
      auto more = all->with_file(fmt::format("p{}.json", index), provider_file(index));
      if (!more) std::fprintf(stderr, "%s\n", more.error().text.c_str());
      all = *more;
    }
    return all;
  }();
  return made;
}

// What an installation looks like right after its first start, so that worlds need not make it each anew.
const Disk& first_image(const store::JournalSize& size) {
  static std::map<std::size_t, std::unique_ptr<Disk>> images;
  auto& image = images[size.segment_bytes];
  if (image) return *image;
  image = std::make_unique<Disk>(Chance(1));
  Timeline timeline;
  Process process(timeline, "installer");
  MachineWall wall(timeline);
  QuietLog log(timeline, "installer", false);
  SimulatedFiles files(*image, process);
  SimulatedVfs vfs(*image, process, "installer");
  const base::Hire hire = [&](const std::string&, std::size_t) { return std::make_unique<SimulatedWorker>(timeline, process, [] { return 0ns; }); };
  LATCHKEY_CHECK(store::open_sqlite_store({.path = "/data/latchkey.db", .vfs = vfs.name(), .directory = store::SqliteOptions::Directory::of_vfs, .hire = hire}, wall, log));
  LATCHKEY_CHECK(store::open_reply_journal("/data/replies", files, log, size, hire));
  for (const char* name : {"/data/latchkey.db"}) image->find(name)->sync();
  image->sync_names();
  return *image;
}

}  // namespace

// ---- making --------------------------------------------------------------------------------------------------------

World::World(const WorldOptions& options)
    : options_(options), chance_(options.seed * 0x9e3779b97f4a7c15u + 1), entropy_(chance_.fork()), vault_(Secret(Bytes(32, 7)), entropy_), sealing_(vault_),
      story_(timeline_, options.tell_story), invariants_(timeline_, providers_, sealing_, story_), true_wall_(timeline_), memory_(true_wall_),
      ground_{.timeline = timeline_, .catalogue = catalogue(), .vault = vault_, .sealing = sealing_, .entropy = entropy_, .providers = providers_, .invariants = invariants_,
              .tuning = {}, .revocation = {}, .consent_under_way = {}, .polling_time = Seconds(1200), .journal = {}, .print_log = options.print_log} {
  for (int index = 0; index < kProviders; ++index) providers_.emplace_back(timeline_, chance_.fork());
  choose_shape();
  // Every node holds the cap by itself, and a new process begins with a tenth of it in hand.
  invariants_.caps.assign(kProviders, 0);
  invariants_.caps[kCapped] = static_cast<std::size_t>(kCapRequests * nodes_ + kCapRequests / 5 * nodes_);
  populate();
}

World::~World() {
  over_ = true;
  for (auto& machine : machines_) {
    if (machine->server) machine->server->process.die();
    bury(*machine);
  }
}

void World::choose_shape() {
  nodes_ = chance_.happens(0.5) ? 1 : static_cast<int>(chance_.between(2, 3));
  own_store_ = nodes_ == 1 && chance_.happens(0.85);
  // Most worlds are small, so that many fit into a minute; some are not.
  const bool large = chance_.happens(0.15);
  grants_ = static_cast<int>(large ? chance_.spread(10, own_store_ ? 100 : 400) : chance_.spread(1, 10));
  severity_ = chance_.happens(0.05) ? 0 : chance_.one_of({0.3, 1.0, 1.0, 3.0});
  steps_clocks_ = chance_.happens(0.3);
  breaks_disks_ = chance_.happens(0.3);
  restores_ = own_store_ && severity_ > 0 && chance_.happens(0.2);
  // Not both: by a clock that jumps ahead by days the journal lets go of what the standby may lack.
  falls_back_ = nodes_ == 1 && !own_store_ && severity_ > 0 && chance_.happens(0.7) && !steps_clocks_;
  if (nodes_ > 1 && severity_ > 0 && !steps_clocks_) falls_back_ = more_.happens(0.4);
  invariants_.one_journal = nodes_ == 1;
  invariants_.is_held_up = [this](const Process& process) {
    const auto its = std::ranges::find_if(machines_, [&](const auto& machine) { return machine->server && &machine->server->process == &process; });
    return process.stopped() || (its != machines_.end() && (*its)->link.partitioned);
  };
  invariants_.clock_ahead = [this](const Process& process) {
    const auto its = std::ranges::find_if(machines_, [&](const auto& machine) { return machine->server && &machine->server->process == &process; });
    return its == machines_.end() ? Nanoseconds(0) : Nanoseconds((*its)->wall.off());
  };
  invariants_.decides_ahead = [this](const Process& process) {
    const auto its = std::ranges::find_if(machines_, [&](const auto& machine) { return machine->server && &machine->server->process == &process; });
    return its == machines_.end() ? Milliseconds(0) : std::chrono::duration_cast<Milliseconds>((*its)->server->clock().now() - true_time(timeline_));
  };
  invariants_.clocks_stepped = steps_clocks_;
  faults_until_ = Seconds(chance_.spread(60, large ? 3000 : 900));
  between_faults_ = Seconds(chance_.spread(3, 200));
  between_callers_ = Milliseconds(chance_.spread(large ? 300 : 2'000, 60'000));
  between_people_ = Seconds(chance_.spread(20, 1000));

  auto& tuning = ground_.tuning;
  tuning.timeouts.total = Seconds(chance_.happens(0.6) ? 50 : chance_.spread(5, 60));
  tuning.timeouts.connect = Seconds(chance_.between(1, std::min<std::int64_t>(60, tuning.timeouts.total.count())));
  // As the engine does: whatever is set, a lease lets an exchange begin.
  tuning.lease = std::max(Seconds(chance_.happens(0.5) ? 30 : chance_.spread(30, 900)), tuning.timeouts.total + grants::kLeaseReserve + Seconds(5));
  // Enough for the grants there are: with less they cannot all be fresh, whatever the engine does.
  tuning.one_shot_parallel = static_cast<std::size_t>(chance_.spread(1 + grants_ / 10, 1024));
  tuning.parallel = static_cast<std::size_t>(chance_.spread(1 + grants_ / 10, 4096));
  auto& revocation = ground_.revocation;
  const bool soon = switching_.happens(0.5);  // else nobody lives to see it
  revocation.disabled_after = !soon ? std::chrono::days(switching_.between(1, 90)) : Seconds(switching_.happens(0.05) ? 0 : switching_.spread(10, 900));
  revocation.give_up_after = switching_.happens(0.5) ? Seconds(std::chrono::days(14)) : Seconds(switching_.spread(3600, 365 * 24 * 3600));
  invariants_.disabled_after = revocation.disabled_after;
  invariants_.give_up_after = revocation.give_up_after;
  ground_.consent_under_way = [this](const std::string& app, const std::string& account) {
    return std::ranges::any_of(authorising_, [&](std::size_t index) {
      const auto& subject = invariants_.subjects[index];
      return subject.account_id == account && fmt::format("p{}", subject.provider) == app;
    });
  };
  ground_.polling_time = Seconds(chance_.happens(0.9) ? chance_.spread(60, 1200) : chance_.spread(1200, 30 * 24 * 3600));  // tokens end sooner
  ground_.journal = {.segment_bytes = 512 * 1024, .segments_max = static_cast<std::size_t>(chance_.spread(8, 40)), .room_ahead = static_cast<std::size_t>(chance_.between(0, 8))};
  ground_.checkpoint_pages = static_cast<int>(chance_.spread(4, 4000));
  ground_.disk_moment = Nanoseconds(chance_.spread(50'000, 30'000'000));
  if (!own_store_) ground_.shared_store = &memory_;

  for (int index = 0; index < nodes_; ++index) {
    machines_.push_back(std::make_unique<Machine>(timeline_, fmt::format("node{}", index), NodeId::make(true_wall_.now(), entropy_), chance_.fork()));
    auto& machine = *machines_.back();
    machine.disk.take_image_of(first_image(ground_.journal));
    machine.link.slow = chance_.unit() * chance_.unit();
    machine.weather.usual = Nanoseconds(chance_.spread(1'000'000, 500'000'000));
    auto* which = machines_.back().get();
    machine.disk.before = [which](DiskCall) {
      if (which->dies_in && (*which->dies_in)-- == 0) {
        which->dies_in.reset();
        if (which->server) which->server->process.die();
      }
    };
  }
  shape_ = fmt::format("{} node{}, {}, {} grants, severity {}, {} s of faults{}{}", nodes_, nodes_ > 1 ? "s" : "", own_store_ ? "SQLite" : "memory", grants_,
                       severity_, std::chrono::duration_cast<Seconds>(faults_until_).count(), steps_clocks_ ? ", clocks step" : "",
                       breaks_disks_ ? ", disks break" : "");
  if (soon) shape_ += fmt::format(", revoked {} s after switching off", revocation.disabled_after.count());
  if (restores_) shape_ += ", a backup is put back";
  if (falls_back_) shape_ += ", a standby takes over";
}

void World::choose_habits(Account& account, const TypeRow& type, ProviderKind kind) {
  auto& habits = account.habits;
  habits.rotation = type.rotates;
  habits.replay = type.policy;
  habits.grace = type.grace;
  habits.lifetime = Seconds(chance_.one_of({60, 120, 300, 600, 600, 900, 3600}));
  habits.same_within_grace = chance_.happens(0.5);
  habits.replay_replaces = type.rotates == Rotation::single_use && chance_.happens(0.5);
  habits.family_dies_after_grace = chance_.happens(0.5);
  habits.kills_access = kind == kKills;
  habits.revokes_consent = switching_.happens(0.5);
  if (kind == kCapped && grants_ > 30) habits.lifetime = Seconds(3600);  // the cap could not keep more of them fresh
  if (kind == kEarly) habits.early_refused = kEarlySpan;
  longest_lifetime_ = std::max(longest_lifetime_, habits.lifetime);
}

void World::put_apps(store::Batch& batch) {
  for (int index = 0; index < kProviders; ++index) {
    store::App app{.id = fmt::format("p{}", index), .provider = fmt::format("p{}", index), .client_id = "client",
                   .token_origin = fmt::format("https://p{}.example", index), .created_at = true_wall_.now(), .version = 0};
    secret_in_use_[static_cast<std::size_t>(index)] = fmt::format("secret-{}-0", index);
    providers_[static_cast<std::size_t>(index)].secrets = {secret_in_use_[static_cast<std::size_t>(index)]};
    app.secrets[0].sealed = sealing_.seal_app_secret(app, 0, Secret(secret_in_use_[static_cast<std::size_t>(index)]));
    sealing_.vouch(app);
    batch.push_back(store::PutApp{app});
  }
}

void World::populate() {
  pair_ = vault_.make_key_pair();
  const auto now = true_wall_.now();
  store::Batch batch;
  batch.push_back(store::PutMeta{std::string(grants::kMasterKeyMeta), vault_.master_key_id()});
  put_apps(batch);
  store::Group group{.id = GroupId::make(now, entropy_), .name = "G", .name_key = "g", .created_at = now};
  batch.push_back(store::InsertGroup{group});
  // A few kinds of grants in each world.
  std::vector<std::pair<int, const TypeRow*>> kinds;
  const auto count = chance_.between(1, 3);
  for (std::int64_t kind = 0; kind < count; ++kind) {
    kinds.emplace_back(chance_.happens(0.6) ? kPlain : static_cast<int>(chance_.below(kProviders)), &kTypes[chance_.below(std::size(kTypes))]);
  }
  for (int index = 0; index < grants_; ++index) {
    const auto [provider, type] = kinds[chance_.below(kinds.size())];
    auto& its = providers_[static_cast<std::size_t>(provider)];
    const auto account = its.accounts.size();
    its.accounts.emplace_back();
    choose_habits(its.accounts.back(), *type, static_cast<ProviderKind>(provider));
    its.accounts.back().subject = invariants_.subjects.size();
    auto account_id = fmt::format("a{}", index);
    if (account > 0 && !its.accounts[account - 1].shares_with && switching_.happens(0.2)) {
      auto& other = its.accounts[account - 1];
      other.shares_with = account;
      its.accounts[account].shares_with = account - 1;
      its.accounts[account].habits.revokes_consent = other.habits.revokes_consent;
      account_id = invariants_.subjects[other.subject].account_id;
    }
    const auto given = its.consent(account);
    its.accounts.back().tokens.back().known = RefreshToken::Known::kept;
    const auto lifetime = its.accounts.back().habits.lifetime;
    store::User user{.id = UserId::make(now, entropy_), .group = group.id, .username = fmt::format("u{}", index), .username_key = fmt::format("u{}", index), .created_at = now};
    store::Grant grant{.id = GrantId::make(now, entropy_), .user = user.id, .type = fmt::format("p{}-{}", provider, type->name), .app = fmt::format("p{}", provider),
                       .account_id = account_id, .generation = 1, .issued_at = now, .access_expires_at = now + lifetime,
                       .last_refreshed_at = now, .due_at = now + Seconds(chance_.between(0, lifetime.count() / 2)), .created_at = now};
    grant.public_key.assign(pair_->public_key.begin(), pair_->public_key.end());
    sealing_.vouch(grant);
    store::Generation generation{.grant = grant.id, .number = 1, .access_expires_at = grant.access_expires_at, .issued_at = now};
    generation.refresh_sealed = sealing_.seal_refresh(grant, 1, {Secret(std::string_view(given.refresh_token)), Secret()});
    generation.access_sealed = sealing_.seal_access(grant, 1, Secret(std::string_view(given.access_token)));
    batch.insert(batch.end(), {store::InsertUser{user}, store::InsertGrant{grant}, store::PutGeneration{generation}});
    Subject subject{.grant = grant.id, .user = user.id, .type = grant.type, .account_id = account_id, .provider = static_cast<std::size_t>(provider), .account = account};
    subject.held[1] = given.refresh_token;
    invariants_.by_grant[grant.id] = invariants_.subjects.size();
    invariants_.subjects.push_back(std::move(subject));
  }
  if (!own_store_) {
    LATCHKEY_CHECK(memory_.apply(batch));
    return;
  }
  auto& machine = *machines_.front();
  Process process(timeline_, "installer");
  QuietLog log(timeline_, "installer", false);
  SimulatedVfs vfs(machine.disk, process, "installer");
  const base::Hire hire = [&](const std::string&, std::size_t) { return std::make_unique<SimulatedWorker>(timeline_, process, [] { return 0ns; }); };
  auto opened = store::open_sqlite_store({.path = "/data/latchkey.db", .vfs = vfs.name(), .directory = store::SqliteOptions::Directory::of_vfs, .hire = hire}, machine.wall, log);
  LATCHKEY_CHECK(opened.has_value());
  const auto done = finish((*opened)->commit(std::move(batch)), 1s);
  LATCHKEY_CHECK(done && done->has_value());
}

// ---- running -------------------------------------------------------------------------------------------------------

void World::act(Server& server, Task<void> task) {
  ++server.callers;
  auto* which = &server;
  boost::asio::co_spawn(timeline_.loop(), std::move(task), [which](const std::exception_ptr&) { --which->callers; });
}

void World::start(Machine& machine) {
  if (over_) return;
  if (std::exchange(restore_due_, false)) put_back(machine);
  ++machine.starts;
  story_.tell("{} starts", machine.name);
  if (machine.wall.off() < Milliseconds(0)) machine.wall.step_to(Milliseconds(0));  // not promised yet: a start with a clock behind
  machine.server = std::make_unique<Server>(ground_, fmt::format("{}.{}", machine.name, machine.starts), machine.node, machine.disk, machine.wall, machine.weather,
                                            machine.link, chance_.fork());
  auto* server = machine.server.get();
  server->process.on_death([this, server] { invariants_.process_died(server->process); });
  if (!server->open()) {
    happened("node.cannot_open", machine.name);
    server->process.die();
    return;
  }
  if (own_store_) read_back(machine);
  if (server->process.dead()) return;
  server->starting = true;
  boost::asio::co_spawn(timeline_.loop(), server->start(), [server](const std::exception_ptr& problem, bool started) {
    server->starting = false;
    if (problem || !started) server->process.die();
  });
}

// What a crash has left of the store.
void World::read_back(Machine& machine) {
  auto* server = machine.server.get();
  struct Readable {  // what the world itself wants to know
    Disk& disk;
    double failing = std::exchange(disk.failing_reads, 0);
    ~Readable() { disk.failing_reads = failing; }
  };
  const Readable readable{machine.disk};
  for (const auto& subject : invariants_.subjects) {
    if (server->process.dead()) return;
    auto view = finish(server->store().grant(subject.grant), 3600s);
    // The question may go unanswered; asked again and again it is answered, unless the record is torn.
    for (int asked = 1; asked < 100 && view && !*view && (*view).error().kind == ErrorKind::unavailable; ++asked) {
      view = finish(server->store().grant(subject.grant), 3600s);
    }
    if (!view || !*view || !**view) {
      if (server->process.dead() || machine.disk.failing_reads > 0) return;  // it has begun to fail meanwhile
      invariants_.fail(0, "torn record", "a grant cannot be read after a restart");
      return;
    }
    invariants_.read_back(***view);
  }
}

void World::bury(Machine& machine) {
  if (!machine.server) return;
  auto& server = *machine.server;
  LATCHKEY_CHECK(server.process.dead());
  timeline_.run_until(timeline_.now(), [&] { return !server.starting; });
  if (server.started) {
    if (!finish(server.stop(), 0ns)) invariants_.fail(0, "a zombie does not end", machine.name);
  }
  timeline_.run_until(timeline_.now(), [&] { return server.callers == 0; });
  if (server.callers != 0) {
    invariants_.fail(0, "a zombie's callers do not end", machine.name);
    std::fprintf(stderr, "seed %lu: callers of a dead process do not end\n", static_cast<unsigned long>(options_.seed));
    std::abort();
  }
  server.count_branches(taken_);
  posts_ += server.posts();
  machine.server.reset();
  machine.disk.crash();
  machine.dies_in.reset();
}

void World::look_after_machines() {
  for (auto& machine : machines_) {
    if (!machine->server || !machine->server->process.dead()) continue;
    ++taken_["node.died"];
    bury(*machine);
    auto* which = machine.get();
    // Some come back at once, some stay away for long.
    const auto away = calm_ ? 1s : Nanoseconds(Milliseconds(chance_.spread(10, chance_.happens(0.2) ? 900'000 : 20'000)));
    timeline_.after(away, nullptr, [this, which] {
      if (!which->server) start(*which);
    });
  }
}

Server* World::any_server(Chance& chance) {
  std::vector<Server*> alive;
  for (const auto& machine : machines_) {
    if (machine->server && machine->server->started && !machine->server->process.dead()) alive.push_back(machine->server.get());
  }
  return alive.empty() ? nullptr : alive[chance.below(alive.size())];
}

void World::pass(Nanoseconds span) {
  const auto end = timeline_.now() + span;
  timeline_.run_ready();
  while (!invariants_.broken() && timeline_.step(end)) look_after_machines();
}

// At most `bound`; less where every grant has shown before that it is well.
void World::pass_until_fresh(Nanoseconds bound) {
  const auto calm_since = timeline_.now();
  while (timeline_.now() < calm_since + bound && !invariants_.broken()) {
    pass(std::min<Nanoseconds>(60s, calm_since + bound - timeline_.now()));
    const bool secrets_known = std::ranges::none_of(secret_changing_, std::identity());
    // After a fail-over nothing is sent before leases that the standby may not have heard of have passed.
    const bool leases_run = invariants_.has_fallen_back && timeline_.now() < calm_since + ground_.tuning.lease + 60s;
    if (secrets_known && !leases_run && invariants_.all_well_since(calm_since)) return;
  }
}

Outcome World::run() {
  for (auto& machine : machines_) start(*machine);
  look_after_machines();
  if (severity_ > 0) plan_fault();
  if (restores_) plan_restore();
  if (falls_back_) plan_fall_back();
  plan_caller();
  plan_person();
  pass(faults_until_);
  if (!invariants_.broken()) {
    calm();
    pass_until_fresh(longest_lifetime_ + 1500s);
    if (!invariants_.broken()) check_end();
  }
  for (auto& machine : machines_) {
    if (machine->server) machine->server->process.die();
  }
  over_ = true;
  for (auto& machine : machines_) bury(*machine);
  for (auto& machine : machines_) {
    machine->disk.visit([this](const std::string& path, ByteView octets) {
      invariants_.note(base::to_bytes(path));
      invariants_.note(octets);
    });
  }
  const auto& losses = invariants_.losses;
  Outcome outcome{.seed = options_.seed, .violations = invariants_.violations(), .shape = shape_, .trace = invariants_.trace, .taken = std::move(taken_)};
  outcome.figures = {.refreshed = invariants_.refreshed, .posts = posts_, .handed_out = invariants_.handed_out, .stale_by_travel = invariants_.stale_by_travel,
                     .lost_on_the_way = losses.never_arrived, .lost_in_a_crash = losses.died_with_process, .lost_unreadable = losses.unreadable,
                     .lost_behind_a_restore = losses.behind_a_restore, .lost_at_the_end = losses.tried_at_the_end, .lost_by_repetition = losses.repeated, .lost_given_back = losses.given_back, .steps = timeline_.steps()};
  outcome.taken["grant.revoked_after_switching_off"] = invariants_.revoked_after_switching_off;
  if (invariants_.broken()) outcome.story = story_.of(invariants_.broken_at(), 2000);
  for (const auto& provider : providers_) {
    for (const auto& [name, count] : provider.taken) outcome.taken["provider." + name] += count;
  }
  return outcome;
}

Outcome run_world(const WorldOptions& options) {
  World world(options);
  return world.run();
}

const std::vector<std::string>& branches_wanted() {
  static const std::vector<std::string> wanted{
      "fault.crash", "fault.crash_at_a_disk_call", "fault.stopped", "fault.partition_provider", "fault.partition_store", "fault.partition_store_in_mid_exchange", "fault.disk_full", "fault.sync_fails", "fault.write_fails", "fault.read_fails",
      "fault.clock_forward", "fault.clock_back", "fault.clock_1970", "fault.store_fell_back", "fault.secret_expired", "fault.provider_trouble", "node.died", "node.cannot_open",
      "network.no_connection", "network.request_lost", "network.reply_lost", "network.reply_cut", "network.cut_behind_the_refresh_token", "network.slow", "network.sender_stopped",
      "network.past_the_deadline", "provider.request_read_late", "provider.request_read_twice", "provider.second_answer_arrives", "store.commit_refused", "store.question_unanswered", "store.commit_answer_lost", "provider.family_revoked",
      "provider.replay_within_grace", "provider.replay_after_grace", "provider.replay_refused", "provider.invalid_client", "provider.false_refusal",
      "provider.too_early", "provider.committed_then_5xx", "provider.committed_then_52x", "provider.gateway_code", "provider.echo_of_the_form", "provider.echo_redacted", "provider.echo_malformed", "provider.echo_of_words", "provider.refresh_token_left_out", "provider.refresh_token_alone", "provider.form_encoded",
      "provider.unreadable_success", "provider.wrongly_typed_refresh_token", "provider.error_beside_tokens", "provider.answer_longer_than_its_place", "provider.502_page", "provider.503_retry_after", "provider.429",
      "provider.400_temporarily_unavailable", "provider.401_empty", "provider.403_firewall", "provider.200_error", "provider.no_expires_in",
      "keeper.died", "keeper.replies_recovered", "keeper.replies_unowned", "keeper.handouts_waited", "keeper.misconfigured", "journal.failed",
      "restore.backup_made", "restore.put_back", "restore.replies_survived", "restore.journal_gone", "person.disabled", "person.enabled", "person.refreshed", "person.authorised_again",
      "grant.revoked_after_switching_off", "person.disabled_again", "person.disabled_beside", "person.enabled_in_time", "person.enabled_too_late", "person.authorised_what_was_revoked", "person.authorised_in_vain",
      "keeper.given_back", "provider.revoked", "provider.revoked_by_another_token", "provider.revoked_with_a_shared_consent", "provider.revoked_then_5xx", "provider.revoking_trouble", "provider.revoking_invalid_client", "provider.revoking_unknown_token",
  };
  return wanted;
}

}  // namespace latchkey::simulation
