// The outer layer every ciphertext has: header, nonce, committed AEAD under a master sub-key (FORMAT.md, "Envelope").
// Inside the vault only.
#pragma once

#include "vault/sub_keys.h"

namespace latchkey::vault {

inline constexpr std::uint8_t kFormatVersion = 1;
inline constexpr std::size_t kKeyIdBytes = 8;  // the first octets of the master key's id
inline constexpr std::size_t kHeaderBytes = 3 + kKeyIdBytes;  // version, kind, purpose, key id

// Header and place of a ciphertext as associated data, the same for inner and outer layer. `extra`: what a kind binds
// besides (the public key of a PIN wrap).
[[nodiscard]] Bytes associated_data(ByteView header, const SealContext& context, ByteView extra);
[[nodiscard]] std::array<std::uint8_t, kHeaderBytes> header_of(SealKind kind, Purpose purpose, ByteView key_id);

[[nodiscard]] Bytes seal_envelope(ByteView outer_key, ByteView header, ByteView associated, ByteView plain,
                                  Entropy& entropy);
// Errors: corrupt/`ciphertext_rejected`; `detail` says which check failed.
[[nodiscard]] Result<Secret> open_envelope(ByteView outer_key, ByteView header, ByteView associated, ByteView sealed);

[[nodiscard]] std::unexpected<Error> rejected(std::string detail);

void append_number(Bytes& out, std::uint32_t number);
[[nodiscard]] std::uint32_t read_number(ByteView four_octets);
void append(Bytes& out, ByteView bytes);

}  // namespace latchkey::vault
