#include "crypto/argon2id.h"

#include <sodium.h>

#include "crypto/octets.h"

namespace latchkey::crypto {

Result<Secret> argon2id(ByteView password, ByteView salt, Argon2Cost cost) {
  static_assert(kArgon2SaltBytes == crypto_pwhash_argon2id_SALTBYTES);
  LATCHKEY_CHECK(salt.size() == kArgon2SaltBytes);
  if (cost.passes < crypto_pwhash_argon2id_OPSLIMIT_MIN || cost.memory_kib < 8 || cost.memory_kib > 4u * 1024 * 1024) {
    return fail(ErrorKind::invalid, "argon2_cost", "The cost of the password hash is out of range.");
  }
  auto out = Secret::of_size(32);
  if (crypto_pwhash_argon2id(out.writable().data(), out.size(), reinterpret_cast<const char*>(address_of(password)),
                             password.size(), salt.data(), cost.passes, std::size_t{cost.memory_kib} * 1024,
                             crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
    return fail(ErrorKind::unavailable, "out_of_memory", "The server is short of memory. Try again in a moment.",
                {.retry_after = std::chrono::seconds(5)});
  }
  return out;
}

}  // namespace latchkey::crypto
