#include "crypto/ed25519.h"

#include <sodium.h>

#include "base/result.h"

namespace latchkey::crypto {
namespace {

// libsodium's secret key is the seed and the public half, one after the other.
Secret expanded(const Secret& seed, Ed25519Public& public_key) {
  LATCHKEY_CHECK(seed.size() == crypto_sign_SEEDBYTES);
  auto secret = Secret::of_size(crypto_sign_SECRETKEYBYTES);
  crypto_sign_seed_keypair(public_key.data(), secret.writable().data(), seed.reveal().data());
  return secret;
}

}  // namespace

Secret make_ed25519_seed(Entropy& entropy) {
  auto seed = Secret::of_size(crypto_sign_SEEDBYTES);
  entropy.fill(seed.writable());
  return seed;
}

Ed25519Public ed25519_public(const Secret& seed) {
  Ed25519Public key;
  [[maybe_unused]] const auto secret = expanded(seed, key);
  return key;
}

Ed25519Signature ed25519_sign(const Secret& seed, ByteView message) {
  Ed25519Public key;
  const auto secret = expanded(seed, key);
  Ed25519Signature signature;
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), secret.reveal().data());
  return signature;
}

bool ed25519_verify(const Ed25519Public& key, ByteView message, ByteView signature) {
  if (signature.size() != crypto_sign_BYTES) return false;
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.data()) == 0;
}

}  // namespace latchkey::crypto
