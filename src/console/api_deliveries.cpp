#include "console/api_deliveries.h"

#include <algorithm>

#include "base/run_on.h"
#include "console/actor.h"
#include "console/fields.h"
#include "console/views.h"
#include "delivery/attachment.h"
#include "delivery/views.h"
#include "people/names.h"

namespace latchkey::console {

std::vector<Route> DeliveriesApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/deliveries", Who::administrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"GET", "/api/v1/users/{id}/deliveries", Who::signed_in, kPlain, 1024,
       [this](Call call) { return list_of_user(std::move(call)); }},
      {"GET", "/api/v1/deliveries/{id}", Who::administrator, kPlain, 1024,
       [this](Call call) { return show(std::move(call)); }},
      {"POST", "/api/v1/deliveries/{id}/retry", Who::administrator, kPlain, 1024,
       [this](Call call) { return retry(std::move(call)); }},
      {"POST", "/api/v1/deliveries/{id}/reroute", Who::administrator, kPlain, 1024,
       [this](Call call) { return reroute(std::move(call)); }},
      {"GET", "/api/v1/deliveries/{id}/document", Who::administrator, kPlain, 1024,
       [this](Call call) { return document(std::move(call)); }},
      {"DELETE", "/api/v1/deliveries/{id}", Who::administrator, kPlain, 1024,
       [this](Call call) { return remove(std::move(call)); }},
  };
}

Task<Result<JsonObject>> DeliveriesApi::shown(store::Delivery delivery, bool whole) {
  auto json = whole ? delivery::full_view_of(delivery) : delivery::view_of(delivery);
  json["submitter"] = nullptr;
  if (!delivery.device.none()) {
    const auto device = co_await store_.device(delivery.device);
    if (!device) co_return std::unexpected(device.error());
    if (*device) json["submitter"] = (*device)->name;
    co_return json;
  }
  const auto user = co_await store_.user(delivery.submitter);
  if (!user) co_return std::unexpected(user.error());
  if (*user) json["submitter"] = (*user)->username;
  co_return json;
}

Task<Answer> DeliveriesApi::list(Call call) {
  Query query(call.request);
  store::DeliveryQuery wanted;
  wanted.connector = query.text("connector", {.min = 0, .max = 63});
  wanted.state = store::parse_delivery_state(
      query.choice("state", {"queued", "sending", "parked", "maybe_sent", "failed", "delivered"}));
  const auto submitter = query.text("submitter", {.min = 0, .max = 256});
  wanted.page.cursor = query.text("cursor", {.min = 0, .max = 200});
  wanted.page.limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50));
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  if (!submitter.empty()) {
    const auto known = co_await add_submitter(wanted, submitter);
    if (!known) co_return refuse(known.error());
    if (!*known) co_return net::HttpResponse::json(200, list_json({}, "", 0));
  }
  auto page = co_await page_of(std::move(wanted));
  if (!page) co_return refuse(page.error());
  co_return net::HttpResponse::json(200, *page);
}

Task<Result<JsonObject>> DeliveriesApi::page_of(store::DeliveryQuery query) {
  auto page = co_await store_.deliveries(std::move(query));
  if (!page) co_return std::unexpected(page.error());
  JsonArray items;
  for (auto& delivery : page->items) {
    auto json = co_await shown(std::move(delivery), false);
    if (!json) co_return json;
    items.push_back(std::move(*json));
  }
  co_return list_json(std::move(items), page->next_cursor, page->total);
}

Task<Answer> DeliveriesApi::list_of_user(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id || !call.principal.may_see(*id)) co_return refuse_not_found();
  Query query(call.request);
  store::DeliveryQuery wanted;
  wanted.submitter = *id;
  wanted.page.cursor = query.text("cursor", {.min = 0, .max = 200});
  wanted.page.limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50));
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  auto page = co_await page_of(std::move(wanted));
  if (!page) co_return refuse(page.error());
  const auto unattended = co_await unattended_of(*id);
  if (!unattended) co_return refuse(unattended.error());
  (*page)["unattended"] = *unattended;
  co_return net::HttpResponse::json(200, *page);
}

Task<Result<std::int64_t>> DeliveriesApi::unattended_of(UserId user) {
  const auto grants = co_await store_.grants_of_user(user);
  if (!grants) co_return std::unexpected(grants.error());
  std::int64_t unattended = 0;
  for (const auto& grant : *grants) {
    const auto wraps = co_await store_.wraps(grant.id);
    if (!wraps) co_return std::unexpected(wraps.error());
    unattended += std::ranges::count(*wraps, store::HolderKind::delivery, &store::Wrap::holder_kind);
  }
  co_return unattended;
}

Task<Result<bool>> DeliveriesApi::add_submitter(store::DeliveryQuery& query, std::string name) {
  const auto clean = people::clean_username(name);
  if (!clean) co_return false;
  const auto user = co_await store_.user_by_key(clean->key);
  if (!user) co_return std::unexpected(user.error());
  if (*user) {
    query.submitter = (*user)->id;
    co_return true;
  }
  const auto device = co_await store_.device_by_name_key(clean->key);
  if (!device) co_return std::unexpected(device.error());
  if (*device) query.device = (*device)->id;
  co_return device->has_value();
}

Task<Answer> DeliveriesApi::show(Call call) {
  const auto id = DeliveryId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto found = co_await store_.delivery(*id);
  if (!found) co_return refuse(found.error());
  if (!*found) co_return refuse_not_found();
  auto json = co_await shown(std::move(**found), true);
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(200, *json);
}

Task<Answer> DeliveriesApi::retry(Call call) {
  const auto id = DeliveryId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto done = co_await base::run_on(engine_, desk_.retry(*id, actor_of(call)));
  if (!done) co_return refuse(done.error());
  auto json = co_await shown(std::move(*done), true);
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(200, *json);
}

Task<Answer> DeliveriesApi::reroute(Call call) {
  const auto id = DeliveryId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto connector = fields.text("connector", {.min = 1, .max = 63});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  auto done = co_await base::run_on(engine_, desk_.reroute(*id, std::move(connector), actor_of(call)));
  if (!done) co_return refuse(done.error());
  auto json = co_await shown(std::move(*done), true);
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(200, *json);
}

Task<Answer> DeliveriesApi::document(Call call) {
  const auto id = DeliveryId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto document = co_await base::run_on(engine_, desk_.document(*id, actor_of(call)));
  if (!document) co_return refuse(document.error());
  co_return delivery::attachment(document->delivery.name, std::move(document->octets));
}

Task<Answer> DeliveriesApi::remove(Call call) {
  const auto id = DeliveryId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto done = co_await base::run_on(engine_, desk_.remove(*id, actor_of(call)));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
