// Scopes asked for against those granted, and what to tick at the provider.
#pragma once

#include "doctor/check.h"

namespace latchkey::doctor {

class ScopeCheck final : public Check {
 public:
  [[nodiscard]] std::string_view name() const override { return "scopes"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;
};

}  // namespace latchkey::doctor
