// The folder door, assembled. One of the blocks of the wiring.
//
// Concurrency: start() and stop() on main().
#pragma once

#include <memory>

#include "app/config.h"
#include "app/delivery_works.h"
#include "doors/folder/folder_door.h"

namespace latchkey::app {

// A resource; the delivery works outlive it.
class FolderWorks final : public console::MetricsSource {
 public:
  struct Ground {
    const Config& config;
    net::EventLoop& loop;
    Engine& engine;
    DeliveryWorks& deliveries;
    delivery::MailPost& post;
    store::Store& store;
    const store::Registry& registry;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
  };
  explicit FolderWorks(Ground ground) : ground_(ground) {}
  FolderWorks(const FolderWorks&) = delete;
  FolderWorks& operator=(const FolderWorks&) = delete;
  ~FolderWorks() override = default;

  // Nothing happens where no root is set. Errors: misconfigured/`drop_root`, `drop_owners`.
  [[nodiscard]] Result<void> start();
  [[nodiscard]] Task<void> stop();
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  Ground ground_;
  doors::FolderCounters counters_;
  std::unique_ptr<doors::FolderDoor> door_;
};

}  // namespace latchkey::app
