// Wall time for expiries, read prudently (R24): it never goes back, and never falls behind what the steady clock says must
// have passed.
//
// A wall clock set back an hour, or to 1970, would make a dead token look alive; so would one that had jumped forward and
// comes back, since tokens were stamped in between. A jump forward (a correction, or a resume after three days) is
// believed: it can only cause a refresh. Of what happened before this process started it knows the mark that an earlier one
// left (clock_mark.h); tokens stamped later than now are not trusted besides (lifecycle.h, is_from_the_future).
//
// Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>

#include "base/clock.h"

namespace latchkey::grants {

class PrudentClock final : public WallClock {
 public:
  // `not_before`: a moment known to have been.
  PrudentClock(const WallClock& wall, const SteadyClock& steady, WallTime not_before = {})
      : wall_(wall), steady_(steady), ahead_(std::max(wall.now(), not_before).time_since_epoch().count() - passed().count()) {}

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
