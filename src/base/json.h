// JSON behind one name (Boost.JSON), and one bounded way to read foreign text.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::base {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// What becomes of an object's member that is given twice. Replies of providers are taken as they come; of whoever asks us for
// something, we do not choose which was meant.
enum class Doubles { last_wins, refused };

struct JsonLimits {
  std::size_t size_bytes_max = 1 << 20;
  std::size_t depth_max = 32;
  Doubles doubles = Doubles::last_wins;
};

// RFC 8259 exactly, UTF-8 checked.
// Errors: invalid/`malformed_json` with the reason in `detail` (never the content); invalid/`given_twice` with `field` = the
// member's name, at most 64 bytes of it.
[[nodiscard]] Result<Json> parse_json(std::string_view text, JsonLimits limits = {});

// Members of foreign objects: nullptr where absent or of another type.
[[nodiscard]] const boost::json::string* find_string(const JsonObject& object, std::string_view key);
[[nodiscard]] std::string string_or(const JsonObject& object, std::string_view key, std::string_view otherwise = {});
[[nodiscard]] std::int64_t integer_or(const JsonObject& object, std::string_view key, std::int64_t otherwise = 0);
[[nodiscard]] bool flag_or(const JsonObject& object, std::string_view key, bool otherwise = false);
[[nodiscard]] const JsonObject* find_object(const JsonObject& object, std::string_view key);
[[nodiscard]] const JsonArray* find_array(const JsonObject& object, std::string_view key);

}  // namespace latchkey::base

namespace latchkey {
using base::Json;
using base::JsonArray;
using base::JsonObject;
using base::parse_json;
}  // namespace latchkey
