// One time for all nodes of a shared store. Tokens are stamped by the node that refreshed them and read by all: a node whose clock
// differs would take a fresh token for one of the future, or an ended one for good (R24). So a node goes by the store's clock,
// carried on by the time that has passed since: the machine's own clock may be set at any moment, for seconds even, and what it said then
// must not stay with this node alone.
//
// Thread-safe, but for compare(), which one task calls at a time.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::grants {

class CommonClock final : public WallClock {
 public:
  // The time that has passed since some moment, while the machine slept, too; nobody can set it. From any thread.
  using Passed = std::function<std::chrono::nanoseconds()>;
  // Until the first compare(): the machine's own time.
  explicit CommonClock(const WallClock& machine, Passed passed = passed_since_boot) : machine_(machine), passed_(std::move(passed)) {}

  [[nodiscard]] WallTime now() const override;

  // By how much the store's clock is ahead of the machine's (to half a round trip); this clock goes by it from now on. What differs by
  // less than half a second is let be. Errors: the store's; the clock stays as it was, and goes on.
  [[nodiscard]] Task<Result<Milliseconds>> compare(store::Store& store);

 private:
  [[nodiscard]] static std::chrono::nanoseconds passed_since_boot();
  [[nodiscard]] Milliseconds passed() const { return std::chrono::duration_cast<Milliseconds>(passed_()); }

  static constexpr std::int64_t kNotCompared = std::numeric_limits<std::int64_t>::min();
  const WallClock& machine_;
  const Passed passed_;
  std::optional<Milliseconds> doubted_;  // where that would have to be by the last look, which nobody has believed yet
  std::atomic<std::int64_t> began_ = kNotCompared;  // this clock's time, in milliseconds since 1970, when nothing had passed
};

}  // namespace latchkey::grants
