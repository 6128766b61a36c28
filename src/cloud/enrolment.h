// Enrolment: how an office and a relay come to know each other's keys (RULES S1). The operator issues a code; the
// administrator pastes it; the office answers with its keys. Pure; any thread.
//
// The code names the relay's keys, so that whoever stands between the two at that moment cannot put others in their place;
// the office's request is signed by the keys it brings, so that nobody enrols keys that are not theirs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/party.h"
#include "crypto/hash.h"

namespace latchkey::cloud {

inline constexpr std::size_t kEnrolmentSecretOctets = 16;

// One-time; as text `LK1-` and base64url of  office (16) | secret (16) | first half of SHA-256 over the relay's keys (16).
struct EnrolmentCode {
  Bytes office;   // 16 octets: the enrolment's id
  Secret secret;  // what the relay keeps a hash of
  Bytes relay;    // 16 octets

  [[nodiscard]] static EnrolmentCode make(ByteView office, const PartyPublic& relay, Entropy& entropy);
  [[nodiscard]] std::string text() const;
  // Spaces and line ends around it are dropped. Errors: invalid/`enrolment_code_malformed` with `field` = enrolment_code.
  [[nodiscard]] static Result<EnrolmentCode> parse(std::string_view text);
  // Whether these are the keys the operator's relay had when the code was issued.
  [[nodiscard]] bool is_of(const PartyPublic& relay) const;
};

// What the relay keeps of a code: it cannot be made into one.
[[nodiscard]] crypto::Digest digest_of_secret(const Secret& secret);

// The office's keys as they are sent, and the proof that it has them: a signature over the code's office and secret and both
// halves.
struct EnrolmentRequest {
  PartyPublic keys;
  Bytes proof;
};
[[nodiscard]] EnrolmentRequest make_enrolment_request(const EnrolmentCode& code, const PartyKeys& office);
// Errors: refused/`enrolment_proof_wrong`.
[[nodiscard]] Result<void> check_enrolment_request(const EnrolmentCode& code, const EnrolmentRequest& request);

}  // namespace latchkey::cloud
