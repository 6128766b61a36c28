// What people do with grants, done: refresh, check, switch, revoke.
#pragma once

#include <functional>

#include "grants/attempt_locks.h"
#include "grants/keeper.h"

namespace latchkey::grants {

class GrantCare final : public GrantDesk {
 public:
  GrantCare(store::Store& store, const Sealing& sealing, ProviderClients& clients, Keeper& keeper, GivingBack& giving_back,
            net::HttpTransport& transport, GrantWatcher& watcher, const WallClock& wall, Log& log)
      : store_(store), sealing_(sealing), clients_(clients), keeper_(keeper), giving_back_(giving_back), transport_(transport),
        watcher_(watcher), wall_(wall), log_(log) {}

  // How consents that are open end. Before anything is revoked, and when a grant has been switched off.
  using Ending = std::function<Task<Result<void>>(OpenAttempts which, Requester requester)>;
  void set_ending(Ending ending) { ending_ = std::move(ending); }

  [[nodiscard]] Task<Result<store::Grant>> refresh(GrantId grant, Requester requester) override;
  [[nodiscard]] Task<Result<CheckResult>> check(GrantId grant, Requester requester) override;
  [[nodiscard]] Task<Result<store::Grant>> set_enabled(GrantId grant, bool enabled, Requester requester) override;
  [[nodiscard]] Task<Result<void>> remove(GrantId grant, Requester requester) override;
  [[nodiscard]] Task<Result<RevokedPage>> revoke_page(RevokeScope scope, GrantId after, std::size_t limit, OnRevoke how, Requester requester) override;

 private:
  [[nodiscard]] Task<void> end_attempts(OpenAttempts which, Requester requester);
  [[nodiscard]] Task<Result<void>> check_scope(RevokeScope scope);
  [[nodiscard]] Task<Result<void>> revoke(GrantId grant, Requester requester);
  [[nodiscard]] Task<Result<void>> revoke_together(std::vector<GrantId> grants, Requester requester);

  store::Store& store_;
  const Sealing& sealing_;
  ProviderClients& clients_;
  Keeper& keeper_;
  GivingBack& giving_back_;
  net::HttpTransport& transport_;
  GrantWatcher& watcher_;
  const WallClock& wall_;
  Log& log_;
  Ending ending_;
};

}  // namespace latchkey::grants
