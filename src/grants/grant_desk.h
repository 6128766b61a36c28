// What people do with grants in console and CLI: look, refresh now, check, enable, revoke.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "grants/authorize.h"
#include "store/store.h"

namespace latchkey::grants {

struct CheckResult {
  std::string account_id;
  std::string account_name;
  std::string words;   // "The provider answered as ..."
};

// Called on the engine's executor.
class GrantDesk {
 public:
  virtual ~GrantDesk() = default;

  // Refreshes now, whatever the schedule says, but not before the provider's earliest time. Errors as TokenDesk's.
  [[nodiscard]] virtual Task<Result<store::Grant>> refresh(GrantId grant, Requester requester) = 0;
  // A real call as the account (the type's identity endpoint). Needs the token opened by its PIN: `caller_pin`.
  // Without a PIN: refreshes where that is harmless, and says which was done.
  [[nodiscard]] virtual Task<Result<CheckResult>> check(GrantId grant, Requester requester) = 0;
  [[nodiscard]] virtual Task<Result<store::Grant>> set_enabled(GrantId grant, bool enabled, Requester requester) = 0;
  // Deletes the grant here and revokes it at the provider where it can be (queued, best effort).
  [[nodiscard]] virtual Task<Result<void>> remove(GrantId grant, Requester requester) = 0;
};

}  // namespace latchkey::grants
