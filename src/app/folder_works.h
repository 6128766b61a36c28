// The folder door, assembled. One of the blocks of the wiring.
//
// Concurrency: start() and stop() on main().
#pragma once

#include <atomic>
#include <memory>

#include "app/config.h"
#include "app/delivery_works.h"
#include "console/door_plan.h"
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
  // nullopt: no root is set. From any thread.
  [[nodiscard]] std::optional<console::DropFolder> drop_folder(const std::string& connector) const;
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  Ground ground_;
  doors::FolderCounters counters_;
  std::unique_ptr<doors::FolderDoor> door_;
  std::atomic<const doors::FolderDoor*> running_ = nullptr;  // door_, for other threads
};

}  // namespace latchkey::app
