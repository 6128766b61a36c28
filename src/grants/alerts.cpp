#include "grants/alerts.h"

#include <algorithm>
#include <vector>

#include "grants/alert_folding.h"

namespace latchkey::grants {
namespace {

// Events are brought about from outside: of one kind a bounded number stands.
void make_room_for(const std::string& cause, std::map<std::string, Alert>& alerts) {
  const auto kind = cause.substr(0, cause.find(':')) + ":";
  std::vector<std::map<std::string, Alert>::iterator> events;
  for (auto at = alerts.lower_bound(kind); at != alerts.end() && at->first.starts_with(kind); ++at) {
    if (at->second.until) events.push_back(at);
  }
  if (events.size() < kEventsOfAKindMax) return;
  alerts.erase(*std::ranges::min_element(events, {}, [](const auto& each) { return each->second.since; }));
}

}  // namespace

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
    if (!alerts_.contains(cause)) make_room_for(cause, alerts_);
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
