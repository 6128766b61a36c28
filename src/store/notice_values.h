// What the settings under `notices` may hold. A mistake here is found out on the bad day, so it is refused when it is made.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latchkey::store {

// A sentence that names the key; nullopt: the value will do, or the key is none of these. Whether anybody is there is another
// question (`latchkey notice test`).
[[nodiscard]] std::optional<std::string> fault_of_notice_value(std::string_view key, std::string_view value);

// A value as the audit trail keeps it, which forgets nothing: of the webhook's address, a secret in itself, the origin alone.
[[nodiscard]] std::string trail_form(std::string_view key, std::string value);

}  // namespace latchkey::store
