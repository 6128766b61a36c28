#include "crypto/x25519.h"

#include <sodium.h>

#include "base/result.h"

namespace latchkey::crypto {

Secret make_x25519_private(Entropy& entropy) {
  auto key = Secret::of_size(crypto_scalarmult_SCALARBYTES);
  entropy.fill(key.writable());
  return key;
}

X25519Public x25519_public(const Secret& private_key) {
  LATCHKEY_CHECK(private_key.size() == crypto_scalarmult_SCALARBYTES);
  X25519Public out;
  crypto_scalarmult_base(out.data(), private_key.reveal().data());
  return out;
}

std::optional<Secret> x25519(const Secret& private_key, const X25519Public& other) {
  if (private_key.size() != crypto_scalarmult_SCALARBYTES) return std::nullopt;
  auto shared = Secret::of_size(crypto_scalarmult_BYTES);
  if (crypto_scalarmult(shared.writable().data(), private_key.reveal().data(), other.data()) != 0) return std::nullopt;
  return shared;
}

}  // namespace latchkey::crypto
