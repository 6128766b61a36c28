// Sealed under a key of one's own, bound to a place, with an end: what somebody else carries and hands back. Pure; any
// thread.
//
// Octets:  end (8, milliseconds since 1970, big endian) | nonce (24) | ciphertext | tag (16);  as text: base64url.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"

namespace latchkey::cloud {

enum class NotOpened {
  unknown,  // another key's or place's, altered, truncated: not told apart
  expired,
};

// `key`: 32 octets. `place` must be given again to open it.
[[nodiscard]] std::string seal_until(const Secret& key, std::string_view place, WallTime end, ByteView plain,
                                     Entropy& entropy);
[[nodiscard]] std::expected<Bytes, NotOpened> open_until(const Secret& key, std::string_view place, WallTime now,
                                                         std::string_view text);

}  // namespace latchkey::cloud
