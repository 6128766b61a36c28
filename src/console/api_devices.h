// /devices: machines with a secret of their own. A secret is in the answer that makes it, and in no other.
#pragma once

#include "console/door_plan.h"
#include "console/router.h"
#include "people/device_desk.h"

namespace latchkey::console {

class DevicesApi final : public ApiSection {
 public:
  DevicesApi(people::DeviceDesk& desk, store::Store& store, std::string public_url, DoorPlan doors)
      : desk_(desk), store_(store), public_url_(std::move(public_url)), doors_(std::move(doors)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> change(Call call);
  [[nodiscard]] Task<Answer> renew_secret(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);

  people::DeviceDesk& desk_;
  store::Store& store_;
  std::string public_url_;
  DoorPlan doors_;
};

}  // namespace latchkey::console
