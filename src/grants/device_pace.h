// When a provider may be asked next about a device code (RFC 8628 section 3.5).
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace latchkey::grants {

// A value; no clock of its own.
class DevicePace {
 public:
  // `interval`: what the provider asked for, or what it has been slowed down to.
  explicit DevicePace(Seconds interval) : interval_(interval), wait_(interval) {}

  // From the end of one question to the next. Never less than the interval.
  [[nodiscard]] Seconds wait() const { return wait_; }
  // What later questions keep to, over restarts as well.
  [[nodiscard]] Seconds interval() const { return interval_; }

  // `authorization_pending`: back to the interval.
  void pending() { wait_ = interval_; }
  // `slow_down`: five seconds more, for this question and all later ones.
  void slow_down() {
    interval_ += kSlowDownBy;
    wait_ = interval_;
  }
  // No answer, or one that says nothing about the code: twice as long each time, a minute at most, and never shorter than
  // `asked_for`.
  void unanswered(Seconds asked_for = Seconds(0)) {
    wait_ = std::max({std::min(wait_ * 2, std::max(interval_, kWaitMost)), interval_, asked_for});
  }

 private:
  static constexpr Seconds kSlowDownBy{5};
  static constexpr Seconds kWaitMost{60};

  Seconds interval_;
  Seconds wait_;
};

}  // namespace latchkey::grants
