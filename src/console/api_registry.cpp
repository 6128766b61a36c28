#include "console/api_registry.h"

#include "console/fields.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

JsonObject setting_json(const store::Registry::Entry& entry) {
  JsonObject json;
  json["key"] = entry.info->key;
  json["type"] = store::name_of(entry.info->type);
  json["default"] = entry.info->default_text;
  json["value"] = entry.value;
  json["min"] = text_or_null(entry.info->minimum);
  json["max"] = text_or_null(entry.info->maximum);
  json["unit"] = entry.info->unit;
  json["explanation"] = entry.info->explanation;
  json["changed_at"] = time_json(entry.changed_at);
  json["changed_by"] = text_or_null(entry.changed_by);
  return json;
}

store::SettingAuthor author_of(const Call& call) { return {.actor = call.principal.username, .source = call.source()}; }

}  // namespace

std::vector<Route> RegistryApi::routes() {
  return {
      {"GET", "/api/v1/registry", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return list(std::move(call)); }},
      {"PUT", "/api/v1/registry/{key}", Who::administrator, Carries::nothing_secret, 16 * 1024, [this](Call call) { return put(std::move(call)); }},
      {"DELETE", "/api/v1/registry/{key}", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return reset(std::move(call)); }},
  };
}

Task<Answer> RegistryApi::list(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  JsonArray items;
  for (const auto& entry : registry_.entries()) items.push_back(setting_json(entry));
  co_return net::HttpResponse::json(200, whole_list_json(std::move(items)));
}

Task<Answer> RegistryApi::put(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto value = fields.text("value", {.min = 0, .max = 4096});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto entry = co_await registry_.set(call.values[0], std::move(value), author_of(call));
  if (!entry) co_return refuse(entry.error());
  co_return net::HttpResponse::json(200, setting_json(*entry));
}

Task<Answer> RegistryApi::reset(Call call) {
  const auto entry = co_await registry_.reset(call.values[0], author_of(call));
  if (!entry) co_return refuse(entry.error());
  co_return net::HttpResponse::json(200, setting_json(*entry));
}

}  // namespace latchkey::console
