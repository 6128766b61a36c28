#include "grants/outcome_tallies.h"

#include <string>

namespace latchkey::grants {
namespace {

constexpr std::chrono::seconds kFlushEvery{60};

std::array<std::int64_t, kOutcomeNames.size()> figures_of(const Counters& counters) {
  return {counters.refreshed, counters.refused, counters.transient, counters.ambiguous, counters.not_sent, counters.misconfigured};
}

}  // namespace

Task<Result<void>> OutcomeTallies::flush() {
  const auto figures = figures_of(counters_);
  const auto before = std::exchange(flushed_, figures);
  const auto hour = std::chrono::floor<std::chrono::hours>(wall_.now());
  store::Batch batch;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    if (figures[i] == before[i]) continue;
    batch.push_back(store::AddTally{{.name = std::string(kOutcomeTallies) + std::string(kOutcomeNames[i]), .at = hour, .count = figures[i] - before[i]}});
  }
  if (batch.empty()) co_return Result<void>{};
  auto done = co_await store_.commit(std::move(batch), store::Urgency::bookkeeping);
  if (!done && done.error().kind == ErrorKind::unavailable) {
    for (std::size_t i = 0; i < figures.size(); ++i) flushed_[i] -= figures[i] - before[i];
  }
  co_return done;
}

Task<void> OutcomeTallies::keep_flushing(SteadyClock& steady) {
  for (;;) {
    co_await steady.sleep_for(kFlushEvery);
    // The store reports its own trouble.
    [[maybe_unused]] const auto done = co_await flush();
  }
}

}  // namespace latchkey::grants
