// /devices: machines with a secret of their own. A secret is in the answer that makes it, and in no other.
#pragma once

#include "console/router.h"
#include "people/device_desk.h"

namespace latchkey::console {

class DevicesApi final : public ApiSection {
 public:
  DevicesApi(people::DeviceDesk& desk, store::Store& store, std::string public_url)
      : desk_(desk), store_(store), public_url_(std::move(public_url)) {}
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
};

}  // namespace latchkey::console
