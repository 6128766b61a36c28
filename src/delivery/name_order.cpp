#include "delivery/name_order.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "delivery/timeline.h"

namespace latchkey::delivery {

Target target_of(const store::Delivery& delivery) {
  return std::hash<std::string>{}(delivery.connector + '\0' + delivery.grant.text() + '\0' + delivery.name);
}

WallTime named_since(const store::Delivery& delivery) {
  return std::max(delivery.created_at, last_noted(delivery, "renamed").value_or(delivery.created_at));
}

void NameOrder::enter(const store::Delivery& delivery) {
  enter(delivery.id, delivery.connector, target_of(delivery), named_since(delivery));
}

void NameOrder::enter(DeliveryId delivery, const std::string& connector, Target target, WallTime since) {
  if (const auto known = members_.find(delivery); known != members_.end()) {
    held_.erase(delivery);
    if (known->second.target == target && std::get<WallTime>(known->second.rank) == since) return;
    leave(delivery);
  }
  Member member{.connector = connector, .target = target, .rank = {since, heard_of_++, delivery}};
  lines_[target].waiting.insert(member.rank);
  members_.emplace(delivery, std::move(member));
}

void NameOrder::leave(DeliveryId delivery) {
  const auto member = members_.find(delivery);
  if (member == members_.end()) return;
  const auto line = lines_.find(member->second.target);
  line->second.waiting.erase(member->second.rank);
  line->second.begun.erase(delivery);
  held_.erase(delivery);
  members_.erase(member);
  if (line->second.waiting.empty()) {
    lines_.erase(line);
  } else {
    release_first(line->second);
  }
}

std::optional<NameOrder::Ahead> NameOrder::ahead_of(DeliveryId delivery) const {
  const auto member = members_.find(delivery);
  if (member == members_.end()) return std::nullopt;
  const auto& line = lines_.at(member->second.target);
  for (const auto& begun : line.begun) {
    if (begun != delivery) return Ahead{.delivery = begun, .begun = true};
  }
  const auto place = line.waiting.find(member->second.rank);
  if (place == line.waiting.begin()) return std::nullopt;
  return Ahead{.delivery = std::get<DeliveryId>(*std::prev(place))};
}

bool NameOrder::are_of_one_name(DeliveryId delivery, Target target) const {
  const auto member = members_.find(delivery);
  return member != members_.end() && member->second.target == target;
}

void NameOrder::begin(DeliveryId delivery) {
  if (const auto member = members_.find(delivery); member != members_.end())
    lines_[member->second.target].begun.insert(delivery);
}

void NameOrder::end(DeliveryId delivery) {
  const auto member = members_.find(delivery);
  if (member == members_.end()) return;
  auto& line = lines_[member->second.target];
  line.begun.erase(delivery);
  release_first(line);
  tell_next(delivery);
}

bool NameOrder::hold(DeliveryId delivery) {
  if (!ahead_of(delivery)) return false;
  held_.insert(delivery);
  return true;
}

void NameOrder::tell_next(DeliveryId delivery) {
  const auto member = members_.find(delivery);
  if (member == members_.end()) return;
  const auto& line = lines_[member->second.target].waiting;
  const auto next = line.upper_bound(member->second.rank);
  if (next != line.end()) release(std::get<DeliveryId>(*next));
}

void NameOrder::look_again() {
  std::map<Target, Rank> oldest;
  for (const auto& delivery : held_) {
    const auto& member = members_.at(delivery);
    const auto [place, is_new] = oldest.emplace(member.target, member.rank);
    if (!is_new) place->second = std::min(place->second, member.rank);
  }
  for (const auto& [target, rank] : oldest) release(std::get<DeliveryId>(rank));
}

void NameOrder::release(DeliveryId delivery) {
  if (held_.erase(delivery) == 0) return;
  released_.push_back({.delivery = delivery, .connector = members_.at(delivery).connector});
}

void NameOrder::release_first(const Line& line) {
  if (line.begun.empty()) release(std::get<DeliveryId>(*line.waiting.begin()));
}

}  // namespace latchkey::delivery
