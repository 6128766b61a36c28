#include "app/delivery_works.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::app {

using console::Metric;

delivery::Queue::Parts DeliveryWorks::queue_parts() {
  const auto* registry = &ground_.registry;
  auto* transport = &transport_;
  return {.store = ground_.store,
          .spool = spool_,
          .delegations = ground_.engine.delegations(),
          .clients = ground_.engine.clients(),
          .sealing = ground_.engine.sealing(),
          .connectors = connectors_,
          .alerts = ground_.engine.alerts(),
          .counters = counters_,
          .wall = ground_.wall,
          .steady = ground_.steady,
          .entropy = ground_.entropy,
          .log = ground_.log,
          .executor = ground_.loop.main(),
          .node = ground_.node,
          .tuning =
              [registry] {
                delivery::QueueTuning tuning;
                tuning.give_up_after = registry->get<Seconds>("delivery.give_up_after");
                tuning.keep_records = registry->get<Seconds>("delivery.keep_records");
                tuning.keep_failed = registry->get<Seconds>("delivery.keep_failed");
                tuning.keep_parked = registry->get<Seconds>("delivery.keep_parked");
                tuning.pace = {.parallel = registry->get<std::size_t>("delivery.parallel"),
                               .parallel_per_connector = registry->get<std::size_t>("delivery.connector_parallel"),
                               .per_minute_per_connector = registry->get<std::size_t>("delivery.connector_per_minute")};
                return tuning;
              },
          .cut = [transport] { transport->cancel_all(); },
          .tell_owner = [letters = &letters_](store::Delivery delivery) { return letters->tell(std::move(delivery)); }};
}

DeliveryWorks::DeliveryWorks(DeliveryGround ground)
    : ground_(std::move(ground)),
      transport_(ground_.loop.main(), ground_.outgoing),
      connectors_(transport_),
      spool_({.files = files_,
              .sealing = ground_.engine.sealing(),
              .entropy = ground_.entropy,
              .log = ground_.log,
              .directory = ground_.data + "/spool",
              .reserve =
                  [registry = &ground_.registry] {
                    return delivery::DiskReserve{
                        .bytes = registry->get<std::uint64_t>("delivery.disk_reserve_mb") * 1'000'000,
                        .percent = registry->get<std::uint64_t>("delivery.disk_reserve_percent")};
                  }}),
      letters_({.store = ground_.store,
                .steady = ground_.steady,
                .log = ground_.log,
                .public_url = ground_.public_url,
                .wanted = [registry = &ground_.registry] { return registry->get<bool>("delivery.tell_owners"); },
                .send = [notices = &ground_.engine.notices()](
                            delivery::OwnerLetter letter) { return notices->mail_person({.to = std::move(letter.to), .subject = std::move(letter.subject), .text = std::move(letter.text)}); }}),
      queue_(queue_parts()),
      device_seal_(ground_.vault),
      door_gate_({.pins = ground_.pin_gate,
                  .cards = ground_.user_cards,
                  .store = ground_.store,
                  .seal = device_seal_,
                  .wall = ground_.wall,
                  .log = ground_.log}),
      device_desk_({.store = ground_.store, .seal = device_seal_, .wall = ground_.wall, .entropy = ground_.entropy}),
      device_ear_({.gate = door_gate_,
                   .conversations = device_conversations_,
                   .wall = ground_.wall,
                   .steady = ground_.steady,
                   .log = ground_.log,
                   .executor = ground_.loop.main()}),
      standing_({.store = ground_.store,
                 .sealing = ground_.engine.sealing(),
                 .vault = ground_.vault,
                 .wall = ground_.wall,
                 .entropy = ground_.entropy}),
      reception_({.store = ground_.store,
                  .spool = spool_,
                  .delegations = ground_.engine.delegations(),
                  .standing = standing_,
                  .sealing = ground_.engine.sealing(),
                  .user_seal = ground_.user_seal,
                  .device_seal = device_seal_,
                  .wall = ground_.wall,
                  .entropy = ground_.entropy,
                  .node = ground_.node,
                  .size_bytes_max =
                      [registry = &ground_.registry] {
                        return registry->get<std::uint64_t>("delivery.document_mb_max") * 1'000'000;
                      },
                  .accepted = [queue = &queue_](const store::Delivery& delivery) { queue->offer(delivery); },
                  .uploads =
                      [registry = &ground_.registry] {
                        return delivery::UploadLimits{
                            .at_once = registry->get<std::size_t>("delivery.uploads_at_once"),
                            .at_once_of_one = registry->get<std::size_t>("delivery.uploads_at_once_of_one")};
                      }}),
      destinations_({.store = ground_.store,
                     .clients = ground_.engine.clients(),
                     .sealing = ground_.engine.sealing(),
                     .connectors = connectors_}),
      trial_({.delegations = ground_.engine.delegations(),
              .destinations = destinations_,
              .engine = ground_.loop.main()}),
      access_({.store = ground_.store,
               .pin_gate = ground_.pin_gate,
               .delegations = ground_.engine.delegations(),
               .standing = standing_,
               .trial = trial_}),
      connector_desk_({.store = ground_.store,
                       .sealing = ground_.engine.sealing(),
                       .catalog = *ground_.catalog,
                       .connectors = connectors_,
                       .device_seal = device_seal_,
                       .access = access_,
                       .wall = ground_.wall}),
      delivery_desk_({.store = ground_.store,
                      .spool = spool_,
                      .queue = queue_,
                      .reception = reception_,
                      .delegations = ground_.engine.delegations(),
                      .standing = standing_,
                      .destinations = destinations_,
                      .sealing = ground_.engine.sealing(),
                      .wall = ground_.wall,
                      .node = ground_.node}),
      panel_({.reception = reception_,
              .destinations = destinations_,
              .delegations = ground_.engine.delegations(),
              .engine = ground_.loop.main()}) {}

DeliveryWorks::~DeliveryWorks() = default;

Task<Result<void>> DeliveryWorks::open() {
  if (const auto made = spool_.prepare(); !made) co_return made;
  co_return co_await queue_.start();
}

std::function<doors::LeastRate()> DeliveryWorks::least_rate() const {
  return [registry = &ground_.registry] {
    return doors::LeastRate{.bytes_per_second = registry->get<std::uint64_t>("delivery.upload_rate_min"),
                            .window = registry->get<Seconds>("delivery.upload_rate_window")};
  };
}

Task<void> DeliveryWorks::close() {
  co_await device_ear_.stop();
  co_await queue_.stop();
}

Task<std::vector<Metric>> DeliveryWorks::collect() {
  std::vector<Metric> metrics;
  const auto count = [&](const char* name, const char* help, const std::atomic<std::int64_t>& value) {
    metrics.push_back(
        {.name = name, .help = help, .kind = Metric::Kind::counter, .value = static_cast<double>(value.load())});
  };
  count("latchkey_documents_accepted_total", "Documents taken in and safe on the disk", counters_.accepted);
  count("latchkey_documents_accepted_bytes_total", "Octets of them", counters_.accepted_bytes);
  count("latchkey_documents_refused_total", "Documents a door refused", counters_.refused);
  count("latchkey_documents_delivered_total", "Documents their destination has", counters_.delivered);
  count("latchkey_documents_delivered_bytes_total", "Octets of them", counters_.delivered_bytes);
  count("latchkey_delivery_retries_total", "Tries that are to be repeated", counters_.retried);
  count("latchkey_delivery_parkings_total", "Deliveries that began to wait for a person", counters_.parked);
  count("latchkey_delivery_failures_total", "Deliveries that were given up", counters_.failed);
  count("latchkey_delivery_doubts_total", "Deliveries that may have arrived: sent again they may be duplicates",
        counters_.maybe_sent);
  const auto gauge = [&](const char* name, const char* help, const char* labels, std::int64_t value) {
    metrics.push_back(
        {.name = name, .help = help, .kind = Metric::Kind::gauge, .labels = labels, .value = static_cast<double>(value)});
  };
  if (const auto devices = co_await ground_.store.devices()) {
    const auto on = std::ranges::count(*devices, true, &store::Device::enabled);
    gauge("latchkey_devices", "Devices with a secret of their own", "state=\"on\"", on);
    gauge("latchkey_devices", "Devices with a secret of their own", "state=\"off\"", static_cast<std::int64_t>(devices->size()) - on);
  }
  if (const auto all = co_await ground_.store.connectors()) {
    const auto standing = std::ranges::count_if(*all, [](const store::Connector& one) { return !one.delegation.id.none(); });
    gauge("latchkey_standing_delegations", "Connectors that open an account while nobody shows a PIN", "", standing);
  }
  metrics.push_back({.name = "latchkey_uploads",
                     .help = "Documents coming in at this moment",
                     .kind = Metric::Kind::gauge,
                     .value = static_cast<double>(reception_.uploads())});
  const auto states = co_await ground_.store.delivery_states();
  if (!states) co_return metrics;
  using enum store::DeliveryState;
  for (const auto state : {queued, sending, parked, maybe_sent, failed, delivered}) {
    const auto counted = std::ranges::find(*states, state, &store::DeliveryStateCount::state);
    metrics.push_back({.name = "latchkey_deliveries",
                       .help = "Deliveries by state",
                       .kind = Metric::Kind::gauge,
                       .labels = fmt::format("state=\"{}\"", store::name_of(state)),
                       .value = counted == states->end() ? 0.0 : static_cast<double>(counted->count)});
  }
  co_return metrics;
}

}  // namespace latchkey::app
