// The threads that speak to the network: one event loop a thread.
//
// Engine tasks live on main(), which runs one thing at a time. Worker 0 is main(); HTTP connections are spread over the others,
// where there are any, so that nobody waits behind a storm of refreshes.
#pragma once

#include <cstddef>
#include <memory>

#include "base/task.h"

namespace latchkey::net {

// A resource. run() is called once; everything else may be called from any thread. SIGPIPE is ignored from
// construction on, for the whole process.
class EventLoop {
 public:
  // `threads` >= 1, counting the one that calls run().
  explicit EventLoop(std::size_t threads);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  [[nodiscard]] Executor main();
  [[nodiscard]] Executor worker(std::size_t index);
  [[nodiscard]] std::size_t worker_count() const;

  // Runs main() on the calling thread and the other workers on threads of their own; returns after stop(), when all
  // threads have ended. An exception that leaves a handler aborts the process: it is a bug.
  void run();
  // Work not yet done is abandoned: end tasks and servers first.
  void stop();

  // The next SIGTERM, SIGINT or SIGHUP; signals that arrive between two calls are kept. Must be awaited on main(), by
  // one task. The first call takes the signals over from the system's default. Cancellable.
  [[nodiscard]] Task<int> next_signal();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::net
