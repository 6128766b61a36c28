// /health-summary, /alerts and the master key's reminder.
#pragma once

#include <functional>

#include "base/clock.h"
#include "console/alert_board.h"
#include "console/router.h"
#include "grants/key_rotation.h"
#include "store/store.h"

namespace latchkey::console {

class HealthApi final : public ApiSection {
 public:
  HealthApi(store::Store& store, AlertBoard& alerts, const WallClock& wall, std::function<std::int64_t()> dying_soon)
      : store_(store), alerts_(alerts), wall_(wall), dying_soon_(std::move(dying_soon)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> summary(Call call);
  [[nodiscard]] Task<Answer> list_alerts(Call call);
  [[nodiscard]] Task<Answer> dismiss(Call call);
  [[nodiscard]] Task<Answer> backup_done(Call call);

  store::Store& store_;
  AlertBoard& alerts_;
  const WallClock& wall_;
  std::function<std::int64_t()> dying_soon_;
};

using grants::kBackupDoneMeta;

}  // namespace latchkey::console
