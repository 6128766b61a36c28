#include "catalog/file_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::catalog {

void FaultSink::fault(std::string_view pointer, std::string_view problem, std::string_view remedy) {
  if (first_) return;
  const std::string_view where = pointer.empty() ? "/" : pointer;
  first_ = Error{.kind = ErrorKind::misconfigured,
                 .reason = "bad_provider_file",
                 .text = fmt::format("{}: {} {}. {}", file_, where, problem, remedy),
                 .detail = {},
                 .field = std::string(pointer),
                 .retry_after = {}};
}

std::string ObjectReader::pointer_to(std::string_view name) const {
  std::string out = pointer_ + "/";
  for (const char c : name) {  // RFC 6901 section 3
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

void ObjectReader::fault(std::string_view name, std::string_view problem, std::string_view remedy) {
  sink_->fault(pointer_to(name), problem, remedy);
}

const Json* ObjectReader::take(std::string_view name, Need need) {
  known_.emplace(name);
  const auto* value = object_->if_contains(name);
  if (value == nullptr && need == Need::required) fault(name, "is missing", "Add it; docs/providers.md describes it.");
  return value;
}

bool ObjectReader::has(std::string_view name) { return object_->if_contains(name) != nullptr; }

std::string ObjectReader::text(std::string_view name, Need need, std::size_t size_max) {
  const auto* value = take(name, need);
  if (value == nullptr) return {};
  const auto* given = value->if_string();
  if (given == nullptr) {
    fault(name, "is not a text", "Write it in double quotes, or leave it out.");
    return {};
  }
  std::string out{std::string_view(*given)};
  const bool printable = std::all_of(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
  if (out.size() > size_max || !printable) {
    fault(name, "is too long or holds control characters", fmt::format("Write at most {} plain characters.", size_max));
    return {};
  }
  if (need == Need::required && out.empty()) fault(name, "is empty", "Fill it in.");
  return out;
}

bool ObjectReader::flag(std::string_view name, bool otherwise) {
  const auto* value = take(name, Need::optional);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  fault(name, "is neither true nor false", "Write true or false without quotes.");
  return otherwise;
}

std::optional<bool> ObjectReader::maybe_flag(std::string_view name) {
  const auto* value = take(name, Need::optional);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  fault(name, "is neither true, false nor null", "Write null when it is not known.");
  return std::nullopt;
}

std::optional<std::int64_t> ObjectReader::number(std::string_view name, std::int64_t min, std::int64_t max) {
  const auto* value = take(name, Need::optional);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto* given = value->if_int64();
  if (given == nullptr || *given < min || *given > max) {
    fault(name, "is not a whole number in its range", fmt::format("Write a number from {} to {}, or null when it is not known.", min, max));
    return std::nullopt;
  }
  return *given;
}

std::vector<std::string> ObjectReader::texts(std::string_view name, std::size_t count_max) {
  std::vector<std::string> out;
  const auto* value = take(name, Need::optional);
  if (value == nullptr) return out;
  const auto* array = value->if_array();
  if (array == nullptr || array->size() > count_max) {
    fault(name, "is not a list of texts", fmt::format("Write [\"...\"] with at most {} entries.", count_max));
    return out;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto* item = (*array)[i].if_string();
    if (item == nullptr || item->empty() || item->size() > 500) {
      sink_->fault(fmt::format("{}/{}", pointer_to(name), i), "is not a text of 1 to 500 characters", "Write it in double quotes.");
      return {};
    }
    out.emplace_back(std::string_view(*item));
  }
  return out;
}

oauth::Parameters ObjectReader::pairs(std::string_view name) {
  oauth::Parameters out;
  object(name, Need::optional, [&](ObjectReader& reader) {
    for (const auto& member : *reader.object_) {
      const std::string key(member.key());
      if (key.empty() || key.size() > 100) reader.fault(key, "is not a name", "Write 1 to 100 characters.");
      out.emplace_back(key, reader.text(key, Need::optional));
    }
  });
  return out;
}

void ObjectReader::object(std::string_view name, Need need, const std::function<void(ObjectReader&)>& read) {
  const auto* value = take(name, need);
  if (value == nullptr) return;
  const auto* given = value->if_object();
  if (given == nullptr) {
    fault(name, "is not an object", "Write {...}.");
    return;
  }
  ObjectReader inner(*sink_, *given, pointer_to(name));
  read(inner);
  inner.finish();
}

void ObjectReader::objects(std::string_view name, std::size_t min, std::size_t max,
                           const std::function<void(ObjectReader&)>& read) {
  const auto* value = take(name, min > 0 ? Need::required : Need::optional);
  if (value == nullptr) return;
  const auto* array = value->if_array();
  if (array == nullptr || array->size() < min || array->size() > max) {
    fault(name, "is not a list of the right length", fmt::format("Write a list of {} to {} objects.", min, max));
    return;
  }
  for (std::size_t i = 0; i < array->size() && !sink_->failed(); ++i) {
    const auto at = fmt::format("{}/{}", pointer_to(name), i);
    const auto* item = (*array)[i].if_object();
    if (item == nullptr) {
      sink_->fault(at, "is not an object", "Write {...}.");
      return;
    }
    ObjectReader inner(*sink_, *item, at);
    read(inner);
    inner.finish();
  }
}

std::pair<int, int> ObjectReader::status(std::string_view name) {
  const auto* value = take(name, Need::optional);
  if (value == nullptr) return {0, 0};
  if (const auto* number = value->if_int64(); number != nullptr && *number >= 100 && *number <= 599) {
    return {static_cast<int>(*number), static_cast<int>(*number)};
  }
  if (const auto* text = value->if_string(); text != nullptr && text->size() == 3 && text->ends_with("xx")) {
    const int hundred = (*text)[0] - '0';
    if (hundred >= 1 && hundred <= 5) return {hundred * 100, hundred * 100 + 99};
  }
  fault(name, "is not a status", "Write a number such as 400, or a class such as \"5xx\".");
  return {0, 0};
}

void ObjectReader::finish() {
  for (const auto& member : *object_) {
    const std::string_view name = member.key();
    if (!known_.contains(name)) fault(name, "is not a known member", "Check its spelling; docs/providers.md lists all members.");
  }
}

}  // namespace latchkey::catalog
