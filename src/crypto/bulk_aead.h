// XChaCha20-Poly1305 of long texts, octet for octet as libsodium makes it and three times as fast: HChaCha20 gives a key for
// this nonce (draft-irtf-cfrg-xchacha-03 section 2.3), and OpenSSL's ChaCha20-Poly1305 (RFC 8439), which uses the
// processor's vectors, does the rest. Private to aead.cpp, which has checked the sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace latchkey::crypto {

// Below it, setting up OpenSSL's context costs more than it brings.
inline constexpr std::size_t kBulkBytesMin = 8192;

// As aead_seal() and aead_open().
void bulk_aead_seal(base::ByteView key, base::ByteView nonce, base::ByteView associated, base::ByteView plain,
                    std::span<std::uint8_t> out);
[[nodiscard]] bool bulk_aead_open(base::ByteView key, base::ByteView nonce, base::ByteView associated, base::ByteView sealed,
                                  std::span<std::uint8_t> out);

}  // namespace latchkey::crypto
