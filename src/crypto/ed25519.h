// Ed25519 signatures (RFC 8032). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/secret.h"

namespace latchkey::crypto {

using Ed25519Public = std::array<std::uint8_t, 32>;
using Ed25519Signature = std::array<std::uint8_t, 64>;

// The private half: a seed of 32 random octets.
[[nodiscard]] Secret make_ed25519_seed(Entropy& entropy);
// The seed must have 32 octets, here and below.
[[nodiscard]] Ed25519Public ed25519_public(const Secret& seed);
[[nodiscard]] Ed25519Signature ed25519_sign(const Secret& seed, ByteView message);
// False as well for a signature of another length, a key of low order and a signature that is not in its one canonical form.
[[nodiscard]] bool ed25519_verify(const Ed25519Public& key, ByteView message, ByteView signature);

}  // namespace latchkey::crypto
