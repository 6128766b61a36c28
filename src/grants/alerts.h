// Alerts: a console banner, a log line and a metric, one per cause and not one per grant.
#pragma once

#include <map>
#include <mutex>
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
};

// Thread-safe.
class Alerts {
 public:
  Alerts(const WallClock& clock, Log& log) : clock_(clock), log_(log) {}

  // Logs when the cause is new; otherwise counts.
  void raise(std::string cause, std::string words);
  void clear(const std::string& cause);
  [[nodiscard]] std::vector<Alert> current() const;

 private:
  const WallClock& clock_;
  Log& log_;
  mutable std::mutex mutex_;
  std::map<std::string, Alert> alerts_;
};

}  // namespace latchkey::grants
