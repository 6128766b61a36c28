#include "base/task_group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "base/broadcast.h"

namespace latchkey::base {

namespace asio = boost::asio;

struct TaskGroup::State {
  State(Executor executor_in, Log& log_in) : executor(std::move(executor_in)), log(log_in), empty(executor) {}

  struct Running {
    std::string name;
    asio::cancellation_signal signal;
  };

  Executor executor;
  Log& log;
  std::list<Running> tasks;
  Broadcast empty;
  bool closed = false;

  void ended(std::list<Running>::iterator which, const std::exception_ptr& problem) {
    if (problem) report(which->name, problem);
    tasks.erase(which);
    if (tasks.empty()) empty.notify_all();
  }

  void report(const std::string& name, const std::exception_ptr& problem) {
    try {
      std::rethrow_exception(problem);
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) return;
      log.error("task_failed", {{"task", name}, {"error", error.what()}});
    } catch (const std::exception& error) {
      log.error("task_failed", {{"task", name}, {"error", error.what()}});
    }
  }
};

TaskGroup::TaskGroup(Executor executor, Log& log) : state_(std::make_shared<State>(std::move(executor), log)) {}

TaskGroup::~TaskGroup() { LATCHKEY_CHECK(state_->tasks.empty()); }

bool TaskGroup::spawn(std::string name, Task<void> task) {
  if (state_->closed) return false;
  state_->tasks.emplace_back();
  const auto which = std::prev(state_->tasks.end());
  which->name = std::move(name);
  auto ended = [state = state_, which](std::exception_ptr problem) { state->ended(which, problem); };
  asio::co_spawn(state_->executor, std::move(task), asio::bind_cancellation_slot(which->signal.slot(), std::move(ended)));
  return true;
}

Task<void> TaskGroup::cancel_and_wait() {
  state_->closed = true;
  // A cancelled task may end others' wait at once, so the list is walked by a snapshot of addresses still in it.
  for (auto which = state_->tasks.begin(); which != state_->tasks.end();) {
    auto next = std::next(which);
    which->signal.emit(asio::cancellation_type::terminal);
    which = next;
  }
  co_await drain();
}

Task<void> TaskGroup::drain() {
  state_->closed = true;
  const auto state = state_;
  while (!state->tasks.empty()) co_await state->empty.wait();
}

std::size_t TaskGroup::running() const { return state_->tasks.size(); }

}  // namespace latchkey::base
