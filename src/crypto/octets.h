// Octets as libsodium wants them: its pointers may not be null, not even for no octets.
#pragma once

#include "base/bytes.h"

namespace latchkey::crypto {

[[nodiscard]] inline const std::uint8_t* address_of(base::ByteView octets) {
  static constexpr std::uint8_t kNone = 0;
  return octets.empty() ? &kNone : octets.data();
}

}  // namespace latchkey::crypto
