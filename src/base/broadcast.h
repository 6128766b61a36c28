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
  // Returns at notify_all() or after the span of real steady time, whichever is first.
  [[nodiscard]] Task<void> wait_for(std::chrono::nanoseconds span);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::base
