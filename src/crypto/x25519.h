// X25519 (RFC 7748). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/secret.h"

namespace latchkey::crypto {

using X25519Public = std::array<std::uint8_t, 32>;

// 32 random octets.
[[nodiscard]] Secret make_x25519_private(Entropy& entropy);
// The public half; the private half must have 32 octets.
[[nodiscard]] X25519Public x25519_public(const Secret& private_key);
// The shared secret (32 octets), or nullopt when the other's point is of low order (the secret would be all zero) or the
// private half has another length.
[[nodiscard]] std::optional<Secret> x25519(const Secret& private_key, const X25519Public& other);

}  // namespace latchkey::crypto
