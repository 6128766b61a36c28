// What of a user's record is vouched for by MAC (RULES K3), and the check before use (P6).
#pragma once

#include <optional>

#include "base/result.h"
#include "store/records.h"
#include "vault/vault.h"

namespace latchkey::people {

// Covers everything that decides who may do what and where a secret goes: group, names, address of notices, role, enabled,
// uses, sources, epoch, password verifier, public key and wrap. Not covered: the display name, times, version.
// Thread-safe; the vault outlives it.
class UserSeal {
 public:
  explicit UserSeal(const vault::Vault& vault) : vault_(vault) {}
  // Sets `mac`; after every change of a covered field.
  void vouch(store::User& user) const;
  // Errors: corrupt/`record_altered`.
  [[nodiscard]] Result<void> check(const store::User& user) const;
  // The same record under the newest master key, vouched for; nullopt: it is already. Errors: corrupt/`record_altered`,
  // `ciphertext_rejected`: not touched.
  [[nodiscard]] Result<std::optional<store::User>> renew(const store::User& user) const;

 private:
  const vault::Vault& vault_;
};

// The 32 octets of a record as a key; nullopt where the user has no PIN.
[[nodiscard]] std::optional<vault::PublicKey> public_key_of(const store::User& user);

}  // namespace latchkey::people
