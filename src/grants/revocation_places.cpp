#include "grants/revocation_places.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr Seconds kBackOffFirst{30};
constexpr Seconds kLaterAtLeast{1};

}  // namespace

Seconds revocation_back_off(int attempts, Seconds most) {
  return std::min(most, kBackOffFirst * (1 << std::clamp(attempts - 1, 0, 12)));
}

bool RevocationPlaces::take(const std::string& app, WallTime now) {
  auto& lane = lanes_[app];
  if (busy_ >= kInAll || lane.busy >= (lane.failures > 0 ? 1 : kPerApp) || now < lane.held_until) return false;
  ++lane.busy;
  ++busy_;
  return true;
}

void RevocationPlaces::leave(const std::string& app) {
  --lanes_[app].busy;
  --busy_;
}

void RevocationPlaces::answered(const std::string& app, std::chrono::nanoseconds took) {
  auto& lane = lanes_[app];
  lane.failures = 0;
  lane.held_until = {};
  lane.takes = (lane.takes * 7 + took) / 8;
}

void RevocationPlaces::unreachable(const std::string& app, WallTime now, std::string why) {
  auto& lane = lanes_[app];
  lane.why = std::move(why);
  if (now < lane.held_until) return;  // one of several that were on their way together
  lane.failures += 1;
  lane.held_until = now + revocation_back_off(lane.failures, kHeldMax);
  lane.laid_until = {};
}

bool RevocationPlaces::held(const std::string& app, WallTime now) const {
  const auto lane = lanes_.find(app);
  return lane != lanes_.end() && now < lane->second.held_until;
}

std::string RevocationPlaces::why(const std::string& app) const {
  const auto lane = lanes_.find(app);
  return lane == lanes_.end() ? std::string() : lane->second.why;
}

WallTime RevocationPlaces::later(const std::string& app, WallTime now) {
  auto& lane = lanes_[app];
  // While one asks whether the provider is back, the others wait for its answer.
  const auto soonest = std::max(lane.held_until, now + (lane.failures > 0 ? kBackOffFirst : kLaterAtLeast));
  lane.laid_until = std::max(lane.laid_until, soonest) + std::chrono::duration_cast<WallTime::duration>(lane.takes / (2 * kPerApp));
  return lane.laid_until;
}

}  // namespace latchkey::grants
