#include "console/api_catalogue.h"

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/run_on.h"
#include "catalog/step_link.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

using catalog::Catalog;

// Whether the provider takes nobody without a secret, as far as its file says.
bool secret_needed(const catalog::Provider& provider) { return !catalog::authentication_for(provider, false).has_value(); }

bool secret_is_missing(const catalog::Provider* provider, const grants::AppView& app) {
  return provider != nullptr && !app.from_cloud && secret_needed(*provider) && !app.secret_set[0] && !app.secret_set[1];
}

std::string_view state_of(const catalog::Provider* provider, const grants::AppView& app) {
  if (secret_is_missing(provider, app)) return "incomplete";
  return app.app.paused ? "paused" : "ok";
}

std::string why_of_app(const catalog::Provider* provider, const grants::AppView& app) {
  if (secret_is_missing(provider, app)) {
    return "The client secret is missing. " + provider->name + " gives one with the registration; without it nobody can be authorised.";
  }
  if (app.app.paused) return app.app.pause_reason.empty() ? "The provider refuses this app's credentials." : app.app.pause_reason;
  return "Registered and in use by " + std::to_string(app.grants) + (app.grants == 1 ? " grant." : " grants.");
}

std::string why_missing(const catalog::Provider& provider) {
  return "No app is registered at " + provider.name + " yet. The steps below say how; it takes a few minutes, once.";
}

JsonArray steps_json(const catalog::Provider& provider) {
  JsonArray steps;
  for (const auto& step : provider.steps) {
    JsonObject json{{"text", step.text}};
    if (!step.url.empty() && !catalog::is_for_registered_app(step)) json["url"] = step.url;
    steps.push_back(std::move(json));
  }
  return steps;
}

// Each scope once, with the types that need it.
JsonArray scopes_json(const Catalog& catalog, const catalog::Provider& provider) {
  struct Row {
    std::string why;
    std::vector<std::string> types;
  };
  std::vector<std::string> order;
  std::map<std::string, Row> rows;
  for (const auto& type : catalog.types()) {
    if (type->provider != provider.id) continue;
    for (const auto* part : {&type->request, &type->identity, &type->refresh}) {
      for (const auto& scope : *part) {
        auto [row, fresh] = rows.try_emplace(scope.value, Row{.why = scope.why, .types = {}});
        if (fresh) order.push_back(scope.value);
        if (std::ranges::find(row->second.types, type->id) == row->second.types.end()) row->second.types.push_back(type->id);
      }
    }
  }
  JsonArray out;
  for (const auto& scope : order) {
    const auto& row = rows[scope];
    out.push_back(JsonObject{{"scope", scope}, {"why", row.why}, {"types", texts_json(row.types)}});
  }
  return out;
}

JsonArray types_of_provider(const Catalog& catalog, std::string_view provider) {
  JsonArray out;
  for (const auto& type : catalog.types()) {
    if (type->provider == provider) out.emplace_back(type->id);
  }
  return out;
}

JsonArray param_specs(const catalog::Provider& provider) {
  JsonArray out;
  for (const auto& parameter : provider.parameters) {
    if (parameter.owner == catalog::ParameterOwner::app) out.push_back(param_json(parameter));
  }
  return out;
}

// What an app's entry says of its provider, registered or not.
JsonObject provider_part(const Catalog& catalog, const catalog::Provider& provider) {
  JsonObject json;
  json["provider"] = provider.id;
  json["provider_name"] = provider.name;
  json["param_specs"] = param_specs(provider);
  json["secret_needed"] = secret_needed(provider);
  json["steps"] = steps_json(provider);
  json["scopes"] = scopes_json(catalog, provider);
  json["types"] = types_of_provider(catalog, provider.id);
  json["unverified"] = texts_json(provider.unverified);
  json["from_cloud_service"] = false;
  return json;
}

JsonObject secret_slot(bool set, const store::AppSecret& secret) {
  return {{"set", set}, {"set_at", set ? time_json(secret.set_at) : Json(nullptr)},
          {"expires_at", set ? time_json(secret.expires_at) : Json(nullptr)}};
}

std::string name_of_app(const catalog::Provider* provider, const grants::AppView& view) {
  if (provider == nullptr) return view.app.id;
  if (view.from_cloud) return provider->name + " (Cloud Service)";
  return view.app.id == view.app.provider ? provider->name : view.app.id;
}

JsonObject app_json(const Catalog& catalog, const grants::AppView& view) {
  const auto provider = catalog.find_provider(view.app.provider);
  JsonObject json = provider ? provider_part(catalog, *provider) : provider_part(catalog, catalog::Provider{.id = view.app.provider, .name = view.app.provider});
  json["id"] = view.app.id;
  json["name"] = name_of_app(provider.get(), view);
  json["configured"] = true;
  json["client_id"] = view.app.client_id;
  const auto params = base::parse_json(view.app.params_json);
  json["params"] = params && params->is_object() ? params->get_object() : JsonObject{};
  json["secrets"] = JsonArray{secret_slot(view.secret_set[0], view.app.secrets[0]), secret_slot(view.secret_set[1], view.app.secrets[1])};
  json["redirect_uri"] = view.redirect_uri;
  json["state"] = state_of(provider.get(), view);
  json["why"] = why_of_app(provider.get(), view);
  json["grants"] = view.grants;
  json["from_cloud_service"] = view.from_cloud;
  return json;
}

JsonObject missing_app_json(const Catalog& catalog, const catalog::Provider& provider, std::string redirect_uri) {
  JsonObject json = provider_part(catalog, provider);
  json["id"] = provider.id;
  json["name"] = provider.name;
  json["configured"] = false;
  json["client_id"] = "";
  json["params"] = JsonObject{};
  json["secrets"] = JsonArray{secret_slot(false, {}), secret_slot(false, {})};
  json["redirect_uri"] = std::move(redirect_uri);
  json["state"] = "missing";
  json["why"] = why_missing(provider);
  json["grants"] = 0;
  return json;
}

Json days(const std::optional<catalog::seconds>& span) {
  if (!span) return nullptr;
  return std::chrono::duration_cast<std::chrono::days>(*span).count();
}

JsonArray uses_of_kind(std::string_view kind) {
  if (kind == "storage" || kind == "legal_dms") return {"deliver", "list", "token"};
  if (kind == "mail" || kind == "mail_smtp") return {"send", "token"};
  if (kind == "practice") return {"deliver", "list", "send", "token"};
  if (kind == "practice_mail") return {"list", "send", "token"};
  return {"deliver", "token"};
}

JsonObject type_json(const Catalog& catalog, const catalog::Type& type, const std::vector<grants::AppView>& apps, bool device_code_allowed,
                     bool cloud_used) {
  const auto provider = catalog.find_provider(type.provider);
  JsonObject json;
  json["id"] = type.id;
  json["name"] = type.name;
  json["kind"] = type.kind;
  json["provider"] = type.provider;
  json["provider_name"] = provider ? provider->name : type.provider;
  JsonArray params;
  for (const auto& parameter : catalog.parameters_of(type, catalog::ParameterOwner::grant)) params.push_back(param_json(parameter));
  json["params"] = std::move(params);
  JsonArray unverified = texts_json(type.unverified);
  if (provider) {
    for (const auto& fact : provider->unverified) unverified.emplace_back(fact);
  }
  json["unverified"] = std::move(unverified);
  // A provider that describes itself says so when it is asked.
  const bool device_code = device_code_allowed && provider && (!provider->endpoints.device_authorization.empty() || provider->discovery_fills_endpoints);
  JsonArray fitting;
  for (const auto& app : apps) {
    if (app.app.provider != type.provider) continue;
    if (app.from_cloud && !cloud_used) continue;  // what is authorised by it already goes on
    JsonObject entry{{"id", app.app.id}, {"name", app.from_cloud ? name_of_app(provider.get(), app) : app.app.id}, {"state", state_of(provider.get(), app)}, {"why", why_of_app(provider.get(), app)}, {"from_cloud_service", app.from_cloud}, {"device_code", device_code && app.device_codes}};
    // One's own before the Cloud Service's, the provider's namesake first of all.
    const auto own_end = std::ranges::find_if(fitting, [](const Json& other) { return other.as_object().at("from_cloud_service").as_bool(); });
    const auto place = app.app.id == type.provider ? fitting.begin() : app.from_cloud ? fitting.end() : own_end;
    fitting.insert(place, std::move(entry));
  }
  if (fitting.empty() && provider) {
    fitting.push_back(JsonObject{{"id", provider->id}, {"name", provider->name}, {"state", "missing"}, {"why", why_missing(*provider)}, {"from_cloud_service", false}, {"device_code", device_code}});
  }
  json["apps"] = std::move(fitting);
  json["keeps_forever"] = !type.absolute_lifetime.has_value();
  json["idle_expiry_days"] = days(type.idle_lifetime);
  json["absolute_expiry_days"] = days(type.absolute_lifetime);
  JsonArray scopes;
  for (const auto* part : {&type.request, &type.identity, &type.refresh}) {
    for (const auto& scope : *part) scopes.emplace_back(scope.value);
  }
  json["scopes"] = std::move(scopes);
  json["uses"] = uses_of_kind(type.kind);
  json["device_code"] = device_code;
  return json;
}

const std::string& id_of(const grants::AppView& view) { return view.app.id; }

// One slot of the request. Faults go to `fields`.
grants::SecretWish secret_wish(Fields& fields, const grants::AppView* present) {
  grants::SecretWish wish;
  const bool keeps = fields.has("keep");
  auto value = fields.secret("value", 4096, Presence::optional);
  const auto from = fields.integer("keep", 0, 1, 0);
  wish.expires_at = fields.time_if("expires_at");
  if (keeps && !value.empty()) fields.fault("keep", "Either a new value, or the present one: not both.");
  if (keeps) {
    wish.kind = grants::SecretWish::Kind::keep;
    wish.from = static_cast<std::size_t>(from);
    if (!fields.has("expires_at") && present != nullptr) wish.expires_at = present->app.secrets[from].expires_at;
  } else if (!value.empty()) {
    wish.kind = grants::SecretWish::Kind::set;
    wish.value = std::move(value);
  } else {
    fields.fault("value", "Give a new secret, or say which present one to keep.");
  }
  return wish;
}

void read_secrets(Fields& fields, grants::AppWish& wish, const grants::AppView* present) {
  for (auto& secret : wish.secrets) secret.kind = grants::SecretWish::Kind::clear;
  const auto* items = fields.array("secrets", wish.secrets.size());
  if (items == nullptr) return;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto* object = (*items)[i].if_object();
    if (object == nullptr) {
      fields.fault(fmt::format("secrets.{}", i), "This must be an object.");
      continue;
    }
    Fields nested(*object, fmt::format("secrets.{}.", i));
    wish.secrets[i] = secret_wish(nested, present);
    fields.absorb(nested);
  }
}

}  // namespace

std::vector<Route> TypesApi::routes() {
  return {{"GET", "/api/v1/types", Who::signed_in, Carries::nothing_secret, 1024, [this](Call call) { return list(std::move(call)); }}};
}

Task<Answer> TypesApi::list(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  auto apps = co_await base::run_on(engine_, apps_.list());
  if (!apps) co_return refuse(apps.error());
  JsonArray items;
  for (const auto& type : catalog_->types()) items.push_back(type_json(*catalog_, *type, *apps, device_code_allowed_(type->id), cloud_used_()));
  auto json = whole_list_json(std::move(items));
  const auto rules = pin_rules_();
  json["pin"] = JsonObject{{"min_length", rules.min_length}, {"max_bytes", rules.max_bytes}, {"generate_length", rules.generate_length}};
  co_return net::HttpResponse::json(200, json);
}

std::vector<Route> AppsApi::routes() {
  return {
      {"GET", "/api/v1/apps", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return list(std::move(call)); }},
      {"PUT", "/api/v1/apps/{app}", Who::administrator, Carries::secret, 32 * 1024, [this](Call call) { return put(std::move(call)); }},
      {"DELETE", "/api/v1/apps/{app}", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return remove(std::move(call)); }},
  };
}

Task<Answer> AppsApi::list(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  auto apps = co_await base::run_on(engine_, apps_.list());
  if (!apps) co_return refuse(apps.error());
  JsonArray items;
  for (const auto& provider : catalog_->providers()) {
    bool any = false;
    for (const auto& app : *apps) {
      if (app.app.provider != provider->id) continue;
      any = any || !app.from_cloud;
      items.push_back(app_json(*catalog_, app));
    }
    if (!any) items.push_back(missing_app_json(*catalog_, *provider, apps_.redirect_uri(provider->id)));
  }
  // An operator's provider file may have gone while its app is still there.
  for (const auto& app : *apps) {
    if (!catalog_->find_provider(app.app.provider)) items.push_back(app_json(*catalog_, app));
  }
  co_return net::HttpResponse::json(200, whole_list_json(std::move(items)));
}

Task<Answer> AppsApi::put(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const auto apps = co_await base::run_on(engine_, apps_.list());
  if (!apps) co_return refuse(apps.error());
  const auto present = std::ranges::find(*apps, call.values[0], id_of);
  grants::AppWish wish;
  wish.id = call.values[0];
  wish.provider = fields.text("provider", {.min = 1, .max = 63});
  wish.client_id = fields.text("client_id", {.min = 1, .max = 512});
  wish.params = fields.parameters("params");
  read_secrets(fields, wish, present == apps->end() ? nullptr : &*present);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  if (!catalog_->find_provider(wish.provider)) {
    std::string known;
    for (const auto& each : catalog_->providers()) known += (known.empty() ? "" : ", ") + each->id;
    auto refused = refuse(422, "no_such_provider", fmt::format("There is no provider named {}; the providers are {}.", wish.provider, known));
    refused.error().errors.push_back({"provider", refused.error().detail});
    co_return refused;
  }
  auto app = co_await base::run_on(engine_, apps_.put(std::move(wish), requester_of(call)));
  if (!app) co_return refuse(app.error());
  co_return net::HttpResponse::json(200, app_json(*catalog_, *app));
}

Task<Answer> AppsApi::remove(Call call) {
  const auto apps = co_await base::run_on(engine_, apps_.list());
  if (!apps) co_return refuse(apps.error());
  const auto found = std::ranges::find(*apps, call.values[0], id_of);
  if (found == apps->end()) co_return refuse_not_found();
  const auto done = co_await base::run_on(engine_, apps_.remove(call.values[0], requester_of(call)));
  if (!done) {
    auto refused = refuse(done.error());
    if (refused.error().code == "app_in_use") refused.error().more["in_use"] = found->grants;
    co_return refused;
  }
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
