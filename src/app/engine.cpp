#include "app/engine.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kCardUsersMax = 20'000;

grants::KeeperTuning tuning_of(const store::Registry& registry) {
  grants::KeeperTuning tuning;
  tuning.timeouts.connect = registry.get<Seconds>("oauth.refresh_connect_timeout");
  tuning.timeouts.total = registry.get<Seconds>("oauth.refresh_total_timeout");
  tuning.lease = registry.get<Seconds>("oauth.refresh_lease");
  tuning.one_shot_parallel = registry.get<std::size_t>("oauth.one_shot_parallel");
  tuning.parallel = registry.get<std::size_t>("oauth.parallel");
  return tuning;
}

grants::Keeper::Parts keeper_parts(EngineGround& ground, grants::Exchange& exchange, grants::ProviderClients& clients,
                                   const grants::Sealing& sealing, grants::Alerts& alerts, grants::Counters& counters,
                                   grants::GrantWatcher& watcher, const WallClock& clock) {
  const auto* registry = &ground.registry;
  return {.store = ground.store, .journal = ground.journal, .exchange = exchange, .clients = clients, .sealing = sealing,
          .alerts = alerts, .counters = counters, .watcher = watcher, .wall = clock, .steady = ground.steady,
          .entropy = ground.entropy, .log = ground.log, .executor = ground.loop.main(), .node = ground.node,
          .tuning = [registry] { return tuning_of(*registry); },
          .polling_time = [registry](std::string_view type) { return std::chrono::floor<Seconds>(registry->polling_time(type)); }};
}

grants::AuthorizationDesk::Parts desk_parts(EngineGround& ground, grants::Exchange& exchange, grants::ProviderClients& clients,
                                            grants::Keeper& keeper, const grants::Sealing& sealing, grants::Enrolment& enrolment,
                                            grants::GrantWatcher& watcher, const WallClock& clock) {
  const auto* registry = &ground.registry;
  return {.store = ground.store, .journal = ground.journal, .exchange = exchange, .clients = clients, .keeper = keeper,
          .vault = ground.vault, .sealing = sealing, .enrolment = enrolment, .transport = ground.transport, .watcher = watcher,
          .wall = clock, .entropy = ground.entropy, .log = ground.log, .executor = ground.loop.main(), .node = ground.node,
          .pending_lifetime = [registry] { return registry->get<Seconds>("authorize.pending_lifetime"); },
          .tuning = [registry] { return tuning_of(*registry); }};
}

}  // namespace

Engine::Engine(EngineGround ground)
    : ground_(std::move(ground)),
      clock_(ground_.wall, ground_.steady),
      alerts_(clock_, ground_.log),
      sealing_(ground_.vault),
      clients_(ground_.store, sealing_, ground_.catalog, ground_.transport, ground_.steady, ground_.address),
      exchange_(ground_.transport, ground_.journal, sealing_, clock_, ground_.log),
      cards_(kCardUsersMax),
      keeper_(keeper_parts(ground_, exchange_, clients_, sealing_, alerts_, counters_, cards_, clock_)),
      ledger_(ground_.handouts),
      desk_(ground_.store, sealing_, keeper_, ground_.loop.main(), ground_.hot, cards_, ledger_, counters_, clock_),
      enrolment_(ground_.vault, ground_.user_seal, ground_.user_cards, ground_.hasher, ground_.gate, ground_.hot, ground_.registry,
                 ground_.steady),
      authorizer_(desk_parts(ground_, exchange_, clients_, keeper_, sealing_, enrolment_, cards_, clock_)),
      apps_(ground_.store, sealing_, clients_, keeper_, alerts_, clock_),
      care_(ground_.store, sealing_, clients_, keeper_, ground_.transport, cards_, clock_, ground_.log, ground_.loop.main()),
      pin_reset_(ground_.store, ground_.vault, sealing_, cards_, clock_) {
  auto* desk = &authorizer_;
  keeper_.set_code_recovery([desk](store::JournalEntry entry) { return desk->recover(std::move(entry)); });
}

Engine::~Engine() = default;

Task<Result<void>> Engine::open() {
  if (const auto started = co_await keeper_.start(); !started) co_return started;
  authorizer_.start_sweeping();
  co_return Result<void>{};
}

Task<void> Engine::close() {
  co_await authorizer_.stop();
  co_await keeper_.stop();
  co_await care_.stop();
}

}  // namespace latchkey::app
