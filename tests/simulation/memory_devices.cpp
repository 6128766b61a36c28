// Devices.
#include <algorithm>

#include "memory_store.h"
#include "store/refusals.h"

namespace latchkey::simulation {

using namespace store;

bool MemoryStore::has_device_named(const std::string& name_key) const {
  return std::ranges::any_of(devices_.rows(), [&](const auto& row) { return row.second.name_key == name_key; });
}

Result<void> MemoryStore::change(const PutDevice& m) {
  for (const auto& [id, user] : users_.rows()) {
    if (user.username_key == m.device.name_key) return exists("name");
  }
  auto device = m.device;
  const auto* before = devices_.find(device.id);
  if (device.version == 0) {
    if (before != nullptr) return exists("id");
  } else {
    if (before == nullptr) return gone("device");
    if (before->version != device.version) return other_version();
    device.created_at = before->created_at;
    device.last_seen_at = before->last_seen_at;
    device.last_source = before->last_source;
    device.last_error_at = before->last_error_at;
    device.last_error = before->last_error;
  }
  for (const auto& [id, other] : devices_.rows()) {
    if (other.name_key == device.name_key && id != device.id) return exists("name");
  }
  device.version += 1;
  const auto id = device.id;
  devices_.put(id, std::move(device));
  return {};
}

Result<void> MemoryStore::change(const DeleteDevice& m) {
  if (!devices_.erase(m.id)) return gone("device");
  return {};
}

Result<void> MemoryStore::change(const TouchDevice& m) {
  const auto* before = devices_.find(m.id);
  if (before == nullptr) return {};
  auto device = *before;
  if (!m.error.empty()) {
    device.last_error_at = m.at;
    device.last_error = m.error;
  } else if (device.last_seen_at < m.at) {
    device.last_seen_at = m.at;
    device.last_source = m.source;
  }
  devices_.put(m.id, std::move(device));
  return {};
}

Task<Result<std::vector<Device>>> MemoryStore::devices() {
  std::vector<Device> all;
  for (const auto& [id, device] : devices_.rows()) all.push_back(device);
  std::ranges::sort(all, {}, &Device::name_key);
  co_return all;
}

Task<Result<std::optional<Device>>> MemoryStore::device(DeviceId id) {
  const auto* found = devices_.find(id);
  co_return found == nullptr ? std::nullopt : std::optional(*found);
}

Task<Result<std::optional<Device>>> MemoryStore::device_by_name_key(std::string name_key) {
  for (const auto& [id, device] : devices_.rows()) {
    if (device.name_key == name_key) co_return device;
  }
  co_return std::nullopt;
}

}  // namespace latchkey::simulation
