#include "oauth/outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "oauth/http_date.h"
#include "oauth/redaction.h"

namespace latchkey::oauth {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_success(int status) { return status >= 200 && status < 300; }

bool is_structured(const TokenReply& reply) { return reply.form == ReplyForm::json || reply.form == ReplyForm::form; }

bool status_fits(const ErrorRule& rule, int status) {
  return rule.status_min == 0 || (status >= rule.status_min && status <= rule.status_max);
}

enum class Body { structured, other };

bool rule_fits(const ErrorRule& rule, ErrorPlace where, int status, std::string_view error, std::string_view description,
               Body body) {
  if (rule.where != where || !status_fits(rule, status)) return false;
  if (!rule.match.empty()) {
    const auto wanted = lower(rule.match);
    if (lower(error).find(wanted) == std::string::npos && lower(description).find(wanted) == std::string::npos) return false;
  }
  if (rule.error == "*") return body == Body::structured || !rule.match.empty();
  return rule.error == error;
}

RefreshOutcome outcome_of(ErrorMeaning meaning) {
  switch (meaning) {
    case ErrorMeaning::dead_grant: return RefreshOutcome::dead_grant;
    case ErrorMeaning::misconfigured_app: return RefreshOutcome::misconfigured_app;
    case ErrorMeaning::transient: return RefreshOutcome::transient;
    case ErrorMeaning::too_early: return RefreshOutcome::too_early;
    case ErrorMeaning::stale_access_token: return RefreshOutcome::transient;
  }
  LATCHKEY_CHECK(false);
}

// RFC 6749 5.2, OpenID Connect Core 3.1.2.6, RFC 8707, and what servers make of them.
std::optional<RefreshOutcome> default_outcome(std::string_view error) {
  constexpr std::string_view kDead[] = {"invalid_grant", "interaction_required", "consent_required", "login_required",
                                        "account_selection_required"};
  constexpr std::string_view kMisconfigured[] = {
      "invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "unsupported_grant_type",
      "invalid_target", "invalid_resource", "redirect_uri_mismatch", "invalid_redirect_uri", "unsupported_response_type"};
  constexpr std::string_view kTransient[] = {"temporarily_unavailable", "server_error", "slow_down", "too_many_requests",
                                             "rate_limit_exceeded", "rate_limited"};
  const auto among = [&](const auto& list) { return std::find(std::begin(list), std::end(list), error) != std::end(list); };
  if (among(kDead)) return RefreshOutcome::dead_grant;
  if (among(kMisconfigured)) return RefreshOutcome::misconfigured_app;
  if (among(kTransient)) return RefreshOutcome::transient;
  return std::nullopt;
}

std::string describe(RefreshOutcome outcome, const TokenReply& reply) {
  const std::string what = reply.error.empty() ? fmt::format("HTTP {}", reply.status)
                                               : fmt::format("HTTP {}, {}", reply.status, redacted(reply.error));
  switch (outcome) {
    case RefreshOutcome::refreshed: return "The provider sent a new access token.";
    case RefreshOutcome::dead_grant:
      return fmt::format("The provider no longer honours this authorization ({}).", what);
    case RefreshOutcome::misconfigured_app:
      return fmt::format("The provider refuses the app's registration ({}). Check client id, secret and scopes.", what);
    case RefreshOutcome::transient:
      return fmt::format("The provider could not answer properly ({}).", what);
    case RefreshOutcome::ambiguous:
      return fmt::format("The provider's answer could not be read ({}); it may have spent the refresh token.", what);
    case RefreshOutcome::too_early:
      return fmt::format("The provider refreshes only shortly before the token ends ({}).", what);
  }
  LATCHKEY_CHECK(false);
}

Classified classify_success(const TokenReply& reply) {
  Classified out;
  if (reply.access_token) {
    out.outcome = RefreshOutcome::refreshed;
  } else if (reply.refresh_token) {
    out.outcome = RefreshOutcome::transient;
    out.why = "The provider sent a new refresh token but no access token; the next refresh uses the new one.";
    return out;
  } else {
    // A page comes from something in between, which spent nothing.
    out.outcome = reply.form == ReplyForm::html ? RefreshOutcome::transient : RefreshOutcome::ambiguous;
  }
  out.why = describe(out.outcome, reply);
  return out;
}

RefreshOutcome outcome_of_error(const TokenReply& reply, std::span<const ErrorRule> rules) {
  const bool overloaded = reply.status >= 500 || reply.status == 429;
  const auto body = is_structured(reply) ? Body::structured : Body::other;
  for (const auto& rule : rules) {
    if (!rule_fits(rule, ErrorPlace::token, reply.status, reply.error, reply.error_description, body)) continue;
    // A server in trouble says anything: only a rule that names such a status speaks for it.
    if (overloaded && rule.status_min == 0) continue;
    return outcome_of(rule.meaning);
  }
  if (overloaded) return RefreshOutcome::transient;
  return default_outcome(reply.error).value_or(RefreshOutcome::transient);
}

// Whether the provider may have done its work before the answer went wrong. Only 502 and 503 say that it was not reached, or did not
// begin (R18); a gateway's own codes (520 to 527, 598, 599) say no more than 504 does, and 408 comes of a line that was lost.
bool may_have_spent(int status) { return status == 408 || (status >= 500 && status != 502 && status != 503); }

constexpr std::array<std::pair<RefreshOutcome, std::string_view>, 6> kOutcomeNames{{
    {RefreshOutcome::refreshed, "refreshed"},
    {RefreshOutcome::dead_grant, "dead_grant"},
    {RefreshOutcome::misconfigured_app, "misconfigured_app"},
    {RefreshOutcome::transient, "transient"},
    {RefreshOutcome::ambiguous, "ambiguous"},
    {RefreshOutcome::too_early, "too_early"},
}};
constexpr std::array<std::pair<ErrorPlace, std::string_view>, 4> kPlaceNames{{
    {ErrorPlace::token, "token"},
    {ErrorPlace::authorize, "authorize"},
    {ErrorPlace::api, "api"},
    {ErrorPlace::smtp, "smtp"},
}};
constexpr std::array<std::pair<ErrorMeaning, std::string_view>, 5> kMeaningNames{{
    {ErrorMeaning::dead_grant, "dead_grant"},
    {ErrorMeaning::misconfigured_app, "misconfigured_app"},
    {ErrorMeaning::transient, "transient"},
    {ErrorMeaning::too_early, "too_early"},
    {ErrorMeaning::stale_access_token, "stale_access_token"},
}};

template <class Value, std::size_t count>
std::string_view name_in(const std::array<std::pair<Value, std::string_view>, count>& names, Value value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  LATCHKEY_CHECK(false);
}
template <class Value, std::size_t count>
std::optional<Value> value_in(const std::array<std::pair<Value, std::string_view>, count>& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(RefreshOutcome outcome) { return name_in(kOutcomeNames, outcome); }
std::string_view name_of(ErrorPlace place) { return name_in(kPlaceNames, place); }
std::string_view name_of(ErrorMeaning meaning) { return name_in(kMeaningNames, meaning); }
std::optional<ErrorPlace> parse_error_place(std::string_view name) { return value_in(kPlaceNames, name); }
std::optional<ErrorMeaning> parse_error_meaning(std::string_view name) { return value_in(kMeaningNames, name); }

Classified classify(const TokenReply& reply, std::span<const ErrorRule> rules, std::string_view retry_after,
                    std::optional<WallTime> now) {
  if (is_success(reply.status) && reply.error.empty()) return classify_success(reply);
  Classified out;
  out.outcome = outcome_of_error(reply, rules);
  if (out.outcome == RefreshOutcome::transient) {
    out.retry_after = parse_retry_after(retry_after, now);
    out.may_have_spent = may_have_spent(reply.status);
  }
  out.why = describe(out.outcome, reply);
  return out;
}

const ErrorRule* find_rule(std::span<const ErrorRule> rules, ErrorPlace where, int status, std::string_view error,
                           std::string_view description) {
  for (const auto& rule : rules) {
    if (rule_fits(rule, where, status, error, description, Body::structured)) return &rule;
  }
  return nullptr;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::optional<WallTime> now) {
  constexpr std::chrono::seconds kLongest = std::chrono::hours(24);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.empty() || text.size() > 40) return std::nullopt;
  std::int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ptr == text.data() + text.size()) {
    if (text.front() == '-') return std::nullopt;
    if (end.ec == std::errc::result_out_of_range) return kLongest;
    return std::min(std::chrono::seconds(value), kLongest);
  }
  if (!now) return std::nullopt;
  const auto date = parse_http_date(std::string(text));
  if (!date) return std::nullopt;
  const auto wait = std::chrono::duration_cast<std::chrono::seconds>(*date - *now);
  return std::clamp(wait, std::chrono::seconds(0), kLongest);
}

}  // namespace latchkey::oauth
