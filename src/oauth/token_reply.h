// Reading a token endpoint's reply (RFC 6749 5.1 and 5.2) as servers really write it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/secret.h"

namespace latchkey::oauth {

// What the body turned out to be, whatever its Content-Type said.
enum class ReplyForm {
  json,       // a JSON object (or, for errors, an array of objects)
  form,       // name=value pairs
  html,       // a page: a proxy, a firewall, a maintenance notice
  text,       // other readable text
  empty,
  malformed,  // broken or cut JSON, binary, or over the bounds: nothing in it was trusted
};

// Named deviations of a provider's replies; the catalogue turns quirks into this.
enum class ErrorShape { object, object_or_array };
struct ReplyShape {
  ErrorShape errors = ErrorShape::object;
};

// A value that moves. Absent, null, false and empty tokens are all nullopt (R10). `error` is filled for every reply that says it
// is one, HTTP 200 included (R17).
struct TokenReply {
  int status = 0;
  ReplyForm form = ReplyForm::empty;
  std::optional<Secret> access_token;
  std::optional<Secret> refresh_token;
  bool refresh_token_unreadable = false;  // something stood in its place that is no token: the one sent may be spent
  std::string token_type;  // as sent
  // Seconds as sent, floats cut, out-of-range clamped to the int64 limits; nullopt: missing or not a number (R13).
  std::optional<std::int64_t> lifetime_s;
  std::optional<std::int64_t> refresh_lifetime_s;  // refresh_token_expires_in or refresh_expires_in
  std::optional<std::string> scope;                // nullopt: the server said nothing about scopes
  std::optional<JsonObject> id_claims;  // of the id_token; signature not checked: it came over TLS from the token endpoint
  JsonObject extras;                    // other members without tokens and secrets, at most 16 KiB in all
  std::string error;                    // `error`, or the provider's own code; printable, at most 200 octets
  std::string error_description;        // printable, at most 500 octets; operators only
};

inline constexpr std::size_t kReplyBytesMax = 1 << 20;

// Whether the body came to its end. Of a cut form the last value is not trusted: it may lack its own end.
enum class Completeness { whole, cut };

// Never fails: what cannot be read is ReplyForm::malformed; so is a body over kReplyBytesMax.
[[nodiscard]] TokenReply parse_token_reply(int status, std::string_view content_type, std::string_view body, ReplyShape shape = {},
                                           Completeness completeness = Completeness::whole);

// Best effort on a cut or broken reply (RULES F5): the whole value of the first member or parameter named
// refresh_token; nullopt when it is missing, empty, not a string, or cut itself.
[[nodiscard]] std::optional<Secret> find_refresh_token(std::string_view raw);

// Seconds an access token counts as good. Missing, zero, negative: `fallback`; over 366 days: 366 days; a fallback that
// is not positive counts as one hour (docs/reliability.md).
[[nodiscard]] std::chrono::seconds sane_lifetime(std::optional<std::int64_t> raw_s,
                                                 std::chrono::seconds fallback = std::chrono::hours(1));

// How long the provider says that the refresh token itself lives unused, in seconds: `refresh_token_expires_in` or
// `refresh_expires_in` among a reply's members, or what was kept of them.
[[nodiscard]] std::optional<std::int64_t> refresh_lifetime_in(const JsonObject& members);

// The payload of a JWT without checking its signature; nullopt when it is not one. For account names only, never for a
// decision about rights.
[[nodiscard]] std::optional<JsonObject> unverified_claims(std::string_view jwt);

// Words of a scope text: separated by spaces, and by commas where a server sends those.
[[nodiscard]] std::vector<std::string> scope_words(std::string_view scope);
// Those of `asked` that `granted` lacks. The OpenID words, offline_access, refresh_token, `*` and `.default` are often not
// echoed and never reported. A resource's scope may come back without the resource in front; a trailing slash and case do
// not count.
[[nodiscard]] std::vector<std::string> missing_scopes(const std::vector<std::string>& asked, std::string_view granted);

}  // namespace latchkey::oauth
