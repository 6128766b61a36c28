#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <mutex>

namespace latchkey::base {
namespace {

constexpr std::size_t kValueBytesMax = 2000;

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "error";
}

bool plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  }
  return true;
}

void append_value(std::string& line, std::string_view value) {
  if (value.size() > kValueBytesMax) value = value.substr(0, kValueBytesMax);
  if (plain(value)) {
    line += value;
    return;
  }
  line.push_back('"');
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line.push_back('\\');
      line.push_back(c);
    } else if (octet < 0x20 || octet == 0x7f) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", octet);
    } else {
      line.push_back(c);
    }
  }
  line.push_back('"');
}

std::string line_of(LogLevel level, std::string_view event, const std::vector<LogField>& fields) {
  std::string line = fmt::format("{} {}", name_of(level), event);
  for (const auto& field : fields) {
    line.push_back(' ');
    line += field.key;
    line.push_back('=');
    append_value(line, field.value);
  }
  line.push_back('\n');
  return line;
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    if (name_of(level) == name) return level;
  }
  return std::nullopt;
}

void Log::error(std::string_view event, const Error& problem) {
  write(LogLevel::error, event,
        {{"kind", base::name_of(problem.kind)}, {"reason", problem.reason}, {"text", problem.text}, {"detail", problem.detail}});
}

void StreamLog::write(LogLevel level, std::string_view event, std::vector<LogField> fields) {
  if (level < level_) return;
  const auto line = to_rfc3339(clock_.now()) + ' ' + line_of(level, event, fields);
  // One write(2) a line: lines of different threads do not mix. A full or closed log must not stop the server.
  [[maybe_unused]] const auto ignored = ::write(descriptor_, line.data(), line.size());
}

struct MemoryLog::State {
  mutable std::mutex mutex;
  std::string text;
};

MemoryLog::MemoryLog() : state_(std::make_unique<State>()) {}
MemoryLog::~MemoryLog() = default;

void MemoryLog::write(LogLevel level, std::string_view event, std::vector<LogField> fields) {
  const std::lock_guard lock(state_->mutex);
  state_->text += line_of(level, event, fields);
}

std::string MemoryLog::text() const {
  const std::lock_guard lock(state_->mutex);
  return state_->text;
}

}  // namespace latchkey::base
