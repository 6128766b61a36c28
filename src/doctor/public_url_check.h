// Whether browsers and providers can be told this server's address at all (RULES A1).
#pragma once

#include "doctor/check.h"
#include "doctor/premises.h"

namespace latchkey::doctor {

class PublicUrlCheck final : public Check {
 public:
  explicit PublicUrlCheck(const Premises& premises) : premises_(premises) {}
  [[nodiscard]] std::string_view name() const override { return "public_url"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
};

}  // namespace latchkey::doctor
