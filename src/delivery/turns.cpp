#include "delivery/turns.h"

namespace latchkey::delivery {
namespace {

constexpr Seconds kMinute{60};
// So many tries in a row that did not reach a destination, and it is tried by one at a time.
constexpr std::size_t kUnreachedMax = 3;

}  // namespace

bool Turns::may_begin(const Lane& lane, SteadyTime now, const Pace& pace) {
  if (lane.busy >= (lane.unreached >= kUnreachedMax ? 1 : pace.parallel_per_connector)) return false;
  if (pace.per_minute_per_connector == 0 || lane.begun.size() < pace.per_minute_per_connector) return true;
  return lane.begun[lane.begun.size() - pace.per_minute_per_connector] + kMinute <= now;
}

bool Turns::add(DeliveryId delivery, const std::string& connector) {
  if (under_way_.contains(delivery) || !waiting_.insert(delivery).second) return false;
  lanes_[connector].waiting.push_back(delivery);
  return true;
}

std::optional<Turn> Turns::next(SteadyTime now, const Pace& pace) {
  if (is_full(pace)) return std::nullopt;
  auto best = lanes_.end();
  const auto consider = [&](auto from, auto to) {
    for (auto at = from; at != to; ++at) {
      const auto& lane = at->second;
      if (lane.waiting.empty() || !may_begin(lane, now, pace)) continue;
      if (best == lanes_.end() || lane.busy < best->second.busy) best = at;
    }
  };
  const auto behind_last = lanes_.upper_bound(last_);
  consider(behind_last, lanes_.end());
  consider(lanes_.begin(), behind_last);
  if (best == lanes_.end()) return std::nullopt;
  auto& [connector, lane] = *best;
  Turn turn{.delivery = lane.waiting.front(), .connector = connector};
  lane.waiting.pop_front();
  lane.busy += 1;
  if (pace.per_minute_per_connector > 0) {
    lane.begun.push_back(now);
    while (lane.begun.front() + kMinute <= now) lane.begun.pop_front();
  }
  waiting_.erase(turn.delivery);
  under_way_.insert(turn.delivery);
  last_ = connector;
  return turn;
}

void Turns::end(const Turn& turn, Reached reached) {
  under_way_.erase(turn.delivery);
  auto& lane = lanes_[turn.connector];
  lane.busy -= 1;
  if (reached == Reached::yes) lane.unreached = 0;
  if (reached == Reached::no) lane.unreached += 1;
  const bool nothing_to_remember = lane.busy == 0 && lane.waiting.empty() && lane.begun.empty() && lane.unreached == 0;
  if (nothing_to_remember) lanes_.erase(turn.connector);
}

std::vector<std::string> Turns::settled(SteadyTime now, const Pace& pace) const {
  std::vector<std::string> names;
  for (const auto& [connector, lane] : lanes_) {
    if (!lane.waiting.empty() || !may_begin(lane, now, pace)) names.push_back(connector);
  }
  return names;
}

}  // namespace latchkey::delivery
