// Reading a provider file member by member: every key must be known, every value of its kind, and the first fault is
// reported with file, JSON pointer and remedy.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oauth/uri.h"

namespace latchkey::catalog {

enum class Need { required, optional };

// Keeps the first fault of a file.
class FaultSink {
 public:
  explicit FaultSink(std::string_view file) : file_(file) {}
  void fault(std::string_view pointer, std::string_view problem, std::string_view remedy);
  [[nodiscard]] bool failed() const { return first_.has_value(); }
  [[nodiscard]] const std::optional<Error>& first() const { return first_; }

 private:
  std::string file_;
  std::optional<Error> first_;
};

// One object of the file. Borrowed: sink and object outlive it. Readers return empty values after a fault, so that
// callers need no checks of their own until the end.
class ObjectReader {
 public:
  ObjectReader(FaultSink& sink, const JsonObject& object, std::string pointer)
      : sink_(&sink), object_(&object), pointer_(std::move(pointer)) {}

  [[nodiscard]] std::string text(std::string_view name, Need need, std::size_t size_max = 1000);
  [[nodiscard]] bool flag(std::string_view name, bool otherwise);
  // true, false, or null and absent alike: unknown.
  [[nodiscard]] std::optional<bool> maybe_flag(std::string_view name);
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name, std::int64_t min, std::int64_t max);
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, std::size_t count_max = 100);
  // An object of text members, in the order written.
  [[nodiscard]] oauth::Parameters pairs(std::string_view name);
  [[nodiscard]] bool has(std::string_view name);
  void object(std::string_view name, Need need, const std::function<void(ObjectReader&)>& read);
  void objects(std::string_view name, std::size_t min, std::size_t max, const std::function<void(ObjectReader&)>& read);
  // An integer status, or a class such as "5xx"; {0, 0} when absent.
  [[nodiscard]] std::pair<int, int> status(std::string_view name);
  // A word of a closed list, given as pairs of word and value.
  template <class Value>
  [[nodiscard]] Value word(std::string_view name, Need need, const std::vector<std::pair<std::string_view, Value>>& words,
                           Value otherwise);

  // Faults on members nobody asked for. Call last.
  void finish();
  void fault(std::string_view name, std::string_view problem, std::string_view remedy);
  [[nodiscard]] std::string pointer_to(std::string_view name) const;
  [[nodiscard]] FaultSink& sink() { return *sink_; }

 private:
  const Json* take(std::string_view name, Need need);

  FaultSink* sink_;
  const JsonObject* object_;
  std::string pointer_;
  std::set<std::string, std::less<>> known_;
};

template <class Value>
Value ObjectReader::word(std::string_view name, Need need, const std::vector<std::pair<std::string_view, Value>>& words,
                         Value otherwise) {
  const auto given = text(name, need, 100);
  if (given.empty()) return otherwise;
  std::string list;
  for (const auto& [candidate, value] : words) {
    if (candidate == given) return value;
    list.append(list.empty() ? "" : ", ").append(candidate);
  }
  fault(name, "is not a word of the list", "Write one of: " + list + ".");
  return otherwise;
}

}  // namespace latchkey::catalog
