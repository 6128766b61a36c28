#include "oauth/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace latchkey::oauth {
namespace {

// Appends the form encoding of `value` to bytes whose capacity already suffices, so that no copy of a secret is left
// behind by a growing buffer.
void append_encoded(Bytes& out, std::string_view value) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : value) {
    const auto octet = static_cast<std::uint8_t>(c);
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(octet);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(static_cast<std::uint8_t>(kHex[octet >> 4U]));
      out.push_back(static_cast<std::uint8_t>(kHex[octet & 15U]));
    }
  }
}

void append_text(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

// RFC 6749 2.3.1: id and secret are form-encoded, joined by a colon, then Base64.
Secret basic_credentials(std::string_view client_id, std::string_view client_secret) {
  Bytes pair;
  pair.reserve(3 * (client_id.size() + client_secret.size()) + 1);
  append_encoded(pair, client_id);
  pair.push_back(':');
  append_encoded(pair, client_secret);
  const Secret joined(std::move(pair));
  std::string encoded = base::to_base64(joined.reveal());
  Bytes header;
  header.reserve(6 + encoded.size());
  append_text(header, "Basic ");
  append_text(header, encoded);
  base::wipe(encoded.data(), encoded.size());
  return Secret(std::move(header));
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

constexpr std::array<std::pair<ClientAuthentication, std::string_view>, 4> kAuthenticationNames{{
    {ClientAuthentication::none, "none"},
    {ClientAuthentication::client_secret_basic, "client_secret_basic"},
    {ClientAuthentication::client_secret_post, "client_secret_post"},
    {ClientAuthentication::private_key_jwt, "private_key_jwt"},
}};

}  // namespace

std::string_view name_of(ClientAuthentication method) {
  for (const auto& [value, name] : kAuthenticationNames) {
    if (value == method) return name;
  }
  LATCHKEY_CHECK(false);
}

std::optional<ClientAuthentication> parse_client_authentication(std::string_view name) {
  for (const auto& [value, text] : kAuthenticationNames) {
    if (text == name) return value;
  }
  return std::nullopt;
}

Result<std::string> authorization_url(const AuthorizationRequest& request) {
  auto endpoint = parse_url(request.endpoint);
  if (!endpoint || !endpoint->fragment.empty() || !endpoint->userinfo.empty()) {
    return fail(ErrorKind::misconfigured, "endpoint_not_allowed",
                "The provider's authorization address is malformed. Check the app's settings.");
  }
  Parameters query{{"response_type", "code"}, {"client_id", request.client_id}, {"redirect_uri", request.redirect_uri}};
  if (!request.scopes.empty()) query.emplace_back("scope", join(request.scopes, request.scope_separator));
  query.emplace_back("state", request.state);
  if (!request.code_challenge.empty()) {
    query.emplace_back("code_challenge", request.code_challenge);
    query.emplace_back("code_challenge_method", request.code_challenge_method);
  }
  if (!request.nonce.empty()) query.emplace_back("nonce", request.nonce);
  if (!request.prompt.empty()) query.emplace_back("prompt", request.prompt);
  for (const auto& [name, value] : request.extra) {
    if (find_parameter(query, name) != nullptr) {
      return fail(ErrorKind::bug, "parameter_repeated", "A parameter of the authorization request is given twice.",
                  {.detail = name});
    }
    query.emplace_back(name, value);
  }
  return with_query(request.endpoint, query);
}

void FormWriter::add(std::string_view name, std::string_view value) {
  Bytes grown;
  grown.reserve(body_.size() + 3 * (name.size() + value.size()) + 2);
  const auto present = body_.reveal();
  grown.assign(present.begin(), present.end());
  if (!grown.empty()) grown.push_back('&');
  append_encoded(grown, name);
  grown.push_back('=');
  append_encoded(grown, value);
  body_ = Secret(std::move(grown));
}

void FormWriter::add(std::string_view name, const Secret& value) { add(name, value.reveal_text()); }

void FormWriter::add(const Parameters& parameters) {
  for (const auto& [name, value] : parameters) add(name, value);
}

Secret FormWriter::authenticate(const ClientRegistration& client) {
  const std::string_view secret = client.secret == nullptr ? std::string_view() : client.secret->reveal_text();
  switch (client.authentication) {
    case ClientAuthentication::client_secret_basic:
      return basic_credentials(client.client_id, secret);
    case ClientAuthentication::client_secret_post:
      add("client_id", client.client_id);
      add("client_secret", secret);
      return {};
    case ClientAuthentication::none:
    case ClientAuthentication::private_key_jwt:
      add("client_id", client.client_id);
      return {};
  }
  LATCHKEY_CHECK(false);
}

FormPost form_post(std::string url, Secret authorization, Secret body) {
  FormPost post;
  post.url = std::move(url);
  post.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  post.authorization = std::move(authorization);
  post.body = std::move(body);
  return post;
}

FormPost code_exchange(const CodeExchange& request) {
  FormWriter form;
  form.add("grant_type", "authorization_code");
  if (request.code != nullptr) form.add("code", *request.code);
  if (!request.redirect_uri.empty()) form.add("redirect_uri", request.redirect_uri);
  if (request.code_verifier != nullptr) form.add("code_verifier", *request.code_verifier);
  auto authorization = form.authenticate(request.client);
  form.add(request.extra);
  return form_post(request.endpoint, std::move(authorization), form.take());
}

FormPost refresh(const Refresh& request) {
  FormWriter form;
  form.add("grant_type", "refresh_token");
  if (request.refresh_token != nullptr) form.add("refresh_token", *request.refresh_token);
  if (!request.scope.empty()) form.add("scope", request.scope);
  if (!request.redirect_uri.empty()) form.add("redirect_uri", request.redirect_uri);
  if (request.code_verifier != nullptr) form.add("code_verifier", *request.code_verifier);
  auto authorization = form.authenticate(request.client);
  form.add(request.extra);
  return form_post(request.endpoint, std::move(authorization), form.take());
}

}  // namespace latchkey::oauth
