#include "crypto/hash.h"

// OpenSSL's SHA-256 uses the processor's instructions for it and is some nine times as fast as libsodium's. Its calls for a
// state of our own are deprecated in favour of EVP, whose contexts lie on the heap and are looked up by name each time: too
// much for the many small digests.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <sodium.h>

#include <cstddef>
#include <cstring>

#include "base/result.h"
#include "crypto/octets.h"

namespace latchkey::crypto {
namespace {

// Of OpenSSL's state a Sha256 keeps what comes before these two, which follow from the rest.
static_assert(offsetof(SHA256_CTX, num) == 104 && offsetof(SHA256_CTX, md_len) > offsetof(SHA256_CTX, num));

class Sha256State {
 public:
  explicit Sha256State(std::array<std::uint8_t, 104>& kept) : kept_(kept) {
    std::memcpy(&state, kept_.data(), kept_.size());
    state.num = state.Nl / 8 % SHA256_CBLOCK;  // octets of an unfinished block
    state.md_len = SHA256_DIGEST_LENGTH;
  }
  Sha256State(const Sha256State&) = delete;
  Sha256State& operator=(const Sha256State&) = delete;
  ~Sha256State() {
    std::memcpy(kept_.data(), &state, kept_.size());
    base::wipe(&state, sizeof state);
  }

  SHA256_CTX state{};

 private:
  std::array<std::uint8_t, 104>& kept_;
};

template <class Out>
Out blake2b(ByteView key, std::initializer_list<ByteView> parts) {
  LATCHKEY_CHECK(key.size() >= crypto_generichash_KEYBYTES_MIN && key.size() <= crypto_generichash_KEYBYTES_MAX);
  Out out;
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data(), key.size(), out.size());
  for (const auto part : parts) crypto_generichash_update(&state, address_of(part), part.size());
  crypto_generichash_final(&state, out.data(), out.size());
  base::wipe(&state, sizeof state);
  return out;
}

}  // namespace

Digest sha256(ByteView data) { return Sha256().update(data).finish(); }

Sha256::Sha256() : state_{} {
  Sha256State kept(state_);
  SHA256_Init(&kept.state);
}

Sha256& Sha256::update(ByteView data) {
  Sha256State kept(state_);
  SHA256_Update(&kept.state, address_of(data), data.size());
  return *this;
}

Digest Sha256::finish() {
  Digest digest;
  Sha256State kept(state_);
  SHA256_Final(digest.data(), &kept.state);
  SHA256_Init(&kept.state);
  return digest;
}

Digest hmac_sha256(ByteView key, ByteView data) {
  Digest digest;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, address_of(key), key.size());
  crypto_auth_hmacsha256_update(&state, address_of(data), data.size());
  crypto_auth_hmacsha256_final(&state, digest.data());
  base::wipe(&state, sizeof state);
  return digest;
}

Digest keyed_blake2b(ByteView key, ByteView data) { return keyed_blake2b(key, {data}); }

Digest keyed_blake2b(ByteView key, std::initializer_list<ByteView> parts) { return blake2b<Digest>(key, parts); }

LongDigest keyed_blake2b_long(ByteView key, std::initializer_list<ByteView> parts) {
  return blake2b<LongDigest>(key, parts);
}

Secret hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t size_bytes) {
  LATCHKEY_CHECK(size_bytes <= 255 * sizeof(Digest));
  auto pseudo_random_key = hmac_sha256(salt, secret);
  auto out = Secret::of_size(size_bytes);
  Digest block{};
  std::size_t block_size = 0;
  std::size_t done = 0;
  for (std::uint8_t counter = 1; done < size_bytes; ++counter) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, pseudo_random_key.data(), pseudo_random_key.size());
    crypto_auth_hmacsha256_update(&state, block.data(), block_size);
    crypto_auth_hmacsha256_update(&state, info.data(), info.size());
    crypto_auth_hmacsha256_update(&state, &counter, 1);
    crypto_auth_hmacsha256_final(&state, block.data());
    base::wipe(&state, sizeof state);
    block_size = block.size();
    const auto take = std::min(block.size(), size_bytes - done);
    std::memcpy(out.writable().data() + done, block.data(), take);
    done += take;
  }
  base::wipe(block.data(), block.size());
  base::wipe(pseudo_random_key.data(), pseudo_random_key.size());
  return out;
}

}  // namespace latchkey::crypto
