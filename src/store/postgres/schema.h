// The tables, and how an older database becomes a current one.
//
// A database says what it is: store_info 'schema' = the schema it holds. Version rule: as in sqlite/schema.h; several nodes
// that start at once migrate one after the other.
#pragma once

#include <string>

#include "store/postgres/connection.h"

namespace latchkey::store::postgres {

// Errors: as migrate().
[[nodiscard]] Result<void> bring_up_to_date(Connection& connection, const Place& place, const std::string& program_version);

}  // namespace latchkey::store::postgres
