#include "console/fields.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include "net/url.h"

namespace latchkey::console {

std::optional<std::size_t> count_characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
    if (length == 0 || at + length > text.size()) return std::nullopt;
    std::uint32_t code = length == 1 ? lead : lead & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xc0U) != 0x80U) return std::nullopt;
      code = (code << 6U) | (next & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
    at += length;
  }
  return count;
}

namespace {

bool has_controls(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return true;
    // U+0080 to U+009F
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

// What is wrong with it; empty: nothing.
std::string fault_of(std::string_view text, TextBounds bounds) {
  const auto characters = count_characters(text);
  if (!characters) return "This is not valid UTF-8.";
  if (has_controls(text)) return "Line breaks and control characters are not allowed here.";
  if (*characters < bounds.min) return bounds.min == 1 ? "This must not be empty." : fmt::format("At least {} characters are needed.", bounds.min);
  if (*characters > bounds.max) return fmt::format("At most {} characters are allowed.", bounds.max);
  return {};
}

std::string one_of(const std::vector<std::string_view>& words) {
  std::string list;
  for (const auto word : words) list += (list.empty() ? "" : ", ") + std::string(word);
  return "Allowed are: " + list + ".";
}

Problem problem_with(int status, std::string_view code, std::vector<FieldError> errors) {
  Problem problem;
  problem.status = status;
  problem.code = code;
  problem.detail = errors.size() == 1 ? fmt::format("{}: {}", errors.front().field, errors.front().message)
                                      : fmt::format("{} members of the request need mending.", errors.size());
  problem.errors = std::move(errors);
  return problem;
}

constexpr std::string_view kMissing = "This is needed.";

}  // namespace

const Json* Fields::take(std::string_view name, Presence presence) {
  asked_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr && presence == Presence::required) fault(name, kMissing);
  return value;
}

void Fields::fault(std::string_view name, std::string_view message) {
  faults_.push_back({prefix_ + std::string(name), std::string(message)});
}

std::string Fields::text(std::string_view name, TextBounds bounds, Presence presence) {
  const auto* value = take(name, presence);
  if (value == nullptr) return {};
  const auto* string = value->if_string();
  if (string == nullptr) {
    fault(name, "This must be a text.");
    return {};
  }
  if (auto wrong = fault_of(*string, bounds); !wrong.empty()) {
    fault(name, wrong);
    return {};
  }
  return {string->data(), string->size()};
}

std::optional<std::string> Fields::text_if(std::string_view name, TextBounds bounds) {
  if (!has(name)) {
    asked_.emplace_back(name);
    return std::nullopt;
  }
  return text(name, bounds);
}

Secret Fields::secret(std::string_view name, std::size_t max_bytes, Presence presence) {
  const auto* value = take(name, presence);
  if (value == nullptr) return {};
  const auto* string = value->if_string();
  if (string == nullptr) {
    fault(name, "This must be a text.");
    return {};
  }
  if (string->size() > max_bytes) {
    fault(name, fmt::format("At most {} octets are allowed.", max_bytes));
    return {};
  }
  if (!count_characters(*string)) {
    fault(name, "This is not valid UTF-8.");
    return {};
  }
  return Secret(std::string_view(string->data(), string->size()));
}

bool Fields::boolean(std::string_view name, bool otherwise, Presence presence) {
  const auto* value = take(name, presence);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) {
    fault(name, "This must be true or false.");
    return otherwise;
  }
  return value->get_bool();
}

std::optional<bool> Fields::boolean_if(std::string_view name) {
  const bool present = has(name);
  const bool value = boolean(name, false);
  return present ? std::optional(value) : std::nullopt;
}

std::int64_t Fields::integer(std::string_view name, std::int64_t min, std::int64_t max, std::int64_t otherwise) {
  const auto* value = take(name, Presence::optional);
  if (value == nullptr) return otherwise;
  const auto* number = value->if_int64();
  if (number == nullptr || *number < min || *number > max) {
    fault(name, fmt::format("This must be a whole number from {} to {}.", min, max));
    return otherwise;
  }
  return *number;
}

std::string Fields::choice(std::string_view name, const std::vector<std::string_view>& words, Presence presence) {
  const auto* value = take(name, presence);
  if (value == nullptr) return {};
  const auto* string = value->if_string();
  if (string == nullptr || std::ranges::find(words, std::string_view(*string)) == words.end()) {
    fault(name, one_of(words));
    return {};
  }
  return {string->data(), string->size()};
}

std::vector<std::string> Fields::texts(std::string_view name, std::size_t count_max, TextBounds each) {
  std::vector<std::string> out;
  const auto* items = array(name, count_max);
  if (items == nullptr) return out;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto* string = (*items)[i].if_string();
    const auto wrong = string == nullptr ? std::string("This must be a text.") : fault_of(*string, each);
    if (!wrong.empty()) fault(fmt::format("{}.{}", name, i), wrong);
    else out.emplace_back(string->data(), string->size());
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> Fields::parameters(std::string_view name) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto* value = take(name, Presence::optional);
  if (value == nullptr) return out;
  const auto* object = value->if_object();
  if (object == nullptr || object->size() > 64) {
    fault(name, "This must be an object of at most 64 texts.");
    return out;
  }
  for (const auto& member : *object) {
    const std::string key(member.key());
    const auto* string = member.value().if_string();
    const auto wrong = string == nullptr ? std::string("This must be a text.") : fault_of(*string, {.min = 0, .max = 2048});
    if (!wrong.empty()) fault(fmt::format("{}.{}", name, key.substr(0, 64)), wrong);
    else out.emplace_back(key, std::string(string->data(), string->size()));
  }
  return out;
}

std::optional<WallTime> Fields::time_if(std::string_view name) {
  const auto* value = take(name, Presence::optional);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto* string = value->if_string();
  const auto time = string == nullptr ? std::nullopt : base::from_rfc3339(*string);
  if (!time) fault(name, "This must be a time such as 2026-11-23T19:05:00Z.");
  return time;
}

const JsonArray* Fields::array(std::string_view name, std::size_t count_max) {
  const auto* value = take(name, Presence::optional);
  if (value == nullptr) return nullptr;
  const auto* items = value->if_array();
  if (items == nullptr || items->size() > count_max) {
    fault(name, fmt::format("This must be a list of at most {} entries.", count_max));
    return nullptr;
  }
  return items;
}

void Fields::absorb(const Fields& nested) {
  faults_.insert(faults_.end(), nested.faults_.begin(), nested.faults_.end());
  for (const auto& member : nested.object_) {
    const std::string key(member.key());
    if (std::ranges::find(nested.asked_, key) == nested.asked_.end()) {
      unknown_of_nested_.push_back({nested.prefix_ + key.substr(0, 64), "There is no such member."});
    }
  }
}

std::optional<Problem> Fields::check() const {
  std::vector<FieldError> unknown = unknown_of_nested_;
  for (const auto& member : object_) {
    const std::string key(member.key());
    if (std::ranges::find(asked_, key) == asked_.end()) {
      unknown.push_back({prefix_ + key.substr(0, 64), "There is no such member."});
    }
  }
  if (!unknown.empty()) return problem_with(400, "invalid_request", std::move(unknown));
  if (!faults_.empty()) return problem_with(422, "invalid_fields", faults_);
  return std::nullopt;
}

std::expected<JsonObject, Problem> read_object(const net::HttpRequest& request) {
  // A body of another type cannot be sent across origins without a preflight; refusing the rest closes that door twice.
  if (request.content_type() != "application/json") {
    return refuse(415, "unsupported_media_type", "Send the body as application/json.");
  }
  auto json = base::parse_json(request.body, {.size_bytes_max = request.body.size(), .depth_max = 8, .doubles = base::Doubles::refused});
  if (!json && json.error().reason == "given_twice") {
    return std::unexpected(problem_with(400, "invalid_request", {{json.error().field, "This is given twice."}}));
  }
  if (!json) return refuse(400, "invalid_request", "The body is not valid JSON.");
  auto* object = json->if_object();
  if (object == nullptr) return refuse(400, "invalid_request", "The body must be a JSON object.");
  return std::move(*object);
}

Query::Query(const net::HttpRequest& request) {
  if (auto fields = net::decode_form(request.query, {.size_bytes_max = 8 * 1024, .fields_max = 32})) {
    parameters_ = std::move(*fields);
  } else {
    fault("", "The query of the address cannot be read.");
  }
}

void Query::fault(std::string_view name, std::string_view message) {
  faults_.push_back({std::string(name), std::string(message)});
}

const std::string* Query::take(std::string_view name) {
  asked_.emplace_back(name);
  const std::string* found = nullptr;
  for (const auto& [key, value] : parameters_) {
    if (key != name) continue;
    if (found != nullptr) fault(name, "This is given twice.");
    found = &value;
  }
  return found;
}

std::string Query::text(std::string_view name, TextBounds bounds) {
  const auto* value = take(name);
  if (value == nullptr) return {};
  if (auto wrong = fault_of(*value, bounds); !wrong.empty()) {
    fault(name, wrong);
    return {};
  }
  return *value;
}

std::int64_t Query::integer(std::string_view name, std::int64_t min, std::int64_t max, std::int64_t otherwise) {
  const auto* value = take(name);
  if (value == nullptr) return otherwise;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || number < min || number > max) {
    fault(name, fmt::format("This must be a whole number from {} to {}.", min, max));
    return otherwise;
  }
  return number;
}

bool Query::boolean(std::string_view name) { return choice(name, {"true", "false"}) == "true"; }

std::string Query::choice(std::string_view name, const std::vector<std::string_view>& words) {
  const auto* value = take(name);
  if (value == nullptr) return {};
  if (std::ranges::find(words, std::string_view(*value)) == words.end()) {
    fault(name, one_of(words));
    return {};
  }
  return *value;
}

std::optional<WallTime> Query::time_if(std::string_view name) {
  const auto value = text(name, {.min = 0, .max = 40});
  if (value.empty()) return std::nullopt;
  const auto time = base::from_rfc3339(value);
  if (!time) fault(name, "This must be a time such as 2026-11-23T19:05:00Z.");
  return time;
}

std::optional<Problem> Query::check() const {
  std::vector<FieldError> faults = faults_;
  for (const auto& [key, value] : parameters_) {
    if (std::ranges::find(asked_, key) == asked_.end()) faults.push_back({key.substr(0, 64), "There is no such parameter."});
  }
  if (faults.empty()) return std::nullopt;
  return problem_with(400, "invalid_request", std::move(faults));
}

}  // namespace latchkey::console
