// /registry: every setting, changed live.
#pragma once

#include "console/router.h"
#include "store/registry.h"

namespace latchkey::console {

class RegistryApi final : public ApiSection {
 public:
  explicit RegistryApi(store::Registry& registry) : registry_(registry) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> put(Call call);
  [[nodiscard]] Task<Answer> reset(Call call);

  store::Registry& registry_;
};

}  // namespace latchkey::console
