#include "crypto/aead.h"

#include <sodium.h>

#include "base/result.h"
#include "crypto/bulk_aead.h"
#include "crypto/hash.h"
#include "crypto/octets.h"

namespace latchkey::crypto {
namespace {

static_assert(kAeadKeyBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kAeadNonceBytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kAeadTagBytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);

// Encryption key and check value of one (key, nonce).
LongDigest commit_to(ByteView key, ByteView nonce) {
  return keyed_blake2b_long(key, {base::as_bytes("latchkey commit 1"), nonce});
}

}  // namespace

void aead_seal(ByteView key, ByteView nonce, ByteView associated, ByteView plain, std::span<std::uint8_t> out) {
  LATCHKEY_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kAeadNonceBytes);
  LATCHKEY_CHECK(out.size() == plain.size() + kAeadTagBytes);
  if (plain.size() >= kBulkBytesMin) return bulk_aead_seal(key, nonce, associated, plain, out);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, address_of(plain), plain.size(), address_of(associated),
                                             associated.size(), nullptr, nonce.data(), key.data());
}

bool aead_open(ByteView key, ByteView nonce, ByteView associated, ByteView sealed, std::span<std::uint8_t> out) {
  LATCHKEY_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kAeadNonceBytes);
  if (sealed.size() < kAeadTagBytes) return false;
  LATCHKEY_CHECK(out.size() == sealed.size() - kAeadTagBytes);
  if (out.size() >= kBulkBytesMin) return bulk_aead_open(key, nonce, associated, sealed, out);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(), sealed.size(),
                                                 address_of(associated), associated.size(), nonce.data(), key.data()) == 0) {
    return true;
  }
  base::wipe(out.data(), out.size());
  return false;
}

void committed_seal(ByteView key, ByteView nonce, ByteView associated, ByteView plain, std::span<std::uint8_t> out) {
  LATCHKEY_CHECK(out.size() == plain.size() + kCommittedOverhead);
  auto committed = commit_to(key, nonce);
  const std::span<const std::uint8_t> halves(committed);
  std::copy(halves.begin() + kAeadKeyBytes, halves.end(), out.begin());
  aead_seal(halves.first(kAeadKeyBytes), nonce, associated, plain, out.subspan(kCommitBytes));
  base::wipe(committed.data(), committed.size());
}

Opened committed_open(ByteView key, ByteView nonce, ByteView associated, ByteView sealed) {
  if (sealed.size() < kCommittedOverhead) return {.plain = {}, .failure = OpenFailure::altered};
  auto committed = commit_to(key, nonce);
  const std::span<const std::uint8_t> halves(committed);
  Opened opened{.plain = {}, .failure = OpenFailure::other_key};
  if (base::equal_in_constant_time(halves.subspan(kAeadKeyBytes), sealed.first(kCommitBytes))) {
    auto plain = Secret::of_size(sealed.size() - kCommittedOverhead);
    opened.failure = OpenFailure::altered;
    if (aead_open(halves.first(kAeadKeyBytes), nonce, associated, sealed.subspan(kCommitBytes), plain.writable())) {
      opened = {.plain = std::move(plain), .failure = std::nullopt};
    }
  }
  base::wipe(committed.data(), committed.size());
  return opened;
}

}  // namespace latchkey::crypto
