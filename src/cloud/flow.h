// One authorisation by way of the Cloud Service, as the browser carries it: to the relay as a *flow* (signed by the office,
// sealed to the relay), back to the office as a *handle* (what the provider said, sealed to the office, inside the relay's
// own seal). Neither side keeps anything for it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/party.h"

namespace latchkey::cloud {

// What an address may hold of one, in characters: browsers and proxies pass 8 KiB.
inline constexpr std::size_t kFlowTextMax = 7 * 1024;
// A flow is begun at once: the office makes it when its own page is opened.
inline constexpr Seconds kFlowLifetimeMax{15 * 60};
// A code may live for 30 s only.
inline constexpr Seconds kHandleLifetime{60};

struct FlowRequest {
  std::string office;   // the enrolment's id
  std::string attempt;  // the office's own name for it; opaque to the relay
  std::string type;
  std::vector<std::pair<std::string, std::string>> params;  // the type's own (tenant, region), each name once
  std::string app;                                          // the relay's registration
  std::string username;                                     // for the confirmation page
  std::string authorization_url;                            // complete, made by the office
  std::string return_origin;                                // one of the enrolment's
  WallTime expires_at{};
  friend bool operator==(const FlowRequest&, const FlowRequest&) = default;
};

// Whether the relay shows a user of that name on its page (base/shown_name.h); the office asks the same before it sends anybody there.
// Errors: refused/`username_not_shown`.
[[nodiscard]] Result<void> check_username(std::string_view username);

// base64url. Errors: invalid/`flow_too_long`.
[[nodiscard]] Result<std::string> seal_flow(const FlowRequest& request, const Secret& office_signing_seed,
                                            const crypto::X25519Public& relay, Entropy& entropy);

// Opened and not yet believed: whose key must have signed it stands inside.
class OpenedFlow {
 public:
  // Errors: refused/`envelope_rejected`, invalid/`flow_malformed`.
  [[nodiscard]] static Result<OpenedFlow> open(const PartyKeys& relay, std::string_view text);
  [[nodiscard]] const std::string& office() const { return request_.office; }
  // The request, if that office's key signed it and it is not over. Errors: refused/`signature_wrong`, `flow_expired`,
  // `clock_differs` (its end lies further ahead than any flow lives).
  [[nodiscard]] Result<FlowRequest> believed(const crypto::Ed25519Public& office_key, WallTime now) const;

 private:
  OpenedFlow(FlowRequest request, Bytes payload, Bytes signature);
  FlowRequest request_;
  Bytes payload_;
  Bytes signature_;
};

// What the provider sent back to the relay's callback. `query`: the query as it came, with code, state, iss or error: the
// office reads it as it would its own.
struct FlowResult {
  std::string attempt;
  std::string app;
  Secret query;
};

// Sealed to the office, so that the relay's own log, memory or thief cannot turn it into anything.
[[nodiscard]] Bytes seal_result(const FlowResult& result, std::string_view office, const crypto::X25519Public& office_key,
                                Entropy& entropy);
// Errors: refused/`envelope_rejected`, invalid/`flow_malformed`.
[[nodiscard]] Result<FlowResult> open_result(const PartyKeys& office_keys, std::string_view office, ByteView sealed);

// Under a key that only the relay's instances hold (32 octets), for one office and a minute. base64url.
// Errors: invalid/`flow_too_long`.
[[nodiscard]] Result<std::string> seal_handle(const Secret& relay_key, std::string_view office, WallTime expires_at,
                                              ByteView sealed_result, Entropy& entropy);
// The sealed result, for that office. Errors: refused/`handle_unknown` (another office's, altered, truncated: not told
// apart), refused/`handle_expired`.
[[nodiscard]] Result<Bytes> open_handle(const Secret& relay_key, std::string_view office, WallTime now,
                                        std::string_view handle);

}  // namespace latchkey::cloud
