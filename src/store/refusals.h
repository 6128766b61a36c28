// What every Store says when a mutation does not fit what it holds (see Mutation in store.h), and how long it keeps what would
// otherwise grow without bound.
#pragma once

#include <chrono>
#include <string_view>

#include "base/result.h"

namespace latchkey::store {

[[nodiscard]] std::unexpected<Error> gone(std::string_view field);
[[nodiscard]] std::unexpected<Error> exists(std::string_view field);
[[nodiscard]] std::unexpected<Error> other_version();
[[nodiscard]] std::unexpected<Error> leased();
[[nodiscard]] std::unexpected<Error> group_not_empty();
[[nodiscard]] std::unexpected<Error> app_in_use();
[[nodiscard]] std::unexpected<Error> last_administrator();
[[nodiscard]] std::unexpected<Error> meta_changed(std::string_view key);

// Minutes of hand-outs this old go when a newer one is counted, wrong tries for users who do not exist when another comes.
inline constexpr auto kHandoutsKept = std::chrono::days(90);
inline constexpr auto kTriesOfNobodyKept = std::chrono::days(7);

}  // namespace latchkey::store
