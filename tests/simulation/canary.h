// Deliberate bugs of the product, to prove that the alarm works: one may be switched on for the whole program.
#pragma once

#include <string_view>
#include <vector>

namespace latchkey::simulation {

[[nodiscard]] std::vector<std::string_view> canary_names();
// False: there is none of that name. "none" switches them off.
bool switch_canary(std::string_view name);

}  // namespace latchkey::simulation
