// The apps of the operator's configuration, with what the catalogue knows of their providers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "cloud/service.h"
#include "relay/registrations.h"

namespace latchkey::relay {

// As the operator writes it.
struct AppEntry {
  std::string id;  // [a-z0-9][a-z0-9-]{0,62}
  std::string provider;
  std::string client_id;
  std::string redirect_path;           // /callback/ID, or what is registered already
  std::string authorization_endpoint;  // only where the provider's metadata would say it; else empty
  catalog::ParameterValues params;     // of the app
  std::vector<std::string> types;      // empty: all of the provider's
  std::string token_endpoint;          // in exchange and assertion mode, where the provider's metadata would say it
  std::string revocation_endpoint{};   // in exchange mode, likewise; empty: nothing is revoked by way of it
  std::optional<oauth::ClientAuthentication> authentication;  // with a secret; absent: the provider's first
  std::shared_ptr<const Secret> secret;                       // makes it exchange mode
  std::shared_ptr<const Secret> second_secret{};              // beside it while secrets are changed; may be nullptr
  std::shared_ptr<const crypto::SigningKey> key;              // makes it assertion mode
  std::string key_id;                                         // as the provider names that key; may be empty

  [[nodiscard]] Mode mode() const { return secret ? Mode::exchange : key ? Mode::assertion : Mode::forward; }
};

// Immutable once built; any thread.
class CatalogRegistrations final : public Registrations, public TokenSides {
 public:
  // Errors of one entry, whole or not at all: invalid with `field` = provider, client_id, params.NAME, types,
  // authorization_endpoint, token_endpoint, revocation_endpoint, redirect_path, client_authentication, client_secret_file,
  // second_client_secret_file, assertion_key_file;
  // `id` when it is taken.
  [[nodiscard]] Result<void> add(AppEntry entry);

  CatalogRegistrations(std::shared_ptr<const catalog::Catalog> catalog, std::string public_url, oauth::PlainHttp plain_http)
      : catalog_(std::move(catalog)), public_url_(std::move(public_url)), plain_http_(plain_http) {}

  [[nodiscard]] Result<Registration> find(std::string_view app, std::string_view type,
                                          const oauth::Parameters& params) const override;
  [[nodiscard]] Result<TokenSide> token_side(const cloud::ServiceTarget& target) const override;
  // Whether any works so.
  [[nodiscard]] bool any(Mode mode) const;
  // nullptr: no app is called back there.
  [[nodiscard]] const AppEntry* at_path(std::string_view path) const;
  // What offices with these types are told; `types` empty: all.
  [[nodiscard]] std::vector<cloud::ServiceApp> for_types(const std::vector<std::string>& types) const;
  [[nodiscard]] std::vector<std::string> types() const;

 private:
  // Errors: not_found/`app_unknown`, invalid/`type_unknown`.
  [[nodiscard]] Result<const AppEntry*> entry_for(std::string_view app, std::string_view type) const;
  [[nodiscard]] std::string redirect_uri(const AppEntry& entry) const { return public_url_ + entry.redirect_path; }

  std::shared_ptr<const catalog::Catalog> catalog_;
  std::string public_url_;
  oauth::PlainHttp plain_http_;
  std::map<std::string, AppEntry, std::less<>> by_id_;
  std::map<std::string, std::string, std::less<>> by_path_;  // to the id
};

}  // namespace latchkey::relay
