// Wall time for expiries, read prudently (R24): never behind what the steady clock says must have passed since start.
//
// A wall clock set back an hour, or to 1970, would make a dead token look alive; the steady clock forbids that. A wall
// clock that jumps forward (a correction, or a resume after three days) is believed: it can only cause a refresh.
#pragma once

#include "base/clock.h"

namespace latchkey::grants {

class PrudentClock final : public WallClock {
 public:
  PrudentClock(const WallClock& wall, const SteadyClock& steady)
      : wall_(wall), steady_(steady), wall_at_start_(wall.now()), steady_at_start_(steady.now()) {}

  [[nodiscard]] WallTime now() const override {
    const auto passed = std::chrono::duration_cast<Milliseconds>(steady_.now() - steady_at_start_);
    return std::max(wall_.now(), wall_at_start_ + passed);
  }

 private:
  const WallClock& wall_;
  const SteadyClock& steady_;
  WallTime wall_at_start_;
  SteadyTime steady_at_start_;
};

}  // namespace latchkey::grants
