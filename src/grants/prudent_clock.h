// Wall time for expiries, read prudently (R24): it never goes back, and never falls behind what the steady clock says must
// have passed.
//
// A wall clock set back an hour, or to 1970, would make a dead token look alive; so would one that had jumped forward and
// comes back, since tokens were stamped in between. A jump forward (a correction, or a resume after three days) is
// believed: it can only cause a refresh. What happened before this process started is not known; tokens stamped later
// than now are not trusted (lifecycle.h, is_from_the_future).
//
// Thread-safe.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace latchkey::grants {

class PrudentClock final : public WallClock {
 public:
  PrudentClock(const WallClock& wall, const SteadyClock& steady) : wall_(wall), steady_(steady), ahead_(ahead_of(passed())) {}

  [[nodiscard]] WallTime now() const override {
    const auto passed = this->passed();
    const auto seen = ahead_of(passed);
    auto highest = ahead_.load(std::memory_order_relaxed);
    while (highest < seen && !ahead_.compare_exchange_weak(highest, seen, std::memory_order_relaxed)) {
    }
    return WallTime(Milliseconds(std::max(highest, seen)) + passed);
  }

 private:
  // By how much the wall clock is ahead of the steady one, in milliseconds: it may only grow.
  [[nodiscard]] std::int64_t ahead_of(Milliseconds passed) const { return (wall_.now().time_since_epoch() - passed).count(); }
  [[nodiscard]] Milliseconds passed() const {
    return std::chrono::duration_cast<Milliseconds>(steady_.now().time_since_epoch());
  }

  const WallClock& wall_;
  const SteadyClock& steady_;
  mutable std::atomic<std::int64_t> ahead_;
};

}  // namespace latchkey::grants
