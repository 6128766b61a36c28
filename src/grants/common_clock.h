// One time for all nodes of a shared store. Tokens are stamped by the node that refreshed them and read by all: a node whose clock
// differs would take a fresh token for one of the future, or an ended one for good (R24). So a node goes by the store's clock,
// which is its own clock moved by what the two differ.
//
// Thread-safe, but for compare(), which one task calls at a time.
#pragma once

#include <atomic>

#include "base/clock.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::grants {

class CommonClock final : public WallClock {
 public:
  // Until the first compare(): the machine's own time.
  explicit CommonClock(const WallClock& machine) : machine_(machine) {}

  [[nodiscard]] WallTime now() const override { return machine_.now() + Milliseconds(ahead_.load(std::memory_order_relaxed)); }

  // By how much the store's clock is ahead of the machine's (to half a round trip); this clock goes by it from now on. What differs by
  // less than half a second is let be. Errors: the store's; the clock stays as it was.
  [[nodiscard]] Task<Result<Milliseconds>> compare(store::Store& store);

 private:
  const WallClock& machine_;
  std::atomic<std::int64_t> ahead_ = 0;
};

}  // namespace latchkey::grants
