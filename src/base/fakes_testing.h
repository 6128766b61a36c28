// Clocks for tests: time stands still until the test moves it. Everything here runs on the thread of the test's loop,
// except now(), which any thread may ask.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <atomic>
#include <exception>
#include <list>
#include <optional>
#include <stdexcept>

#include "base/clock.h"

namespace latchkey::base {

class SimulatedWallClock final : public WallClock {
 public:
  explicit SimulatedWallClock(WallTime start = from_unix_ms(1'800'000'000'000)) : ms_(to_unix_ms(start)) {}
  [[nodiscard]] WallTime now() const override { return from_unix_ms(ms_); }
  void advance(Milliseconds span) { ms_ += span.count(); }
  void set(WallTime time) { ms_ = to_unix_ms(time); }

 private:
  std::atomic<std::int64_t> ms_;
};

class SimulatedSteadyClock final : public SteadyClock {
 public:
  [[nodiscard]] SteadyTime now() const override { return SteadyTime(std::chrono::nanoseconds(now_ns_)); }

  [[nodiscard]] Task<void> sleep_until(SteadyTime when) override {
    if (when <= now()) co_return;
    sleepers_.emplace_back(co_await boost::asio::this_coro::executor, when);
    const auto self = std::prev(sleepers_.end());
    self->timer.expires_at(boost::asio::steady_timer::time_point::max());
    // However the wait ended, `woken` tells why.
    static_cast<void>(co_await self->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable_t<Executor>())));
    const bool woken = self->woken;
    sleepers_.erase(self);
    if (!woken) throw boost::system::system_error(boost::asio::error::operation_aborted);
  }

  // At `when` as the test moves it, or once so much real time has passed: whoever guards something that other threads do for real
  // needs no test to move the clock.
  [[nodiscard]] std::unique_ptr<Alarm> ring_at(SteadyTime when, Executor executor, std::move_only_function<void()> ring) override {
    std::erase_if(alarms_, [](const SetAlarm& alarm) { return alarm.ring.expired(); });
    auto once = std::make_shared<Ring>(std::move(ring));
    alarms_.push_back({when, executor, once});
    auto real = SteadyClock::ring_at(when, executor, [once = std::weak_ptr(once)] { once.lock()->go(); });
    return std::make_unique<HeldAlarm>(std::move(once), std::move(real));
  }

  void advance(std::chrono::nanoseconds span) {
    now_ns_ += span.count();
    for (const auto& alarm : alarms_) {
      if (alarm.when > now()) continue;
      boost::asio::post(alarm.executor, [ring = alarm.ring] {
        if (const auto held = ring.lock()) held->go();
      });
    }
    for (auto& sleeper : sleepers_) {
      if (sleeper.when > now() || sleeper.woken) continue;
      sleeper.woken = true;
      sleeper.timer.cancel();
    }
  }

  // When the first of those who sleep wakes up; nullopt: nobody sleeps.
  [[nodiscard]] std::optional<SteadyTime> next_wake() const {
    std::optional<SteadyTime> first;
    for (const auto& sleeper : sleepers_) {
      if (!sleeper.woken && (!first || sleeper.when < *first)) first = sleeper.when;
    }
    return first;
  }

 private:
  struct Sleeper {
    Sleeper(Executor executor, SteadyTime when_in) : timer(std::move(executor)), when(when_in) {}
    boost::asio::steady_timer timer;
    SteadyTime when;
    bool woken = false;
  };
  struct Ring {
    explicit Ring(std::move_only_function<void()> ring) : ring_(std::move(ring)) {}
    void go() {
      if (auto ring = std::exchange(ring_, {})) ring();
    }

   private:
    std::move_only_function<void()> ring_;
  };
  struct HeldAlarm final : Alarm {
    HeldAlarm(std::shared_ptr<Ring> ring_in, std::unique_ptr<Alarm> real_in) : ring(std::move(ring_in)), real(std::move(real_in)) {}
    std::shared_ptr<Ring> ring;
    std::unique_ptr<Alarm> real;
  };
  struct SetAlarm {
    SteadyTime when;
    Executor executor;
    std::weak_ptr<Ring> ring;
  };
  std::list<SetAlarm> alarms_;
  std::atomic<std::int64_t> now_ns_ = 3'600'000'000'000;
  std::list<Sleeper> sleepers_;
};

// Runs a loop until `done()`; throws when that takes longer than a minute of real time.
template <class Done>
void drive_until(boost::asio::io_context& loop, Done done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the awaited condition never came");
    if (loop.stopped()) loop.restart();
    loop.run_one_for(std::chrono::milliseconds(1));
  }
}

// Starts a task on the loop; `*outcome` holds its value in the end.
template <class T>
std::shared_ptr<std::optional<T>> start_on(boost::asio::io_context& loop, Task<T> task) {
  auto outcome = std::make_shared<std::optional<T>>();
  boost::asio::co_spawn(loop, std::move(task), [outcome](std::exception_ptr problem, T value) {
    if (problem) std::rethrow_exception(problem);
    outcome->emplace(std::move(value));
  });
  return outcome;
}

// Runs one task to its end. When it sleeps on `clock`, time moves to its waking.
template <class T>
T run_on_loop(boost::asio::io_context& loop, SimulatedSteadyClock& clock, Task<T> task) {
  auto outcome = start_on(loop, std::move(task));
  drive_until(loop, [&] {
    if (outcome->has_value()) return true;
    if (const auto wake = clock.next_wake()) clock.advance(*wake - clock.now());
    return false;
  });
  return std::move(**outcome);
}

}  // namespace latchkey::base
