// Which device an address belongs to. Pure.
#pragma once

#include "people/source_rules.h"
#include "store/records.h"

namespace latchkey::people {

// This one address is all that it may come from.
[[nodiscard]] bool is_bound_to(const store::Device& device, const Network& address);

}  // namespace latchkey::people
