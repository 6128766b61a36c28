// Who does something at one place comes one after the other: two documents of this server are never given the same name at
// once.
//
// Concurrency: thread-safe. Whoever waits keeps no thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/task.h"

namespace latchkey::connectors {

class Turns {
 public:
  // A turn; whoever is next goes on when it ends. Moves; Turns outlives it.
  class Turn {
   public:
    Turn(Turns& turns, std::string place) : turns_(&turns), place_(std::move(place)) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), place_(std::move(other.place_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end(place_);
    }

   private:
    Turns* turns_;
    std::string place_;
  };

  [[nodiscard]] Task<Turn> take(std::string place);

 private:
  void end(const std::string& place);

  std::mutex mutex_;
  std::map<std::string, std::deque<std::move_only_function<void(bool)>>> waiting_;  // by place; there: somebody has the turn
};

}  // namespace latchkey::connectors
