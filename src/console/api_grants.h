// /grants: one grant at a time: look, switch, end, refresh, check, and what happened to it.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "console/router.h"
#include "grants/grant_desk.h"
#include "store/store.h"

namespace latchkey::console {

class GrantsApi final : public ApiSection {
 public:
  GrantsApi(grants::GrantDesk& desk, store::Store& store, std::shared_ptr<const catalog::Catalog> catalog,
            const WallClock& wall, const SteadyClock& steady, Executor engine)
      : desk_(desk), store_(store), catalog_(std::move(catalog)), wall_(wall), steady_(steady), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  // The grant of the path, if the caller may see it; else 404, whether it exists or not.
  [[nodiscard]] Task<std::expected<store::Grant, Problem>> find(const Call& call);
  [[nodiscard]] Task<Answer> get(Call call);
  [[nodiscard]] Task<Answer> patch(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> refresh(Call call);
  [[nodiscard]] Task<Answer> check(Call call);
  [[nodiscard]] bool may_check_now(GrantId grant, SteadyTime now);
  [[nodiscard]] Task<Answer> approve(Call call);
  [[nodiscard]] Task<Answer> timeline(Call call);

  grants::GrantDesk& desk_;
  store::Store& store_;
  std::shared_ptr<const catalog::Catalog> catalog_;
  const WallClock& wall_;
  const SteadyClock& steady_;
  Executor engine_;
  std::mutex mutex_;
  std::map<GrantId, SteadyTime> checked_;  // by others than administrators, in the last minute
};

}  // namespace latchkey::console
