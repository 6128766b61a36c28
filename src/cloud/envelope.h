// Sealing to a party's public key: anybody may seal, only the holder of the private half opens. Bound to a purpose and to
// what else both sides know, so that an envelope moved elsewhere does not open. Pure; any thread.
//
// Octets:  version (1) | ephemeral X25519 public (32) | nonce (24) | check (32) | ciphertext | tag (16)
// Key: HKDF-SHA-256(shared secret, salt = ephemeral | recipient, info = "latchkey cloud 1 " purpose).
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/party.h"

namespace latchkey::cloud {

// Why something is sealed; each has keys of its own. The names are part of the format.
inline constexpr std::string_view kPurposeFlow = "flow";      // office to relay, by the browser
inline constexpr std::string_view kPurposeResult = "result";  // relay to office: what the provider sent back
inline constexpr std::string_view kPurposeReply = "reply";    // relay to office: what the token endpoint answered
inline constexpr std::string_view kPurposeAssertion = "assertion";  // relay to office: a client's proof of itself

inline constexpr std::size_t kEnvelopeOverhead = 1 + 32 + 24 + 32 + 16;

// `bound`: the office's id and whatever else names the place; the opener must give the same octets.
[[nodiscard]] Bytes seal_to(const crypto::X25519Public& recipient, std::string_view purpose, ByteView bound,
                            const Secret& plain, Entropy& entropy);
// Errors: refused/`envelope_rejected`, whatever is wrong: another's, altered, moved, truncated, of another version.
[[nodiscard]] Result<Secret> open_envelope(const PartyKeys& keys, std::string_view purpose, ByteView bound, ByteView sealed);

}  // namespace latchkey::cloud
