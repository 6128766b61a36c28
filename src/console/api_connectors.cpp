#include "console/api_connectors.h"

#include <algorithm>

#include "console/actor.h"
#include "console/fields.h"
#include "console/session_gate.h"
#include "console/views.h"
#include "delivery/document_types.h"
#include "delivery/mail_aliases.h"

namespace latchkey::console {
namespace {

delivery::OwnersPin owners_pin(const net::HttpRequest& request, Fields& fields) {
  return {.pin = fields.secret("owner_pin", 4096), .transport = transport_of(request), .arrived = request.arrived};
}

std::expected<delivery::ConnectorWish, Problem> read_wish(const net::HttpRequest& request, const std::string* id) {
  auto body = read_object(request);
  if (!body) return std::unexpected(body.error());
  Fields fields(*body);
  delivery::ConnectorWish wish;
  wish.id = id != nullptr ? *id : fields.text("id", {.min = 1, .max = 63});
  wish.name = fields.text("name", {.min = 1, .max = 100});
  wish.type = fields.text("type", {.min = 1, .max = 64});
  const auto account = fields.choice("account", {"caller", "fixed"});
  wish.account = store::parse_account_kind(account).value_or(store::AccountKind::caller);
  wish.owner = fields.text_if("owner", {.min = 0, .max = 128}).value_or("");
  if (fields.has("owner_pin")) wish.owners_pin = owners_pin(request, fields);
  wish.groups = fields.texts("groups", 100, {.min = 36, .max = 36});
  if (fields.has("aliases")) wish.aliases = fields.texts("aliases", 50, {.min = 3, .max = 254});
  wish.folder = fields.text_if("folder", {.min = 0, .max = 400}).value_or("");
  wish.url = fields.text_if("url", {.min = 0, .max = 1000}).value_or("");
  wish.app = fields.text_if("app", {.min = 0, .max = 64}).value_or("");
  if (auto naming = fields.text_if("naming", {.min = 1, .max = 200})) wish.naming = std::move(*naming);
  const auto conflict = fields.choice("conflict", {"rename", "replace", "new_version", "fail"}, Presence::optional);
  wish.conflict = store::parse_conflict_rule(conflict).value_or(store::ConflictRule::rename);
  wish.size_bytes_max = fields.integer("size_bytes_max", 0, std::int64_t{1} << 50, 0);
  if (fields.has("content_types")) wish.content_types = fields.texts("content_types", delivery::kContentTypesMax, {.min = 1, .max = 100});
  wish.enabled = fields.boolean("enabled", true);
  if (auto problem = fields.check()) return std::unexpected(std::move(*problem));
  return wish;
}

}  // namespace

std::vector<Route> ConnectorsApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/connectors", Who::administrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"POST", "/api/v1/connectors", Who::administrator, Carries::secret, 16 * 1024,
       [this](Call call) { return add(std::move(call)); }},
      {"PUT", "/api/v1/connectors/{id}", Who::administrator, Carries::secret, 16 * 1024,
       [this](Call call) { return change(std::move(call)); }},
      {"DELETE", "/api/v1/connectors/{id}", Who::administrator, kPlain, 1024,
       [this](Call call) { return remove(std::move(call)); }},
      {"POST", "/api/v1/connectors/{id}/test", Who::administrator, Carries::secret, 16 * 1024,
       [this](Call call) { return test(std::move(call)); }},
      {"DELETE", "/api/v1/connectors/{id}/delegation", Who::administrator, kPlain, 1024,
       [this](Call call) { return end_delegation(std::move(call)); }},
  };
}

Task<Result<JsonObject>> ConnectorsApi::shown(store::Connector connector) {
  JsonObject json{{"id", connector.id},
                  {"name", connector.name},
                  {"type", connector.type},
                  {"account", store::name_of(connector.account)}};
  json["owner"] = nullptr;
  if (!connector.owner.none()) {
    const auto owner = co_await store_.user(connector.owner);
    if (!owner) co_return std::unexpected(owner.error());
    if (*owner) json["owner"] = (*owner)->username;
  }
  JsonArray groups;
  for (const auto& text : connector.groups) {
    const auto id = GroupId::parse(text);
    const auto group = id ? co_await store_.group(*id) : Result<std::optional<store::Group>>(std::nullopt);
    if (!group) co_return std::unexpected(group.error());
    if (*group) groups.push_back(JsonObject{{"id", text}, {"name", (*group)->name}});
  }
  json["groups"] = std::move(groups);
  JsonArray devices;
  const auto known = co_await store_.devices();
  if (!known) co_return std::unexpected(known.error());
  for (const auto& device : *known) {
    if (std::ranges::find(device.connectors, connector.id) == device.connectors.end()) continue;
    devices.push_back(JsonObject{{"id", device.id.text()}, {"name", device.name}});
  }
  json["devices"] = std::move(devices);
  json["delegation"] = nullptr;
  if (!connector.delegation.id.none()) {
    const auto lives = co_await desk_.delegation_lives(connector);
    if (!lives) co_return std::unexpected(lives.error());
    json["delegation"] = JsonObject{{"since", time_json(connector.delegation.created_at)}, {"ended", !*lives}};
  }
  json["folder"] = delivery::folder_of(connector);
  const auto address = delivery::address_of(connector);
  json["url"] = address ? Json(address->url) : Json(nullptr);
  json["app"] = address ? Json(address->app) : Json(nullptr);
  JsonArray aliases;
  for (const auto& alias : delivery::aliases_of(connector)) aliases.emplace_back(alias);
  json["aliases"] = std::move(aliases);
  json["naming"] = connector.naming;
  json["conflict"] = store::name_of(connector.conflict);
  json["size_bytes_max"] = connector.size_bytes_max;
  const auto types = delivery::content_types_of(connector);
  json["content_types"] = JsonArray(types.begin(), types.end());
  json["enabled"] = connector.enabled;
  json["deliver_url"] = public_url_ + "/v1/deliver/" + connector.id;
  json["dav_url"] = public_url_ + "/dav/" + connector.id + "/";
  json["mail_address"] = doors_.mail.empty() ? Json(nullptr) : Json(connector.id + "@" + doors_.drop_domain);
  json["drop_folder"] = nullptr;
  // Files bear no PIN: only a fixed account is ever opened for them.
  const bool fixed = connector.account == store::AccountKind::fixed;
  if (const auto folder = fixed && doors_.drop_folder ? doors_.drop_folder(connector.id) : std::nullopt)
    json["drop_folder"] = JsonObject{{"path", folder->path}, {"there", folder->there}};
  json["created_at"] = time_json(connector.created_at);
  co_return json;
}

Task<Answer> ConnectorsApi::list(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const auto connectors = co_await store_.connectors();
  if (!connectors) co_return refuse(connectors.error());
  JsonArray items;
  for (const auto& connector : *connectors) {
    auto json = co_await shown(connector);
    if (!json) co_return refuse(json.error());
    items.push_back(std::move(*json));
  }
  auto json = whole_list_json(std::move(items));
  const auto types = desk_.types();
  json["types"] = JsonArray(types.begin(), types.end());
  const auto asking = desk_.types_asking_url();
  json["types_asking_url"] = JsonArray(asking.begin(), asking.end());
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> ConnectorsApi::add(Call call) {
  auto wish = read_wish(call.request, nullptr);
  if (!wish) co_return std::unexpected(wish.error());
  auto connector = co_await desk_.add(std::move(*wish), actor_of(call));
  if (!connector) co_return refuse(connector.error());
  auto json = co_await shown(std::move(*connector));
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(201, *json);
}

Task<Answer> ConnectorsApi::change(Call call) {
  auto wish = read_wish(call.request, &call.values[0]);
  if (!wish) co_return std::unexpected(wish.error());
  auto connector = co_await desk_.change(std::move(*wish), actor_of(call));
  if (!connector) co_return refuse(connector.error());
  auto json = co_await shown(std::move(*connector));
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(200, *json);
}

Task<Answer> ConnectorsApi::remove(Call call) {
  const auto done = co_await desk_.remove(call.values[0], actor_of(call));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

Task<Answer> ConnectorsApi::test(Call call) {
  std::optional<delivery::OwnersPin> pin;
  if (!call.request.body.empty()) {
    auto body = read_object(call.request);
    if (!body) co_return std::unexpected(body.error());
    Fields fields(*body);
    if (fields.has("owner_pin")) pin = owners_pin(call.request, fields);
    if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  }
  const auto done = co_await desk_.try_account(call.values[0], std::move(pin), actor_of(call));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

Task<Answer> ConnectorsApi::end_delegation(Call call) {
  const auto done = co_await desk_.end_delegation(call.values[0], {}, actor_of(call));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
