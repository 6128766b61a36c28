// Where an administrator at the provider can consent for a whole organization: the links, ready made of the provider's file.
#pragma once

#include "doctor/check.h"

namespace latchkey::doctor {

class ConsentCheck final : public Check {
 public:
  [[nodiscard]] std::string_view name() const override { return "tenant_consent"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;
};

}  // namespace latchkey::doctor
