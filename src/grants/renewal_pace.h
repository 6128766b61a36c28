// How often services may have tokens renewed that they refuse: once a minute for each grant. A service that refuses whatever
// token it is shown, for every document that waits for it, would otherwise spend one refresh token after the other.
#pragma once

#include <mutex>
#include <map>

#include "base/clock.h"
#include "base/id.h"

namespace latchkey::grants {

// Thread-safe. Some 50 octets for each grant that had a token renewed within the last minute.
class RenewalPace {
 public:
  static constexpr Seconds kNotWithin{60};

  // True: it may be renewed now, and counts as renewed.
  [[nodiscard]] bool take(GrantId grant, WallTime now) {
    const std::lock_guard lock(mutex_);
    const auto is_old = [&](WallTime at) { return now >= at + kNotWithin || now < at; };
    if (const auto before = renewed_.find(grant); before != renewed_.end() && !is_old(before->second)) return false;
    std::erase_if(renewed_, [&](const auto& one) { return is_old(one.second); });
    renewed_[grant] = now;
    return true;
  }

 private:
  std::mutex mutex_;
  std::map<GrantId, WallTime> renewed_;
};

}  // namespace latchkey::grants
