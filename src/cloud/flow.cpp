#include "cloud/flow.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"
#include "cloud/envelope.h"
#include "crypto/aead.h"

namespace latchkey::cloud {
namespace {

constexpr std::string_view kFlowDomain = "latchkey cloud flow 1\n";
constexpr std::string_view kHandleDomain = "latchkey cloud handle 1\n";
constexpr std::size_t kEndOctets = 8;
constexpr std::size_t kSignatureOctets = sizeof(crypto::Ed25519Signature);

std::unexpected<Error> malformed() {
  return fail(ErrorKind::invalid, "flow_malformed", "This address is incomplete. Go back to Latchkey and press Authorize again.");
}

std::unexpected<Error> too_long() {
  return fail(ErrorKind::invalid, "flow_too_long", "The provider's address or answer is too long to pass through a browser by way of the Cloud Service.");
}

Bytes signed_octets(ByteView payload) {
  auto octets = base::to_bytes(kFlowDomain);
  octets.insert(octets.end(), payload.begin(), payload.end());
  return octets;
}

// Signed and sealed things are of one writer, but what a member may look like is checked all the same.
std::optional<std::string> text_member(const JsonObject& object, std::string_view name) {
  const auto* member = base::find_string(object, name);
  if (!member || member->empty()) return std::nullopt;
  const bool plain = std::ranges::none_of(*member, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return plain ? std::optional<std::string>(*member) : std::nullopt;
}

std::optional<FlowRequest> parse_request(std::string_view json) {
  const auto parsed = parse_json(json, {.size_bytes_max = kFlowTextMax, .depth_max = 2, .doubles = base::Doubles::refused});
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& object = parsed->get_object();
  FlowRequest request;
  for (const auto& [name, member] : {std::pair{"office", &FlowRequest::office}, {"attempt", &FlowRequest::attempt}, {"type", &FlowRequest::type},
                                     {"app", &FlowRequest::app}, {"username", &FlowRequest::username}, {"url", &FlowRequest::authorization_url},
                                     {"return", &FlowRequest::return_origin}}) {
    auto text = text_member(object, name);
    if (!text) return std::nullopt;
    request.*member = std::move(*text);
  }
  const auto end = text_member(object, "end");
  const auto expires_at = end ? base::from_rfc3339(*end) : std::nullopt;
  if (!expires_at) return std::nullopt;
  request.expires_at = *expires_at;
  return request;
}

Bytes end_octets(WallTime end) {
  const auto ms = static_cast<std::uint64_t>(base::to_unix_ms(end));
  Bytes octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(ms >> shift));
  return octets;
}

WallTime end_from(ByteView octets) {
  std::uint64_t ms = 0;
  for (const auto octet : octets) ms = ms << 8 | octet;
  return base::from_unix_ms(static_cast<std::int64_t>(ms));
}

Bytes handle_associated(std::string_view office, ByteView end) {
  auto octets = base::to_bytes(kHandleDomain);
  octets.insert(octets.end(), end.begin(), end.end());
  octets.insert(octets.end(), office.begin(), office.end());  // last, so that its length needs no mark
  return octets;
}

}  // namespace

Result<std::string> seal_flow(const FlowRequest& request, const Secret& office_signing_seed, const crypto::X25519Public& relay, Entropy& entropy) {
  const JsonObject json{{"office", request.office}, {"attempt", request.attempt},       {"type", request.type},
                        {"app", request.app},       {"username", request.username},     {"url", request.authorization_url},
                        {"return", request.return_origin}, {"end", base::to_rfc3339(request.expires_at)}};
  const auto payload = boost::json::serialize(json);
  const auto signature = crypto::ed25519_sign(office_signing_seed, signed_octets(base::as_bytes(payload)));
  Bytes plain(signature.begin(), signature.end());
  plain.insert(plain.end(), payload.begin(), payload.end());
  auto text = base::to_base64url(seal_to(relay, kPurposeFlow, {}, Secret(std::move(plain)), entropy));
  if (text.size() > kFlowTextMax) return too_long();
  return text;
}

OpenedFlow::OpenedFlow(FlowRequest request, Bytes payload, Bytes signature)
    : request_(std::move(request)), payload_(std::move(payload)), signature_(std::move(signature)) {}

Result<OpenedFlow> OpenedFlow::open(const PartyKeys& relay, std::string_view text) {
  if (text.size() > kFlowTextMax) return malformed();
  const auto sealed = base::from_base64url(text);
  if (!sealed) return malformed();
  const auto plain = open_envelope(relay, kPurposeFlow, {}, *sealed);
  if (!plain) return std::unexpected(plain.error());
  const auto octets = plain->reveal();
  if (octets.size() <= kSignatureOctets) return malformed();
  const auto payload = octets.subspan(kSignatureOctets);
  auto request = parse_request(base::as_text(payload));
  if (!request) return malformed();
  const auto signature = octets.first(kSignatureOctets);
  return OpenedFlow(std::move(*request), Bytes(payload.begin(), payload.end()), Bytes(signature.begin(), signature.end()));
}

Result<FlowRequest> OpenedFlow::believed(const crypto::Ed25519Public& office_key, WallTime now) const {
  if (!crypto::ed25519_verify(office_key, signed_octets(payload_), signature_)) {
    return fail(ErrorKind::refused, "signature_wrong", "The request is not signed by the key this office was enrolled with.");
  }
  if (request_.expires_at <= now) {
    return fail(ErrorKind::refused, "flow_expired", "This address has expired. Go back to Latchkey and press Authorize again.");
  }
  if (request_.expires_at > now + kFlowLifetimeMax) {
    return fail(ErrorKind::refused, "clock_differs", "The office's clock is ahead of the Cloud Service's. Set the clock that is wrong.");
  }
  return request_;
}

Bytes seal_result(const FlowResult& result, std::string_view office, const crypto::X25519Public& office_key, Entropy& entropy) {
  // Names first, a line each; the query goes to the end and is copied only here.
  auto plain = Secret::of_size(result.attempt.size() + result.app.size() + 2 + result.query.size());
  auto at = plain.writable().begin();
  for (const auto* name : {&result.attempt, &result.app}) {
    LATCHKEY_CHECK(name->find('\n') == std::string::npos);
    at = std::ranges::copy(base::as_bytes(*name), at).out;
    *at++ = '\n';
  }
  std::ranges::copy(result.query.reveal(), at);
  return seal_to(office_key, kPurposeResult, base::as_bytes(office), plain, entropy);
}

Result<FlowResult> open_result(const PartyKeys& office_keys, std::string_view office, ByteView sealed) {
  const auto plain = open_envelope(office_keys, kPurposeResult, base::as_bytes(office), sealed);
  if (!plain) return std::unexpected(plain.error());
  const auto text = plain->reveal_text();
  const auto first = text.find('\n');
  const auto second = first == std::string_view::npos ? first : text.find('\n', first + 1);
  if (second == std::string_view::npos) return malformed();
  return FlowResult{.attempt = std::string(text.substr(0, first)),
                    .app = std::string(text.substr(first + 1, second - first - 1)),
                    .query = Secret(text.substr(second + 1))};
}

// end (8) | nonce (24) | ciphertext | tag (16); the end is authenticated and may be read.
Result<std::string> seal_handle(const Secret& relay_key, std::string_view office, WallTime expires_at, ByteView sealed_result, Entropy& entropy) {
  auto handle = end_octets(expires_at);
  const auto associated = handle_associated(office, handle);
  handle.resize(kEndOctets + crypto::kAeadNonceBytes + sealed_result.size() + crypto::kAeadTagBytes);
  const std::span<std::uint8_t> all(handle);
  const auto nonce = all.subspan(kEndOctets, crypto::kAeadNonceBytes);
  entropy.fill(nonce);
  crypto::aead_seal(relay_key.reveal(), nonce, associated, sealed_result, all.subspan(kEndOctets + crypto::kAeadNonceBytes));
  auto text = base::to_base64url(handle);
  if (text.size() > kFlowTextMax) return too_long();
  return text;
}

Result<Bytes> open_handle(const Secret& relay_key, std::string_view office, WallTime now, std::string_view handle) {
  constexpr auto kHead = kEndOctets + crypto::kAeadNonceBytes;
  const auto unknown = [] {
    return fail(ErrorKind::refused, "handle_unknown", "The Cloud Service does not know this answer. Go back to Latchkey and press Authorize again.");
  };
  if (handle.size() > kFlowTextMax) return unknown();
  const auto octets = base::from_base64url(handle);
  if (!octets || octets->size() < kHead + crypto::kAeadTagBytes) return unknown();
  const ByteView all(*octets);
  const auto end = all.first(kEndOctets);
  Bytes result(all.size() - kHead - crypto::kAeadTagBytes);
  if (!crypto::aead_open(relay_key.reveal(), all.subspan(kEndOctets, crypto::kAeadNonceBytes), handle_associated(office, end), all.subspan(kHead), result)) {
    return unknown();
  }
  if (end_from(end) <= now) {
    return fail(ErrorKind::refused, "handle_expired", "The provider's answer has come too late: it is kept for a minute. Go back to Latchkey and press Authorize again.");
  }
  return result;
}

}  // namespace latchkey::cloud
