// Digests, message authentication and key derivation. Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "base/secret.h"

namespace latchkey::crypto {

using Digest = std::array<std::uint8_t, 32>;

// SHA-256 (FIPS 180-4).
[[nodiscard]] Digest sha256(ByteView data);

// SHA-256 of data that comes in pieces. A value: a copy goes on from the same point.
class Sha256 {
 public:
  Sha256();
  Sha256& update(ByteView data);
  // The digest of everything so far; afterwards the object starts anew.
  [[nodiscard]] Digest finish();

 private:
  alignas(8) std::array<std::uint8_t, 104> state_;
};

// HMAC-SHA-256 (RFC 2104); a key of any length.
[[nodiscard]] Digest hmac_sha256(ByteView key, ByteView data);

// Keyed BLAKE2b with 32 octets of output (RFC 7693) over the concatenated parts. The key has 16 to 64 octets. The parts
// are not delimited: a caller with more than one part of variable length must prefix lengths.
[[nodiscard]] Digest keyed_blake2b(ByteView key, ByteView data);
[[nodiscard]] Digest keyed_blake2b(ByteView key, std::initializer_list<ByteView> parts);
// The same with 64 octets of output (another function, not a longer prefix).
using LongDigest = std::array<std::uint8_t, 64>;
[[nodiscard]] LongDigest keyed_blake2b_long(ByteView key, std::initializer_list<ByteView> parts);

// HKDF-SHA-256 (RFC 5869), extract and expand; at most 8160 octets.
[[nodiscard]] Secret hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t size_bytes);

}  // namespace latchkey::crypto
