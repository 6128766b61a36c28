// What people do with grants in console and CLI: look, refresh now, check, enable, revoke.
#pragma once

#include <map>
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

enum class OnRevoke { really, only_count };
struct RevokeScope {
  std::string app;   // empty: of all apps
  std::string type;  // empty: of all types
};
struct RevokedPage {
  std::int64_t grants = 0;                      // of this page
  std::map<std::string, std::int64_t> by_type;  // of them, by type
  std::map<std::string, std::int64_t> by_hand;  // of them, by provider's name: those it cannot be asked about
  std::map<std::string, std::int64_t> perhaps;  // and those it may turn out not to be asked about; an alert says so then
  GrantId last;                                 // of this page
  bool more = false;
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
  // Switched off, it is revoked at the provider too where that can be asked, RevocationTuning::disabled_after later: until
  // then switching it on again loses nothing, afterwards it must be authorised again (conflict/`authorization_needed`).
  [[nodiscard]] virtual Task<Result<store::Grant>> set_enabled(GrantId grant, bool enabled, Requester requester) = 0;
  // Deletes the grant here and revokes it at the provider where it can be (queued in the same commit).
  [[nodiscard]] virtual Task<Result<void>> remove(GrantId grant, Requester requester) = 0;
  // The bad day: makes grants `revoked` and asks their providers, page by page; users, PINs and the grants themselves stay.
  // Errors: not_found/`no_such_app`, invalid/`no_such_type`: a name nobody knows would read as if there were nothing to revoke.
  [[nodiscard]] virtual Task<Result<RevokedPage>> revoke_page(RevokeScope scope, GrantId after, std::size_t limit, OnRevoke how,
                                                              Requester requester) = 0;
};

}  // namespace latchkey::grants
