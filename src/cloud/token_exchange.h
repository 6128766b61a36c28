// What an office and a Cloud Service say to each other about a token endpoint: the request that the service passes on, and
// the reply sealed to the office (exchange mode); the assertion that it signs (assertion mode); and about the revocation
// endpoint beside it. RULES S3, S4, F7. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/party.h"

namespace latchkey::cloud {

// A type at one of the service's apps, as the office fills it in.
struct ServiceTarget {
  std::string app;
  std::string type;
  std::vector<std::pair<std::string, std::string>> params;   // the type's own, each name once
  std::vector<std::pair<std::string, std::string>> learned;  // what the provider's answers have brought
  friend bool operator==(const ServiceTarget&, const ServiceTarget&) = default;
};

struct TokenRequest {
  std::string intent;     // an id of the office's
  std::int64_t turn = 0;  // grows whenever the intent is tried anew; never negative
  std::string grant;      // an id: whose tokens these are
  ServiceTarget target;
  Secret form;  // application/x-www-form-urlencoded, as a client without a secret would post it; the refresh token as a blob
};
[[nodiscard]] Secret to_json(const TokenRequest& request);
// Errors: invalid/`token_request_malformed`.
[[nodiscard]] Result<TokenRequest> parse_token_request(std::string_view json);

// What the office has, or has noted that nobody knows. The service may forget what was heard, and only that: a reply that
// came after the office had been told that nobody knows is still to be fetched.
struct Acknowledgement {
  std::string intent;
  std::int64_t turn = 0;   // which has one reply at most
  bool had_reply = false;  // else it was told that nobody knows
};
[[nodiscard]] std::string to_json(const Acknowledgement& acknowledgement);
// Errors: invalid/`token_request_malformed`.
[[nodiscard]] Result<Acknowledgement> parse_acknowledgement(std::string_view json);

// What the token endpoint answered, the refresh token in it as a blob.
struct ProviderReply {
  int status = 0;
  std::string content_type;
  std::string retry_after;
  bool cut = false;  // the connection ended, or the room, before the reply did
  Secret body;
};
// Of one turn of one intent. `turn`: the one that was answered, which may be an earlier one than was asked for.
struct TokenAnswer {
  std::int64_t turn = 0;
  Bytes reply;  // sealed; empty: what became of the turn is not known
};
[[nodiscard]] std::string to_json(const TokenAnswer& answer);
// Errors: invalid/`cloud_answer_malformed`.
[[nodiscard]] Result<TokenAnswer> parse_token_answer(std::string_view json);

// Bound to office, intent and turn.
[[nodiscard]] Bytes seal_reply(const ProviderReply& reply, std::string_view office, std::string_view intent,
                               std::int64_t turn, const crypto::X25519Public& office_key, Entropy& entropy);
// Errors: refused/`envelope_rejected`, invalid/`cloud_answer_malformed`.
[[nodiscard]] Result<ProviderReply> open_reply(const PartyKeys& office_keys, std::string_view office,
                                               std::string_view intent, std::int64_t turn, ByteView sealed);

// --- Revoking in exchange mode (RFC 7009) ---

// The same once more does what it has done: it has no intent, and nothing of it is kept.
struct RevocationRequest {
  std::string grant;  // an id: whose token it is
  ServiceTarget target;
  Secret form;  // as a client without a secret would post it; the refresh token as a blob
};
[[nodiscard]] Secret to_json(const RevocationRequest& request);
// Errors: invalid/`token_request_malformed`.
[[nodiscard]] Result<RevocationRequest> parse_revocation_request(std::string_view json);

// What the revocation endpoint answered: its status, and the code of an error (RFC 6749 5.2), empty where it says none.
struct RevocationAnswer {
  int status = 0;
  std::string error;
};
[[nodiscard]] std::string to_json(const RevocationAnswer& answer);
// Errors: invalid/`cloud_answer_malformed`.
[[nodiscard]] Result<RevocationAnswer> parse_revocation_answer(std::string_view json);

// --- Assertion mode ---

[[nodiscard]] std::string to_json(const ServiceTarget& target);
// Errors: invalid/`token_request_malformed`.
[[nodiscard]] Result<ServiceTarget> parse_service_target(std::string_view json);
// {"assertion"}: sealed to the office, so that whoever repeats its request has nothing of it and the service need not
// remember who has asked.
[[nodiscard]] std::string assertion_answer(const Secret& assertion, std::string_view office,
                                           const crypto::X25519Public& office_key, Entropy& entropy);
// Errors: invalid/`cloud_answer_malformed`, refused/`envelope_rejected`.
[[nodiscard]] Result<Secret> parse_assertion_answer(std::string_view json, const PartyKeys& office_keys,
                                                    std::string_view office);

}  // namespace latchkey::cloud
