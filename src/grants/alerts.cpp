#include "grants/alerts.h"

namespace latchkey::grants {

void Alerts::raise(std::string cause, std::string words) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = alerts_.find(cause);
    if (known != alerts_.end()) {
      known->second.times += 1;
      known->second.words = std::move(words);
      return;
    }
    alerts_[cause] = {.cause = cause, .words = words, .since = clock_.now()};
  }
  log_.warning("alert", {{"cause", cause}, {"words", words}});
}

void Alerts::clear(const std::string& cause) {
  {
    const std::lock_guard lock(mutex_);
    if (alerts_.erase(cause) == 0) return;
  }
  log_.info("alert_cleared", {{"cause", cause}});
}

std::vector<Alert> Alerts::current() const {
  const std::lock_guard lock(mutex_);
  std::vector<Alert> all;
  for (const auto& [cause, alert] : alerts_) all.push_back(alert);
  return all;
}

}  // namespace latchkey::grants
