#include "grants/common_clock.h"

namespace latchkey::grants {

namespace {

constexpr Milliseconds kLetBe{500};

}  // namespace

Task<Result<Milliseconds>> CommonClock::compare(store::Store& store) {
  const auto asked = machine_.now();
  const auto told = co_await store.now();
  if (!told) co_return std::unexpected(told.error());
  const auto answered = machine_.now();
  const auto ahead = std::chrono::duration_cast<Milliseconds>(*told - (asked + (answered - asked) / 2));
  const auto moved = std::chrono::abs(ahead - Milliseconds(ahead_.load(std::memory_order_relaxed)));
  // A question that was long on its way says little.
  if (moved >= kLetBe && moved > answered - asked) ahead_.store(ahead.count(), std::memory_order_relaxed);
  co_return ahead;
}

}  // namespace latchkey::grants
