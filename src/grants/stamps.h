// What dates and signs whatever leaves this server for others to hold against their own clocks: requests to a Cloud Service, webhooks,
// mails. The wall clock itself, since the prudent one (for expiries) stays ahead for good when the wall clock was ahead once (R24).
#pragma once

#include "base/clock.h"
#include "grants/prudent_clock.h"

namespace latchkey::grants {

// A value; the clock outlives it.
class Stamps {
 public:
  Stamps(const WallClock& wall) : wall_(&wall) {}
  Stamps(const PrudentClock&) = delete;
  [[nodiscard]] WallTime now() const { return wall_->now(); }

 private:
  const WallClock* wall_;
};

}  // namespace latchkey::grants
