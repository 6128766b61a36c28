// How often somebody without a console session may begin a consent: each costs a row of the store and a place among those
// that wait.
#pragma once

#include <array>
#include <map>
#include <mutex>

#include "base/clock.h"
#include "base/id.h"

namespace latchkey::console {

// A resource, bounded. Thread-safe.
class OwnerPace {
 public:
  static constexpr std::size_t kPerMinute = 5;
  static constexpr std::size_t kUsersMost = 10'000;

  // Zero: the user may begin one, which is counted. Else: how long to wait, at most a minute.
  [[nodiscard]] Seconds take(UserId user, SteadyTime now);

 private:
  struct Begun {
    std::array<SteadyTime, kPerMinute> at{};  // a ring; the oldest stands at `next`
    std::size_t next = 0;
    std::size_t count = 0;
    SteadyTime last{};
  };
  void forget_old(SteadyTime now);

  std::mutex mutex_;
  std::map<UserId, Begun> begun_;
};

}  // namespace latchkey::console
