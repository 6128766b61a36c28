#include "console/console.h"

#include "console/embedded.h"
#include "net/url.h"
#include "people/names.h"

namespace latchkey::console {

namespace {

constexpr std::int64_t kGeneratedPinCharacters = 10;

PinRules pin_rules_of(const store::Registry& registry) {
  return {.min_length = registry.get<std::int64_t>("auth.pin_min_length"),
          .max_bytes = static_cast<std::int64_t>(people::kPinBytesMax),
          .generate_length = kGeneratedPinCharacters};
}

std::function<bool()> cloud_switch(const store::Registry& registry) {
  return [&registry] { return registry.get<bool>("oauth.use_cloud_service"); };
}

}  // namespace

std::string origin_of(std::string_view public_url) {
  const auto url = net::Url::parse(public_url);
  return url ? url->origin() : std::string(public_url);
}

Console::Console(ConsoleGround ground)
    : session_gate_(ground.sessions, ground.vault),
      passes_(ground.vault, ground.wall),
      alerts_(std::move(ground.causes)),
      session_(ground.sessions, ground.setup, ground.store, ground.keys, ground.facts, cloud_switch(ground.registry)),
      users_({.directory = ground.directory, .store = ground.store, .registry = ground.registry, .catalog = ground.catalog,
              .desk = ground.desk, .engine = ground.engine}),
      user_secrets_(ground.directory, ground.sessions, ground.engine),
      groups_(ground.directory, ground.store),
      types_(ground.catalog, ground.apps, ground.engine, [&registry = ground.registry] { return pin_rules_of(registry); },
             [&registry = ground.registry](std::string_view type) { return registry.device_code_allowed(type); },
             cloud_switch(ground.registry)),
      apps_(ground.catalog, ground.apps, ground.engine),
      authorizations_(ground.authorizer, ground.apps, ground.store, ground.catalog, ground.facts.public_url, ground.engine),
      owner_mail_({.authorizer = ground.authorizer, .notices = ground.notices, .counters = ground.counters, .store = ground.store,
                   .catalog = ground.catalog, .public_url = ground.facts.public_url, .wall = ground.wall, .engine = ground.engine}),
      owner_({.gate = ground.pin_gate, .passes = passes_, .authorizer = ground.authorizer, .desk = ground.desk, .store = ground.store,
              .catalog = ground.catalog, .steady = ground.steady, .engine = ground.engine}),
      grants_(ground.desk, ground.store, ground.catalog, ground.wall, ground.steady, ground.engine),
      registry_(ground.registry),
      activity_(ground.store, ground.wall),
      health_(ground.store, alerts_, ground.wall, std::move(ground.dying_soon)),
      keys_(ground.keys, ground.store, ground.facts.store, ground.wall, ground.engine),
      nodes_(ground.nodes, ground.engine),
      foresight_({.health = ground.health, .notices = ground.notices, .desk = ground.desk, .catalog = ground.catalog, .engine = ground.engine}),
      cloud_(ground.cloud, cloud_switch(ground.registry), ground.engine),
      doctor_(ground.doctor),
      certificate_(ground.certificate, ground.wall),
      root_(ground.certificate),
      connectors_(ground.connectors, ground.store, ground.facts.public_url, ground.doors),
      deliveries_(ground.deliveries, ground.store, ground.engine),
      devices_({.desk = ground.devices, .conversations = ground.device_conversations, .store = ground.store, .public_url = ground.facts.public_url, .doors = ground.doors}),
      delegations_(ground.connectors, ground.store),
      office_name_(ground.cloud, ground.engine),
      api_(sections(), session_gate_, origin_of(ground.facts.public_url), ground.log),
      control_api_(sections(), command_line_gate_, origin_of(ground.facts.public_url), ground.log),
      flow_(ground.authorizer, ground.engine, session_gate_, LastPages(ground.vault, ground.wall, ground.entropy), passes_, origin_of(ground.facts.public_url), ground.log),
      probes_(ground.ready, with_own(std::move(ground.metrics))),
      pages_(embedded_console(), ground.entropy) {}

std::vector<MetricsSource*> Console::with_own(std::vector<MetricsSource*> metrics) {
  metrics.push_back(&owner_);
  return metrics;
}

std::vector<ApiSection*> Console::sections() {
  return {&session_, &users_, &user_secrets_, &groups_, &types_, &apps_, &authorizations_, &owner_mail_, &owner_, &grants_, &registry_, &activity_, &health_, &keys_,
          &nodes_, &foresight_, &cloud_, &doctor_, &certificate_, &connectors_, &deliveries_, &devices_, &delegations_};
}

std::vector<Mount> Console::mounts() {
  return {{"/api/", &api_},        {"/oauth/", &flow_},   {"/healthz", &probes_},
          {"/readyz", &probes_},   {"/metrics", &probes_}, {"/api/openapi.json", &probes_},
          {"/own-root.crt", &root_}, {std::string(OfficeNamePage::kPath), &office_name_}, {"/", &pages_}};
}

std::vector<Mount> Console::control_mounts() {
  return {{"/api/", &control_api_}, {"/healthz", &probes_}, {"/readyz", &probes_}, {"/metrics", &probes_}, {"/api/openapi.json", &probes_}};
}

}  // namespace latchkey::console
