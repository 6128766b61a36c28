// One event, many waiters, all on one executor.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/task.h"

namespace latchkey::base {

// Concurrency: every method runs on the executor given; not thread-safe. There is no memory: who waits after
// notify_all() waits for the next one, so check the condition first.
class Broadcast {
 public:
  explicit Broadcast(Executor executor);
  Broadcast(const Broadcast&) = delete;
  Broadcast& operator=(const Broadcast&) = delete;
  ~Broadcast();

  void notify_all();
  // Throws the executor's cancellation when the waiting task is cancelled.
  [[nodiscard]] Task<void> wait();
  // Returns at notify_all() or after that span of the clock's time, whichever is first. The clock outlives the wait.
  [[nodiscard]] Task<void> wait_for(SteadyClock& clock, std::chrono::nanoseconds span);

 private:
  struct State;
  [[nodiscard]] static Task<void> wait_with(std::shared_ptr<State> state, SteadyClock* clock, std::chrono::nanoseconds span);
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::base
