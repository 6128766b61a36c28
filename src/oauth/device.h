// Device authorization (RFC 8628).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oauth/client.h"
#include "oauth/token_reply.h"

namespace latchkey::oauth {

struct DeviceAuthorizationRequest {
  std::string endpoint;
  ClientRegistration client;
  std::vector<std::string> scopes;
  std::string scope_separator = " ";
  Parameters extra;
};
[[nodiscard]] FormPost device_authorization(const DeviceAuthorizationRequest& request);

// A value that moves.
struct DeviceCode {
  Secret device_code;
  std::string user_code;
  std::string verification_uri;           // https only
  std::string verification_uri_complete;  // empty: none offered
  std::chrono::seconds expires_in{0};     // 30 s to 1 h, whatever was sent
  std::chrono::seconds interval{5};       // 1 s to 60 s
};
// Errors: invalid/`bad_device_reply`; misconfigured/<the server's error>.
[[nodiscard]] Result<DeviceCode> parse_device_reply(int status, std::string_view body, PlainHttp plain_http);

struct DeviceToken {
  std::string endpoint;
  ClientRegistration client;
  const Secret* device_code = nullptr;
  Parameters extra;
};
[[nodiscard]] FormPost device_token(const DeviceToken& request);

enum class DevicePoll {
  granted,
  pending,    // ask again after the interval
  slow_down,  // ask again after the interval plus 5 s, from now on (RFC 8628 3.5)
  denied,
  expired,
  failed,     // anything else: `classify` says what
};
[[nodiscard]] DevicePoll classify_device_poll(const TokenReply& reply);

}  // namespace latchkey::oauth
