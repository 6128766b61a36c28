#include "base/places.h"

#include <boost/asio/this_coro.hpp>
#include <list>

#include "base/broadcast.h"

namespace latchkey::base {

struct Places::State {
  std::size_t free = 0;
  std::list<Waiter*> waiting;  // none while a place is free
};

class Places::Waiter {
 public:
  Waiter(std::shared_ptr<State> state, Executor executor)
      : state_(std::move(state)), turn_(std::move(executor)), self_(state_->waiting.insert(state_->waiting.end(), this)) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  // One that was given a place and did not take it gives it back.
  ~Waiter() {
    if (waits_) state_->waiting.erase(self_);
  }

  [[nodiscard]] Task<void> wait(SteadyClock& clock, std::chrono::nanoseconds span) { return turn_.wait_for(clock, span); }
  void give(Place place) {
    state_->waiting.erase(self_);
    waits_ = false;
    place_ = std::move(place);
    turn_.notify_all();
  }
  [[nodiscard]] Place take() { return std::move(place_); }

 private:
  std::shared_ptr<State> state_;
  Broadcast turn_;
  std::list<Waiter*>::iterator self_;
  bool waits_ = true;
  Place place_;
};

Places::Place::~Place() {
  if (!of_) return;
  if (of_->waiting.empty()) {
    ++of_->free;
    return;
  }
  Waiter& next = *of_->waiting.front();
  next.give(Place(std::move(of_)));
}

Places::Places(std::size_t most) : state_(std::make_shared<State>()) { state_->free = most; }
Places::~Places() = default;

Task<Places::Place> Places::take(SteadyClock& clock, std::chrono::nanoseconds span) { return wait(state_, &clock, span); }

Task<Places::Place> Places::wait(std::shared_ptr<State> state, SteadyClock* clock, std::chrono::nanoseconds span) {
  if (state->free > 0) {
    --state->free;
    co_return Place(std::move(state));
  }
  Waiter waiter(state, co_await boost::asio::this_coro::executor);
  co_await waiter.wait(*clock, span);
  co_return waiter.take();
}

}  // namespace latchkey::base
