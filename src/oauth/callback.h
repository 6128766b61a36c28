// What comes back to the redirect URI (RFC 6749 4.1.2, RFC 9207).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "oauth/uri.h"

namespace latchkey::oauth {

// A value that moves. Exactly one of `code` and `error` is filled.
struct Callback {
  Secret code;
  Secret state;  // compare by hash; never logged
  std::optional<std::string> iss;
  std::string error;
  std::string error_description;  // printable, at most 500 octets
  std::string error_uri;          // http(s) only, else empty
  Parameters others;              // what a provider adds and a type may need, in order
};

// `query` is the part after `?`. Bounds: 8 KiB, 64 parameters; code, state, iss and error at most once each; no control
// characters in any value. Errors: invalid/`bad_callback` with the reason in words.
[[nodiscard]] Result<Callback> parse_callback(std::string_view query);

enum class IssParameter { not_advertised, advertised };

// RFC 9207 and RULES A2: must be present when the server advertises it, and equal whenever present, in error answers
// too. `expected_issuer` may hold {variables} that stand for one path segment (a tenant); empty: nothing to compare with,
// so a present `iss` is accepted unchecked only when not advertised. Errors: refused/`issuer_mismatch`.
[[nodiscard]] Result<void> check_issuer(const Callback& callback, std::string_view expected_issuer, IssParameter parameter);

// Exact comparison (RFC 8414 section 3.3), where {variables} of the pattern match one path segment of letters, digits,
// `-`, `.` and `_`.
[[nodiscard]] bool issuer_matches(std::string_view pattern, std::string_view issuer);

}  // namespace latchkey::oauth
