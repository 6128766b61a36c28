#include "grants/alerts.h"

namespace latchkey::grants {

void Alerts::raise(std::string cause, std::string words, std::int64_t number) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = alerts_.find(cause);
    if (known != alerts_.end()) {
      known->second.times += 1;
      known->second.words = std::move(words);
      known->second.number = number;
      return;
    }
    alerts_[cause] = {.cause = cause, .words = words, .since = clock_.now(), .number = number};
  }
  log_.warning("alert", {{"cause", cause}, {"words", words}});
}

void Alerts::tell(std::string cause, std::string words, Milliseconds quiet) {
  {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.now();
    std::erase_if(alerts_, [now](const auto& each) { return each.second.until && *each.second.until <= now; });
    auto& alert = alerts_[cause];
    alert = {.cause = cause, .words = words, .since = now, .times = alert.times + (alert.cause.empty() ? 0 : 1), .until = now + quiet};
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
  const auto now = clock_.now();
  for (const auto& [cause, alert] : alerts_) {
    if (!alert.until || *alert.until > now) all.push_back(alert);
  }
  return all;
}

}  // namespace latchkey::grants
