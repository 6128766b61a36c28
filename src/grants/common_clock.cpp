#include "grants/common_clock.h"

#include <ctime>

#include "base/result.h"

namespace latchkey::grants {

namespace {

constexpr Milliseconds kLetBe{500};
constexpr Milliseconds kDoubted{2000};  // forward, at one look

}  // namespace

WallTime CommonClock::now() const {
  const auto began = began_.load(std::memory_order_relaxed);
  return began == kNotCompared ? machine_.now() : WallTime(Milliseconds(began) + passed());
}

std::chrono::nanoseconds CommonClock::passed_since_boot() {
  timespec time{};
  LATCHKEY_CHECK(::clock_gettime(CLOCK_BOOTTIME, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Task<Result<Milliseconds>> CommonClock::compare(store::Store& store) {
  const auto asked = passed();
  const auto told = co_await store.now();
  if (!told) co_return std::unexpected(told.error());
  const auto trip = passed() - asked;
  const auto there = *told + trip / 2;  // to half a round trip
  const auto moved = std::chrono::abs(there - now());
  if (moved < kLetBe) {
    // The first time, too: from here on no setting of the machine's clock counts.
    if (auto never = kNotCompared; began_.load() == never) began_.compare_exchange_strong(never, (now().time_since_epoch() - passed()).count());
    doubted_.reset();
  } else if (moved > trip) {  // a question that was long on its way says little
    const auto began = there.time_since_epoch() - passed();
    // Whoever has believed a clock that was ahead for a moment stamps ahead from then on: two looks must agree.
    const bool far_ahead = began_.load() != kNotCompared && there > now() + kDoubted;
    const bool agrees = doubted_ && std::chrono::abs(began - *doubted_) < kDoubted;
    doubted_ = far_ahead ? std::optional(began) : std::nullopt;
    if (!far_ahead || agrees) began_.store(began.count(), std::memory_order_relaxed);
  }
  co_return std::chrono::duration_cast<Milliseconds>(there - machine_.now());
}

}  // namespace latchkey::grants
