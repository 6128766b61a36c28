// /health-summary, /alerts and the master key's reminder.
#pragma once

#include <memory>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "console/alert_board.h"
#include "console/router.h"
#include "store/store.h"

namespace latchkey::console {

class HealthApi final : public ApiSection {
 public:
  HealthApi(store::Store& store, std::shared_ptr<const catalog::Catalog> catalog, AlertBoard& alerts, const WallClock& wall)
      : store_(store), catalog_(std::move(catalog)), alerts_(alerts), wall_(wall) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> summary(Call call);
  [[nodiscard]] Task<Answer> list_alerts(Call call);
  [[nodiscard]] Task<Answer> dismiss(Call call);
  [[nodiscard]] Task<Answer> backup_done(Call call);
  [[nodiscard]] Task<Result<std::int64_t>> count_dying();

  store::Store& store_;
  std::shared_ptr<const catalog::Catalog> catalog_;
  AlertBoard& alerts_;
  const WallClock& wall_;
};

// Under which key the store remembers that somebody has put a copy of the master key away.
inline constexpr std::string_view kBackupDoneMeta = "master_key_backup_done";

}  // namespace latchkey::console
