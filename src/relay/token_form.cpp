#include "relay/token_form.h"

#include <algorithm>
#include <set>

#include "oauth/revocation.h"
#include "relay/authorization_address.h"

namespace latchkey::relay {
namespace {

constexpr std::size_t kCodeMax = 8 * 1024;
constexpr std::size_t kVerifierMin = 43;  // RFC 7636 4.1
constexpr std::size_t kVerifierMax = 128;

std::unexpected<Error> refused(std::string why) {
  return fail(ErrorKind::refused, "token_request_refused",
              "The request that the office made for the provider's token endpoint is not one this Cloud Service passes on. "
              "Nothing was sent. "
              "Run the same version of Latchkey on both.",
              {.detail = std::move(why)});
}

// A form's values are secrets: wiped when they have been read.
struct FormValues {
  oauth::Parameters all;
  explicit FormValues(oauth::Parameters parsed) : all(std::move(parsed)) {}
  FormValues(const FormValues&) = delete;
  FormValues& operator=(const FormValues&) = delete;
  ~FormValues() {
    for (auto& [name, value] : all) base::wipe(value.data(), value.size());
  }
};

// nullptr: in order.
const char* fault_of(std::string_view name, std::string_view value, bool refresh, const TokenSide& side) {
  if (name == "client_id") return value == side.client_id ? nullptr : "client_id";
  if (name == "redirect_uri") return value == side.redirect_uri ? nullptr : "redirect_uri";
  if (name == "code_verifier")
    return value.size() >= kVerifierMin && value.size() <= kVerifierMax ? nullptr : "code_verifier";
  if (name == "code") return !refresh && !value.empty() && value.size() <= kCodeMax ? nullptr : "code";
  if (name == "refresh_token") return refresh ? nullptr : "refresh_token";
  if (name == "scope") return refresh && asks_for_no_more(value, side.scopes, side.scope_separator) ? nullptr : "scope";
  const auto& extras = refresh ? side.refresh_extra : side.code_extra;
  const auto extra = std::ranges::find(extras, name, &oauth::Parameters::value_type::first);
  return extra != extras.end() && extra->second == value ? nullptr : "a parameter that the type does not have";
}

}  // namespace

Result<oauth::FormPost> token_post(const Secret& form, const TokenSide& side, const RefreshBlobs& blobs,
                                   const BlobPlace& place) {
  auto parsed = oauth::parse_form(form.reveal_text());
  if (!parsed) return refused("a form that cannot be read");
  const FormValues values(std::move(*parsed));
  const auto* grant_type = oauth::find_parameter(values.all, "grant_type");
  const bool refresh = grant_type != nullptr && *grant_type == "refresh_token";
  if (!refresh && (grant_type == nullptr || *grant_type != "authorization_code")) return refused("grant_type");
  oauth::FormWriter writer;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : values.all) {
    if (!seen.insert(name).second) return refused("a parameter given twice");
    if (name == "grant_type") {
      writer.add(name, value);
      continue;
    }
    if (const char* fault = fault_of(name, value, refresh, side)) return refused(fault);
    if (name == "client_id") continue;  // goes with the secret
    if (name != "refresh_token") {
      writer.add(name, value);
      continue;
    }
    const auto token = blobs.open(place, value);
    if (!token) return std::unexpected(token.error());
    writer.add(name, *token);
  }
  for (const std::string_view needed :
       {std::string_view("client_id"), std::string_view(refresh ? "refresh_token" : "code")}) {
    if (!seen.contains(needed)) return refused("no " + std::string(needed));
  }
  if (!refresh && !seen.contains("redirect_uri")) return refused("no redirect_uri");
  // All offices share the client: the verifier alone shows that the code is of the office that brings it (RFC 7636).
  if (!refresh && side.pkce && !seen.contains("code_verifier")) return refused("no code_verifier");
  auto authorization =
      writer.authenticate({.client_id = side.client_id, .authentication = side.authentication, .secret = side.secret.get()});
  return oauth::form_post(side.endpoint, std::move(authorization), writer.take());
}

bool brings_code(const Secret& form) {
  auto parsed = oauth::parse_form(form.reveal_text());
  if (!parsed) return false;
  const FormValues values(std::move(*parsed));
  const auto* grant_type = oauth::find_parameter(values.all, "grant_type");
  return grant_type != nullptr && *grant_type == "authorization_code";
}

Result<oauth::FormPost> revocation_post(const Secret& form, const TokenSide& side, const RefreshBlobs& blobs,
                                        const BlobPlace& place) {
  auto parsed = oauth::parse_form(form.reveal_text());
  if (!parsed) return refused("a form that cannot be read");
  const FormValues values(std::move(*parsed));
  const auto hint = oauth::name_of(oauth::TokenHint::refresh_token);
  oauth::Parameters expected = side.revocation_extra;
  expected.insert(expected.end(), {{"token_type_hint", std::string(hint)}, {"client_id", side.client_id}});
  for (const auto& [name, value] : expected) {
    const auto* given = oauth::find_parameter(values.all, name);
    if (given == nullptr || *given != value) return refused("no " + name + ", or another");
  }
  const auto* blob = oauth::find_parameter(values.all, "token");
  if (blob == nullptr || values.all.size() != expected.size() + 1) return refused("a parameter that the type does not have");
  const auto token = blobs.open(place, *blob);
  if (!token) return std::unexpected(token.error());
  return oauth::revocation(
      {.endpoint = side.revocation_endpoint,
       .client = {.client_id = side.client_id, .authentication = side.authentication, .secret = side.secret.get()},
       .token = &*token,
       .extra = side.revocation_extra});
}

std::vector<Secret> unsaid_of(const oauth::FormPost& post, const TokenSide& side) {
  std::vector<Secret> unsaid;
  for (const auto& secret : {side.secret, side.second_secret}) {
    if (secret != nullptr) unsaid.push_back(secret->clone());
  }
  auto parsed = oauth::parse_form(post.body.reveal_text());
  if (!parsed) return unsaid;
  const FormValues values(std::move(*parsed));
  for (const auto& [name, value] : values.all) {
    if (name == "refresh_token" || name == "token") unsaid.emplace_back(std::string_view(value));
  }
  return unsaid;
}

}  // namespace latchkey::relay
