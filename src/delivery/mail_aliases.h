// The addresses besides the account's own that mail through a connector may bear (RULES G2): `aliases` of its target. Pure.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"

namespace latchkey::delivery {

[[nodiscard]] std::vector<std::string> aliases_of(const store::Connector& connector);

}  // namespace latchkey::delivery
