// The WebDAV door and what it stands on, assembled. One of the blocks of the wiring.
#pragma once

#include "app/delivery_works.h"
#include "doors/webdav/dav_door.h"

namespace latchkey::app {

// A resource; the delivery works outlive it.
class DavWorks final : public console::MetricsSource {
 public:
  struct Ground {
    DeliveryWorks& deliveries;
    delivery::MailPost& post;
    store::Store& store;
    const store::Registry& registry;
    const grants::Sealing& sealing;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
    Executor engine;            // the queue's
    std::string public_origin;  // the only Origin that may call (RULES G3)
  };
  explicit DavWorks(Ground ground);
  DavWorks(const DavWorks&) = delete;
  DavWorks& operator=(const DavWorks&) = delete;
  ~DavWorks() override;

  [[nodiscard]] net::HttpHandler& door() { return door_; }
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  doors::DavCounters counters_;
  delivery::Shelf shelf_;
  doors::DavDoor door_;
};

}  // namespace latchkey::app
