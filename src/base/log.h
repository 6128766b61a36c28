// The structured log: one line an event, `time level event key=value ...` (values quoted where needed).
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::base {

enum class LogLevel { debug, info, warning, error };
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);

// A field's value is text made by the caller; a Secret cannot be made into one (deleted constructor).
class LogField {
 public:
  LogField(std::string_view key, std::string value) : key(key), value(std::move(value)) {}
  LogField(std::string_view key, const char* value) : key(key), value(value) {}
  LogField(std::string_view key, std::string_view value) : key(key), value(value) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  LogField(std::string_view key, Number number) : key(key), value(std::to_string(number)) {}
  LogField(std::string_view key, const Secret& secret) = delete;

  std::string_view key;
  std::string value;
};

// A resource; every method may be called from any thread. Lines are written whole. Control characters are escaped, a
// value is cut at 2,000 octets.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view event, std::vector<LogField> fields) = 0;

  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) { write(LogLevel::debug, event, fields); }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) { write(LogLevel::info, event, fields); }
  void warning(std::string_view event, std::initializer_list<LogField> fields = {}) { write(LogLevel::warning, event, fields); }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) { write(LogLevel::error, event, fields); }
  void error(std::string_view event, const Error& error);
};

// Writes to a file descriptor (2: stderr). Level changes take effect at once.
class StreamLog final : public Log {
 public:
  StreamLog(int descriptor, LogLevel level, const WallClock& clock) : descriptor_(descriptor), level_(level), clock_(clock) {}
  void write(LogLevel level, std::string_view event, std::vector<LogField> fields) override;

 private:
  int descriptor_;
  LogLevel level_;
  const WallClock& clock_;
};

// Keeps lines for tests to search.
class MemoryLog final : public Log {
 public:
  MemoryLog();
  ~MemoryLog() override;
  void write(LogLevel level, std::string_view event, std::vector<LogField> fields) override;
  [[nodiscard]] std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::base

namespace latchkey {
using base::Log;
}
