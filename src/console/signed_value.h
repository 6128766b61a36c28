// A value that this server hands to a browser and knows again, under a MAC of the master key: every node of a store takes it, and
// so does this one after a restart. Not secret from whoever holds it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "vault/vault.h"

namespace latchkey::console {

// For a cookie's value: letters, digits, `-`, `_` and a dot. `use`: whose values these are; `members`: without `v` and `ends`.
[[nodiscard]] std::string signed_value(const vault::Vault& vault, std::string_view use, JsonObject members, WallTime ends);
// nullopt: of another use or another server, altered, or it has ended.
[[nodiscard]] std::optional<JsonObject> opened_value(const vault::Vault& vault, std::string_view use, std::string_view value, WallTime now);

}  // namespace latchkey::console
