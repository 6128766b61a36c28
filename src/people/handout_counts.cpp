#include "people/handout_counts.h"

#include <array>
#include <map>
#include <mutex>
#include <unordered_map>

namespace latchkey::people {
namespace {

constexpr std::size_t kShards = 8;
constexpr std::size_t kMutationsMax = 1000;  // of one commit

using Minutes = std::map<std::pair<GrantId, WallTime>, std::int64_t>;
using Touched = std::map<UserId, WallTime>;

}  // namespace

struct HandoutCounts::State {
  struct Shard {
    std::mutex mutex;
    Minutes minutes;
    Touched users;
  };
  State(store::Store& store_in, const WallClock& clock_in) : store(store_in), clock(clock_in) {}

  Shard& of(GrantId grant) { return shards[IdHash()(grant) % kShards]; }

  void put_back(const store::Batch& batch) {
    for (const auto& mutation : batch) {
      if (const auto* counted = std::get_if<store::CountHandouts>(&mutation)) {
        auto& shard = of(counted->grant);
        const std::lock_guard lock(shard.mutex);
        shard.minutes[{counted->grant, counted->minute}] += counted->count;
      }
    }
  }

  store::Store& store;
  const WallClock& clock;
  std::array<Shard, kShards> shards;
};

HandoutCounts::HandoutCounts(store::Store& store, const WallClock& clock) : state_(std::make_unique<State>(store, clock)) {}
HandoutCounts::~HandoutCounts() = default;

void HandoutCounts::count(UserId user, GrantId grant) {
  const auto now = state_->clock.now();
  auto& shard = state_->of(grant);
  const std::lock_guard lock(shard.mutex);
  ++shard.minutes[{grant, std::chrono::floor<std::chrono::minutes>(now)}];
  shard.users[user] = now;
}

Task<Result<void>> HandoutCounts::flush() {
  Minutes minutes;
  Touched users;
  for (auto& shard : state_->shards) {
    const std::lock_guard lock(shard.mutex);
    minutes.merge(shard.minutes);
    shard.minutes.clear();
    for (const auto& [user, at] : shard.users) users[user] = std::max(users[user], at);
    shard.users.clear();
  }
  std::vector<store::Batch> batches(1);
  const auto add = [&](store::Mutation mutation) {
    if (batches.back().size() >= kMutationsMax) batches.emplace_back();
    batches.back().push_back(std::move(mutation));
  };
  const auto now = state_->clock.now();
  for (const auto& [key, count] : minutes) {
    add(store::CountHandouts{.grant = key.first, .minute = key.second, .count = count});
    add(store::TouchGrant{.grant = key.first, .last_used_at = now});
  }
  for (const auto& [user, at] : users) add(store::TouchUser{.user = user, .last_used_at = at});
  Result<void> outcome;
  for (auto& batch : batches) {
    if (batch.empty()) continue;
    const auto copy = batch;
    auto done = co_await state_->store.commit(std::move(batch), store::Urgency::bookkeeping);
    if (!done && done.error().kind == ErrorKind::unavailable) state_->put_back(copy);
    if (!done) outcome = std::move(done);
  }
  co_return outcome;
}

Task<void> HandoutCounts::keep_flushing(SteadyClock& steady, std::function<Seconds()> interval) {
  auto flushed_at = steady.now();
  for (;;) {
    co_await steady.sleep_for(Seconds(1));
    if (steady.now() - flushed_at < interval()) continue;
    flushed_at = steady.now();
    // A failed flush keeps its counts and tries again next time; the store reports its own trouble.
    [[maybe_unused]] const auto done = co_await flush();
  }
}

}  // namespace latchkey::people
