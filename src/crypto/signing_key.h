// A private key of the JOSE world, from a PEM file: what a client assertion is signed with (RFC 7518 3.3, 3.4).
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::crypto {

// A resource; moves. Thread-safe.
class SigningKey {
 public:
  // PKCS#8 or traditional PEM without a pass phrase: an elliptic key on P-256, or RSA of at least 2048 bits. Errors:
  // misconfigured/`bad_signing_key` with what to do instead.
  [[nodiscard]] static Result<SigningKey> from_pem(const Secret& pem);
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  // ES256 or RS256.
  [[nodiscard]] std::string_view algorithm() const;
  // As RFC 7518 wants it: 64 octets R and S for ES256, PKCS#1 v1.5 for RS256.
  [[nodiscard]] Bytes sign(ByteView message) const;

 private:
  struct State;
  explicit SigningKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::crypto
