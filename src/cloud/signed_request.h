// Requests of an office to its relay, signed by the enrolment's key over method, path, body digest, time and nonce (RULES
// S1). Pure; any thread. In HTTP one header:
//   Authorization: Latchkey office=ID, key=KEYID, time=UNIX_SECONDS, nonce=BASE64URL, signature=BASE64URL
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/ed25519.h"

namespace latchkey::cloud {

// How far the two clocks may differ.
inline constexpr Seconds kRequestSkewMax{60};
inline constexpr std::size_t kNonceOctets = 16;

// What is asked. `target`: path and query as sent; `body`: as sent.
struct Asked {
  std::string_view method;
  std::string_view target;
  std::string_view body;
};

struct RequestSignature {
  std::string office;  // the enrolment's id; letters, digits, '-'
  std::string key_id;
  std::int64_t time_s = 0;
  Bytes nonce;  // kNonceOctets
  Bytes signature;

  [[nodiscard]] std::string header() const;
  // Errors: invalid/`signature_malformed`.
  [[nodiscard]] static Result<RequestSignature> parse(std::string_view header);
};

[[nodiscard]] RequestSignature sign_request(const Asked& asked, std::string office, std::string key_id,
                                            const Secret& signing_seed, WallTime now, Entropy& entropy);

// Whether the office's key made it, for exactly this request, within kRequestSkewMax of `now`. Whether the nonce was seen
// before is the caller's question. Errors: refused/`signature_wrong`, refused/`clock_differs` (the text names by how much,
// the signature was good).
[[nodiscard]] Result<void> check_signature(const Asked& asked, const RequestSignature& given,
                                           const crypto::Ed25519Public& key, WallTime now);

}  // namespace latchkey::cloud
