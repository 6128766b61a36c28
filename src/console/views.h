// Records as the JSON of api/openapi.json. Secrets and ciphertext have no way in here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "catalog/catalog.h"
#include "grants/apps.h"
#include "store/store.h"

namespace latchkey::console {

// null for the zero time ("never").
[[nodiscard]] Json time_json(WallTime time);
[[nodiscard]] Json time_json(const std::optional<WallTime>& time);
[[nodiscard]] JsonArray texts_json(const std::vector<std::string>& texts);
// Space separated words, as scopes are kept.
[[nodiscard]] JsonArray words_json(std::string_view words);

[[nodiscard]] Json account_json(std::string_view id, std::string_view name);
[[nodiscard]] JsonObject grant_json(const store::Grant& grant, const catalog::Catalog& catalog);
[[nodiscard]] JsonArray uses_json(std::uint32_t uses);
// nullopt: a word that is no use.
[[nodiscard]] std::optional<std::uint32_t> uses_of(const std::vector<std::string>& words);
[[nodiscard]] JsonObject user_json(const store::User& user, std::string_view group_name,
                                   const std::vector<store::Grant>& grants, const catalog::Catalog& catalog);
[[nodiscard]] JsonObject group_json(const store::GroupRow& row);
[[nodiscard]] JsonObject param_json(const catalog::Parameter& parameter);

// What is answered to whoever has removed this grant.
[[nodiscard]] JsonObject removed_json(const store::Grant& grant, const catalog::Catalog& catalog);

// {"items": [...], "next_cursor": ..., "total": n}
[[nodiscard]] JsonObject list_json(JsonArray items, std::string_view next_cursor, std::int64_t total);
[[nodiscard]] JsonObject whole_list_json(JsonArray items);

// A reason in words, never empty: the record's own, else what the state means.
[[nodiscard]] std::string why_of(const store::Grant& grant);

}  // namespace latchkey::console
