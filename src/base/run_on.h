// Running a task on another executor and coming back.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/task.h"

namespace latchkey::base {

// Awaits `task` on `executor` (another thread of the event loop); the caller resumes on its own executor.
template <class T>
[[nodiscard]] Task<T> run_on(Executor executor, Task<T> task) {
  co_return co_await boost::asio::co_spawn(std::move(executor), std::move(task),
                                           boost::asio::use_awaitable_t<Executor>());
}

}  // namespace latchkey::base

namespace latchkey {
using base::run_on;
}
