// /activity: the audit trail.
#pragma once

#include "console/router.h"
#include "store/store.h"

namespace latchkey::console {

class ActivityApi final : public ApiSection {
 public:
  ActivityApi(store::Store& store, const WallClock& wall) : store_(store), wall_(wall) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> verify(Call call);

  [[nodiscard]] Task<Result<JsonArray>> handouts_of(UserId user);

  store::Store& store_;
  const WallClock& wall_;
};

}  // namespace latchkey::console
