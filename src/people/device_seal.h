// What is kept of a device's secret, and what of its record is vouched for by MAC (RULES K3, T8).
#pragma once

#include <optional>

#include "base/result.h"
#include "base/secret.h"
#include "store/records.h"
#include "vault/vault.h"

namespace latchkey::people {

// The MAC covers everything that decides what a device may do: names, secret's hash, connectors, recipient domains, sources,
// uses, enabled. Not covered: when it was last seen, times, version. Thread-safe; the vault outlives it.
class DeviceSeal {
 public:
  explicit DeviceSeal(const vault::Vault& vault) : vault_(vault) {}

  // Of a secret as it was made; bound to the device, so that a hash is of no use in another's record.
  [[nodiscard]] Bytes hash_of(DeviceId device, const Secret& secret) const;
  // `typed`: as sent (device_secret.h reads it).
  [[nodiscard]] bool matches(const store::Device& device, const Secret& typed) const;

  // Sets `mac`; after every change of a covered field.
  void vouch(store::Device& device) const;
  // Errors: corrupt/`record_altered`.
  [[nodiscard]] Result<void> check(const store::Device& device) const;
  // The same record vouched for under the newest master key; nullopt: it is already. Errors: corrupt/`record_altered`.
  [[nodiscard]] Result<std::optional<store::Device>> renew(const store::Device& device) const;

 private:
  const vault::Vault& vault_;
};

}  // namespace latchkey::people
