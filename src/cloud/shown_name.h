// Names of other people's choosing on a page of one's own: short, and what is seen is what is there. Pure; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace latchkey::cloud {

// As many as a user's name has at an office (people/names.h).
inline constexpr std::size_t kShownNameCharactersMax = 128;

// Whether `name` (UTF-8) has 1 to that many characters, and none that controls, is not seen, or turns round what stands beside
// it (Unicode's Cc, Cf, Zl and Zp).
[[nodiscard]] bool may_be_shown(std::string_view name);

}  // namespace latchkey::cloud
