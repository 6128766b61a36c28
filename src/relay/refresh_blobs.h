// Refresh tokens as an office holds them in exchange mode (RULES S4): under a key that only the relay's instances have,
// bound to the office, the client at the provider and the grant. Pure; any thread.
//
// As text:  lkr1. | base64url of  nonce (24) | ciphertext | tag (16).  XChaCha20-Poly1305; the nonce is a keyed digest of
// place and token, so that the same token at the same place gives the same blob: the office must see whether its provider
// rotates (R11), and nothing else shows by it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace latchkey::relay {

struct BlobPlace {
  std::string office;
  std::string provider;
  std::string client_id;
  std::string grant;
};

class RefreshBlobs {
 public:
  // `instance_key`: 32 octets, the same for all instances of one relay.
  explicit RefreshBlobs(const Secret& instance_key);

  [[nodiscard]] Secret seal(const BlobPlace& place, const Secret& refresh_token) const;
  // Errors: refused/`refresh_token_foreign`: of another office, client or grant, of a relay with other keys, altered, or no
  // blob at all; not told apart.
  [[nodiscard]] Result<Secret> open(const BlobPlace& place, std::string_view blob) const;

 private:
  Secret key_;
  Secret nonce_key_;
};

}  // namespace latchkey::relay
