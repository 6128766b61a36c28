// When deliveries are due, and how old they are, whatever the wall clock does. Pure: no store, no clock.
//
// A process paces itself by steady time: what a record puts off is turned into it once, when it is heard of. Records outlive a process, so
// that what they say is judged by the clock that is there then, which may have been set back since, or be ahead itself.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "store/records.h"

namespace latchkey::delivery {

// Longer than a day nothing is put off: so long a destination may ask to wait.
inline constexpr Seconds kPutOffMax{86'400};

// Where the store keeps AgeClock::at(): one for all servers of a database.
inline constexpr std::string_view kAgeClockMeta = "delivery_age_clock";

// Not thread-safe.
class DueTimes {
 public:
  // A moment of the wall clock in steady time, by how the two stand now. Equal moments are equal, and in order, as long as the wall
  // clock does not jump.
  [[nodiscard]] SteadyTime steady_of(WallTime moment, WallTime wall, SteadyTime steady);

 private:
  std::optional<std::chrono::nanoseconds> apart_;
};

// When a record that is in work is due by a clock that says `now`. One that was written by a clock that was ahead (its own road has
// moments that have not come) is put off from now on for as long as it was then, and none for longer than kPutOffMax; one that is parked
// is looked at within the hour.
[[nodiscard]] WallTime due_of(const store::Delivery& delivery, WallTime now);

// The clock that retention goes by: documents are not deleted because a clock jumped. It comes closer to the wall clock, either way, by
// no more than the time that passes while the server runs: after a month's pause, or with a clock a month ahead, it agrees with
// the wall clock once the server has run for a month.
class AgeClock {
 public:
  // `kept`: what an earlier process kept of at(); nullopt: there was none, and the wall clock is believed.
  AgeClock(std::optional<WallTime> kept, WallTime wall, SteadyTime steady) : at_(kept.value_or(wall)), looked_at_(steady) {}

  // What may be old is so by this: never later than the wall clock.
  [[nodiscard]] WallTime now(WallTime wall, SteadyTime steady);
  [[nodiscard]] WallTime at() const { return at_; }

 private:
  WallTime at_;
  SteadyTime looked_at_;
};

}  // namespace latchkey::delivery
