// What a person has locked is not unlocked by a consent: a user or grant that is switched off, a grant that was revoked (store::is_locked).
// Whoever may do so unlocks it first; only a revoked grant is authorised anew, when an administrator has begun that after the revocation.
#pragma once

#include "grants/flow_record.h"
#include "grants/grant_desk.h"

namespace latchkey::grants {

// Whether an attempt that is to end with this user's grant, or as this grant, may go on. Errors: conflict/`user_disabled`; conflict/
// `grant_disabled`, `grant_revoked`. Texts are for the owner as well as for administrators.
[[nodiscard]] Result<void> check_unlocked(const store::User& user);
[[nodiscard]] Result<void> check_unlocked(const FlowRecord& record, const store::Grant& grant);

// Whose attempts end with what they are for: of a user; of a grant; or, where both are none, of what was revoked.
struct OpenAttempts {
  UserId user{};
  GrantId grant{};
  RevokeScope revoked{};

  [[nodiscard]] bool contain(const FlowRecord& record) const;
  // How they ended, for people.
  [[nodiscard]] std::string code() const;
  [[nodiscard]] std::string text() const;
};

}  // namespace latchkey::grants
