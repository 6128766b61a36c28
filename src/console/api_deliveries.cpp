#include "console/api_deliveries.h"

#include "base/run_on.h"
#include "console/actor.h"
#include "console/fields.h"
#include "console/views.h"
#include "delivery/views.h"

namespace latchkey::console {

std::vector<Route> DeliveriesApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/deliveries", Who::administrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"GET", "/api/v1/deliveries/{id}", Who::administrator, kPlain, 1024,
       [this](Call call) { return show(std::move(call)); }},
      {"POST", "/api/v1/deliveries/{id}/retry", Who::administrator, kPlain, 1024,
       [this](Call call) { return retry(std::move(call)); }},
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
  wanted.page.cursor = query.text("cursor", {.min = 0, .max = 200});
  wanted.page.limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50));
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  auto page = co_await store_.deliveries(wanted);
  if (!page) co_return refuse(page.error());
  JsonArray items;
  for (auto& delivery : page->items) {
    auto json = co_await shown(std::move(delivery), false);
    if (!json) co_return refuse(json.error());
    items.push_back(std::move(*json));
  }
  co_return net::HttpResponse::json(200, list_json(std::move(items), page->next_cursor, page->total));
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

Task<Answer> DeliveriesApi::remove(Call call) {
  const auto id = DeliveryId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto done = co_await base::run_on(engine_, desk_.remove(*id, actor_of(call)));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
