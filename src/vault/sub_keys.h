// The sub-keys that follow from a master key (FORMAT.md, "Key hierarchy"). Inside the vault only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "crypto/locked_memory.h"
#include "vault/vault.h"

namespace latchkey::vault {

inline constexpr std::size_t kPurposes = 15;
inline constexpr std::size_t kMasterKeyBytes = 32;
inline constexpr std::size_t kMasterKeyIdBytes = 16;

// What a ciphertext is; the second octet of its header.
enum class SealKind : std::uint8_t { master = 1, box = 2, pin_wrap = 3 };

// Immutable after construction; the keys lie in locked memory.
struct Vault::SubKeys {
  explicit SubKeys(const Secret& master_key);

  // Of the outer layer of one kind and purpose.
  [[nodiscard]] ByteView outer(SealKind kind, Purpose purpose) const;
  [[nodiscard]] ByteView mac() const { return slot(2 * kPurposes + 1); }
  [[nodiscard]] ByteView hash() const { return slot(2 * kPurposes + 2); }

  std::array<std::uint8_t, kMasterKeyIdBytes> id{};

 private:
  [[nodiscard]] ByteView slot(std::size_t index) const { return keys_.reveal().subspan(index * 32, 32); }

  crypto::LockedBytes keys_{(2 * kPurposes + 3) * 32};  // seal/1.., box/1.., pin, mac, hash
};

struct Vault::Ring {
  std::shared_ptr<const SubKeys> current;
  std::shared_ptr<const SubKeys> former;             // nullptr: no rotation goes on
  std::shared_ptr<const crypto::LockedBytes> lookup; // what keyed hashes are made with
};

}  // namespace latchkey::vault
