#include "delivery/due_times.h"

#include <algorithm>

#include "delivery/timeline.h"

namespace latchkey::delivery {
namespace {

// Between readings of two clocks, and of what one is set by day after day.
constexpr std::chrono::seconds kJump{1};
// Servers of one database have clocks of their own.
constexpr std::chrono::minutes kAhead{1};
constexpr std::chrono::hours kParkedMax{1};

}  // namespace

SteadyTime DueTimes::steady_of(WallTime moment, WallTime wall, SteadyTime steady) {
  const auto apart = steady.time_since_epoch() - std::chrono::nanoseconds(wall.time_since_epoch());
  if (!apart_ || std::chrono::abs(apart - *apart_) > kJump) apart_ = apart;
  return SteadyTime(std::chrono::nanoseconds(moment.time_since_epoch()) + *apart_);
}

WallTime due_of(const store::Delivery& delivery, WallTime now) {
  const auto noted = last_noted(delivery).value_or(delivery.created_at);
  if (noted > now + kAhead) return now + std::clamp<Milliseconds>(delivery.due_at - noted, Milliseconds(0), kPutOffMax);
  const bool parked = delivery.state == store::DeliveryState::parked;
  return std::min(delivery.due_at, now + (parked ? Milliseconds(kParkedMax) : Milliseconds(kPutOffMax)));
}

WallTime AgeClock::now(WallTime wall, SteadyTime steady) {
  const auto passed = std::max(std::chrono::floor<Milliseconds>(steady - looked_at_), Milliseconds(0));
  looked_at_ += passed;
  at_ += passed;
  at_ += std::clamp<Milliseconds>(wall - at_, -passed, passed);
  return std::min(at_, wall);
}

}  // namespace latchkey::delivery
