// One question in the place of four, for the backends: each has the four for its own kind of connection.
#pragma once

#include "store/store.h"

namespace latchkey::store {

// Errors: those of the questions.
template <class Connection>
[[nodiscard]] Result<Admittance> find_admittance(Connection& db, const AdmittanceQuery& query) {
  Admittance found;
  auto connector = find_connector(db, query.connector);
  if (!connector) return std::unexpected(connector.error());
  found.connector = std::move(*connector);
  if (!query.user.none()) {
    auto user = find_user(db, query.user);
    if (!user) return std::unexpected(user.error());
    found.user = std::move(*user);
  }
  if (!query.device.none()) {
    auto device = find_device(db, query.device);
    if (!device) return std::unexpected(device.error());
    found.device = std::move(*device);
  }
  if (found.connector && !found.connector->delegation.id.none()) {
    auto owner = find_holding(db, found.connector->owner, found.connector->type);
    if (!owner) return std::unexpected(owner.error());
    found.owner = std::move(*owner);
  }
  return found;
}

}  // namespace latchkey::store
