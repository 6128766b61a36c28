// The Basic scheme (RFC 7617) with charset UTF-8.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace latchkey::doors {

struct BasicCredentials {
  std::string username;
  Secret pin;
};

inline constexpr std::string_view kBasicChallenge = "Basic realm=\"Latchkey\", charset=\"UTF-8\"";

// nullopt: another scheme, broken Base64, no colon, more than 2,048 octets. The first colon separates: usernames have none.
[[nodiscard]] std::optional<BasicCredentials> parse_basic(std::string_view authorization);

}  // namespace latchkey::doors
