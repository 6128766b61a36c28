#include "doctor/spool_check.h"

#include <fmt/format.h>

namespace latchkey::doctor {
namespace {

constexpr std::uint64_t kMB = 1'000'000;
constexpr std::uint64_t kWarnBelowBytes = 1'000 * kMB;  // beyond the reserve

Finding judge_room(std::string path, const Result<store::DiskRoom>& room, const SpoolReserve& reserve_of) {
  Finding finding{.check = {}, .subject = std::move(path), .seen = {}, .remedy = {}, .handovers = {}};
  if (!room) {
    finding.severity = Severity::error;
    finding.seen = "The disk of the spool cannot be looked at: " + room.error().text;
    finding.remedy = "See that the file system is mounted and that the service's user may enter it.";
    return finding;
  }
  const auto reserve = reserve_of(*room);
  if (room->free_bytes <= reserve) {
    finding.severity = Severity::error;
    finding.seen = fmt::format("No document is taken in: {} MB are free, and {} MB are kept free for everything else.",
                               room->free_bytes / kMB, reserve / kMB);
    finding.remedy = "Make room, or lower delivery.disk_reserve_mb and delivery.disk_reserve_percent.";
    return finding;
  }
  const auto left = room->free_bytes - reserve;
  finding.seen = fmt::format("There is room for {} MB of documents beside the reserve of {} MB.", left / kMB, reserve / kMB);
  if (left < kWarnBelowBytes) {
    finding.severity = Severity::warning;
    finding.remedy = "Make room: what does not fit is refused at the device.";
  }
  return finding;
}

Task<std::vector<Finding>> examine_room(std::string path, SpoolReserve reserve, Worker* worker) {
  const auto room = co_await worker->run([path] { return store::disk_room(path); });
  co_return std::vector<Finding>{judge_room(path, room, reserve)};
}

Task<std::vector<Finding>> examine_waiting(store::Store* store) {
  const auto states = co_await store->delivery_states();
  std::vector<Finding> out;
  if (!states) co_return out;  // other checks say that the store does not answer
  std::int64_t in_work = 0, for_a_person = 0;
  for (const auto& counted : *states) {
    if (counted.state == store::DeliveryState::delivered) continue;
    const bool by_itself = counted.state == store::DeliveryState::queued || counted.state == store::DeliveryState::sending;
    (by_itself ? in_work : for_a_person) += counted.count;
  }
  Finding finding{.check = {},
                  .subject = "documents",
                  .seen = fmt::format("{} on their way, {} wait for a person.", in_work, for_a_person),
                  .remedy = {},
                  .handovers = {}};
  if (for_a_person > 0) {
    finding.severity = Severity::warning;
    finding.remedy = "The page Deliveries says why, and what can be done with each.";
  }
  out.push_back(std::move(finding));
  co_return out;
}

}  // namespace

std::vector<Errand> SpoolCheck::errands(const Survey&) {
  std::vector<Errand> out;
  const auto path = premises_.data + "/spool";
  out.push_back({path, examine_room(path, reserve_, &worker_)});
  out.push_back({"documents", examine_waiting(&store_)});
  return out;
}

}  // namespace latchkey::doctor
