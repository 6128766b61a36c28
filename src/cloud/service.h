// What a Cloud Service's addresses take and give: their paths, and their JSON as values that both parties share. Pure; any
// thread.
//
//   GET  /begin?flow=FLOW           a browser: the confirmation page
//   POST /continue                  its button: on to the provider
//   GET  the redirect path of an app  a browser: back from the provider, on to the office's kReturnPath
//   POST /relay/v1/enrol            an office with its code: EnrolmentOffer, answered by ServiceView
//   GET  /relay/v1/office           signed: ServiceView
//   POST /relay/v1/collect          signed: {"handle"}, answered by {"result"} (base64url)
//   POST /relay/v1/token            signed: TokenRequest, answered by TokenAnswer (cloud/token_exchange.h)
//   POST /relay/v1/token/acknowledge  signed: Acknowledgement, answered by {}
//   POST /relay/v1/assertion        signed: ServiceTarget, answered by {"assertion"}
//   POST /relay/v1/revocation       signed: RevocationRequest, answered by RevocationAnswer (cloud/token_exchange.h)
//
// What is refused is RFC 9457 problem details, as everywhere in Latchkey.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/enrolment.h"
#include "cloud/party.h"
#include "cloud/succession.h"

namespace latchkey::cloud {

inline constexpr std::string_view kBeginPath = "/begin";
inline constexpr std::string_view kContinuePath = "/continue";
inline constexpr std::string_view kEnrolPath = "/relay/v1/enrol";
inline constexpr std::string_view kOfficePath = "/relay/v1/office";
inline constexpr std::string_view kCollectPath = "/relay/v1/collect";
inline constexpr std::string_view kTokenPath = "/relay/v1/token";
inline constexpr std::string_view kAcknowledgePath = "/relay/v1/token/acknowledge";
inline constexpr std::string_view kAssertionPath = "/relay/v1/assertion";
inline constexpr std::string_view kRevocationPath = "/relay/v1/revocation";
// At the office, behind the origin that was enrolled: ?attempt=...&handle=...
inline constexpr std::string_view kReturnPath = "/oauth/relayed";

// Who sees what (docs/cloud-service.md): how the office comes to tokens with an app of the service's.
enum class Mode {
  forward,    // by itself, as a client without a secret
  assertion,  // by itself, with assertions that the service signs
  exchange,   // by way of the service, which has the secret
};
[[nodiscard]] std::string_view name_of(Mode mode);
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view name);

// An app of the service's, as an office needs to know it to make authorization addresses that pass.
struct ServiceApp {
  std::string id;
  std::string provider;
  std::string client_id;
  std::string redirect_uri;
  std::vector<std::pair<std::string, std::string>> params;  // of the app (an issuer, a tenant)
  std::vector<std::string> types;                           // that this office may authorise with it
  Mode mode = Mode::forward;
  friend bool operator==(const ServiceApp&, const ServiceApp&) = default;
};

inline constexpr std::string_view kLabelNotShown = "(a label that cannot be shown)";

// What the service has for one office.
struct ServiceView {
  std::string office;  // the enrolment's id
  std::string label;   // what people are shown
  PartyPublic keys;    // the service's own
  std::vector<Succession> successions{};  // from its former keys to those, oldest first
  std::vector<std::string> return_origins;
  std::vector<ServiceApp> apps;
  friend bool operator==(const ServiceView&, const ServiceView&) = default;
};
[[nodiscard]] std::string to_json(const ServiceView& view);
// What may not be shown is not there (base/shown_name.h): a label has kLabelNotShown in its place, and an app is left out whose words
// control a terminal, are not seen, turn text round or go on without an end, or that bears another's name. Errors:
// invalid/`cloud_answer_malformed`.
[[nodiscard]] Result<ServiceView> parse_service_view(std::string_view json);

// An office's part of enrolling. The code goes without its third part, which the service knows.
struct EnrolmentOffer {
  std::string office;
  Secret secret;
  EnrolmentRequest request;
  std::vector<std::string> return_origins;
};
[[nodiscard]] Secret to_json(const EnrolmentOffer& offer);
// Errors: invalid/`enrolment_malformed`.
[[nodiscard]] Result<EnrolmentOffer> parse_enrolment_offer(std::string_view json);

// https://office.example, http://192.168.1.5:8480: scheme and host in lower case, no path, no userinfo.
[[nodiscard]] bool is_origin(std::string_view text);

}  // namespace latchkey::cloud
