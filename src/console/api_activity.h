// /activity: the audit trail.
#pragma once

#include "console/router.h"
#include "store/store.h"

namespace latchkey::console {

class ActivityApi final : public ApiSection {
 public:
  explicit ActivityApi(store::Store& store) : store_(store) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> verify(Call call);

  store::Store& store_;
};

}  // namespace latchkey::console
