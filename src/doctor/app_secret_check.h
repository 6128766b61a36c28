// The apps' secrets: whether there is one where the provider wants one, and when it runs out.
#pragma once

#include "doctor/check.h"

namespace latchkey::doctor {

class AppSecretCheck final : public Check {
 public:
  explicit AppSecretCheck(const WallClock& wall) : wall_(wall) {}
  [[nodiscard]] std::string_view name() const override { return "app_secrets"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const WallClock& wall_;
};

}  // namespace latchkey::doctor
