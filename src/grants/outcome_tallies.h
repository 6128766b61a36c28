// How refreshes ended, hour by hour: counted in memory, added to the store's tallies now and then, over all nodes.
#pragma once

#include <array>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "grants/counters.h"
#include "store/store.h"

namespace latchkey::grants {

inline constexpr std::string_view kOutcomeTallies = "refresh:";  // before the outcome's name
inline constexpr std::array<std::string_view, 6> kOutcomeNames = {"refreshed", "refused", "transient", "ambiguous", "not_sent", "misconfigured_app"};

// Lives on the engine's executor. What is not flushed yet is lost with the process.
class OutcomeTallies {
 public:
  OutcomeTallies(store::Store& store, const Counters& counters, const WallClock& wall) : store_(store), counters_(counters), wall_(wall) {}

  // Errors: the store's; what it did not take is added the next time.
  [[nodiscard]] Task<Result<void>> flush();
  // For ever; the caller owns the task and flushes once more at shutdown.
  [[nodiscard]] Task<void> keep_flushing(SteadyClock& steady);

 private:
  store::Store& store_;
  const Counters& counters_;
  const WallClock& wall_;
  std::array<std::int64_t, kOutcomeNames.size()> flushed_{};
};

}  // namespace latchkey::grants
