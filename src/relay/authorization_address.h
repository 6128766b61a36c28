// Whether an authorization address that an office has made is one the relay would have made itself: to the provider's own
// endpoint, for the relay's own client, back to the relay's own redirect URI, and asking for nothing else than its type
// does. What is not expected is refused, so that a begun flow is never an open redirect or a way to another client's codes
// (RULES S2). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oauth/uri.h"

namespace latchkey::relay {

// What a registration makes of one type.
struct ExpectedAuthorization {
  std::string endpoint;  // complete, without a query of its own
  std::string client_id;
  std::string redirect_uri;
  std::vector<std::string> scopes;  // those the type asks for; the address may ask for fewer
  std::string scope_separator = " ";
  bool pkce = true;  // the provider knows it, and the address must have it
  oauth::Parameters extra;  // name and value of what the type adds
};

// Whether a scope parameter asks for nothing but `allowed`.
[[nodiscard]] bool asks_for_no_more(std::string_view scope, const std::vector<std::string>& allowed, std::string_view separator);

// Errors: refused/`address_refused`, with what is wrong in `detail`.
[[nodiscard]] Result<void> check_authorization_address(std::string_view address, const ExpectedAuthorization& expected);
// Its `state`; empty when there is none.
[[nodiscard]] std::string state_of(std::string_view address);

}  // namespace latchkey::relay
