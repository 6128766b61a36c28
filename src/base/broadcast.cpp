#include "base/broadcast.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <list>

namespace latchkey::base {

namespace asio = boost::asio;

struct Broadcast::State {
  explicit State(Executor executor_in) : executor(std::move(executor_in)) {}
  struct Waiter {
    explicit Waiter(const Executor& executor) : timer(executor) {}
    asio::steady_timer timer;  // never meant to expire by itself in wait(): cancelled by notify_all()
    bool notified = false;
  };
  Executor executor;
  std::list<Waiter> waiters;
};

Broadcast::Broadcast(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
Broadcast::~Broadcast() = default;

void Broadcast::notify_all() {
  for (auto& waiter : state_->waiters) {
    waiter.notified = true;
    waiter.timer.cancel();
  }
}

Task<void> Broadcast::wait() { return wait_for(std::chrono::nanoseconds::max()); }

Task<void> Broadcast::wait_for(std::chrono::nanoseconds span) {
  const auto state = state_;
  state->waiters.emplace_back(state->executor);
  const auto self = std::prev(state->waiters.end());
  if (span == std::chrono::nanoseconds::max()) {
    self->timer.expires_at(asio::steady_timer::time_point::max());
  } else {
    self->timer.expires_after(span);
  }
  const auto [error] = co_await self->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  const bool notified = self->notified;
  state->waiters.erase(self);
  if (error && !notified) throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace latchkey::base
