#include "grants/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace latchkey::grants {
namespace {

std::string kind_of(const std::string& cause) { return cause.substr(0, cause.find(':')); }

std::size_t standing_of(const std::string& kind, const std::map<std::string, Alert>& alerts) {
  const auto prefix = kind + ":";
  std::size_t count = 0;
  for (auto at = alerts.lower_bound(prefix); at != alerts.end() && at->first.starts_with(prefix); ++at) count += at->second.until ? 0 : 1;
  return count;
}

// Events are brought about from outside: of one kind a bounded number stands.
void make_room_for(const std::string& cause, std::map<std::string, Alert>& alerts) {
  const auto kind = kind_of(cause) + ":";
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
    bool is_new = true;
    if (!is_beyond(cause, is_new)) alerts_[cause] = {.cause = cause, .words = words, .since = clock_.now(), .number = number};
    if (!is_new) return;
  }
  log_.warning("alert", {{"cause", cause}, {"words", words}});
}

bool Alerts::is_beyond(const std::string& cause, bool& is_new) {
  const auto kind = kind_of(cause);
  auto beyond = beyond_.find(kind);
  if (beyond == beyond_.end()) {
    if (standing_of(kind, alerts_) < kStandingOfAKindMax) return false;
    beyond = beyond_.emplace(kind, Beyond{.since = clock_.now(), .causes = {}}).first;
  }
  auto& causes = beyond->second.causes;
  is_new = causes.size() < kCountedOfAKindMax && causes.insert(std::hash<std::string>{}(cause)).second;
  return true;
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
    if (alerts_.erase(cause) == 0) {
      const auto beyond = beyond_.find(kind_of(cause));
      if (beyond == beyond_.end() || beyond->second.causes.erase(std::hash<std::string>{}(cause)) == 0) return;
      if (beyond->second.causes.empty()) beyond_.erase(beyond);
    } else {
      beyond_.erase(kind_of(cause));
    }
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
  for (const auto& [kind, beyond] : beyond_) {
    const auto count = beyond.causes.size();
    all.push_back({.cause = kind,
                   .words = fmt::format("{}{} more of these stand besides those that are shown. Each stands in the log (`alert`).", count,
                                        count >= kCountedOfAKindMax ? " or more" : ""),
                   .since = beyond.since,
                   .number = static_cast<std::int64_t>(count)});
  }
  return all;
}

}  // namespace latchkey::grants
