#include "people/device_seal.h"

#include <algorithm>

#include "people/device_secret.h"

namespace latchkey::people {
namespace {

void add(vault::MacFields& fields, const std::vector<std::string>& texts) {
  fields.add(static_cast<std::int64_t>(texts.size()));
  for (const auto& text : texts) fields.add(text);
}

vault::MacFields fields_of(const store::Device& device) {
  vault::MacFields fields;
  fields.add(std::int64_t{1});  // version of this list
  fields.add(device.name).add(device.name_key).add(ByteView(device.secret_hash));
  add(fields, device.connectors);
  add(fields, device.recipient_domains);
  add(fields, device.allowed_sources);
  fields.add(std::int64_t{device.uses}).add(std::int64_t{device.enabled});
  return fields;
}

}  // namespace

Bytes DeviceSeal::hash_of(DeviceId device, const Secret& secret) const {
  const auto id = device.bytes();
  auto data = Secret::of_size(id.size() + secret.size());
  std::ranges::copy(id, data.writable().begin());
  std::ranges::copy(secret.reveal(), data.writable().begin() + static_cast<std::ptrdiff_t>(id.size()));
  return vault_.keyed_hash("device secret", data.reveal());
}

bool DeviceSeal::matches(const store::Device& device, const Secret& typed) const {
  const auto secret = read_device_secret(typed);
  return secret && base::equal_in_constant_time(hash_of(device.id, *secret), device.secret_hash);
}

void DeviceSeal::vouch(store::Device& device) const {
  device.mac = vault_.mac("devices", device.id.bytes(), fields_of(device).bytes());
}

Result<void> DeviceSeal::check(const store::Device& device) const {
  if (vault_.mac_matches("devices", device.id.bytes(), fields_of(device).bytes(), device.mac)) return {};
  return fail(ErrorKind::corrupt, "record_altered",
              "This device's record was changed outside Latchkey and is not used. Delete the device and add it anew.",
              {.detail = "device " + device.id.text()});
}

Result<std::optional<store::Device>> DeviceSeal::renew(const store::Device& device) const {
  if (const auto vouched = check(device); !vouched) return std::unexpected(vouched.error());
  if (vault_.mac_is_current("devices", device.id.bytes(), fields_of(device).bytes(), device.mac)) return std::nullopt;
  auto renewed = device;
  vouch(renewed);
  return renewed;
}

}  // namespace latchkey::people
