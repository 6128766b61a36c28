// App registrations in the store.
#pragma once

#include "grants/app_use.h"
#include "grants/apps.h"
#include "grants/keeper.h"
#include "grants/secret_expiry.h"

namespace latchkey::grants {

class AppRegistry final : public Apps {
 public:
  AppRegistry(store::Store& store, const Sealing& sealing, ProviderClients& clients, Keeper& keeper, Alerts& alerts, SecretExpiry& expiry,
              AppUses& uses, const WallClock& wall)
      : store_(store), sealing_(sealing), clients_(clients), keeper_(keeper), alerts_(alerts), expiry_(expiry), uses_(uses), wall_(wall) {}

  [[nodiscard]] Task<Result<std::vector<AppView>>> list() override;
  [[nodiscard]] Task<Result<AppView>> put(AppWish wish, Requester requester) override;
  [[nodiscard]] Task<Result<void>> remove(std::string id, Requester requester) override;
  [[nodiscard]] std::string redirect_uri(std::string_view app) const override { return clients_.redirect_uri(app); }

 private:
  [[nodiscard]] Task<Result<AppView>> view_of(store::App app);
  [[nodiscard]] Result<void> keep_secret(const std::optional<store::App>& before, store::App& app, std::size_t slot, const SecretWish& wish) const;
  [[nodiscard]] Result<store::App> changed(const std::optional<store::App>& before, AppWish& wish) const;

  store::Store& store_;
  const Sealing& sealing_;
  ProviderClients& clients_;
  Keeper& keeper_;
  Alerts& alerts_;
  SecretExpiry& expiry_;
  AppUses& uses_;
  const WallClock& wall_;
};

}  // namespace latchkey::grants
