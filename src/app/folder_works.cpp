#include "app/folder_works.h"

#include <utility>

namespace latchkey::app {

using console::Metric;

Result<void> FolderWorks::start() {
  const auto& folder = ground_.config.folder;
  if (folder.root.empty()) return {};
  auto root = doors::DropRoot::open({.root = folder.root, .owners = folder.uids, .data = ground_.config.data});
  if (!root) return std::unexpected(root.error());
  door_ = std::make_unique<doors::FolderDoor>(
      doors::FolderDoor::Parts{.root = std::move(*root),
                               .store = ground_.store,
                               .reception = ground_.deliveries.reception(),
                               .mail = ground_.post,
                               .counters = ground_.deliveries.counters(),
                               .folder_counters = counters_,
                               .alerts = ground_.engine.alerts(),
                               .steady = ground_.steady,
                               .entropy = ground_.entropy,
                               .log = ground_.log,
                               .executor = ground_.loop.main(),
                               .patience = [registry = &ground_.registry] {
                                 doors::DropPatience patience;
                                 patience.settled = registry->get<Seconds>("folder.settle");
                                 patience.incomplete = registry->get<Seconds>("folder.incomplete_after");
                                 return patience;
                               }});
  door_->start();
  running_ = door_.get();
  return {};
}

Task<void> FolderWorks::stop() {
  if (door_) co_await door_->stop();
}

std::optional<console::DropFolder> FolderWorks::drop_folder(const std::string& connector) const {
  const auto* door = running_.load();
  if (door == nullptr) return std::nullopt;
  return console::DropFolder{.path = ground_.config.folder.root + "/" + connector, .there = door->has_folder(connector)};
}

Task<std::vector<Metric>> FolderWorks::collect() {
  std::vector<Metric> metrics;
  if (!door_) co_return metrics;
  const auto add = [&](const char* name, const char* help, Metric::Kind kind, const std::atomic<std::int64_t>& value) {
    metrics.push_back({.name = name, .help = help, .kind = kind, .value = static_cast<double>(value.load())});
  };
  add("latchkey_drop_folder_accepted_total", "Files of drop folders that are safe on the disk", Metric::Kind::counter,
      counters_.accepted);
  add("latchkey_drop_folder_refused_total", "Files of drop folders that were moved to .refused", Metric::Kind::counter,
      counters_.refused);
  add("latchkey_drop_folder_taking", "Files of drop folders being taken in now", Metric::Kind::gauge, counters_.waiting);
  co_return metrics;
}

}  // namespace latchkey::app
