// What needs a person, as the console's banner shows it.
#pragma once

#include <functional>
#include <mutex>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "grants/alert_kinds.h"

namespace latchkey::console {

using grants::Severity;

struct Alert {
  std::string id;       // opaque, fit for a path; stable while the cause lasts
  Severity severity = Severity::warning;
  std::string title;
  std::string detail;   // with the remedy
  WallTime since{};
  std::string link;     // console path that helps; empty: none
  bool dismissible = false;
};

// A cause as the rooms below report it: `app_misconfigured:box` and words.
struct Cause {
  std::string cause;
  std::string words;
  WallTime since{};
};

// Thread-safe. What was put away comes back when its cause returns later, or when it is news again (a later `since`).
class AlertBoard {
 public:
  explicit AlertBoard(std::function<std::vector<Cause>()> causes) : causes_(std::move(causes)) {}

  // Most severe first.
  [[nodiscard]] std::vector<Alert> current();
  // What still stands though somebody put it away: no banner's matter any more, but a watchdog's.
  [[nodiscard]] std::vector<Alert> put_away();
  // Errors: not_found, conflict/`not_dismissible`.
  [[nodiscard]] Result<void> dismiss(std::string_view id);

 private:
  enum class Which { shown, put_away };
  [[nodiscard]] std::vector<Alert> alerts(Which which);

  std::function<std::vector<Cause>()> causes_;
  std::mutex mutex_;
  std::map<std::string, WallTime, std::less<>> dismissed_;  // cause, and since when it stood
};

}  // namespace latchkey::console
