// Hand-outs are counted per grant and minute in memory and written down every few seconds: an audit row each would make
// the store the bottleneck of every token.
//
// Thread-safe. What is not yet flushed is lost with the process, by design; flush() at shutdown.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::people {

class HandoutCounts {
 public:
  HandoutCounts(store::Store& store, const WallClock& clock);
  ~HandoutCounts();
  HandoutCounts(const HandoutCounts&) = delete;
  HandoutCounts& operator=(const HandoutCounts&) = delete;

  // Microseconds; no I/O.
  void count(UserId user, GrantId grant);

  // CountHandouts, TouchGrant and TouchUser for everything counted since, at bookkeeping urgency. What the store does not
  // take is kept for the next time (an ambiguous commit is not repeated: better one too few than two too many).
  [[nodiscard]] Task<Result<void>> flush();
  // Flushes every `interval` until cancelled; asked again each second. The caller owns the task and flushes once more at shutdown.
  [[nodiscard]] Task<void> keep_flushing(SteadyClock& steady, std::function<Seconds()> interval);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::people
