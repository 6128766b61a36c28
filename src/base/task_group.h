// Who owns background work: a TaskGroup starts tasks, hears their errors and waits for them at shutdown.
//
// Invariants: every task started is finished before the destructor runs (checked); all methods are called on the
// group's executor, which runs one thing at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/task.h"

namespace latchkey::base {

class TaskGroup {
 public:
  TaskGroup(Executor executor, Log& log);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // An exception that is not a cancellation is logged with the name. After close() nothing starts any more and the
  // task is dropped unstarted; returns whether it started.
  bool spawn(std::string name, Task<void> task);

  // Cancels every task at its next co_await, starts nothing new, and returns when all have ended.
  [[nodiscard]] Task<void> cancel_and_wait();
  // Lets every task finish (for work that may not be cancelled: exchange and commit of a rotated token).
  [[nodiscard]] Task<void> drain();

  [[nodiscard]] std::size_t running() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::base

namespace latchkey {
using base::TaskGroup;
}
