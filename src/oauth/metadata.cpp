#include "oauth/metadata.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::oauth {
namespace {

std::unexpected<Error> bad_metadata(std::string_view why) {
  return fail(ErrorKind::misconfigured, "bad_metadata",
              fmt::format("The server's description of itself (metadata) cannot be used: {}.", why));
}

std::vector<std::string> texts(const JsonObject& object, std::string_view name) {
  std::vector<std::string> out;
  if (const auto* array = base::find_array(object, name)) {
    for (const auto& item : *array) {
      const auto* text = item.if_string();
      if (text != nullptr && text->size() <= 200 && out.size() < 500) out.emplace_back(std::string_view(*text));
    }
  }
  return out;
}

std::string_view without_slash(std::string_view text) {
  if (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<ClientAuthentication> Metadata::choose_authentication(Client client) const {
  const auto takes = [&](std::string_view method) {
    if (token_authentication_methods.empty()) return method == "client_secret_basic";
    return std::find(token_authentication_methods.begin(), token_authentication_methods.end(), method) !=
           token_authentication_methods.end();
  };
  switch (client) {
    case Client::confidential:
      if (takes("client_secret_basic")) return ClientAuthentication::client_secret_basic;
      if (takes("client_secret_post")) return ClientAuthentication::client_secret_post;
      return std::nullopt;
    case Client::public_:
      // Servers often leave `none` out of their list although public clients exist: an empty list does not forbid it.
      if (takes("none") || token_authentication_methods.empty()) return ClientAuthentication::none;
      return std::nullopt;
  }
  LATCHKEY_CHECK(false);
}

Result<Metadata> parse_metadata(std::string_view body, std::string_view expected_issuer, PlainHttp plain_http) {
  auto json = parse_json(body, {.size_bytes_max = 256 * 1024, .depth_max = 16});
  if (!json || !json->is_object()) return bad_metadata("it is not a JSON object");
  const auto& object = json->get_object();
  Metadata out;
  out.endpoints.issuer = base::string_or(object, "issuer");
  if (without_slash(out.endpoints.issuer) != without_slash(expected_issuer)) {
    return fail(ErrorKind::misconfigured, "issuer_mismatch",
                "The server calls itself by another issuer than the one entered. Enter the issuer exactly as the provider "
                "documents it.",
                {.detail = fmt::format("document says {}", out.endpoints.issuer.substr(0, 200)), .field = "issuer"});
  }
  struct Member {
    std::string_view name;
    std::string Endpoints::*where;
  };
  constexpr Member kMembers[] = {{"authorization_endpoint", &Endpoints::authorization},
                                 {"token_endpoint", &Endpoints::token},
                                 {"revocation_endpoint", &Endpoints::revocation},
                                 {"device_authorization_endpoint", &Endpoints::device_authorization},
                                 {"userinfo_endpoint", &Endpoints::userinfo}};
  for (const auto& [name, where] : kMembers) {
    auto url = base::string_or(object, name);
    if (url.empty()) continue;
    if (auto checked = check_endpoint(url, plain_http); !checked) return std::unexpected(checked.error());
    out.endpoints.*where = std::move(url);
  }
  if (out.endpoints.authorization.empty()) return bad_metadata("authorization_endpoint is missing");
  if (out.endpoints.token.empty()) return bad_metadata("token_endpoint is missing");
  if (const auto* flag = object.if_contains("authorization_response_iss_parameter_supported");
      flag != nullptr && flag->is_bool() && flag->get_bool()) {
    out.iss_parameter = IssParameter::advertised;
  }
  out.code_challenge_methods = texts(object, "code_challenge_methods_supported");
  out.token_authentication_methods = texts(object, "token_endpoint_auth_methods_supported");
  out.scopes = texts(object, "scopes_supported");
  out.grant_types = texts(object, "grant_types_supported");
  out.prompts = texts(object, "prompt_values_supported");
  return out;
}

Result<std::vector<std::string>> well_known_urls(std::string_view issuer, PlainHttp plain_http) {
  auto url = check_endpoint(issuer, plain_http);
  if (!url && issuer.starts_with("http://")) {
    return fail(ErrorKind::invalid, "bad_issuer",
                "The issuer must begin with https://. Plain http is for a provider on this machine (127.0.0.1, localhost) alone, and only when "
                "outbound.allow in latchkey.toml names it.", {.field = "issuer"});
  }
  if (!url || !url->query.empty() || issuer.find('?') != std::string_view::npos) {
    return fail(ErrorKind::invalid, "bad_issuer",
                "The issuer is an address such as https://login.example.com, without ? and #.", {.field = "issuer"});
  }
  const auto origin = url->origin();
  const std::string path(without_slash(url->path));
  std::vector<std::string> out{fmt::format("{}{}/.well-known/openid-configuration", origin, path),
                               fmt::format("{}/.well-known/oauth-authorization-server{}", origin, path)};
  if (!path.empty()) out.push_back(fmt::format("{}/.well-known/openid-configuration{}", origin, path));
  return out;
}

}  // namespace latchkey::oauth
