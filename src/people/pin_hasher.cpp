#include "people/pin_hasher.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/pool.h"

namespace latchkey::people {
namespace {

constexpr std::chrono::nanoseconds kFirstEstimate = std::chrono::milliseconds(120);

}  // namespace

struct PinHasher::State {
  using Resume = std::function<void(std::optional<SlowCheck>)>;
  struct Job {
    Cost cost;
    // Does the work and returns what tells of it: nobody may hear of it before its time is reckoned in.
    std::function<std::function<void()>(SteadyTime ready)> work;
  };

  State(std::function<Options()> options_in, const SteadyClock& steady_in) : options(std::move(options_in)), steady(steady_in) {
    const std::lock_guard lock(mutex);
    grow();
  }
  ~State() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    wake.notify_all();
    for (auto& thread : threads) thread.join();
  }

  // These under the mutex.
  [[nodiscard]] bool has_place(Lane lane) const {
    const auto queue_max = options().queue_max;
    if (known.size() + unknown.size() >= queue_max) return false;
    return lane == Lane::known_source || unknown.size() < queue_max - queue_max / 4;
  }
  [[nodiscard]] bool may_start() const { return running < threads_wanted(); }
  [[nodiscard]] bool unknown_may_start() const { return threads_wanted() < 2 || unknown_running + 1 < threads_wanted(); }
  [[nodiscard]] std::size_t threads_wanted() const { return std::max<std::size_t>(1, options().threads); }
  // Threads beyond those wanted sleep.
  void grow() {
    while (threads.size() < threads_wanted()) {
      threads.emplace_back([this] { serve(); });
      pthread_setname_np(threads.back().native_handle(), "pin-hasher");
    }
  }

  bool enqueue(Lane lane, Job job) {
    {
      const std::lock_guard lock(mutex);
      if (!has_place(lane)) return false;
      (lane == Lane::known_source ? known : unknown).push_back(std::move(job));
      grow();
    }
    wake.notify_one();
    return true;
  }

  void serve() {
    for (;;) {
      Job job;
      bool from_unknown = false;
      std::chrono::nanoseconds allowance;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] {
          if (closing) return true;
          return may_start() && (!known.empty() || (!unknown.empty() && unknown_may_start()));
        });
        if (known.empty() && unknown.empty()) return;
        from_unknown = known.empty();
        auto& queue = from_unknown ? unknown : known;
        job = std::move(queue.front());
        queue.pop_front();
        ++running;
        if (from_unknown) ++unknown_running;
        if (job.cost == Cost::hash) ++begun;
        allowance = slowest + slowest / 2;
      }
      const auto start = steady.now();
      const auto tell = job.work(start + allowance);
      job.work = nullptr;
      {
        const std::lock_guard lock(mutex);
        --running;
        if (from_unknown) --unknown_running;
        if (job.cost == Cost::hash) {
          const std::chrono::nanoseconds took = steady.now() - start;
          slowest = took > slowest ? took : slowest - (slowest - took) / 8;
        }
      }
      tell();
      wake.notify_one();
    }
  }

  const std::function<Options()> options;
  const SteadyClock& steady;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> known, unknown;
  std::size_t running = 0;
  std::size_t unknown_running = 0;
  std::unordered_map<std::string, std::vector<Resume>> flights;
  std::chrono::nanoseconds slowest = kFirstEstimate;  // of the latest: up at once, down by and by
  std::uint64_t begun = 0;
  bool closing = false;
  std::vector<std::thread> threads;
};

PinHasher::PinHasher(std::function<Options()> options, const SteadyClock& steady)
    : state_(std::make_unique<State>(std::move(options), steady)) {}
PinHasher::PinHasher(Options options, const SteadyClock& steady) : PinHasher([options] { return options; }, steady) {}
PinHasher::~PinHasher() = default;

Task<std::optional<SlowCheck>> PinHasher::join(Lane lane, Cost cost, std::string flight, std::function<SlowCheck()> work) {
  State* state = state_.get();
  flight.push_back(lane == Lane::known_source ? 'k' : 'u');
  flight.push_back(cost == Cost::hash ? 'h' : 'g');
  auto start = [state, lane, cost, flight = std::move(flight), work = std::move(work)](auto resume) {
    {
      const std::lock_guard lock(state->mutex);
      const auto [found, fresh] = state->flights.try_emplace(flight);
      found->second.emplace_back(resume);
      if (!fresh) return;
    }
    const auto land = [state, flight](std::optional<SlowCheck> outcome) {
      std::vector<State::Resume> waiters;
      {
        const std::lock_guard lock(state->mutex);
        const auto found = state->flights.find(flight);
        waiters = std::move(found->second);
        state->flights.erase(found);
      }
      for (const auto& waiter : waiters) waiter(outcome);
    };
    if (!state->enqueue(lane, {.cost = cost, .work = [work, land](SteadyTime ready) {
          auto outcome = work();
          outcome.ready = ready;
          return [land, outcome = std::move(outcome)] { land(outcome); };
        }})) {
      land(std::nullopt);
    }
  };
  co_return co_await base::suspend_until<std::optional<SlowCheck>>(std::move(start));
}

Task<std::optional<SlowCheck>> PinHasher::check(Lane lane, std::string flight, std::function<SlowCheck()> work) {
  return join(lane, Cost::hash, std::move(flight), std::move(work));
}

Task<std::optional<SteadyTime>> PinHasher::pretend(Lane lane, std::string flight) {
  const auto outcome = co_await join(lane, Cost::ghost, std::move(flight), [] { return SlowCheck{.verdict = SlowCheck::Verdict::wrong, .key = nullptr, .error = {}}; });
  if (!outcome) co_return std::nullopt;
  co_return outcome->ready;
}

Task<bool> PinHasher::run(std::function<void()> work) {
  State* state = state_.get();
  auto start = [state, work = std::move(work)](auto resume) {
    const auto job = [work, resume](SteadyTime) {
      work();
      return [resume] { resume(true); };
    };
    if (!state->enqueue(Lane::known_source, {.cost = Cost::hash, .work = job})) resume(false);
  };
  co_return co_await base::suspend_until<bool>(std::move(start));
}

std::size_t PinHasher::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->known.size() + state_->unknown.size();
}

std::uint64_t PinHasher::hashes_begun() const {
  const std::lock_guard lock(state_->mutex);
  return state_->begun;
}

}  // namespace latchkey::people
