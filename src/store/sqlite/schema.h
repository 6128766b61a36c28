// The tables, and how an older file becomes a current one.
//
// A file says what it is: application_id 'LKEY', user_version = the schema it holds. Version rule: a program reads its
// own schema and migrates every older one, one step a transaction; a newer one is refused untouched.
#pragma once

#include <string>

#include "base/clock.h"
#include "store/sqlite/connection.h"

namespace latchkey::store::sqlite {

inline constexpr std::int64_t kApplicationId = 0x4c4b4559;  // 'LKEY'

// The schema this program writes.
[[nodiscard]] std::int64_t schema_version();

// Looks without changing an octet: is the file ours, whole as far as a quick look tells, and not from the future?
// Errors: corrupt/`store_corrupt`, corrupt/`future_schema`, or what error_of says.
[[nodiscard]] Result<void> inspect(Connection& connection, const std::string& path, const std::string& program_version);

// Brings an inspected file (or an empty one) to schema_version(); notes which program wrote it.
[[nodiscard]] Result<void> migrate(Connection& connection, const std::string& program_version, WallTime now);

}  // namespace latchkey::store::sqlite
