#include "grants/clock_mark.h"

#include <fmt/core.h>

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr std::chrono::minutes kLookEvery{10};
constexpr std::chrono::minutes kBehind{2};
constexpr std::string_view kCause = "clock_behind";

std::string minute_of(WallTime time) { return base::to_rfc3339(time).substr(0, 16) + "Z"; }

}  // namespace

Task<Result<WallTime>> ClockMark::read(store::Store& store) {
  const auto kept = co_await store.meta(std::string(kClockMarkMeta));
  if (!kept) co_return std::unexpected(kept.error());
  co_return base::from_rfc3339(base::as_text(*kept)).value_or(WallTime{});
}

Task<Result<void>> ClockMark::forget(store::Store& store) {
  store::Batch batch;
  batch.push_back(store::PutMeta{std::string(kClockMarkMeta), {}});
  co_return co_await store.commit(std::move(batch));
}

Task<void> ClockMark::look() {
  const auto wall = wall_.now();
  const auto steady = steady_.now();
  const auto since = [steady](SteadyTime then) { return std::chrono::duration_cast<Milliseconds>(steady - then); };
  // Only what both clocks agree upon, or what must have passed since the mark.
  WallTime reached = mark_ == WallTime{} ? WallTime{} : mark_ + since(marked_at_);
  if (wall_before_ != WallTime{}) reached = std::max(reached, std::min(wall, wall_before_ + since(steady_before_)));
  wall_before_ = wall;
  steady_before_ = steady;

  const auto prudent = prudent_.now();
  if (wall + kBehind < prudent) {
    alerts_.raise(std::string(kCause),
                  fmt::format("This machine's clock says {}, but {} has been before. Until the clock has caught up Latchkey goes by the later "
                              "one: tokens that may have ended are refreshed and not handed out. Set the clock (timedatectl). If it is right now and was "
                              "ahead before, restart the server, with --trust-clock if this comes back.",
                              minute_of(wall), minute_of(prudent)));
  } else {
    alerts_.clear(std::string(kCause));
  }

  if (reached <= mark_) co_return;
  mark_ = reached;
  marked_at_ = steady;
  store::Batch batch;
  batch.push_back(store::PutMeta{std::string(kClockMarkMeta), base::to_bytes(base::to_rfc3339(reached))});
  if (const auto done = co_await store_.commit(std::move(batch), store::Urgency::bookkeeping); !done) log_.error("clock_not_marked", done.error());
}

Task<void> ClockMark::keep_looking() {
  for (;;) {
    co_await look();
    co_await steady_.sleep_for(kLookEvery);
  }
}

}  // namespace latchkey::grants
