// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) and a form of it that commits to its key. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/secret.h"

namespace latchkey::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 24;  // long enough to be drawn at random
inline constexpr std::size_t kAeadTagBytes = 16;
inline constexpr std::size_t kCommitBytes = 32;

// Writes ciphertext and tag: out.size() must be plain.size() + kAeadTagBytes. `out` may not overlap `plain`.
void aead_seal(ByteView key, ByteView nonce, ByteView associated, ByteView plain, std::span<std::uint8_t> out);
// Writes the plaintext: out.size() must be sealed.size() - kAeadTagBytes. False, and zeros in `out`, when the tag does
// not fit or `sealed` is shorter than a tag.
[[nodiscard]] bool aead_open(ByteView key, ByteView nonce, ByteView associated, ByteView sealed,
                             std::span<std::uint8_t> out);

// Key-committing AEAD. Poly1305 alone lets an attacker make one ciphertext that opens under many keys, and so test many
// PINs with one question; here BLAKE2b-512 keyed with `key` over the nonce gives the encryption key (first half) and a
// check value (second half) that stands before the ciphertext:  check (32) | ciphertext | tag (16).
void committed_seal(ByteView key, ByteView nonce, ByteView associated, ByteView plain, std::span<std::uint8_t> out);
inline constexpr std::size_t kCommittedOverhead = kCommitBytes + kAeadTagBytes;

enum class OpenFailure {
  other_key,  // the check value belongs to another key
  altered,    // the right key, but ciphertext or associated data are not what was sealed
};
struct Opened {
  Secret plain;
  std::optional<OpenFailure> failure;
};
[[nodiscard]] Opened committed_open(ByteView key, ByteView nonce, ByteView associated, ByteView sealed);

}  // namespace latchkey::crypto
