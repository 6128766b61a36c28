// Reading a request strictly: every member known, of its type, within its bounds; all faults named at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/secret.h"
#include "console/problem.h"

namespace latchkey::console {

struct TextBounds {
  std::size_t min = 0;  // characters (code points)
  std::size_t max = 200;
};

enum class Presence { required, optional };

// Reads the members of one JSON object. Values that fail give a neutral value and a fault; ask `check()` once all have
// been read: it also names members nobody asked for. A value; the object outlives it.
class Fields {
 public:
  // `prefix` stands before the names in faults: "secrets.0."
  explicit Fields(const JsonObject& object, std::string prefix = {}) : object_(object), prefix_(std::move(prefix)) {}

  [[nodiscard]] bool has(std::string_view name) const { return object_.if_contains(name) != nullptr; }
  // Valid UTF-8 without control characters.
  [[nodiscard]] std::string text(std::string_view name, TextBounds bounds, Presence presence = Presence::required);
  [[nodiscard]] std::optional<std::string> text_if(std::string_view name, TextBounds bounds);
  // Any octets of valid UTF-8, for PINs and passwords; whoever checks them says what is wrong with them. `max_bytes`
  // bounds the work only.
  [[nodiscard]] Secret secret(std::string_view name, std::size_t max_bytes, Presence presence = Presence::required);
  [[nodiscard]] bool boolean(std::string_view name, bool otherwise, Presence presence = Presence::optional);
  [[nodiscard]] std::optional<bool> boolean_if(std::string_view name);
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max, std::int64_t otherwise);
  // One of the words; empty when absent and optional, or when wrong.
  [[nodiscard]] std::string choice(std::string_view name, const std::vector<std::string_view>& words,
                                   Presence presence = Presence::required);
  template <class Tag>
  [[nodiscard]] base::Id<Tag> id(std::string_view name, Presence presence = Presence::required) {
    const auto value = text(name, {.min = 0, .max = 36}, presence);
    if (value.empty()) return {};
    const auto parsed = base::Id<Tag>::parse(value);
    if (!parsed) fault(name, "This is no id.");
    return parsed.value_or(base::Id<Tag>());
  }
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, std::size_t count_max, TextBounds each);
  // An object whose members are all texts.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> parameters(std::string_view name);
  // nullopt: absent or null (a null is told apart by `has`).
  [[nodiscard]] std::optional<WallTime> time_if(std::string_view name);
  // The member as array; nullptr when absent.
  [[nodiscard]] const JsonArray* array(std::string_view name, std::size_t count_max);

  void fault(std::string_view name, std::string_view message);
  // Takes over the faults of a nested object.
  void absorb(const Fields& nested);
  // nullopt: everything was in order. Unknown members are 400 `invalid_request`, other faults 422 `invalid_fields`.
  [[nodiscard]] std::optional<Problem> check() const;

 private:
  const Json* take(std::string_view name, Presence presence);

  const JsonObject& object_;
  std::string prefix_;
  std::vector<std::string> asked_;
  std::vector<FieldError> faults_;
  std::vector<FieldError> unknown_of_nested_;
};

// The body as an object. Problems: 415 `unsupported_media_type`, 400 `invalid_request`.
[[nodiscard]] std::expected<JsonObject, Problem> read_object(const net::HttpRequest& request);

// Query parameters, with the same strictness: unknown names and doubles are refused.
class Query {
 public:
  explicit Query(const net::HttpRequest& request);

  [[nodiscard]] std::string text(std::string_view name, TextBounds bounds = {});
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max, std::int64_t otherwise);
  [[nodiscard]] bool boolean(std::string_view name);
  [[nodiscard]] std::string choice(std::string_view name, const std::vector<std::string_view>& words);
  [[nodiscard]] std::optional<WallTime> time_if(std::string_view name);
  template <class Tag>
  [[nodiscard]] std::optional<base::Id<Tag>> id_if(std::string_view name) {
    const auto value = text(name, {.min = 0, .max = 36});
    if (value.empty()) return std::nullopt;
    const auto parsed = base::Id<Tag>::parse(value);
    if (!parsed) fault(name, "This is no id.");
    return parsed;
  }
  [[nodiscard]] std::optional<Problem> check() const;

 private:
  void fault(std::string_view name, std::string_view message);
  const std::string* take(std::string_view name);

  std::vector<std::pair<std::string, std::string>> parameters_;
  std::vector<std::string> asked_;
  std::vector<FieldError> faults_;
};

// Code points of valid UTF-8; nullopt when it is not valid.
[[nodiscard]] std::optional<std::size_t> count_characters(std::string_view text);

}  // namespace latchkey::console
