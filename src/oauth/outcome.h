// What a token endpoint's answer means for the grant: the five outcomes of a refresh, and "too early".
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "oauth/token_reply.h"

namespace latchkey::oauth {

enum class RefreshOutcome {
  refreshed,          // a new access token is in the reply
  dead_grant,         // a definite refusal: the owner must consent again
  misconfigured_app,  // the app's registration is at fault: every grant of that app waits for the operator
  transient,          // nothing happened, or nothing definite: try again
  ambiguous,          // the server may have spent the refresh token: the type's replay policy decides
  too_early,          // refused because the access token still lives: keep using it
};
[[nodiscard]] std::string_view name_of(RefreshOutcome outcome);

enum class ErrorPlace { token, authorize, api, smtp };
// What a rule of a provider file says about an error. `stale_access_token` is for `api` and `smtp`: refresh once, then
// repeat the call.
enum class ErrorMeaning { dead_grant, misconfigured_app, transient, too_early, stale_access_token };
[[nodiscard]] std::string_view name_of(ErrorPlace place);
[[nodiscard]] std::string_view name_of(ErrorMeaning meaning);
[[nodiscard]] std::optional<ErrorPlace> parse_error_place(std::string_view name);
[[nodiscard]] std::optional<ErrorMeaning> parse_error_meaning(std::string_view name);

// One row. The first row that matches wins over the default map.
struct ErrorRule {
  ErrorPlace where = ErrorPlace::token;
  int status_min = 0;    // 0: any status
  int status_max = 0;
  std::string error = "*";  // exact; `*`: any, but only of a structured body unless `match` is given
  std::string match;        // substring of error or description, case-insensitive; empty: not asked
  ErrorMeaning meaning = ErrorMeaning::transient;
  std::string note;
};

struct Classified {
  RefreshOutcome outcome = RefreshOutcome::transient;
  std::optional<std::chrono::seconds> retry_after;  // as the server asked, at most one day
  // 500 and 504: the server, or one behind it, broke off; what it had done by then is not known.
  bool may_have_spent = false;
  std::string why;  // one sentence for operators, without secrets
};

// Rules first, then the default map: invalid_grant and interaction_required kill; invalid_client, invalid_scope and their
// like pause the app; 5xx, 429, pages, bodies nobody can read below 200..299 wait. A success that cannot be read is
// ambiguous. `retry_after` is the header's text, `now` is used for its date form only.
[[nodiscard]] Classified classify(const TokenReply& reply, std::span<const ErrorRule> rules,
                                  std::string_view retry_after = {}, std::optional<WallTime> now = {});

// The first rule for an error seen at another place (a callback, an API); nullptr: none says anything.
[[nodiscard]] const ErrorRule* find_rule(std::span<const ErrorRule> rules, ErrorPlace where, int status,
                                         std::string_view error, std::string_view description);

// RFC 9110 10.2.3: seconds or an HTTP date; nullopt when unreadable; 0 to one day.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::optional<WallTime> now);

}  // namespace latchkey::oauth
