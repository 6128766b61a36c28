// Who may use which connector (RULES G1). Pure.
#pragma once

#include "store/records.h"

namespace latchkey::delivery {

// A fixed connector serves its own OAuth user; a caller connector the members of its groups, each with their own grant.
// Whatever this refuses does not exist as far as the asker may know.
[[nodiscard]] bool may_use(const store::User& user, const store::Connector& connector);

}  // namespace latchkey::delivery
