// The registry: typed settings kept in the store and changed live (docs/design/store.md). The list of keys is closed.
//
// Concurrency: reads may come from any thread; numbers, durations and booleans are one atomic load, texts a copy under a
// short lock. A change shows in the next read. Writes (`set`, `reset`, `load`) are tasks; two at once leave the later
// one's value.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::store {

enum class SettingType { duration, integer, boolean, text, choice };
[[nodiscard]] std::string_view name_of(SettingType type);

// One key as it stands in the list. Texts are written as an operator writes them; empty `minimum`/`maximum`: none.
struct SettingInfo {
  std::string_view key;
  SettingType type;
  std::string_view default_text;
  std::string_view minimum;
  std::string_view maximum;
  std::string_view unit;         // of a bare number: `minutes`, `seconds`, `characters`; empty: a unit must be written
  std::string_view explanation;  // what it does and when to change it; one or two sentences
  std::string_view choices{};    // of a choice: words between commas
};

// Every key, in the order of the console's page.
[[nodiscard]] std::span<const SettingInfo> registry_keys();

// `90s`, `20m`, `14d`, `500ms`, `6h`; a bare number where the setting names a unit. nullopt for anything else, and for
// what does not fit 64 bits of milliseconds.
[[nodiscard]] std::optional<Milliseconds> parse_duration(std::string_view text, std::string_view bare_unit = {});
// The shortest form that parses back: `20m`, not `1200s`.
[[nodiscard]] std::string duration_text(Milliseconds span);

// Who changes a setting, for the audit trail.
struct SettingAuthor {
  std::string actor;
  std::string source;
};

class Registry {
 public:
  // A key with its value now.
  struct Entry {
    const SettingInfo* info = nullptr;
    std::string value;  // as it takes effect
    std::optional<WallTime> changed_at;  // nullopt: the default
    std::string changed_by;
  };

  Registry(Store& store, const WallClock& clock);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Reads the store; before it every key has its default. A stored value that this version refuses is reported in
  // `ignored()` and the default holds. Also the way in which a node learns of another's change (call it at intervals): what
  // this process has set meanwhile is not undone by an older reading.
  [[nodiscard]] Task<Result<void>> load();
  [[nodiscard]] std::vector<std::string> ignored() const;

  // Durations (any std::chrono duration, rounded down), std::int64_t, bool, std::string (text and choice). Asking for an
  // unknown key or another type is a bug and aborts.
  template <class T>
  [[nodiscard]] T get(std::string_view key) const;

  // `oauth.polling_time`, unless `oauth.polling_time_by_type` names the type.
  [[nodiscard]] Milliseconds polling_time(std::string_view type) const;
  // Whether `authorize.device_code_types` names the type (RULES A5).
  [[nodiscard]] bool device_code_allowed(std::string_view type) const;

  // Durable and in effect when it returns; an audit entry goes with it. Errors: not_found/`no_such_setting`;
  // invalid/`invalid_setting` with field `value`; those of the store.
  [[nodiscard]] Task<Result<Entry>> set(std::string key, std::string text, SettingAuthor author);
  [[nodiscard]] Task<Result<Entry>> reset(std::string key, SettingAuthor author);

  [[nodiscard]] std::optional<Entry> entry(std::string_view key) const;
  [[nodiscard]] std::vector<Entry> entries() const;

  // Whether the text would be accepted; the value as it would be kept. Errors as `set`.
  [[nodiscard]] static Result<std::string> check(std::string_view key, std::string_view text);

 private:
  struct Snapshot;
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const;
  [[nodiscard]] std::uint64_t changes() const;
  [[nodiscard]] Milliseconds duration_of(std::string_view key) const;
  [[nodiscard]] std::int64_t integer_of(std::string_view key) const;
  [[nodiscard]] bool boolean_of(std::string_view key) const;
  [[nodiscard]] std::string text_of(std::string_view key) const;
  void replace(std::string_view key, std::optional<Entry> entry);

  Store& store_;
  const WallClock& clock_;
  void publish(std::shared_ptr<const Snapshot> fresh);  // under the mutex
  [[nodiscard]] std::int64_t number_of(std::string_view key, SettingType type) const;

  mutable std::mutex mutex_;
  std::uint64_t changes_ = 0;  // made here
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<std::atomic<std::int64_t>[]> numbers_;  // by position in registry_keys(); durations in milliseconds
};

template <class T>
T Registry::get(std::string_view key) const {
  if constexpr (std::is_same_v<T, bool>) {
    return boolean_of(key);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return text_of(key);
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(integer_of(key));
  } else {
    return std::chrono::floor<T>(duration_of(key));
  }
}

}  // namespace latchkey::store
