// One call of a service's API with a bearer token (RFC 6750): another token when one has expired, and what a status means.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "connectors/connector.h"
#include "net/http_client.h"

namespace latchkey::connectors {

// What came of a call that was answered.
struct ApiReply {
  int status = 0;
  net::HttpHeaders headers;
  Bytes body;

  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
  // The body's object; empty where it is none.
  [[nodiscard]] JsonObject json() const;
};

// The token to go on with: one call's renewed token serves the calls behind it.
class ApiSession {
 public:
  ApiSession(net::HttpTransport& transport, TokenSource& tokens) : transport_(transport), tokens_(tokens) {}

  struct Request {
    std::string method = "GET";
    std::string url;
    net::HttpHeaders headers{};
    std::optional<Secret> body{};
    net::BodyParts* parts = nullptr;  // instead of a body; outlives the call, and is read anew with another token
    Milliseconds patience{120'000};
    std::size_t reply_bytes_max = 1 << 20;  // what is longer is cut
  };
  // A 401 is answered by one more try with another token. No answer holds the token it was asked with: where a service echoes it, "…"
  // stands in the body. Errors: unavailable when nothing was sent; ambiguous/`reply_lost`,
  // `reply_timeout`; those of the TokenSource; needs_person/`token_refused` when the service refuses a new token, too.
  [[nodiscard]] Task<Result<ApiReply>> call(Request request);

 private:
  [[nodiscard]] Task<Result<ApiReply>> call_once(const Request& request);

  net::HttpTransport& transport_;
  TokenSource& tokens_;
  std::optional<Secret> token_;
};

// Its status and how its body begins, for the log alone: the service's own words may quote what was sent, so every run that may be a
// token is struck out.
[[nodiscard]] std::string words_of(const ApiReply& reply);

// What an answer that is no success means where the connector knows nothing better. `service`: its name, for people.
//   408, 425, 429, 5xx    unavailable, with Retry-After      403  needs_person/`access_refused`
//   404  not_found/`no_such_target`     409  conflict/`exists`     413  refused/`too_large_for_target`
//   507  needs_person/`target_full`     else  refused/`target_refused`
[[nodiscard]] Error error_of(const ApiReply& reply, const std::string& service);

// Retry-After in seconds (RFC 9110 section 10.2.3), between 1 s and a day; a date is left to the queue's own pace.
[[nodiscard]] std::optional<Seconds> retry_after_of(const net::HttpHeaders& headers);

}  // namespace latchkey::connectors
