// So many at once: whoever finds no place waits for one, in the order of coming.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/task.h"

namespace latchkey::base {

// One executor; not thread-safe. Places that are taken, and those who wait, may outlive it.
class Places {
  struct State;

 public:
  // One that was taken, given back by its end; or none. Moves.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~Place();
    explicit operator bool() const { return of_ != nullptr; }

   private:
    friend class Places;
    explicit Place(std::shared_ptr<State> of) : of_(std::move(of)) {}
    std::shared_ptr<State> of_;
  };

  explicit Places(std::size_t most);
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;
  ~Places();

  // None: no turn came within that span of the clock's time. Throws the executor's cancellation when the waiting task is
  // cancelled.
  [[nodiscard]] Task<Place> take(SteadyClock& clock, std::chrono::nanoseconds span);

 private:
  class Waiter;
  [[nodiscard]] static Task<Place> wait(std::shared_ptr<State> state, SteadyClock* clock, std::chrono::nanoseconds span);

  std::shared_ptr<State> state_;
};

}  // namespace latchkey::base
