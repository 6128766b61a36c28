// How often a state that lasts is written to the log: a flood of connections must not become a flood of lines.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "base/clock.h"

namespace latchkey::net {

// A value, of one thread. The first time is reported at once, and from then on one report in kEvery tells of all since.
class ReportPace {
 public:
  static constexpr Seconds kEvery{10};

  // It has happened once more. How many times since the last report, this one included; nullopt: too early for one.
  [[nodiscard]] std::optional<std::size_t> happened(SteadyTime now) {
    ++since_;
    if (last_ && now - *last_ < kEvery) return std::nullopt;
    last_ = now;
    return std::exchange(since_, 0);
  }

 private:
  std::optional<SteadyTime> last_;
  std::size_t since_ = 0;
};

}  // namespace latchkey::net
