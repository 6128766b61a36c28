#include "delivery/routing.h"

#include <algorithm>

namespace latchkey::delivery {
namespace {

bool is_in_groups_of(const store::User& user, const store::Connector& connector) {
  return std::ranges::find(connector.groups, user.group.text()) != connector.groups.end();
}

bool stands(const store::Connector& connector) {
  return connector.enabled && connector.account == store::AccountKind::fixed && !connector.delegation.id.none();
}

}  // namespace

bool may_use(const store::User& user, const store::Connector& connector) {
  if (!user.enabled || !connector.enabled) return false;
  switch (connector.account) {
    case store::AccountKind::fixed:
      return connector.owner == user.id || (stands(connector) && is_in_groups_of(user, connector));
    case store::AccountKind::caller:
      return is_in_groups_of(user, connector);
  }
  return false;
}

bool may_use(const store::Device& device, const store::Connector& connector) {
  return device.enabled && stands(connector) &&
         std::ranges::find(device.connectors, connector.id) != device.connectors.end();
}

bool folder_may_use(const store::Connector& connector) { return stands(connector); }

bool opens_by_pin(UserId user, const store::Connector& connector) {
  return connector.account == store::AccountKind::caller || connector.owner == user;
}

}  // namespace latchkey::delivery
