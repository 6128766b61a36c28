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
    asio::steady_timer timer;  // never meant to expire by itself: cancelled by whatever ends the wait
    bool notified = false;
    void end() {
      notified = true;
      timer.cancel();
    }
  };
  Executor executor;
  std::list<Waiter> waiters;
};

Broadcast::Broadcast(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
Broadcast::~Broadcast() = default;

void Broadcast::notify_all() {
  for (auto& waiter : state_->waiters) waiter.end();
}

Task<void> Broadcast::wait() { return wait_with(state_, nullptr, {}); }

Task<void> Broadcast::wait_for(SteadyClock& clock, std::chrono::nanoseconds span) { return wait_with(state_, &clock, span); }

Task<void> Broadcast::wait_with(std::shared_ptr<State> state, SteadyClock* clock, std::chrono::nanoseconds span) {
  state->waiters.emplace_back(state->executor);
  const auto self = std::prev(state->waiters.end());
  self->timer.expires_at(asio::steady_timer::time_point::max());
  std::unique_ptr<Alarm> alarm;
  if (clock != nullptr) alarm = clock->ring_at(clock->now() + span, state->executor, [self] { self->end(); });
  const auto [error] = co_await self->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  alarm.reset();
  const bool notified = self->notified;
  state->waiters.erase(self);
  if (error && !notified) throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace latchkey::base
