// Connectors that refuse those they were made for: whoever comes without the owner's PIN needs a standing delegation (RULES
// K4).
#pragma once

#include "doctor/check.h"
#include "store/store.h"

namespace latchkey::doctor {

class ConnectorCheck final : public Check {
 public:
  explicit ConnectorCheck(store::Store& store) : store_(store) {}
  [[nodiscard]] std::string_view name() const override { return "connectors"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  store::Store& store_;
};

}  // namespace latchkey::doctor
