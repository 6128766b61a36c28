#include "cloud/envelope.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "crypto/aead.h"
#include "crypto/hash.h"

namespace latchkey::cloud {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPoint = 32;
constexpr std::size_t kHead = 1 + kPoint + crypto::kAeadNonceBytes;

Secret key_of(const Secret& shared, const crypto::X25519Public& ephemeral, const crypto::X25519Public& recipient,
              std::string_view purpose) {
  Bytes salt(ephemeral.begin(), ephemeral.end());
  salt.insert(salt.end(), recipient.begin(), recipient.end());
  return crypto::hkdf_sha256(shared.reveal(), salt, base::as_bytes("latchkey cloud 1 " + std::string(purpose)),
                             crypto::kAeadKeyBytes);
}

std::unexpected<Error> rejected(std::string_view why) {
  return fail(ErrorKind::refused, "envelope_rejected",
              "What the Cloud Service and the office exchange was altered, or is not meant for here.",
              {.detail = std::string(why)});
}

}  // namespace

Bytes seal_to(const crypto::X25519Public& recipient, std::string_view purpose, ByteView bound, const Secret& plain,
              Entropy& entropy) {
  const auto ephemeral_private = crypto::make_x25519_private(entropy);
  const auto ephemeral = crypto::x25519_public(ephemeral_private);
  const auto shared = crypto::x25519(ephemeral_private, recipient);
  LATCHKEY_CHECK(shared.has_value());  // PartyPublic::parse lets no point of low order in
  Bytes sealed(kEnvelopeOverhead + plain.size());
  const std::span<std::uint8_t> all(sealed);
  sealed[0] = kVersion;
  std::ranges::copy(ephemeral, all.begin() + 1);
  const auto nonce = all.subspan(1 + kPoint, crypto::kAeadNonceBytes);
  entropy.fill(nonce);
  crypto::committed_seal(key_of(*shared, ephemeral, recipient, purpose).reveal(), nonce, bound, plain.reveal(),
                         all.subspan(kHead));
  return sealed;
}

Result<Secret> open_envelope(const PartyKeys& keys, std::string_view purpose, ByteView bound, ByteView sealed) {
  if (sealed.size() < kEnvelopeOverhead) return rejected("too short");
  if (sealed[0] != kVersion) return rejected("unknown version");
  crypto::X25519Public ephemeral;
  std::memcpy(ephemeral.data(), sealed.data() + 1, ephemeral.size());
  const auto shared = crypto::x25519(keys.sealing_private, ephemeral);
  if (!shared) return rejected("degenerate key");
  const auto key = key_of(*shared, ephemeral, crypto::x25519_public(keys.sealing_private), purpose);
  auto opened = crypto::committed_open(key.reveal(), sealed.subspan(1 + kPoint, crypto::kAeadNonceBytes), bound,
                                       sealed.subspan(kHead));
  if (opened.failure)
    return rejected(*opened.failure == crypto::OpenFailure::other_key ? "for another key or purpose" : "altered or moved");
  return std::move(opened.plain);
}

}  // namespace latchkey::cloud
