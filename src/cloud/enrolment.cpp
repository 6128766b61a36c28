#include "cloud/enrolment.h"

#include <algorithm>

namespace latchkey::cloud {
namespace {

constexpr std::string_view kPrefix = "LK1-";
constexpr std::string_view kProofDomain = "latchkey cloud enrolment 1\n";
constexpr std::string_view kSecretDomain = "latchkey cloud enrolment secret 1\n";
constexpr std::size_t kIdOctets = 16;

Bytes name_of_keys(const PartyPublic& relay) {
  const auto digest = crypto::sha256(base::as_bytes(relay.text()));
  return {digest.begin(), digest.begin() + kIdOctets};
}

// Every part has one length, so that none can lend the next its octets.
Secret proven_octets(const EnrolmentCode& code, const PartyPublic& office) {
  Bytes octets = base::to_bytes(kProofDomain);
  for (const ByteView part : {ByteView(code.office), code.secret.reveal(), ByteView(code.relay), ByteView(office.signing),
                              ByteView(office.sealing)}) {
    octets.insert(octets.end(), part.begin(), part.end());
  }
  return Secret(std::move(octets));
}

}  // namespace

EnrolmentCode EnrolmentCode::make(ByteView office, const PartyPublic& relay, Entropy& entropy) {
  LATCHKEY_CHECK(office.size() == kIdOctets);
  return {.office = Bytes(office.begin(), office.end()),
          .secret = Secret(entropy.bytes(kEnrolmentSecretOctets)),
          .relay = name_of_keys(relay)};
}

std::string EnrolmentCode::text() const {
  Bytes octets = office;
  octets.insert(octets.end(), secret.reveal().begin(), secret.reveal().end());
  octets.insert(octets.end(), relay.begin(), relay.end());
  auto written = std::string(kPrefix) + base::to_base64url(octets);
  base::wipe(octets.data(), octets.size());
  return written;
}

Result<EnrolmentCode> EnrolmentCode::parse(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  const auto octets = text.starts_with(kPrefix) ? base::from_base64url(text.substr(kPrefix.size())) : std::nullopt;
  if (!octets || octets->size() != 2 * kIdOctets + kEnrolmentSecretOctets) {
    return fail(ErrorKind::invalid, "enrolment_code_malformed",
                "This is not a whole enrolment code. It begins with LK1- and has 68 characters; copy all of it.",
                {.field = "enrolment_code"});
  }
  const ByteView all(*octets);
  const auto office = all.first(kIdOctets);
  const auto relay = all.last(kIdOctets);
  return EnrolmentCode{.office = Bytes(office.begin(), office.end()),
                       .secret = Secret(all.subspan(kIdOctets, kEnrolmentSecretOctets)),
                       .relay = Bytes(relay.begin(), relay.end())};
}

bool EnrolmentCode::is_of(const PartyPublic& keys) const { return base::equal_in_constant_time(relay, name_of_keys(keys)); }

crypto::Digest digest_of_secret(const Secret& secret) {
  crypto::Sha256 digest;
  return digest.update(base::as_bytes(kSecretDomain)).update(secret.reveal()).finish();
}

EnrolmentRequest make_enrolment_request(const EnrolmentCode& code, const PartyKeys& office) {
  EnrolmentRequest request{.keys = office.public_half(), .proof = {}};
  const auto signature = crypto::ed25519_sign(office.signing_seed, proven_octets(code, request.keys).reveal());
  request.proof.assign(signature.begin(), signature.end());
  return request;
}

Result<void> check_enrolment_request(const EnrolmentCode& code, const EnrolmentRequest& request) {
  if (crypto::ed25519_verify(request.keys.signing, proven_octets(code, request.keys).reveal(), request.proof)) return {};
  return fail(ErrorKind::refused, "enrolment_proof_wrong",
              "The office's keys do not fit the enrolment code. Issue a new code and enrol again.");
}

}  // namespace latchkey::cloud
