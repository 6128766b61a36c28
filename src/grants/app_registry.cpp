#include "grants/app_registry.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr std::size_t kIdLengthMax = 63;
constexpr std::size_t kClientIdLengthMax = 512;
constexpr std::size_t kSecretLengthMax = 4096;
constexpr std::size_t kGrantsCountedMax = 1000;

bool id_is_sound(std::string_view id) {
  if (id.empty() || id.size() > kIdLengthMax || id.front() == '-') return false;
  return std::ranges::all_of(id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::unexpected<Error> invalid(std::string field, std::string text) {
  return fail(ErrorKind::invalid, "invalid_field", std::move(text), {.field = std::move(field)});
}

}  // namespace

Task<Result<AppView>> AppRegistry::view_of(store::App app) {
  AppView view;
  const auto route = cloud_route_of(app);
  view.from_cloud = route.has_value();
  view.device_codes = !route || route->mode == cloud::Mode::forward;
  view.redirect_uri = route ? route->redirect_uri : redirect_uri(app.id);
  app.params_json = json_of_values(values_of_json(app.params_json));
  for (std::size_t slot = 0; slot < view.secret_set.size(); ++slot) {
    view.secret_set[slot] = !app.secrets[slot].sealed.empty();
    app.secrets[slot].sealed.clear();
  }
  const auto grants = co_await store_.grants_of_app(app.id, kGrantsCountedMax);
  if (!grants) co_return std::unexpected(grants.error());
  view.grants = static_cast<std::int64_t>(grants->size());
  view.app = std::move(app);
  co_return view;
}

Task<Result<std::vector<AppView>>> AppRegistry::list() {
  auto apps = co_await store_.apps();
  if (!apps) co_return std::unexpected(apps.error());
  std::vector<AppView> views;
  for (auto& app : *apps) {
    auto view = co_await view_of(std::move(app));
    if (!view) co_return std::unexpected(view.error());
    views.push_back(std::move(*view));
  }
  co_return views;
}

Result<void> AppRegistry::keep_secret(const std::optional<store::App>& before, store::App& app, std::size_t slot, const SecretWish& wish) const {
  if (!wish.from) {
    if (wish.expires_at) app.secrets[slot].expires_at = wish.expires_at;
    return {};
  }
  if (!before || *wish.from >= std::size(before->secrets) || before->secrets[*wish.from].sealed.empty()) {
    return invalid("secrets." + std::to_string(slot) + ".keep", "There is no secret in that slot to keep.");
  }
  auto moved = before->secrets[*wish.from];
  moved.expires_at = wish.expires_at;
  if (*wish.from != slot) {
    // A secret is sealed for its slot, so moving it means sealing it anew.
    const auto opened = sealing_.open_app_secret(*before, *wish.from);
    if (!opened) return std::unexpected(opened.error());
    moved.sealed = sealing_.seal_app_secret(app, slot, *opened);
  }
  app.secrets[slot] = std::move(moved);
  return {};
}

Result<store::App> AppRegistry::changed(const std::optional<store::App>& before, AppWish& wish) const {
  if (!id_is_sound(wish.id)) return invalid("id", "An app's name has 1 to 63 lower-case letters, digits and hyphens.");
  if (before ? cloud_route_of(*before).has_value() : wish.id.starts_with("cloud-")) {
    return invalid("id", "Registrations named cloud-... are the Cloud Service's. Register your own under the provider's name, or another.");
  }
  const auto provider = clients_.catalog().find_provider(wish.provider);
  if (!provider) return invalid("provider", "There is no provider named " + wish.provider + ".");
  if (wish.id != wish.provider && clients_.catalog().find_provider(wish.id)) {
    return invalid("id", wish.id + " is the name of another provider, whose own app it would hide. Choose a name of your own.");
  }
  if (before && before->provider != wish.provider) {
    return invalid("provider", "This app is registered at " + before->provider + ", and its grants are from there. Choose another name for an app at " +
                                   wish.provider + ", or delete this one first.");
  }
  if (wish.client_id.empty() || wish.client_id.size() > kClientIdLengthMax || !printable(wish.client_id)) {
    return invalid("client_id", "Paste the client id as the provider shows it, without spaces.");
  }
  std::vector<catalog::Parameter> asked;
  for (const auto& parameter : provider->parameters) {
    if (parameter.owner == catalog::ParameterOwner::app) asked.push_back(parameter);
  }
  catalog::ParameterValues values;
  for (const auto& [name, value] : wish.params) values[name] = value;
  auto checked = clients_.catalog().check_parameters(asked, values, clients_.address().plain_http);
  if (!checked) {
    auto error = checked.error();
    error.field = "params." + error.field;
    return std::unexpected(std::move(error));
  }
  auto origin = clients_.catalog().token_origin(*provider, *checked, clients_.address().plain_http);
  if (!origin) return std::unexpected(origin.error());

  store::App app = before.value_or(store::App{});
  app.id = wish.id;
  app.provider = wish.provider;
  app.client_id = wish.client_id;
  app.token_origin = std::move(*origin);
  app.params_json = json_of_values(*checked);
  if (!before) {
    app.version = 0;
    app.created_at = wall_.now();
  }
  for (std::size_t slot = 0; slot < wish.secrets.size(); ++slot) {
    auto& secret = wish.secrets[slot];
    switch (secret.kind) {
      case SecretWish::Kind::keep: {
        if (const auto kept = keep_secret(before, app, slot, secret); !kept) return std::unexpected(kept.error());
        break;
      }
      case SecretWish::Kind::clear: app.secrets[slot] = {}; break;
      case SecretWish::Kind::set:
        if (secret.value.empty() || secret.value.size() > kSecretLengthMax) {
          return invalid("secrets." + std::to_string(slot) + ".value", "Paste the client secret as the provider shows it.");
        }
        app.secrets[slot] = {.sealed = sealing_.seal_app_secret(app, slot, secret.value), .expires_at = secret.expires_at, .set_at = wall_.now()};
        break;
    }
  }
  return app;
}

Task<Result<AppView>> AppRegistry::put(AppWish wish, Requester requester) {
  const auto found = co_await store_.app(wish.id);
  if (!found) co_return std::unexpected(found.error());
  const auto& before = *found;
  auto app = changed(before, wish);
  if (!app) co_return std::unexpected(app.error());
  const bool same_client = before && before->provider == app->provider && before->client_id == app->client_id;
  const bool same_place = before && before->token_origin.substr(0, before->token_origin.find(kPinMark)) == app->token_origin;
  // The same parameters and another place: the provider has moved (its file says so), and saving the app accepts that.
  const bool provider_moved = same_client && !same_place && before->params_json == app->params_json;
  if (before && (!same_client || !same_place)) {
    const auto use = provider_moved ? Result<AppUse>(AppUse::none) : co_await uses_.of(app->id);
    if (!use) co_return std::unexpected(use.error());
    if (*use == AppUse::grant) {
      co_return fail(ErrorKind::conflict, "app_in_use",
                     "Grants were obtained with this app and stay with it for life. Register the other client id under a name of its own.",
                     {.field = "client_id"});
    }
    if (*use != AppUse::none) {
      co_return fail(ErrorKind::conflict, "app_in_use", way_out_of(*use, app->id) + " Or register the other client under a name of its own.",
                     {.field = "client_id"});
    }
    // An old secret must never go to another place than the one it was entered for (RULES K6).
    for (std::size_t slot = 0; slot < std::size(app->secrets); ++slot) {
      if (wish.secrets[slot].kind == SecretWish::Kind::keep) app->secrets[slot] = {};
    }
  }
  app->paused = false;
  app->pause_reason.clear();
  sealing_.vouch(*app);
  store::Batch batch;
  batch.push_back(store::PutApp{*app});
  batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = before ? "app.changed" : "app.added",
                                      .subject = app->id, .source = requester.source, .detail = "client id " + app->client_id}});
  if (const auto done = co_await store_.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  clients_.forget(app->id);
  alerts_.clear("app_misconfigured:" + app->id);
  expiry_.look_at(*app);
  co_await keeper_.wake_grants_of(app->id);
  app->version += 1;
  co_return co_await view_of(std::move(*app));
}

Task<Result<void>> AppRegistry::remove(std::string id, Requester requester) {
  const auto use = co_await uses_.of(id);
  if (!use) co_return std::unexpected(use.error());
  // Of grants the store knows best, at the very moment.
  if (*use == AppUse::attempt || *use == AppUse::revocation) co_return fail(ErrorKind::conflict, "app_in_use", way_out_of(*use, id));
  store::Batch batch;
  batch.push_back(store::DeleteApp{id});
  batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = "app.deleted", .subject = id, .source = requester.source}});
  auto done = co_await store_.commit(std::move(batch));
  if (!done && done.error().reason == "app_in_use") {
    co_return fail(ErrorKind::conflict, "app_in_use", "Grants depend on this app. Delete them first.");
  }
  if (!done && done.error().kind == ErrorKind::not_found) co_return fail(ErrorKind::not_found, "no_such_app", "There is no app of that name.");
  if (done) expiry_.forget(id);
  co_return done;
}

}  // namespace latchkey::grants
