#include "vault/sub_keys.h"

#include <fmt/core.h>

#include <cstring>

#include "crypto/hash.h"

namespace latchkey::vault {
namespace {

Secret sub_key(const Secret& master_key, std::string_view label, std::size_t size_bytes) {
  return crypto::hkdf_sha256(master_key.reveal(), base::as_bytes("latchkey vault 1"), base::as_bytes(label), size_bytes);
}

}  // namespace

Vault::SubKeys::SubKeys(const Secret& master_key) {
  LATCHKEY_CHECK(master_key.size() == kMasterKeyBytes);
  std::size_t next = 0;
  const auto add = [&](std::string_view label) {
    const auto key = sub_key(master_key, label, 32);
    std::memcpy(keys_.writable().data() + 32 * next++, key.reveal().data(), 32);
  };
  for (std::size_t purpose = 1; purpose <= kPurposes; ++purpose) add(fmt::format("seal/{}", purpose));
  for (std::size_t purpose = 1; purpose <= kPurposes; ++purpose) add(fmt::format("box/{}", purpose));
  add("pin");
  add("mac");
  add("hash");
  const auto name = sub_key(master_key, "id", id.size());
  std::memcpy(id.data(), name.reveal().data(), id.size());
}

ByteView Vault::SubKeys::outer(SealKind kind, Purpose purpose) const {
  const auto index = static_cast<std::size_t>(purpose) - 1;
  LATCHKEY_CHECK(index < kPurposes);
  switch (kind) {
    case SealKind::master: return slot(index);
    case SealKind::box: return slot(kPurposes + index);
    case SealKind::pin_wrap: return slot(2 * kPurposes);
  }
  base::broken_invariant("SealKind", __FILE__, __LINE__);
}

}  // namespace latchkey::vault
