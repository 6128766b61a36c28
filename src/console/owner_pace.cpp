#include "console/owner_pace.h"

#include <algorithm>

namespace latchkey::console {
namespace {

constexpr Seconds kSpan{60};

}  // namespace

Seconds OwnerPace::take(UserId user, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (begun_.size() >= kUsersMost && !begun_.contains(user)) forget_old(now);
  if (begun_.size() >= kUsersMost && !begun_.contains(user)) return kSpan;
  auto& mine = begun_[user];
  const auto oldest = mine.at[mine.next];
  if (mine.count == kPerMinute && now - oldest < kSpan) return std::chrono::ceil<Seconds>(kSpan - (now - oldest));
  mine.at[mine.next] = now;
  mine.next = (mine.next + 1) % kPerMinute;
  mine.count = std::min(mine.count + 1, kPerMinute);
  mine.last = now;
  return Seconds(0);
}

void OwnerPace::forget_old(SteadyTime now) {
  std::erase_if(begun_, [&](const auto& each) { return now - each.second.last >= kSpan; });
}

}  // namespace latchkey::console
