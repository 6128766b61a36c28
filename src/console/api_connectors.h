// /connectors: the configured destinations.
#pragma once

#include "console/door_plan.h"
#include "console/router.h"
#include "delivery/connector_desk.h"

namespace latchkey::console {

class ConnectorsApi final : public ApiSection {
 public:
  ConnectorsApi(delivery::ConnectorDesk& desk, store::Store& store, std::string public_url, DoorPlan doors)
      : desk_(desk), store_(store), public_url_(std::move(public_url)), doors_(std::move(doors)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> change(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> test(Call call);
  [[nodiscard]] Task<Answer> end_delegation(Call call);
  [[nodiscard]] Task<Result<JsonObject>> shown(store::Connector connector);

  delivery::ConnectorDesk& desk_;
  store::Store& store_;
  std::string public_url_;
  DoorPlan doors_;
};

}  // namespace latchkey::console
