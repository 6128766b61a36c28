// A client's proof of itself without a shared secret: the JWT of RFC 7523 2.2, as OpenID Connect's private_key_jwt names it.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "crypto/signing_key.h"

namespace latchkey::oauth {

inline constexpr std::string_view kAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
// How long one is good for: it is posted at once.
inline constexpr Seconds kAssertionLifetime{60};

struct ClientAssertion {
  std::string client_id;  // issuer and subject
  std::string audience;   // the token endpoint's address
  std::string key_id;     // of the key at the provider; empty: none is named
};
// Issued at `now`, with an id of its own (`jti`, 128 random bits), for kAssertionLifetime.
[[nodiscard]] Secret make_client_assertion(const ClientAssertion& assertion, const crypto::SigningKey& key, WallTime now,
                                           Entropy& entropy);

// The form with `client_assertion_type` and `client_assertion` behind it.
[[nodiscard]] Secret with_assertion(const Secret& form, const Secret& assertion);

}  // namespace latchkey::oauth
