// What people do with grants, done: refresh, check, switch, revoke.
#pragma once

#include "base/task_group.h"
#include "grants/grant_desk.h"
#include "grants/keeper.h"

namespace latchkey::grants {

class GrantCare final : public GrantDesk {
 public:
  GrantCare(store::Store& store, const Sealing& sealing, ProviderClients& clients, Keeper& keeper, net::HttpTransport& transport,
            GrantWatcher& watcher, const WallClock& wall, Log& log, Executor executor)
      : store_(store), sealing_(sealing), clients_(clients), keeper_(keeper), transport_(transport), watcher_(watcher), wall_(wall),
        log_(log), revocations_(std::move(executor), log) {}

  [[nodiscard]] Task<Result<store::Grant>> refresh(GrantId grant, Requester requester) override;
  [[nodiscard]] Task<Result<CheckResult>> check(GrantId grant, Requester requester) override;
  [[nodiscard]] Task<Result<store::Grant>> set_enabled(GrantId grant, bool enabled, Requester requester) override;
  [[nodiscard]] Task<Result<void>> remove(GrantId grant, Requester requester) override;
  [[nodiscard]] Task<Result<void>> remove_all_of(UserId user, Requester requester) override;
  // Waits for revocations on their way.
  [[nodiscard]] Task<void> stop() { return revocations_.drain(); }

 private:
  // Best effort, after the grant is gone here: a provider that cannot be reached now is not asked again.
  [[nodiscard]] Task<void> revoke(std::shared_ptr<ProviderClient> client, RefreshMaterial material);

  store::Store& store_;
  const Sealing& sealing_;
  ProviderClients& clients_;
  Keeper& keeper_;
  net::HttpTransport& transport_;
  GrantWatcher& watcher_;
  const WallClock& wall_;
  Log& log_;
  TaskGroup revocations_;
};

}  // namespace latchkey::grants
