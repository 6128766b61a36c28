#include "people/audit.h"

namespace latchkey::people {

store::AuditEntry audit_entry(WallTime at, const Actor& actor, std::string action, std::string subject, UserId concerned,
                              std::string detail) {
  store::AuditEntry entry;
  entry.at = at;
  entry.actor = actor.name;
  entry.source = actor.source;
  entry.action = std::move(action);
  entry.subject = std::move(subject);
  entry.user = concerned;
  entry.detail = std::move(detail);
  return entry;
}

}  // namespace latchkey::people
