#include "grants/provider_client.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr auto kKeptFor = std::chrono::seconds(1);
constexpr std::size_t kKeptClientsMax = 64;  // of one app: parameters or hosts of their own make them many

}  // namespace

oauth::ClientRegistration ProviderClient::registration(std::size_t slot) const {
  const Secret* secret = secrets.empty() ? nullptr : &secrets[std::min(slot, secrets.size() - 1)];
  return {.client_id = client_id, .authentication = authentication, .secret = secret};
}

oauth::FormPost refresh_post(const ProviderClient& client, const RefreshMaterial& material, std::size_t slot) {
  oauth::Refresh request{.endpoint = client.endpoints.token, .client = client.registration(slot), .refresh_token = &material.token};
  request.extra = client.type.extra.refresh;
  if (client.type.has(catalog::Quirk::refresh_repeats_redirect_uri)) request.redirect_uri = client.redirect_uri;
  if (client.type.has(catalog::Quirk::refresh_repeats_code_verifier) && !material.code_verifier.empty()) {
    request.code_verifier = &material.code_verifier;
  }
  if (client.type.has(catalog::Quirk::refresh_repeats_scope)) {
    for (const auto& scope : client.type.scopes) {
      if (!request.scope.empty()) request.scope += client.type.provider->scope_separator;
      request.scope += scope;
    }
  }
  return oauth::refresh(request);
}

catalog::ParameterValues values_of_json(std::string_view json) {
  catalog::ParameterValues values;
  const auto parsed = parse_json(json);
  if (!parsed || !parsed->is_object()) return values;
  for (const auto& [key, value] : parsed->get_object()) {
    if (const auto* text = value.if_string()) values[std::string(key)] = std::string(text->data(), text->size());
  }
  return values;
}

std::string json_of_values(const catalog::ParameterValues& values) {
  JsonObject object;
  for (const auto& [key, value] : values) object[key] = value;
  return boost::json::serialize(object);
}

catalog::ParameterValues learned_of(std::string_view extras_json) {
  const auto parsed = parse_json(extras_json);
  if (!parsed || !parsed->is_object()) return {};
  const auto* learned = base::find_object(parsed->get_object(), kLearnedMember);
  return learned == nullptr ? catalog::ParameterValues{} : values_of_json(boost::json::serialize(*learned));
}

std::string extras_with_learned(JsonObject extras, const catalog::ParameterValues& learned) {
  extras.erase(kLearnedMember);
  if (!learned.empty()) {
    JsonObject object;
    for (const auto& [key, value] : learned) object[key] = value;
    extras[kLearnedMember] = std::move(object);
  }
  return boost::json::serialize(extras);
}

ProviderClients::ProviderClients(store::Store& store, const Sealing& sealing, std::shared_ptr<const catalog::Catalog> catalog,
                                 net::HttpTransport& transport, const SteadyClock& clock, PublicAddress address, Executor executor, Log& log)
    : store_(store), sealing_(sealing), catalog_(std::move(catalog)), clock_(clock), address_(std::move(address)),
      descriptions_(transport, clock, std::move(executor), log, address_.plain_http) {}

std::string ProviderClients::redirect_uri(std::string_view app) const {
  return address_.url + "/oauth/callback/" + std::string(app);
}

Result<std::vector<Secret>> ProviderClients::secrets_of(const store::App& app) const {
  std::vector<Secret> secrets;
  for (std::size_t slot = 0; slot < std::size(app.secrets); ++slot) {
    if (app.secrets[slot].sealed.empty()) continue;
    auto secret = sealing_.open_app_secret(app, slot);
    if (!secret) return std::unexpected(secret.error());
    secrets.push_back(std::move(*secret));
  }
  return secrets;
}

Task<void> ProviderClients::stop() { co_await descriptions_.stop(); }

Result<catalog::ResolvedType> ProviderClients::resolve(const store::App& app, std::string_view type, std::string_view grant_params_json,
                                                       std::string_view extras_json) const {
  return catalog_->resolve(type,
                           {.app = values_of_json(app.params_json), .grant = values_of_json(grant_params_json),
                            .learned = learned_of(extras_json), .client_id = app.client_id},
                           address_.plain_http);
}

Task<Result<catalog::ResolvedType>> ProviderClients::type_for(std::string type, std::string app, std::string grant_params_json,
                                                              std::string extras_json) {
  const auto found = co_await store_.app(app);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return fail(ErrorKind::misconfigured, "app_missing", "There is no app registration named " + app + ".", {.field = "app"});
  co_return resolve(**found, type, grant_params_json, extras_json);
}

Task<Result<void>> ProviderClients::check_origin(store::App app, std::string token_endpoint, bool from_metadata) {
  if (token_endpoint.empty()) co_return Result<void>{};
  const auto provider = catalog_->find_provider(app.provider);
  if (provider == nullptr) co_return fail(ErrorKind::misconfigured, "app_missing", "The app's provider is not in the catalogue any more.");
  const auto moved = [&](std::string_view entered_for) {
    return fail(ErrorKind::misconfigured, "token_endpoint_moved",
                "The token endpoint is not where it was when the app's secret was entered (" + std::string(entered_for) +
                    "). Nothing was sent to " + token_endpoint + ". If the provider has really moved, enter the app's secret again under OAuth settings.",
                {.field = "app"});
  };
  const auto declared = catalog_->token_origin(*provider, values_of_json(app.params_json), address_.plain_http);
  if (!declared) co_return std::unexpected(declared.error());
  const auto pin = app.token_origin.find(kPinMark);
  const auto entered_for = app.token_origin.substr(0, pin);
  if (*declared != entered_for) co_return moved(entered_for);
  if (!from_metadata) co_return Result<void>{};
  // A metadata document may name another host than its issuer's; the first one it named is the one it stays with.
  const auto url = oauth::check_endpoint(token_endpoint, address_.plain_http);
  if (!url) co_return std::unexpected(url.error());
  const auto origin = url->origin();
  if (pin != std::string::npos) {
    const auto pinned = app.token_origin.substr(pin + kPinMark.size());
    if (origin != pinned) co_return moved(pinned);
    co_return Result<void>{};
  }
  app.token_origin += std::string(kPinMark) + origin;
  sealing_.vouch(app);
  store::Batch batch;
  batch.push_back(store::PutApp{std::move(app)});
  auto pinned = co_await store_.commit(std::move(batch));
  // Somebody else changed the app at this moment: the next look pins it.
  if (!pinned && pinned.error().kind == ErrorKind::conflict) co_return Result<void>{};
  co_return pinned;
}

Task<Result<ProviderClient>> ProviderClients::client_for(std::string type, std::string app, std::string grant_params_json,
                                                         std::string extras_json) {
  const auto found = co_await store_.app(app);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) {
    co_return fail(ErrorKind::misconfigured, "app_missing",
                   is_cloud_app_id(app) ? "The registration " + app + " came from a Cloud Service and is not here any more. Enrol this server at that Cloud "
                                          "Service again (OAuth settings), or authorise the account anew with an app of your own."
                                        : "There is no app registration named " + app + ". Register one under OAuth settings.",
                   {.field = "app"});
  }
  const store::App& record = **found;
  if (const auto checked = sealing_.check(record); !checked) co_return std::unexpected(checked.error());
  auto resolved = resolve(record, type, grant_params_json, extras_json);
  if (!resolved) co_return std::unexpected(resolved.error());
  auto secrets = secrets_of(record);
  if (!secrets) co_return std::unexpected(secrets.error());

  ProviderClient client;
  client.app = app;
  client.app_version = record.version;
  client.client_id = record.client_id;
  client.cloud = cloud_route_of(record);
  client.redirect_uri = client.cloud ? client.cloud->redirect_uri : redirect_uri(app);
  client.paused = record.paused;
  client.pause_reason = record.pause_reason;
  client.endpoints = resolved->endpoints;
  if (resolved->provider->iss_advertised) client.iss_parameter = oauth::IssParameter::advertised;
  const bool by_way = client.cloud && client.cloud->mode != cloud::Mode::forward;
  if (by_way && way_of_) client.way = way_of_(*client.cloud, type, values_of_json(grant_params_json), learned_of(extras_json));
  // By way of somebody who has it, no secret is wanted here.
  std::optional<oauth::ClientAuthentication> authentication = oauth::ClientAuthentication::none;
  if (!client.way) authentication = catalog::authentication_for(*resolved->provider, !secrets->empty());
  const bool from_metadata = !resolved->discovery.empty() && resolved->provider->discovery_fills_endpoints;
  if (from_metadata) {
    const auto metadata = co_await descriptions_.read(resolved->discovery, resolved->endpoints.issuer);
    if (!metadata) co_return std::unexpected(metadata.error());
    client.endpoints = metadata->endpoints;
    client.iss_parameter = metadata->iss_parameter;
    if (!client.way) authentication = metadata->choose_authentication(secrets->empty() ? oauth::Metadata::Client::public_
                                                                      : oauth::Metadata::Client::confidential);
  }
  if (!authentication) {
    co_return fail(ErrorKind::misconfigured, "app_secret_missing",
                   "The provider wants a client secret for this app. Enter it under OAuth settings, or with `latchkey app set`.", {.field = "app"});
  }
  if (const auto stays = co_await check_origin(record, client.endpoints.token, from_metadata); !stays) {
    co_return std::unexpected(stays.error());
  }
  client.authentication = *authentication;
  client.secrets = std::move(*secrets);
  client.type = std::move(*resolved);
  co_return client;
}

void ProviderClients::forget(const std::string& app) {
  kept_.erase(app);
  ++forgotten_;
}

void ProviderClients::tidy() {
  std::erase_if(kept_, [now = clock_.now()](const auto& entry) { return now - entry.second.since >= kKeptFor; });
}

Task<Result<std::shared_ptr<const ProviderClient>>> ProviderClients::shared_client_for(std::string type, std::string app,
                                                                                        std::string grant_params_json,
                                                                                        std::string extras_json) {
  const auto key = type + '\n' + grant_params_json + '\n' + extras_json;
  if (const auto known = kept_.find(app); known != kept_.end()) {
    if (clock_.now() - known->second.since >= kKeptFor) {
      kept_.erase(known);
    } else if (const auto client = known->second.clients.find(key); client != known->second.clients.end()) {
      co_return client->second;
    }
  }
  const auto forgotten = forgotten_;
  auto made = co_await client_for(std::move(type), app, std::move(grant_params_json), std::move(extras_json));
  if (!made) co_return std::unexpected(made.error());
  auto client = std::make_shared<const ProviderClient>(std::move(*made));
  if (forgotten != forgotten_) co_return client;  // of a record that may have been changed meanwhile
  const auto now = clock_.now();
  auto& kept = kept_.try_emplace(std::move(app), Kept{.since = now, .clients = {}}).first->second;
  const bool same_record = kept.clients.empty() || kept.clients.begin()->second->app_version == client->app_version;
  if (!same_record || kept.clients.size() >= kKeptClientsMax) kept = {.since = now, .clients = {}};
  kept.clients[key] = client;
  co_return client;
}

}  // namespace latchkey::grants
