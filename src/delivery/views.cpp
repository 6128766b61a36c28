#include "delivery/views.h"

#include "base/clock.h"

namespace latchkey::delivery {
namespace {

Json parsed_or(const std::string& text, Json otherwise) {
  auto parsed = parse_json(text);
  return parsed ? std::move(*parsed) : std::move(otherwise);
}

}  // namespace

JsonObject view_of(const store::Delivery& delivery) {
  JsonObject view{{"id", delivery.id.text()},
                  {"connector", delivery.connector},
                  {"state", store::name_of(delivery.state)},
                  {"name", delivery.name},
                  {"content_type", delivery.content_type},
                  {"size", delivery.size_bytes},
                  {"sha256", base::to_hex(delivery.sha256)},
                  {"sent", delivery.sent_bytes},
                  {"tries", delivery.tries},
                  {"why", delivery.why},
                  {"source", delivery.source},
                  {"created_at", base::to_rfc3339(delivery.created_at)}};
  view["finished_at"] = delivery.finished_at == WallTime{} ? Json(nullptr) : Json(base::to_rfc3339(delivery.finished_at));
  view["next_try_at"] = delivery.state == store::DeliveryState::queued || delivery.state == store::DeliveryState::parked
                            ? Json(base::to_rfc3339(delivery.due_at))
                            : Json(nullptr);
  view["receipt"] =
      delivery.state == store::DeliveryState::delivered ? parsed_or(delivery.receipt_json, JsonObject{}) : Json(nullptr);
  return view;
}

JsonObject full_view_of(const store::Delivery& delivery) {
  auto view = view_of(delivery);
  view["timeline"] = parsed_or(delivery.timeline_json, JsonArray{});
  return view;
}

}  // namespace latchkey::delivery
