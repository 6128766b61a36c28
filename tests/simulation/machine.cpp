#include "machine.h"

#include <fmt/format.h>

#include <cstdio>

#include "store/sqlite/sqlite_store.h"

namespace latchkey::simulation {

void QuietLog::write(base::LogLevel level, std::string_view event, std::vector<base::LogField> fields) {
  if (!print_) return;
  std::string line = fmt::format("{:12.6f} {} {}", std::chrono::duration<double>(timeline_.now()).count(), name_, event);
  for (const auto& field : fields) line += fmt::format(" {}={}", field.key, field.value);
  std::puts(line.c_str());
  static_cast<void>(level);
}

Server::Server(Ground& ground, std::string name, NodeId node, Disk& disk, const WallClock& wall, Weather& weather,
               const LinkWeather& link_weather, Chance chance)
    : process(ground.timeline, name), steady(ground.timeline, process), log(ground.timeline, name, ground.print_log), ground_(ground), disk_(disk),
      wall_(wall), common_(wall, [this] { return steady.now().time_since_epoch(); }), prudent_(common_, steady), alerts_(prudent_, log), node_(node), link_weather_(link_weather), chance_(chance), files_(disk, process),
      network_(ground.timeline, process, weather, ground.providers, ground.invariants, chance_.fork()),
      upkeep_(ground.timeline.loop().get_executor(), log) {}

// The reverse of what open() makes; whoever destroys it has stopped it.
Server::~Server() {
  fail_over_.reset();
  nodes_.reset();
  care_.reset();
  keeper_.reset();
  giving_back_.reset();
  exchange_.reset();
  clients_.reset();
  journal_link_.reset();
  link_.reset();
  journal_.reset();
  own_store_.reset();
}

bool Server::open() {
  const base::Hire hire = [this](const std::string&, std::size_t) {
    return std::make_unique<SimulatedWorker>(ground_.timeline, process, [this, chance = std::make_shared<Chance>(chance_.fork())] {
      return Nanoseconds(chance->between(10'000, ground_.disk_moment.count()));
    });
  };
  store::Store* store = ground_.shared_store;
  if (store == nullptr) {
    vfs_ = std::make_unique<SimulatedVfs>(disk_, process, "simulated");
    auto opened = store::open_sqlite_store({.path = "/data/latchkey.db", .reader_threads = 1, .checkpoint_pages = ground_.checkpoint_pages,
                                            .vfs = vfs_->name(), .directory = store::SqliteOptions::Directory::of_vfs, .hire = hire},
                                           const_cast<WallClock&>(wall_), log);
    if (!opened) {
      log.error("cannot_open_store", opened.error());
      return false;
    }
    own_store_ = std::move(*opened);
    store = own_store_.get();
  }
  auto journal = store::open_reply_journal("/data/replies", files_, log, ground_.journal, hire);
  if (!journal) {
    log.error("cannot_open_journal", journal.error());
    return false;
  }
  journal_ = std::move(*journal);
  link_ = std::make_unique<StoreLink>(*store, ground_.shared_store, ground_.timeline, process, link_weather_, ground_.invariants, chance_.fork());
  journal_link_ = std::make_unique<JournalLink>(*journal_, process, ground_.invariants);
  auto executor = ground_.timeline.loop().get_executor();
  clients_ = std::make_unique<grants::ProviderClients>(*link_, ground_.sealing, ground_.catalogue, network_, steady,
                                                       grants::PublicAddress{.url = "https://latchkey.example"}, executor, log);
  exchange_ = std::make_unique<grants::Exchange>(network_, *journal_link_, ground_.sealing, prudent_, steady, counters.steps, log);
  giving_back_ = std::make_unique<grants::GivingBack>(grants::GivingBack::Parts{
      .store = *link_, .clients = *clients_, .transport = network_, .sealing = ground_.sealing, .alerts = alerts_, .counters = counters, .wall = prudent_,
      .steady = steady, .entropy = ground_.entropy, .log = log, .executor = executor, .tuning = [tuning = ground_.revocation] { return tuning; },
      .grant_changed = [](UserId, GrantId) {}});
  giving_back_->set_waiting([ground = &ground_](std::string app, std::string account) { return is_under_way(ground, std::move(app), std::move(account)); });
  keeper_ = std::make_unique<grants::Keeper>(grants::Keeper::Parts{
      .store = *link_, .journal = *journal_link_, .exchange = *exchange_, .clients = *clients_, .giving_back = *giving_back_, .sealing = ground_.sealing,
      .alerts = alerts_, .counters = counters, .watcher = *this, .wall = prudent_, .steady = steady, .entropy = ground_.entropy, .log = log,
      .executor = executor, .node = node_, .tuning = [tuning = ground_.tuning] { return tuning; },
      .polling_time = [span = ground_.polling_time](std::string_view) { return span; },
      .is_counted = ground_.shared_store == nullptr ? std::function<bool()>() : [this] { return nodes_ && nodes_->is_counted(); },
      .may_send = ground_.shared_store == nullptr ? std::function<bool()>() : [this] { return fail_over_ && fail_over_->may_send(); }});
  care_ = std::make_unique<grants::GrantCare>(*link_, ground_.sealing, *clients_, *keeper_, *giving_back_, network_, *this, prudent_, log);
  if (ground_.shared_store != nullptr) {
    nodes_ = std::make_unique<grants::Nodes>(grants::Nodes::Parts{
        .store = *link_, .keeper = *keeper_, .vault = ground_.vault, .alerts = alerts_, .wall = common_, .steady = steady, .entropy = ground_.entropy,
        .log = log, .node = node_, .version = "simulated", .just_taken_over = [this] { return fail_over_ && fail_over_->has_just_happened(); }});
    fail_over_ = std::make_unique<grants::FailOverWatch>(grants::FailOverWatch::Parts{
        .store = *link_, .keeper = *keeper_, .lineage = link_->lineage, .remember = [](const std::string&) { return Result<void>{}; }, .alerts = alerts_,
        .steady = steady, .entropy = ground_.entropy, .log = log, .node = node_, .lease = [this] { return ground_.tuning.lease; }});
  }
  return true;
}

Task<bool> Server::start() {
  Result<void> done;
  if (nodes_) {
    if (const auto compared = co_await common_.compare(*link_); !compared) done = std::unexpected(compared.error());
    if (done) done = co_await nodes_->begin();
  }
  if (done) done = co_await keeper_->start();
  if (!done) {
    log.error("cannot_start", done.error());
    co_return false;
  }
  giving_back_->start();
  if (nodes_) upkeep_.spawn("signs of life", nodes_->keep_showing());
  if (fail_over_) upkeep_.spawn("lineage", fail_over_->keep_telling());
  started = true;
  co_return true;
}

Task<bool> Server::is_under_way(const Ground* ground, std::string app, std::string account) { co_return ground->consent_under_way(app, account); }

Task<bool> Server::stop() {
  co_await keeper_->stop();
  co_await giving_back_->stop();
  co_await clients_->stop();
  co_await upkeep_.cancel_and_wait();
  if (nodes_) {
    if (auto conditions = co_await fail_over_->conditions_of_stopping()) co_await nodes_->end(*std::move(conditions));
  }
  co_return true;
}

void Server::count_branches(std::map<std::string, std::uint64_t>& taken) const {
  for (const auto& [name, count] : network_.taken) taken["network." + name] += count;
  if (link_) {
    for (const auto& [name, count] : link_->taken) taken["store." + name] += count;
  }
  taken["keeper.refused"] += static_cast<std::uint64_t>(counters.refused.load());
  taken["keeper.transient"] += static_cast<std::uint64_t>(counters.transient.load());
  taken["keeper.ambiguous"] += static_cast<std::uint64_t>(counters.ambiguous.load());
  taken["keeper.not_sent"] += static_cast<std::uint64_t>(counters.not_sent.load());
  taken["keeper.misconfigured"] += static_cast<std::uint64_t>(counters.misconfigured.load());
  taken["keeper.died"] += static_cast<std::uint64_t>(counters.died.load());
  taken["keeper.replies_recovered"] += static_cast<std::uint64_t>(counters.replies_recovered.load());
  taken["keeper.replies_unowned"] += static_cast<std::uint64_t>(counters.replies_unowned.load());
  taken["keeper.given_back"] += static_cast<std::uint64_t>(counters.given_back.load());
  taken["keeper.not_given_back"] += static_cast<std::uint64_t>(counters.not_given_back.load());
  taken["keeper.handouts_waited"] += static_cast<std::uint64_t>(counters.handouts_waited.load());
}

}  // namespace latchkey::simulation
