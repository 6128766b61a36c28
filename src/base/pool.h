// A bounded pool of threads for work that computes or blocks (PIN hashing, SQLite), so that the network never waits.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/task.h"

namespace latchkey::base {

// May be used from any thread. The destructor runs what is queued to its end, then joins.
class Pool {
 public:
  Pool(std::string name, std::size_t threads);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  void post(std::move_only_function<void()> work);

  // Runs `work` on the pool; the awaiting task resumes on its own executor with the value. `work` must not throw.
  template <class Work, class Value = std::invoke_result_t<Work>>
  [[nodiscard]] Task<Value> run(Work work);

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
Task<Value> Pool::run(Work work) {
  Pool* self = this;
  auto start = [self, work = std::move(work)](auto resume) mutable {
    self->post([work = std::move(work), resume = std::move(resume)]() mutable { resume(work()); });
  };
  co_return co_await suspend_until<Value>(std::move(start));
}

}  // namespace latchkey::base

namespace latchkey {
using base::Pool;
}
