// Coroutines: Task<T> is Asio's awaitable behind one name, and the few ways a task may be started.
//
// A task runs on one executor (one thread of the event loop). Whoever starts one owns it: a TaskGroup cancels its
// tasks and hears their errors; nothing is detached.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#error "g++ 12 miscompiles coroutines: build with clang 19 (cmake --preset release)"
#endif

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace latchkey::base {

using Executor = boost::asio::any_io_executor;

template <class T = void>
using Task = boost::asio::awaitable<T, Executor>;

}  // namespace latchkey::base

namespace latchkey {
using base::Executor;
using base::Task;
}  // namespace latchkey
