#include "delivery/routing.h"

#include <algorithm>

namespace latchkey::delivery {

bool may_use(const store::User& user, const store::Connector& connector) {
  if (!user.enabled || !connector.enabled) return false;
  switch (connector.account) {
    case store::AccountKind::fixed:
      return connector.owner == user.id;
    case store::AccountKind::caller:
      return std::ranges::find(connector.groups, user.group.text()) != connector.groups.end();
  }
  return false;
}

}  // namespace latchkey::delivery
