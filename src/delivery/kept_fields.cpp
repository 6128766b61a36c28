#include "delivery/kept_fields.h"

#include "base/json.h"

namespace latchkey::delivery {
namespace {

// What the fields of a form bring is always text, so a number and a truth value are ours.
constexpr std::string_view kCounter = "counter";
constexpr std::string_view kAwaitsType = "awaits_type";

JsonObject fields_of(const store::Delivery& delivery) {
  auto fields = parse_json(delivery.fields_json);
  return fields && fields->is_object() ? std::move(fields->get_object()) : JsonObject();
}

void set(store::Delivery& delivery, std::string_view field, Json value) {
  auto fields = fields_of(delivery);
  fields[field] = std::move(value);
  delivery.fields_json = boost::json::serialize(fields);
}

void forget(store::Delivery& delivery, std::string_view field) {
  auto fields = fields_of(delivery);
  fields.erase(field);
  delivery.fields_json = boost::json::serialize(fields);
}

}  // namespace

std::optional<std::int64_t> counter_of(const store::Delivery& delivery) {
  const auto fields = fields_of(delivery);
  const auto* counter = fields.if_contains(kCounter);
  return counter != nullptr && counter->is_int64() ? std::optional(counter->get_int64()) : std::nullopt;
}

void set_counter(store::Delivery& delivery, std::int64_t number) { set(delivery, kCounter, number); }

void forget_counter(store::Delivery& delivery) {
  if (counter_of(delivery)) forget(delivery, kCounter);
}

bool awaits_type(const store::Delivery& delivery) {
  const auto fields = fields_of(delivery);
  const auto* awaits = fields.if_contains(kAwaitsType);
  return awaits != nullptr && awaits->is_bool() && awaits->get_bool();
}

void set_awaits_type(store::Delivery& delivery) { set(delivery, kAwaitsType, true); }

void forget_awaits_type(store::Delivery& delivery) {
  if (awaits_type(delivery)) forget(delivery, kAwaitsType);
}

}  // namespace latchkey::delivery
