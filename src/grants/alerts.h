// Alerts: a console banner, a log line and a metric, one per cause and not one per grant.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace latchkey::grants {

struct Alert {
  std::string cause;   // stable key: `app_misconfigured:box`
  std::string words;   // what happened, what to do
  WallTime since;
  std::int64_t times = 1;
  std::optional<WallTime> until{};  // ends by itself
  std::int64_t number = 0;          // how many are hit, where the cause counts them; 0: it does not
};

// Thread-safe.
class Alerts {
 public:
  Alerts(const WallClock& clock, Log& log) : clock_(clock), log_(log) {}

  // A state that lasts until clear(). Logs when the cause is new; otherwise counts. `number`: Alert::number.
  void raise(std::string cause, std::string words, std::int64_t number = 0);
  // Something that happened: stands for `quiet` after the last time. Each time is news: logged, and `since` moves, so that
  // whoever put the banner away sees it again.
  void tell(std::string cause, std::string words, Milliseconds quiet);
  void clear(const std::string& cause);
  [[nodiscard]] std::vector<Alert> current() const;

 private:
  const WallClock& clock_;
  Log& log_;
  mutable std::mutex mutex_;
  std::map<std::string, Alert> alerts_;
};

}  // namespace latchkey::grants
