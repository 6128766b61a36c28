// How often a door asks which device a conversation was with that let nobody in. What a flood leaves beyond that is nobody's.
// Thread-safe.
#pragma once

#include <mutex>

#include "base/clock.h"

namespace latchkey::doors {

class QuestionPace {
 public:
  static constexpr std::size_t kPerSecond = 20;

  // Counts the question that is asked then.
  [[nodiscard]] bool may_ask(SteadyTime now) {
    const std::lock_guard lock(mutex_);
    if (now - second_began_ >= Seconds(1)) {
      second_began_ = now;
      asked_ = 0;
    }
    if (asked_ >= kPerSecond) return false;
    ++asked_;
    return true;
  }

 private:
  std::mutex mutex_;
  SteadyTime second_began_{};
  std::size_t asked_ = 0;
};

}  // namespace latchkey::doors
