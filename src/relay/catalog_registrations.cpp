#include "relay/catalog_registrations.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::relay {
namespace {

constexpr std::size_t kIdMax = 63;

std::unexpected<Error> wrong(std::string field, std::string text) {
  return fail(ErrorKind::invalid, "bad_app", std::move(text), {.field = std::move(field)});
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= kIdMax && id.front() != '-' &&
         std::ranges::all_of(id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// Paths of the service's own are not to be shadowed.
bool is_free_path(std::string_view path) {
  const bool plain = path.size() > 1 && path.size() <= 200 && path.front() == '/' && std::ranges::all_of(path, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                              c == '_' || c == '.' || c == '/';
                     });
  if (!plain || path.find("//") != std::string_view::npos || path.find("/.") != std::string_view::npos) return false;
  for (const std::string_view own : {"/relay/", "/begin", "/continue", "/healthz", "/metrics", "/oauth/", "/logo.svg"}) {
    if (path.starts_with(own)) return false;
  }
  return true;
}

// A scope of a provider file may be a parameter that holds several.
std::vector<std::string> words_of(const std::vector<std::string>& scopes, std::string_view separator) {
  std::vector<std::string> words;
  for (std::string_view rest : scopes) {
    while (true) {
      const auto end = rest.find(separator);
      if (end != 0 && !rest.empty()) words.emplace_back(rest.substr(0, end));
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + separator.size());
    }
  }
  return words;
}

bool takes(const catalog::Provider& provider, oauth::ClientAuthentication method) {
  return std::ranges::find(provider.authentications, method) != provider.authentications.end();
}

// What makes the mode must be what the provider takes of its clients.
Result<void> check_mode(AppEntry& entry, const catalog::Provider& provider) {
  using oauth::ClientAuthentication;
  if (entry.secret && entry.key) return wrong("assertion_key_file", "stands beside a client secret; leave one of them out");
  if (entry.second_secret && !entry.secret)
    return wrong("second_client_secret_file", "stands beside a client secret, and there is none (client_secret_file)");
  if (entry.authentication && !entry.secret)
    return wrong("client_authentication", "says how a client secret is sent, and there is none (client_secret_file)");
  switch (entry.mode()) {
    case Mode::forward:
      if (takes(provider, ClientAuthentication::none) && provider.pkce) return {};
      return wrong(
          "provider",
          fmt::format("{} wants a client secret, so it cannot be forwarded: name the secret's file (client_secret_file)",
                      provider.name));
    case Mode::assertion:
      // What metadata would say, the operator knows.
      if (takes(provider, ClientAuthentication::private_key_jwt) || provider.discovery_fills_endpoints) return {};
      return wrong("assertion_key_file",
                   fmt::format("{} takes no signed assertions, as far as its provider file knows; it needs a "
                               "client secret (client_secret_file)",
                               provider.name));
    case Mode::exchange:
      break;
  }
  if (entry.authentication && !takes(provider, *entry.authentication) && !provider.discovery_fills_endpoints)
    return wrong("client_authentication", fmt::format("{} does not take a secret in this way", provider.name));
  if (!entry.authentication) entry.authentication = catalog::authentication_for(provider, true);
  if (!entry.authentication)
    return wrong("client_secret_file", fmt::format("{} takes no client secret; leave it out", provider.name));
  return {};
}

}  // namespace

Result<void> CatalogRegistrations::add(AppEntry entry) {
  if (!is_id(entry.id) || by_id_.contains(entry.id))
    return wrong("id", "must be lower-case letters, digits and hyphens, each app once");
  const auto provider = catalog_->find_provider(entry.provider);
  if (!provider) return wrong("provider", fmt::format("there is no provider named {}", entry.provider));
  if (auto fits = check_mode(entry, *provider); !fits) return fits;
  if (entry.client_id.empty()) return wrong("client_id", "is missing");
  if (!is_free_path(entry.redirect_path) || by_path_.contains(entry.redirect_path)) {
    return wrong("redirect_path", "must be a path of its own, such as /callback/" + entry.id +
                                      ", for each app another: that is how answers of one are told from another's");
  }
  std::vector<catalog::Parameter> asked;
  for (const auto& parameter : provider->parameters) {
    if (parameter.owner == catalog::ParameterOwner::app) asked.push_back(parameter);
  }
  auto params = catalog_->check_parameters(asked, entry.params, plain_http_);
  if (!params) return wrong("params." + params.error().field, params.error().text);
  entry.params = std::move(*params);
  if (provider->discovery_fills_endpoints == entry.authorization_endpoint.empty()) {
    return wrong("authorization_endpoint", entry.authorization_endpoint.empty()
                                               ? "is missing; the provider's metadata says it (authorization_endpoint)"
                                               : "is for providers whose metadata says it; leave it out");
  }
  if (!entry.authorization_endpoint.empty() && !oauth::check_endpoint(entry.authorization_endpoint, plain_http_))
    return wrong("authorization_endpoint", "must be an https address without userinfo and fragment");
  const bool token_endpoint_wanted = provider->discovery_fills_endpoints && entry.mode() != Mode::forward;
  if (token_endpoint_wanted == entry.token_endpoint.empty()) {
    return wrong("token_endpoint",
                 entry.token_endpoint.empty()
                     ? "is missing; the provider's metadata says it (token_endpoint)"
                     : "is for apps with a secret or an assertion key whose provider's metadata says it; leave it out");
  }
  if (!entry.token_endpoint.empty() && !oauth::check_endpoint(entry.token_endpoint, plain_http_))
    return wrong("token_endpoint", "must be an https address without userinfo and fragment");
  if (!entry.revocation_endpoint.empty() && !(provider->discovery_fills_endpoints && entry.mode() == Mode::exchange))
    return wrong("revocation_endpoint", "is for apps with a secret whose provider's metadata says it; leave it out");
  if (!entry.revocation_endpoint.empty() && !oauth::check_endpoint(entry.revocation_endpoint, plain_http_))
    return wrong("revocation_endpoint", "must be an https address without userinfo and fragment");
  for (const auto& type : entry.types) {
    const auto known = catalog_->find_type(type);
    if (!known || known->provider != entry.provider)
      return wrong("types", fmt::format("{} is no type of {}", type, entry.provider));
  }
  if (entry.types.empty()) {
    for (const auto& type : catalog_->types()) {
      if (type->provider == entry.provider) entry.types.push_back(type->id);
    }
  }
  by_path_[entry.redirect_path] = entry.id;
  by_id_[entry.id] = std::move(entry);
  return {};
}

Result<const AppEntry*> CatalogRegistrations::entry_for(std::string_view app, std::string_view type) const {
  const auto known = by_id_.find(app);
  if (known == by_id_.end()) {
    return fail(ErrorKind::not_found, "app_unknown",
                "The office asks for a registration that this Cloud Service does not have (any more).");
  }
  if (std::ranges::find(known->second.types, type) == known->second.types.end()) {
    return fail(ErrorKind::invalid, "type_unknown",
                "The office asks for a type of account that this Cloud Service does not offer.");
  }
  return &known->second;
}

Result<Registration> CatalogRegistrations::find(std::string_view app, std::string_view type,
                                                const oauth::Parameters& params) const {
  const auto known = entry_for(app, type);
  if (!known) return std::unexpected(known.error());
  const auto& entry = **known;
  catalog::Filling filling{.app = entry.params, .grant = {}, .learned = {}, .client_id = entry.client_id};
  for (const auto& [name, value] : params) filling.grant[name] = value;
  auto resolved = catalog_->resolve(type, filling, plain_http_);
  if (!resolved) return std::unexpected(resolved.error());
  return Registration{.expected = {.endpoint = entry.authorization_endpoint.empty() ? resolved->endpoints.authorization
                                                                                    : entry.authorization_endpoint,
                                   .client_id = entry.client_id,
                                   .redirect_uri = redirect_uri(entry),
                                   .scopes = words_of(resolved->scopes, resolved->provider->scope_separator),
                                   .scope_separator = resolved->provider->scope_separator,
                                   .pkce = resolved->provider->pkce,
                                   .extra = std::move(resolved->extra.authorize)},
                      .type_name = resolved->type->name,
                      .mode = entry.mode()};
}

Result<TokenSide> CatalogRegistrations::token_side(const cloud::ServiceTarget& target) const {
  const auto known = entry_for(target.app, target.type);
  if (!known) return std::unexpected(known.error());
  const auto& entry = **known;
  catalog::Filling filling{.app = entry.params, .grant = {}, .learned = {}, .client_id = entry.client_id};
  for (const auto& [name, value] : target.params) filling.grant[name] = value;
  for (const auto& [name, value] : target.learned) filling.learned[name] = value;
  auto resolved = catalog_->resolve(target.type, filling, plain_http_);
  if (!resolved) return std::unexpected(resolved.error());
  TokenSide side{
      .mode = entry.mode(),
      .provider = entry.provider,
      .endpoint = entry.token_endpoint.empty() ? resolved->endpoints.token : entry.token_endpoint,
      .client_id = entry.client_id,
      .redirect_uri = redirect_uri(entry),
      .authentication = entry.authentication.value_or(oauth::ClientAuthentication::none),
      .secret = entry.secret,
      .second_secret = entry.second_secret,
      .key = entry.key,
      .key_id = entry.key_id,
      .pkce = resolved->provider->pkce,
      .scopes = words_of(resolved->scopes, resolved->provider->scope_separator),
      .scope_separator = resolved->provider->scope_separator,
      .code_extra = std::move(resolved->extra.token),
      .refresh_extra = std::move(resolved->extra.refresh),
      .reply_shape = resolved->reply_shape,
      .revocation_endpoint = entry.revocation_endpoint.empty() ? resolved->endpoints.revocation : entry.revocation_endpoint,
      .revocation_extra = std::move(resolved->extra.revocation)};
  if (side.endpoint.empty() && side.mode != Mode::forward) {  // the metadata of a forwarded one is the office's to read
    return fail(ErrorKind::invalid, "token_endpoint_unknown",
                "The provider has not yet told where tokens of this account are to be had.");
  }
  return side;
}

bool CatalogRegistrations::any(Mode mode) const {
  return std::ranges::any_of(by_id_, [&](const auto& each) { return each.second.mode() == mode; });
}

const AppEntry* CatalogRegistrations::at_path(std::string_view path) const {
  const auto known = by_path_.find(path);
  return known == by_path_.end() ? nullptr : &by_id_.at(known->second);
}

std::vector<cloud::ServiceApp> CatalogRegistrations::for_types(const std::vector<std::string>& types) const {
  std::vector<cloud::ServiceApp> apps;
  for (const auto& [id, entry] : by_id_) {
    cloud::ServiceApp app{.id = id,
                          .provider = entry.provider,
                          .client_id = entry.client_id,
                          .redirect_uri = redirect_uri(entry),
                          .params = {entry.params.begin(), entry.params.end()},
                          .types = {},
                          .mode = entry.mode()};
    for (const auto& type : entry.types) {
      if (types.empty() || std::ranges::find(types, type) != types.end()) app.types.push_back(type);
    }
    if (!app.types.empty()) apps.push_back(std::move(app));
  }
  return apps;
}

std::vector<std::string> CatalogRegistrations::types() const {
  std::vector<std::string> all;
  for (const auto& [id, entry] : by_id_) all.insert(all.end(), entry.types.begin(), entry.types.end());
  return all;
}

}  // namespace latchkey::relay
