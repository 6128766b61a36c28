// /devices: machines with a secret of their own. A secret is in the answer that makes it, and in no other.
#pragma once

#include "console/door_plan.h"
#include "console/router.h"
#include "people/device_conversations.h"
#include "people/device_desk.h"

namespace latchkey::console {

class DevicesApi final : public ApiSection {
 public:
  struct Parts {
    people::DeviceDesk& desk;
    const people::DeviceConversations& conversations;
    store::Store& store;
    std::string public_url;
    DoorPlan doors;
  };
  explicit DevicesApi(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> change(Call call);
  [[nodiscard]] Task<Answer> renew_secret(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> conversations(Call call);

  Parts parts_;
};

}  // namespace latchkey::console
