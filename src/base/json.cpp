#include "base/json.h"

#include <boost/json/parse.hpp>

namespace latchkey::base {

namespace json = boost::json;

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.size_bytes_max) {
    return fail(ErrorKind::invalid, "malformed_json", "The JSON text is too long.");
  }
  json::parse_options options;
  options.max_depth = limits.depth_max;
  json::error_code error;
  try {
    auto value = json::parse(text, error, {}, options);
    if (!error) return value;
  } catch (const std::exception& exception) {
    return fail(ErrorKind::invalid, "malformed_json", "The text is not valid JSON.", {.detail = exception.what()});
  }
  return fail(ErrorKind::invalid, "malformed_json", "The text is not valid JSON.", {.detail = error.message()});
}

const json::string* find_string(const JsonObject& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_string();
}

std::string string_or(const JsonObject& object, std::string_view key, std::string_view otherwise) {
  const auto* text = find_string(object, key);
  return text == nullptr ? std::string(otherwise) : std::string(text->data(), text->size());
}

const JsonObject* find_object(const JsonObject& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

const JsonArray* find_array(const JsonObject& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_array();
}

}  // namespace latchkey::base
