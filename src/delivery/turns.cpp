#include "delivery/turns.h"

#include <algorithm>

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

void Turns::wait(DeliveryId delivery, const std::string& connector, SteadyTime due_at, WallTime stored) {
  if (under_way_.contains(delivery)) return;
  if (const auto before = waiting_.find(delivery); before != waiting_.end()) leave(before);
  waiting_.emplace(delivery, Waiting{.connector = connector, .due_at = due_at, .stored = stored});
  lanes_[connector].waiting.emplace(due_at, delivery);
}

void Turns::leave(std::map<DeliveryId, Waiting>::iterator waiting) {
  const auto connector = waiting->second.connector;
  lanes_[connector].waiting.erase({waiting->second.due_at, waiting->first});
  waiting_.erase(waiting);
  forget_if_idle(connector);
}

std::optional<Turn> Turns::next(SteadyTime now, const Pace& pace) {
  if (under_way_.size() >= pace.parallel) return std::nullopt;
  auto best = lanes_.end();
  const auto consider = [&](auto from, auto to) {
    for (auto at = from; at != to; ++at) {
      const auto& lane = at->second;
      if (lane.waiting.empty() || lane.waiting.begin()->first > now || !may_begin(lane, now, pace)) continue;
      if (best == lanes_.end() || lane.busy < best->second.busy) best = at;
    }
  };
  const auto behind_last = lanes_.upper_bound(last_);
  consider(behind_last, lanes_.end());
  consider(lanes_.begin(), behind_last);
  if (best == lanes_.end()) return std::nullopt;
  auto& [connector, lane] = *best;
  Turn turn{.delivery = lane.waiting.begin()->second, .connector = connector};
  turn.stored = waiting_.at(turn.delivery).stored;
  lane.waiting.erase(lane.waiting.begin());
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
  if (reached == Reached::not_asked && !lane.begun.empty()) lane.begun.pop_back();
  if (reached == Reached::no) lane.unreached += 1;
  forget_if_idle(turn.connector);
}

void Turns::forget_if_idle(const std::string& connector) {
  const auto& lane = lanes_[connector];
  if (lane.busy == 0 && lane.waiting.empty() && lane.begun.empty() && lane.unreached == 0) lanes_.erase(connector);
}

bool Turns::waits_by(DeliveryId delivery, WallTime stored) const {
  const auto found = waiting_.find(delivery);
  return found != waiting_.end() && found->second.stored == stored;
}

std::optional<SteadyTime> Turns::next_due(SteadyTime after) const {
  std::optional<SteadyTime> soonest;
  for (const auto& [connector, lane] : lanes_) {
    const auto next = lane.waiting.lower_bound({after + std::chrono::nanoseconds(1), DeliveryId()});
    if (next != lane.waiting.end()) soonest = soonest ? std::min(*soonest, next->first) : next->first;
  }
  return soonest;
}

}  // namespace latchkey::delivery
