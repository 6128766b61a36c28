// /users/{id}/delegations: the connectors that open a user's account while nobody shows a PIN, listed and ended by an administrator
// or by the owner (RULES K4).
#pragma once

#include "console/router.h"
#include "delivery/connector_desk.h"

namespace latchkey::console {

class DelegationsApi final : public ApiSection {
 public:
  DelegationsApi(delivery::ConnectorDesk& desk, store::Store& store) : desk_(desk), store_(store) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> end(Call call);

  delivery::ConnectorDesk& desk_;
  store::Store& store_;
};

}  // namespace latchkey::console
