#include "relay/relay_counters.h"

namespace latchkey::relay {

void RelayCounters::refused(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (const auto known = refusals_.find(reason); known != refusals_.end()) {
    known->second += 1;
  } else {
    refusals_.emplace(std::string(reason), 1);
  }
}

std::map<std::string, std::int64_t, std::less<>> RelayCounters::refusals() const {
  const std::lock_guard lock(mutex_);
  return refusals_;
}

}  // namespace latchkey::relay
