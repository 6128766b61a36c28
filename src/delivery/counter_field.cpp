#include "delivery/counter_field.h"

#include "base/json.h"

namespace latchkey::delivery {
namespace {

constexpr std::string_view kField = "counter";

JsonObject fields_of(const store::Delivery& delivery) {
  auto fields = parse_json(delivery.fields_json);
  return fields && fields->is_object() ? std::move(fields->get_object()) : JsonObject();
}

}  // namespace

std::optional<std::int64_t> counter_of(const store::Delivery& delivery) {
  const auto fields = fields_of(delivery);
  const auto* counter = fields.if_contains(kField);
  // A number is ours: what the fields of a form bring is always text.
  return counter != nullptr && counter->is_int64() ? std::optional(counter->get_int64()) : std::nullopt;
}

void set_counter(store::Delivery& delivery, std::int64_t number) {
  auto fields = fields_of(delivery);
  fields[kField] = number;
  delivery.fields_json = boost::json::serialize(fields);
}

void forget_counter(store::Delivery& delivery) {
  if (!counter_of(delivery)) return;
  auto fields = fields_of(delivery);
  fields.erase(kField);
  delivery.fields_json = boost::json::serialize(fields);
}

}  // namespace latchkey::delivery
