// Where work is done that computes or blocks (PIN hashing, SQLite, fsync), so that the network never waits: a pool of
// threads, or whatever a simulation brings instead.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/task.h"

namespace latchkey::base {

// May be used from any thread. The destructor runs what is queued to its end.
class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  virtual ~Worker() = default;

  // In the order given where the worker is one thread.
  virtual void post(std::move_only_function<void()> work) = 0;

  // Runs `work` on the pool; the awaiting task resumes on its own executor with the value. `work` must not throw.
  template <class Work, class Value = std::invoke_result_t<Work>>
  [[nodiscard]] Task<Value> run(Work work);
};

// Makes the worker a part needs; `threads` at a time.
using Hire = std::function<std::unique_ptr<Worker>(std::string name, std::size_t threads)>;
// Threads of its own: what every part gets in production.
[[nodiscard]] std::unique_ptr<Worker> hire_threads(std::string name, std::size_t threads);

class Pool final : public Worker {
 public:
  Pool(std::string name, std::size_t threads);
  ~Pool() override;

  void post(std::move_only_function<void()> work) override;
  [[nodiscard]] std::size_t waiting() const;

 private:
  void serve();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
  bool closing_ = false;
  std::string name_;
  std::vector<std::thread> threads_;
};

// Suspends the calling task until `start(resume)` has called `resume(value)`, from whatever thread, exactly once. The
// bridge from callbacks to tasks: the store's writer thread, the pools, libcurl. Not cancellable.
template <class Value, class Start>
[[nodiscard]] Task<Value> suspend_until(Start start) {
  auto initiate = [](auto handler, Start begin) {
    auto executor = boost::asio::get_associated_executor(handler);
    using Handler = decltype(handler);
    struct Pending {
      Handler handler;
      boost::asio::any_io_executor executor;
    };
    auto pending = std::make_shared<Pending>(Pending{std::move(handler), std::move(executor)});
    begin([pending](Value value) {
      boost::asio::post(pending->executor, [pending, value = std::make_shared<Value>(std::move(value))]() mutable {
        auto done = std::move(pending->handler);
        std::move(done)(std::move(*value));
      });
    });
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<Executor>&, void(Value)>(
      initiate, boost::asio::use_awaitable_t<Executor>(), std::move(start));
}

template <class Work, class Value>
Task<Value> Worker::run(Work work) {
  Worker* self = this;
  auto start = [self, work = std::move(work)](auto resume) mutable {
    self->post([work = std::move(work), resume = std::move(resume)]() mutable { resume(work()); });
  };
  co_return co_await suspend_until<Value>(std::move(start));
}

}  // namespace latchkey::base

namespace latchkey {
using base::Pool;
using base::Worker;
}
