#include "cloud/flow.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/shown_name.h"
#include "cloud/envelope.h"
#include "cloud/sealed_until.h"

namespace latchkey::cloud {
namespace {

constexpr std::string_view kFlowDomain = "latchkey cloud flow 1\n";
constexpr std::size_t kSignatureOctets = sizeof(crypto::Ed25519Signature);

std::unexpected<Error> malformed() {
  return fail(ErrorKind::invalid, "flow_malformed",
              "This address is incomplete. Go back to Latchkey and press Authorize again.");
}

std::unexpected<Error> too_long() {
  return fail(ErrorKind::invalid, "flow_too_long",
              "The provider's address or answer is too long to pass through a browser by way of the Cloud Service.");
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
  for (const auto& [name, member] : {std::pair{"office", &FlowRequest::office},
                                     {"attempt", &FlowRequest::attempt},
                                     {"type", &FlowRequest::type},
                                     {"app", &FlowRequest::app},
                                     {"username", &FlowRequest::username},
                                     {"url", &FlowRequest::authorization_url},
                                     {"return", &FlowRequest::return_origin}}) {
    auto text = text_member(object, name);
    if (!text) return std::nullopt;
    request.*member = std::move(*text);
  }
  const auto* params = base::find_object(object, "params");
  if (params == nullptr) return std::nullopt;
  for (const auto& [name, value] : *params) {
    if (!value.is_string()) return std::nullopt;
    request.params.emplace_back(name, std::string(value.get_string()));
  }
  const auto end = text_member(object, "end");
  const auto expires_at = end ? base::from_rfc3339(*end) : std::nullopt;
  if (!expires_at) return std::nullopt;
  request.expires_at = *expires_at;
  return request;
}

std::string handle_place(std::string_view office) { return "handle " + std::string(office); }

}  // namespace

Result<void> check_username(std::string_view username) {
  if (base::may_be_shown(username)) return {};
  return fail(ErrorKind::refused, "username_not_shown",
              "The user's name has more than 128 characters, or characters that are not seen or turn text round, or several blanks in a row, and what the "
              "Cloud Service's page shows must be what is meant. The office's administrator can give the user another name.",
              {.field = "username"});
}

Result<std::string> seal_flow(const FlowRequest& request, const Secret& office_signing_seed,
                              const crypto::X25519Public& relay, Entropy& entropy) {
  JsonObject params;
  for (const auto& [name, value] : request.params) params[name] = value;
  const JsonObject json{{"office", request.office},
                        {"attempt", request.attempt},
                        {"type", request.type},
                        {"app", request.app},
                        {"username", request.username},
                        {"url", request.authorization_url},
                        {"return", request.return_origin},
                        {"params", params},
                        {"end", base::to_rfc3339(request.expires_at)}};
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
    return fail(ErrorKind::refused, "signature_wrong",
                "The request is not signed by the key this office was enrolled with.");
  }
  if (request_.expires_at <= now) {
    return fail(ErrorKind::refused, "flow_expired",
                "This address has expired. Go back to Latchkey and press Authorize again, or open the link you were sent once more.");
  }
  if (request_.expires_at > now + kFlowLifetimeMax) {
    return fail(ErrorKind::refused, "clock_differs",
                "The office's clock is ahead of the Cloud Service's. Set the clock that is wrong.");
  }
  return request_;
}

Bytes seal_result(const FlowResult& result, std::string_view office, const crypto::X25519Public& office_key,
                  Entropy& entropy) {
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

Result<std::string> seal_handle(const Secret& relay_key, std::string_view office, WallTime expires_at,
                                ByteView sealed_result, Entropy& entropy) {
  auto text = seal_until(relay_key, handle_place(office), expires_at, sealed_result, entropy);
  if (text.size() > kFlowTextMax) return too_long();
  return text;
}

Result<Bytes> open_handle(const Secret& relay_key, std::string_view office, WallTime now, std::string_view handle) {
  auto result = handle.size() > kFlowTextMax ? std::unexpected(NotOpened::unknown)
                                             : open_until(relay_key, handle_place(office), now, handle);
  if (result) return std::move(*result);
  if (result.error() == NotOpened::expired) {
    return fail(
        ErrorKind::refused, "handle_expired",
        "The provider's answer has come too late: it is kept for a minute. Go back to Latchkey and press Authorize again.");
  }
  return fail(ErrorKind::refused, "handle_unknown",
              "The Cloud Service does not know this answer. Go back to Latchkey and press Authorize again.");
}

}  // namespace latchkey::cloud
