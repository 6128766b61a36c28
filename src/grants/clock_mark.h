// The latest moment known to have been, kept across restarts: a server that starts with its clock behind it must not take
// tokens for alive that ended in between (R24).
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "grants/alerts.h"
#include "store/store.h"

namespace latchkey::grants {

inline constexpr std::string_view kClockMarkMeta = "clock_mark";

// Moves the mark on, rarely, and raises the alert `clock_behind` while the clock lags behind what Latchkey goes by (a
// PrudentClock that began at the mark). Lives on the engine's executor.
//
// A moment is marked only when the wall clock has run at the pace of the steady one for a whole interval up to it: a clock
// that jumps forward for a moment must not leave a mark in the future, which would outlive a restart.
class ClockMark {
 public:
  // `mark`: what read() gave at the start.
  ClockMark(store::Store& store, const WallClock& wall, const WallClock& prudent, SteadyClock& steady, Alerts& alerts, Log& log, WallTime mark)
      : store_(store), wall_(wall), prudent_(prudent), steady_(steady), alerts_(alerts), log_(log), mark_(mark), marked_at_(steady.now()) {}

  // The epoch: there is none yet.
  [[nodiscard]] static Task<Result<WallTime>> read(store::Store& store);
  // For an operator who knows that the clock was ahead of the truth when the mark was made.
  [[nodiscard]] static Task<Result<void>> forget(store::Store& store);

  [[nodiscard]] Task<void> look();
  // For ever, at once and then every few minutes.
  [[nodiscard]] Task<void> keep_looking();

 private:
  store::Store& store_;
  const WallClock& wall_;
  const WallClock& prudent_;
  SteadyClock& steady_;
  Alerts& alerts_;
  Log& log_;
  WallTime mark_;        // was certainly reached at marked_at_
  SteadyTime marked_at_;
  WallTime wall_before_{};  // at the look before
  SteadyTime steady_before_{};
};

}  // namespace latchkey::grants
