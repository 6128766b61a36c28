// Who may use which connector (RULES G1). Pure. Whatever this refuses does not exist as far as the asker may know.
//
// A caller connector serves the members of its groups, each with their own grant. A fixed connector serves its own OAuth
// user with the PIN; with a standing delegation also its groups' members, the devices that name it, and the folder door.
#pragma once

#include "store/records.h"

namespace latchkey::delivery {

[[nodiscard]] bool may_use(const store::User& user, const store::Connector& connector);
[[nodiscard]] bool may_use(const store::Device& device, const store::Connector& connector);
[[nodiscard]] bool folder_may_use(const store::Connector& connector);

// Whether it is by their own PIN that the user opens what the connector delivers to, not by the standing delegation.
[[nodiscard]] bool opens_by_pin(UserId user, const store::Connector& connector);

}  // namespace latchkey::delivery
