#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>

#include <set>
#include <string>
#include <vector>

namespace latchkey::base {

namespace json = boost::json;

namespace {

constexpr std::size_t kNameBytesShown = 64;

// Hears the members of a text go by, and stops at the first that its object has already had.
struct MemberWatch {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  std::vector<std::set<std::string, std::less<>>> objects;  // those that are open, outermost first
  std::string name;
  bool found = false;

  bool on_object_begin(json::error_code&) { return objects.emplace_back(), true; }
  bool on_object_end(std::size_t, json::error_code&) { return objects.pop_back(), true; }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) { return name.append(part.data(), part.size()), true; }
  bool on_key(json::string_view part, std::size_t, json::error_code& error) {
    name.append(part.data(), part.size());
    if (!objects.back().insert(name).second) {
      found = true;
      error = json::error::extra_data;
      return false;
    }
    name.clear();
    return true;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

// For a text that has been parsed once.
Result<void> refuse_doubles(std::string_view text, const json::parse_options& options) {
  json::basic_parser<MemberWatch> parser(options);
  json::error_code error;
  parser.write_some(false, text.data(), text.size(), error);
  if (!parser.handler().found) return {};
  return fail(ErrorKind::invalid, "given_twice", "A member is given twice.", {.field = parser.handler().name.substr(0, kNameBytesShown)});
}

}  // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.size_bytes_max) {
    return fail(ErrorKind::invalid, "malformed_json", "The JSON text is too long.");
  }
  json::parse_options options;
  options.max_depth = limits.depth_max;
  json::error_code error;
  try {
    auto value = json::parse(text, error, {}, options);
    if (!error) {
      if (limits.doubles == Doubles::refused) {
        if (const auto once = refuse_doubles(text, options); !once) return std::unexpected(once.error());
      }
      return value;
    }
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

std::int64_t integer_or(const JsonObject& object, std::string_view key, std::int64_t otherwise) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : otherwise;
}

bool flag_or(const JsonObject& object, std::string_view key, bool otherwise) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
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
