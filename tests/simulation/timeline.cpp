#include "timeline.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace latchkey::simulation {

namespace asio = boost::asio;

namespace {

constexpr Nanoseconds kUptime = std::chrono::hours(1);  // of every machine when its world begins
constexpr WallTime kBeginning{Milliseconds(1'800'000'000'000)};

}  // namespace

Process::~Process() { timeline_.forget(*this); }

void Process::die() {
  if (std::exchange(dead_, true)) return;
  for (auto& what : std::exchange(on_death_, {})) what();
  timeline_.hasten(*this);
}

void Process::stop_until(Nanoseconds when) { stopped_until_ = std::max(stopped_until_, when); }
bool Process::stopped() const { return !dead_ && timeline_.now() < stopped_until_; }

Timeline::Timeline() : loop_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE) {}

void Timeline::at(Nanoseconds when, Process* owner, Event event) {
  if (owner != nullptr && owner->dead_) when = now_;
  const Key key{std::max(when, now_), ++sequence_};
  events_.emplace(key, Planned{owner, std::move(event)});
}

void Timeline::hasten(Process& owner) {
  std::vector<std::pair<Key, Planned>> moved;
  for (auto at = events_.begin(); at != events_.end();) {
    if (at->second.owner == &owner && at->first.first > now_) {
      moved.emplace_back(at->first, std::move(at->second));
      at = events_.erase(at);
    } else {
      ++at;
    }
  }
  for (auto& [key, planned] : moved) events_.emplace(Key{now_, key.second}, std::move(planned));
}

void Timeline::forget(Process& owner) {
  std::erase_if(events_, [&](const auto& entry) { return entry.second.owner == &owner; });
}

void Timeline::run_ready() {
  if (loop_.stopped()) loop_.restart();
  loop_.poll();
}

bool Timeline::step(Nanoseconds end) {
  for (;;) {
    if (events_.empty() || events_.begin()->first.first > end) {
      now_ = std::max(now_, end);
      return false;
    }
    auto node = events_.extract(events_.begin());
    now_ = std::max(now_, node.key().first);
    auto& planned = node.mapped();
    if (planned.owner != nullptr && planned.owner->stopped()) {
      node.key().first = planned.owner->stopped_until_;
      events_.insert(std::move(node));
      continue;
    }
    ++steps_;
    planned.event();
    run_ready();
    return true;
  }
}

// ---- clocks --------------------------------------------------------------------------------------------------------

class ProcessClock::Ring final : public base::Alarm {
 public:
  Ring(Timeline& timeline, Process& process, SteadyTime when, std::move_only_function<void()> ring)
      : timeline_(timeline), ring_(std::make_shared<std::move_only_function<void()>>(std::move(ring))) {
    const auto moment = when.time_since_epoch() - kUptime;
    if (process.dead()) process.beyond = std::max(process.beyond, moment - timeline.now());
    timeline_.at(moment, &process, [alive = std::weak_ptr(ring_), process = &process, moment, timeline = &timeline_] {
      if (process->dead()) process->beyond = std::max(process->beyond, moment - timeline->now());
      if (const auto known = alive.lock()) (*known)();
    });
  }

 private:
  Timeline& timeline_;
  std::shared_ptr<std::move_only_function<void()>> ring_;
};

SteadyTime ProcessClock::now() const { return SteadyTime(timeline_.now() + process_.beyond + kUptime); }

std::unique_ptr<base::Alarm> ProcessClock::ring_at(SteadyTime when, Executor, std::move_only_function<void()> ring) {
  return std::make_unique<Ring>(timeline_, process_, when, std::move(ring));
}

Task<void> ProcessClock::sleep_until(SteadyTime when) {
  auto initiate = [](auto handler, ProcessClock* self, SteadyTime until) {
    struct Sleep {
      decltype(handler) handler;
      bool over = false;
    };
    auto slot = asio::get_associated_cancellation_slot(handler);
    auto executor = asio::get_associated_executor(handler);
    auto sleep = std::make_shared<Sleep>(Sleep{std::move(handler)});
    auto end = [sleep, executor](boost::system::error_code error) {
      if (std::exchange(sleep->over, true)) return;
      asio::post(executor, [sleep, error]() mutable {
        auto done = std::move(sleep->handler);
        std::move(done)(error);
      });
    };
    if (slot.is_connected()) slot.assign([end](asio::cancellation_type) { end(asio::error::operation_aborted); });
    const auto moment = until.time_since_epoch() - kUptime;
    self->timeline_.at(moment, &self->process_, [end, self, moment] {
      auto& process = self->process_;
      if (process.dead()) process.beyond = std::max(process.beyond, moment - self->timeline_.now());
      end({});
    });
  };
  if (when <= now()) co_return;
  const auto [error] = co_await asio::async_initiate<const asio::as_tuple_t<asio::use_awaitable_t<Executor>>&, void(boost::system::error_code)>(
      initiate, asio::as_tuple(asio::use_awaitable_t<Executor>()), this, when);
  if (error) throw boost::system::system_error(error);
}

WallTime true_time(const Timeline& timeline) { return kBeginning + std::chrono::duration_cast<Milliseconds>(timeline.now()); }
WallTime MachineWall::now() const { return true_time(timeline_) + off_; }

// ---- workers -------------------------------------------------------------------------------------------------------

SimulatedWorker::~SimulatedWorker() {
  alive_.reset();
  work_off();
}

void SimulatedWorker::post(std::move_only_function<void()> work) {
  queue_.push_back(std::move(work));
  if (std::exchange(planned_, true)) return;
  timeline_.after(delay_(), &process_, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    planned_ = false;
    work_off();
  });
}

void SimulatedWorker::work_off() {
  while (!queue_.empty()) {
    auto work = std::move(queue_.front());
    queue_.pop_front();
    work();
  }
}

}  // namespace latchkey::simulation
