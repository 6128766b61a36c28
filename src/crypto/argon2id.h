// Argon2id (RFC 9106, version 1.3, one lane) for what people choose.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::crypto {

inline constexpr std::size_t kArgon2SaltBytes = 16;

struct Argon2Cost {
  std::uint32_t memory_kib = 0;  // 8 or more
  std::uint32_t passes = 0;      // 1 or more
};

// 32 octets. Blocking: about a tenth of a second and `memory_kib` of memory at 64 MiB; never on a network thread.
// Errors: unavailable/`out_of_memory`; invalid/`argon2_cost` for a cost below the minimum or above 4 GiB.
[[nodiscard]] Result<Secret> argon2id(ByteView password, ByteView salt, Argon2Cost cost);

}  // namespace latchkey::crypto
