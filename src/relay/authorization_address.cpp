#include "relay/authorization_address.h"

#include <algorithm>
#include <set>

namespace latchkey::relay {
namespace {

constexpr std::size_t kStateMin = 22;  // 128 bits in base64url
constexpr std::size_t kStateMax = 256;
constexpr std::size_t kChallengeLength = 43;
constexpr std::size_t kNonceMax = 256;
constexpr std::size_t kLoginHintMax = 320;

std::unexpected<Error> refused(std::string why) {
  return fail(
      ErrorKind::refused, "address_refused",
      "The address that the office made is not one this Cloud Service lets through. Nothing was sent to the provider.",
      {.detail = std::move(why)});
}

bool is_token(std::string_view text, std::size_t least, std::size_t most) {
  return text.size() >= least && text.size() <= most && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.' || c == '~';
         });
}

// nullptr: in order.
const char* fault_of(std::string_view name, std::string_view value, const ExpectedAuthorization& expected) {
  if (name == "response_type") return value == "code" ? nullptr : "response_type";
  if (name == "client_id") return value == expected.client_id ? nullptr : "client_id";
  if (name == "redirect_uri") return value == expected.redirect_uri ? nullptr : "redirect_uri";
  if (name == "scope") return asks_for_no_more(value, expected.scopes, expected.scope_separator) ? nullptr : "scope";
  if (name == "state") return is_token(value, kStateMin, kStateMax) ? nullptr : "state";
  if (!expected.pkce && name.starts_with("code_challenge")) return "PKCE, which the provider does not know";
  if (name == "code_challenge") return is_token(value, kChallengeLength, kChallengeLength) ? nullptr : "code_challenge";
  if (name == "code_challenge_method") return value == "S256" ? nullptr : "code_challenge_method";
  if (name == "nonce") return is_token(value, 1, kNonceMax) ? nullptr : "nonce";
  if (name == "prompt")
    return value == "select_account" || value == "consent" || value == "select_account consent" ? nullptr : "prompt";
  if (name == "login_hint") return value.size() <= kLoginHintMax ? nullptr : "login_hint";
  const auto extra = std::ranges::find(expected.extra, name, &oauth::Parameters::value_type::first);
  return extra != expected.extra.end() && extra->second == value ? nullptr : "a parameter that the type does not have";
}

}  // namespace

bool asks_for_no_more(std::string_view scope, const std::vector<std::string>& allowed, std::string_view separator) {
  for (;;) {
    const auto end = scope.find(separator);
    if (std::ranges::find(allowed, scope.substr(0, end)) == allowed.end()) return false;
    if (end == std::string_view::npos) return true;
    scope.remove_prefix(end + separator.size());
  }
}

Result<void> check_authorization_address(std::string_view address, const ExpectedAuthorization& expected) {
  const auto mark = address.find('?');
  // By octets, not by parts: userinfo, a fragment, another port or upper case are all something else.
  if (mark == std::string_view::npos || address.substr(0, mark) != expected.endpoint) return refused("another endpoint");
  if (address.find('#') != std::string_view::npos) return refused("a fragment");
  const auto parameters = oauth::parse_form(address.substr(mark + 1));
  if (!parameters) return refused("a query that cannot be read");
  std::set<std::string, std::less<>> seen;
  for (const auto& [name, value] : *parameters) {
    if (!seen.insert(name).second) return refused("a parameter given twice");
    if (const char* fault = fault_of(name, value, expected)) return refused(fault);
  }
  for (const auto* needed : {"response_type", "client_id", "redirect_uri", "state"}) {
    if (!seen.contains(needed)) return refused(std::string("no ") + needed);
  }
  for (const auto* needed : {"code_challenge", "code_challenge_method"}) {
    if (expected.pkce && !seen.contains(needed)) return refused(std::string("no ") + needed);
  }
  if (!expected.scopes.empty() && !seen.contains("scope")) return refused("no scope");
  return {};
}

std::string state_of(std::string_view address) {
  const auto mark = address.find('?');
  if (mark == std::string_view::npos) return {};
  const auto parameters = oauth::parse_form(address.substr(mark + 1));
  if (!parameters) return {};
  const auto* state = oauth::find_parameter(*parameters, "state");
  return state == nullptr ? std::string() : *state;
}

}  // namespace latchkey::relay
