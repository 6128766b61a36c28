#include "delivery/parked_groups.h"

namespace latchkey::delivery {

bool ParkedGroups::enter(DeliveryId delivery, const SharedWay& way) {
  ways_.emplace(delivery, way);
  const auto [group, is_new] = groups_.try_emplace(way, Group{.looked_at = delivery, .members = {}});
  group->second.members.insert(delivery);
  return group->second.looked_at == delivery;
}

bool ParkedGroups::waits(DeliveryId delivery, const SharedWay& way) const {
  const auto known = ways_.find(delivery);
  return known != ways_.end() && known->second == way;
}

bool ParkedGroups::is_looked_at_by_another(DeliveryId delivery, const SharedWay& way) const {
  const auto group = groups_.find(way);
  return group != groups_.end() && group->second.looked_at != delivery;
}

std::optional<ParkedGroups::Looked> ParkedGroups::leave(DeliveryId delivery) {
  const auto way = ways_.find(delivery);
  if (way == ways_.end()) return std::nullopt;
  const auto group = groups_.find(way->second);
  ways_.erase(way);
  group->second.members.erase(delivery);
  if (group->second.members.empty()) {
    groups_.erase(group);
    return std::nullopt;
  }
  if (group->second.looked_at != delivery) return std::nullopt;
  group->second.looked_at = *group->second.members.begin();
  return Looked{.delivery = group->second.looked_at, .connector = group->first.connector};
}

std::vector<DeliveryId> ParkedGroups::open(const SharedWay& way, DeliveryId but) {
  std::vector<DeliveryId> others;
  const auto group = groups_.find(way);
  if (group == groups_.end()) return others;
  for (const auto& member : group->second.members) {
    ways_.erase(member);
    if (member != but) others.push_back(member);
  }
  groups_.erase(group);
  return others;
}

}  // namespace latchkey::delivery
