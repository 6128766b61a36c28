#include "app/engine.h"

#include <fmt/format.h>

namespace latchkey::app {
namespace {

constexpr std::size_t kCardUsersMax = 20'000;

grants::KeeperTuning tuning_of(const store::Registry& registry) {
  grants::KeeperTuning tuning;
  tuning.timeouts.connect = registry.get<Seconds>("oauth.refresh_connect_timeout");
  tuning.timeouts.total = registry.get<Seconds>("oauth.refresh_total_timeout");
  // Whatever is set: a lease shorter than an exchange can take would let nobody begin one (F3).
  tuning.lease = std::max(registry.get<Seconds>("oauth.refresh_lease"), tuning.timeouts.total + grants::kLeaseReserve + Seconds(5));
  tuning.one_shot_parallel = registry.get<std::size_t>("oauth.one_shot_parallel");
  tuning.parallel = registry.get<std::size_t>("oauth.parallel");
  return tuning;
}

}  // namespace

grants::Keeper::Parts Engine::keeper_parts() {
  const auto* registry = &ground_.registry;
  return {.store = ground_.store, .journal = ground_.journal, .exchange = exchange_, .clients = clients_, .giving_back = giving_back_,
          .sealing = sealing_, .alerts = alerts_, .counters = counters_, .watcher = cards_, .wall = clock_, .steady = ground_.steady,
          .entropy = ground_.entropy, .log = ground_.log, .executor = ground_.loop.main(), .node = ground_.node,
          .tuning = [registry] { return tuning_of(*registry); },
          .polling_time = [registry](std::string_view type) { return std::chrono::floor<Seconds>(registry->polling_time(type)); },
          .is_counted = is_counted(),
          .may_send = may_send()};
}

// Only what several nodes share can have counted this one out.
std::function<bool()> Engine::is_counted() {
  if (!ground_.memory) return {};
  return [this] { return nodes_.is_counted(); };
}

std::function<bool()> Engine::may_send() {
  if (!ground_.lineage) return {};
  return [this] { return fail_over_->may_send(); };
}

grants::AuthorizationDesk::Parts Engine::desk_parts() {
  const auto* registry = &ground_.registry;
  return {.store = ground_.store, .journal = ground_.journal, .exchange = exchange_, .clients = clients_, .keeper = keeper_,
          .giving_back = giving_back_, .counters = counters_, .vault = ground_.vault, .sealing = sealing_, .enrolment = enrolment_,
          .transport = ground_.transport, .watcher = cards_, .wall = clock_, .steady = ground_.steady, .entropy = ground_.entropy,
          .log = ground_.log, .executor = ground_.loop.main(), .node = ground_.node,
          .pending_lifetime = [registry] { return registry->get<Seconds>("authorize.pending_lifetime"); },
          .link_lifetime = [registry] { return registry->get<Seconds>("authorize.link_lifetime"); },
          .tuning = [registry] { return tuning_of(*registry); },
          .device_code_allowed = [registry](std::string_view type) { return registry->device_code_allowed(type); },
          .cloud = &cloud_line_,
          .use_cloud_service = [registry] { return registry->get<bool>("oauth.use_cloud_service"); }};
}

grants::KeyRotation::Parts Engine::key_parts() {
  const auto* registry = &ground_.registry;
  auto* keeper = &keeper_;
  const auto* notices = &notices_;
  return {.store = ground_.store, .journal = ground_.journal, .vault = ground_.vault, .files = ground_.key_files, .sealing = sealing_,
          .user_seal = ground_.user_seal, .user_cards = ground_.user_cards, .alerts = alerts_, .wall = clock_, .steady = ground_.steady,
          .entropy = ground_.entropy, .log = ground_.log, .executor = ground_.loop.main(), .node = ground_.node,
          .shared = ground_.memory.has_value(), .machine = grants::machine_name(),
          .rest = [registry] { return registry->get<Seconds>("keys.rotation_rest"); },
          .channel_secrets = [notices] {
            auto places = notices->secret_places();
            places.push_back(grants::cloud_enrolment_place());
            return places;
          },
          .resealed = [keeper](const store::JournalEntry& entry) { keeper->take_resealed(entry); }};
}

grants::GivingBack::Parts Engine::giving_back_parts() {
  const auto* registry = &ground_.registry;
  auto* cards = &cards_;
  return {.store = ground_.store, .clients = clients_, .transport = ground_.transport, .sealing = sealing_, .alerts = alerts_, .counters = counters_,
          .wall = clock_, .steady = ground_.steady, .entropy = ground_.entropy, .log = ground_.log, .executor = ground_.loop.main(),
          .tuning = [registry] {
            return grants::RevocationTuning{.disabled_after = registry->get<Seconds>("revoke.disabled_after"),
                                            .give_up_after = registry->get<Seconds>("revoke.give_up_after")};
          },
          .grant_changed = [cards](UserId user, GrantId grant) { cards->grant_changed(user, grant); }};
}

Engine::Engine(EngineGround ground)
    : ground_(std::move(ground)),
      clock_(ground_.wall, ground_.steady, ground_.clock_mark),
      alerts_(clock_, ground_.log),
      clock_mark_(ground_.store, ground_.wall, clock_, ground_.steady, alerts_, ground_.log, ground_.clock_mark),
      sealing_(ground_.vault),
      clients_(ground_.store, sealing_, ground_.catalog, ground_.transport, ground_.steady, ground_.address, ground_.loop.main(), ground_.log),
      cloud_line_(ground_.transport, ground_.wall, ground_.steady, ground_.entropy, ground_.log),
      cloud_ways_({.store = ground_.store, .sealing = sealing_, .line = cloud_line_, .transport = ground_.transport, .alerts = alerts_, .wall = clock_,
                   .steady = ground_.steady, .log = ground_.log, .executor = ground_.loop.main()}),
      exchange_(ground_.transport, ground_.journal, sealing_, clock_, ground_.steady, counters_.steps, ground_.log),
      cards_(kCardUsersMax, ground_.memory),
      giving_back_(giving_back_parts()),
      keeper_(keeper_parts()),
      ledger_(ground_.handouts),
      desk_(ground_.store, sealing_, keeper_, ground_.loop.main(), ground_.hot, cards_, ledger_, counters_, clock_, ground_.steady),
      delegations_({.store = ground_.store, .sealing = sealing_, .vault = ground_.vault, .hot = ground_.hot, .keeper = keeper_,
                    .engine = ground_.loop.main(), .wall = clock_}),
      enrolment_(ground_.vault, ground_.user_seal, ground_.user_cards, ground_.hasher, ground_.gate, ground_.hot, ground_.registry,
                 ground_.steady),
      authorizer_(desk_parts()),
      cloud_membership_(ground_.store, sealing_, clients_, cloud_line_, app_uses_, clock_),
      secret_expiry_(ground_.store, ground_.wall, alerts_),
      forecast_(ground_.store, ground_.catalog, clock_, alerts_, counters_),
      restored_grants_(ground_.store, ground_.catalog, keeper_, ground_.log),
      apps_(ground_.store, sealing_, clients_, keeper_, alerts_, secret_expiry_, app_uses_, clock_),
      care_(ground_.store, sealing_, clients_, keeper_, giving_back_, ground_.transport, cards_, clock_, ground_.log),
      pin_reset_(ground_.store, ground_.vault, sealing_, cards_, clock_),
      leaving_(ground_.store, sealing_, giving_back_, cards_, clock_, ground_.loop.main()),
      keys_(key_parts()),
      nodes_({.store = ground_.store, .keeper = keeper_, .vault = ground_.vault, .alerts = alerts_, .wall = ground_.wall, .steady = ground_.steady,
              .entropy = ground_.entropy, .log = ground_.log, .node = ground_.node, .version = ground_.version,
              .just_taken_over = [this] { return fail_over_ && fail_over_->has_just_happened(); }}),
      switch_off_(ground_.store, giving_back_, ground_.loop.main()),
      tallies_(ground_.store, counters_, clock_),
      notices_({.store = ground_.store, .registry = ground_.registry, .sealing = sealing_, .transport = ground_.transport, .mail = ground_.mail,
                .alerts = alerts_, .wall = clock_, .stamps = ground_.wall, .steady = ground_.steady, .entropy = ground_.entropy, .log = ground_.log,
                .public_url = ground_.address.url, .node = ground_.memory ? std::optional(ground_.node) : std::nullopt,
                .machine = ground_.memory ? grants::machine_name() : std::string()}),
      health_(ground_.store, keeper_, tallies_, notices_, forecast_, clock_, ground_.steady, ground_.loop.main()),
      glance_(ground_.store, keeper_, clock_),
      lookout_({.store = ground_.store, .health = glance_, .sealing = sealing_, .nodes = ground_.memory ? &nodes_ : nullptr, .alerts = alerts_, .wall = clock_,
                .steady = ground_.steady}) {
  if (ground_.lineage) {
    const auto* registry = &ground_.registry;
    fail_over_.emplace(grants::FailOverWatch::Parts{
        .store = ground_.store, .keeper = keeper_, .lineage = *ground_.lineage, .remember = ground_.remember_lineage, .alerts = alerts_,
        .steady = ground_.steady, .entropy = ground_.entropy, .log = ground_.log, .node = ground_.node,
        .lease = [registry] { return tuning_of(*registry).lease; }});
  }
  auto* ways = &cloud_ways_;
  clients_.set_ways([ways](const grants::CloudRoute& route, const std::string& type, const catalog::ParameterValues& params,
                           const catalog::ParameterValues& learned) {
    return ways->way(route.mode, {.address = route.address,
                                  .target = {.app = route.app, .type = type, .params = {params.begin(), params.end()}, .learned = {learned.begin(), learned.end()}}});
  });
  auto* desk = &authorizer_;
  giving_back_.set_waiting([desk](std::string app, std::string account) { return desk->holds_consent(std::move(app), std::move(account)); });
  app_uses_.set_attempts([desk](std::string app) { return desk->has_unfinished(std::move(app)); });
  care_.set_ending([desk](grants::OpenAttempts which, grants::Requester requester) { return desk->end_open(std::move(which), std::move(requester)); });
  const auto end_later = [desk](grants::OpenAttempts which, grants::Requester requester) { desk->end_open_later(std::move(which), std::move(requester)); };
  switch_off_.set_ending(end_later);
  leaving_.set_ending(end_later);
  keeper_.set_code_recovery([desk](store::JournalEntry entry) { return desk->recover(std::move(entry)); },
                            [desk](store::Intent intent) { return desk->take_up(std::move(intent)); });
}

Engine::~Engine() = default;

Task<void> Engine::keep_telling() {
  if (fail_over_) co_await fail_over_->keep_telling();
}

Task<void> Engine::leave() {
  auto conditions = fail_over_ ? co_await fail_over_->conditions_of_stopping() : std::optional(store::Batch{});
  // Else it is waited for, like one that has crashed.
  if (conditions) co_await nodes_.end(*std::move(conditions));
}

Task<Result<void>> Engine::open() {
  if (const auto begun = co_await nodes_.begin(); !begun) co_return begun;
  if (const auto started = co_await keeper_.start(); !started) co_return started;
  if (const auto lost = ground_.journal.unreadable_files(); lost > 0) {
    alerts_.raise("journal_unreadable",
                  fmt::format("{} in the data directory's journal cannot be read, so answers of providers that came before the last stop may be "
                              "lost. The log names {} (reply_journal_unreadable). Look after the disk; put the file back from where it is whole and restart, or "
                              "move it away and restart when it is lost. Accounts that were hit will say that they must be authorised again.",
                              lost == 1 ? "A file" : fmt::format("{} files", lost), lost == 1 ? "it" : "them"));
  }
  authorizer_.start_sweeping();
  if (const auto started = co_await keys_.start(ground_.journals_key); !started) co_return started;
  giving_back_.start();
  co_return Result<void>{};
}

Task<void> Engine::close() {
  co_await keys_.stop();
  co_await authorizer_.stop();
  co_await keeper_.stop();
  co_await giving_back_.stop();
  co_await clients_.stop();
  co_await cloud_ways_.stop();
  if (const auto flushed = co_await tallies_.flush(); !flushed) ground_.log.error("tallies_not_kept", flushed.error());
}

}  // namespace latchkey::app
