// Records as values of a statement, where the tables hold more or otherwise than the record's own fields (rows.h): names that
// are compared as octets, so that every database orders them alike, and folded texts for search.
#pragma once

#include "store/folding.h"
#include "store/postgres/values.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

inline Values group_values(const Group& g) { return Values(g.id, g.name, base::as_bytes(g.name_key), g.created_at, g.version); }

#define LATCHKEY_USER_ROW LATCHKEY_USER_COLUMNS ", search_fold"
inline Values user_values(const User& u) {
  Values values(u.id, u.group, u.username, base::as_bytes(u.username_key), u.name, u.email, u.role, u.enabled, u.uses,
                u.allowed_sources, u.auth_epoch, u.password_sealed, u.public_key, u.private_key_wrapped, u.pin_set_at, u.created_at,
                u.last_used_at, u.mac, u.version);
  return values.add(fold(u.username + '\n' + u.name + '\n' + u.email));
}

#define LATCHKEY_GRANT_ROW LATCHKEY_GRANT_COLUMNS ", account_fold"
inline Values grant_values(const Grant& g) { return Values().add(grant_fields(g)).add(fold(g.account_name)); }

#define LATCHKEY_AUDIT_ROW LATCHKEY_AUDIT_COLUMNS ", search_fold"
inline Values audit_values(const AuditEntry& e) {
  return Values().add(audit_fields(e)).add(fold(e.actor + '\n' + e.action + '\n' + e.subject + '\n' + e.source + '\n' + e.detail));
}

}  // namespace latchkey::store::postgres
