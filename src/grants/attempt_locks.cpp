#include "grants/attempt_locks.h"

namespace latchkey::grants {

Result<void> check_unlocked(const store::User& user) {
  if (user.enabled) return {};
  return fail(ErrorKind::conflict, "user_disabled", "This user is switched off here, and no consent changes that. An administrator must switch the user on first.");
}

Result<void> check_unlocked(const FlowRecord& record, const store::Grant& grant) {
  if (grant.state == store::GrantState::disabled) {
    return fail(ErrorKind::conflict, "grant_disabled", "This account is switched off here, and no consent changes that. An administrator must enable it first.");
  }
  if (grant.state == store::GrantState::revoked && record.revoked_as != grant.fence) {
    return fail(ErrorKind::conflict, "grant_revoked", "This account was revoked here. Only an administrator can begin to authorise it again.");
  }
  return {};
}

bool OpenAttempts::contain(const FlowRecord& record) const {
  if (!user.none()) return record.kind != FlowKind::new_user && record.user.id == user;
  if (!grant.none()) return record.kind == FlowKind::replaced_grant && record.grant.id == grant;
  return (revoked.app.empty() || record.grant.app == revoked.app) && (revoked.type.empty() || record.grant.type == revoked.type);
}

std::string OpenAttempts::code() const { return user.none() && grant.none() ? "rejected" : "switched_off"; }

std::string OpenAttempts::text() const {
  if (!user.none()) return "The user was switched off or deleted while this consent was open; nothing was changed.";
  if (!grant.none()) return "The account was switched off, revoked or deleted while this consent was open; nothing was changed.";
  return "All accounts were revoked while this consent was open; nothing was changed.";
}

}  // namespace latchkey::grants
