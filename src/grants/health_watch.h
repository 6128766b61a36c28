// Takes the picture of health.
#pragma once

#include "base/broadcast.h"
#include "grants/health_desk.h"

namespace latchkey::grants {

// Lives on the engine's executor. However many look at once, the store is asked once.
class HealthWatch final : public HealthDesk {
 public:
  HealthWatch(store::Store& store, const Keeper& keeper, OutcomeTallies& tallies, NoticeDesk& notices, Forecast& forecast, const WallClock& wall,
              SteadyClock& steady, Executor executor)
      : store_(store), keeper_(keeper), tallies_(tallies), notices_(notices), forecast_(forecast), wall_(wall), steady_(steady), looked_(std::move(executor)) {}

  [[nodiscard]] Task<Result<std::shared_ptr<const HealthPicture>>> look() override;

 private:
  class Looking;
  [[nodiscard]] Task<Result<std::shared_ptr<const HealthPicture>>> take();
  [[nodiscard]] Task<void> foresee();

  store::Store& store_;
  const Keeper& keeper_;
  OutcomeTallies& tallies_;
  NoticeDesk& notices_;
  Forecast& forecast_;
  const WallClock& wall_;
  SteadyClock& steady_;
  base::Broadcast looked_;
  bool looking_ = false;
  Result<std::shared_ptr<const HealthPicture>> last_ = std::shared_ptr<const HealthPicture>();
  SteadyTime taken_at_{};
  std::chrono::nanoseconds took_{};
  std::vector<NamedDying> dying_;
  std::int64_t dying_count_ = 0;
  std::array<std::int64_t, kForeseenDays> dying_by_day_{};
  SteadyTime foreseen_at_{};
};

}  // namespace latchkey::grants
