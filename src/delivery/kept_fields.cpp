#include "delivery/kept_fields.h"

#include <array>
#include <utility>

#include "base/json.h"

namespace latchkey::delivery {
namespace {

// What the fields of a form bring is always text, so a number, a truth value and a list of one text are ours.
constexpr std::string_view kCounter = "counter";
constexpr std::string_view kAwaitsType = "awaits_type";
constexpr std::string_view kBeginnings = "beginnings";
constexpr std::string_view kBegunUnder = "begun_under";
constexpr std::string_view kCameAs = "came_as";
constexpr std::string_view kCameFor = "came_for";
constexpr std::array kKept{kCounter, kAwaitsType, kBeginnings, kBegunUnder, kCameAs, kCameFor};

JsonObject fields_of(const store::Delivery& delivery) {
  auto fields = parse_json(delivery.fields_json);
  return fields && fields->is_object() ? std::move(fields->get_object()) : JsonObject();
}

void set(store::Delivery& delivery, std::string_view field, Json value) {
  auto fields = fields_of(delivery);
  fields[field] = std::move(value);
  delivery.fields_json = boost::json::serialize(fields);
}

std::optional<std::int64_t> number_in(const store::Delivery& delivery, std::string_view field) {
  const auto fields = fields_of(delivery);
  const auto* number = fields.if_contains(field);
  return number != nullptr && number->is_int64() ? std::optional(number->get_int64()) : std::nullopt;
}

std::optional<std::string> text_in(const store::Delivery& delivery, std::string_view field) {
  const auto fields = fields_of(delivery);
  const auto* list = base::find_array(fields, field);
  if (list == nullptr || list->size() != 1 || !list->front().is_string()) return std::nullopt;
  return std::string(list->front().get_string());
}

std::string last_segment(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void forget(store::Delivery& delivery, std::string_view field) {
  auto fields = fields_of(delivery);
  fields.erase(field);
  delivery.fields_json = boost::json::serialize(fields);
}

}  // namespace

std::optional<std::int64_t> counter_of(const store::Delivery& delivery) { return number_in(delivery, kCounter); }

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

std::string upload_key_of(const store::Delivery& delivery) {
  const auto beginnings = number_in(delivery, kBeginnings).value_or(0);
  return delivery.id.text() + (beginnings > 0 ? "-" + std::to_string(beginnings) : "");
}

void begin_anew(store::Delivery& delivery) {
  set(delivery, kBeginnings, number_in(delivery, kBeginnings).value_or(0) + 1);
  if (number_in(delivery, kBegunUnder)) forget(delivery, kBegunUnder);
  delivery.resume_point.clear();
  delivery.sent_bytes = 0;
}

std::optional<store::ConflictRule> begun_under(const store::Delivery& delivery) {
  const auto number = number_in(delivery, kBegunUnder);
  if (!number || *number < 0 || *number > std::to_underlying(store::ConflictRule::refuse)) return std::nullopt;
  return static_cast<store::ConflictRule>(*number);
}

void set_begun_under(store::Delivery& delivery, store::ConflictRule rule) {
  set(delivery, kBegunUnder, static_cast<std::int64_t>(std::to_underlying(rule)));
}

std::string name_it_came_with(const store::Delivery& delivery) {
  return text_in(delivery, kCameAs).value_or(last_segment(delivery.name));
}

void set_name_it_came_with(store::Delivery& delivery, std::string_view name) {
  if (last_segment(delivery.name) != name) {
    set(delivery, kCameAs, JsonArray{name});
  } else if (text_in(delivery, kCameAs)) {
    forget(delivery, kCameAs);
  }
}

std::string handed_in_for(const store::Delivery& delivery) {
  return text_in(delivery, kCameFor).value_or(delivery.connector);
}

void set_handed_in_for(store::Delivery& delivery, std::string_view connector) {
  set(delivery, kCameFor, JsonArray{connector});
}

void replace_fields(store::Delivery& delivery, std::string_view fields_json) {
  const auto before = fields_of(delivery);
  delivery.fields_json = fields_json;
  for (const auto field : kKept) {
    if (const auto* kept = before.if_contains(field); kept != nullptr && !kept->is_string()) set(delivery, field, *kept);
  }
}

}  // namespace latchkey::delivery
