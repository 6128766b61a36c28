#include "relay/relay_counters.h"

#include <utility>

namespace latchkey::relay {

RelayCounters::Line RelayCounters::refused(std::string_view reason, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  auto known = refusals_.find(reason);
  if (known == refusals_.end()) known = refusals_.emplace(std::string(reason), Refused{.since = now}).first;
  auto& of_reason = known->second;
  of_reason.count += 1;
  if (now >= of_reason.since + kLinesSpan) {
    of_reason.since = now;
    of_reason.lines = 0;
  }
  if (of_reason.lines >= kLinesMax) {
    of_reason.unsaid += 1;
    return {};
  }
  of_reason.lines += 1;
  return {.due = true, .unsaid = std::exchange(of_reason.unsaid, 0)};
}

std::map<std::string, std::int64_t, std::less<>> RelayCounters::refusals() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::int64_t, std::less<>> counts;
  for (const auto& [reason, of_reason] : refusals_) counts.emplace(reason, of_reason.count);
  return counts;
}

}  // namespace latchkey::relay
