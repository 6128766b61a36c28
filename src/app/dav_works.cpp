#include "app/dav_works.h"

namespace latchkey::app {

using console::Metric;

DavWorks::DavWorks(Ground ground)
    : shelf_({.store = ground.store,
              .spool = ground.deliveries.spool(),
              .queue = ground.deliveries.queue(),
              .reception = ground.deliveries.reception(),
              .sealing = ground.sealing,
              .wall = ground.wall,
              .log = ground.log,
              .executor = ground.engine}),
      door_({.gate = ground.deliveries.door_gate(),
             .reception = ground.deliveries.reception(),
             .mail = ground.post,
             .shelf = shelf_,
             .counters = ground.deliveries.counters(),
             .dav_counters = counters_,
             .ear = ground.deliveries.device_ear(),
             .wall = ground.wall,
             .steady = ground.steady,
             .patience =
                 [registry = &ground.registry] {
                   return doors::DavPatience{.settle = registry->get<Seconds>("webdav.settle"),
                                             .hold = registry->get<Seconds>("webdav.hold")};
                 },
             .least_rate = ground.deliveries.least_rate(),
             .public_origin = std::move(ground.public_origin)}) {}

DavWorks::~DavWorks() = default;

Task<std::vector<Metric>> DavWorks::collect() {
  std::vector<Metric> metrics;
  const auto count = [&](const char* name, const char* help, const std::atomic<std::int64_t>& value) {
    metrics.push_back(
        {.name = name, .help = help, .kind = Metric::Kind::counter, .value = static_cast<double>(value.load())});
  };
  count("latchkey_webdav_requests_total", "Requests to the WebDAV door", counters_.requests);
  count("latchkey_webdav_refused_total", "Requests that the WebDAV door refused", counters_.refused);
  count("latchkey_webdav_held_total", "Documents that came empty or with a temporary name, and wait to be completed",
        counters_.held);
  count("latchkey_webdav_renamed_total", "Documents that were given another name before they were sent", counters_.renamed);
  count("latchkey_webdav_released_total", "Documents sent under their temporary name, which another one had taken", counters_.released);
  co_return metrics;
}

}  // namespace latchkey::app
