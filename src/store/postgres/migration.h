// How a set of tables in a database comes to be, and becomes a current one.
//
// It says what it is: its table of information has 'schema' = the version it is of, and 'written_by'. Version rule: a newer
// version than this program's is left alone. Several processes that start at once migrate one after the other.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "store/postgres/connection.h"

namespace latchkey::store::postgres {

// A step's place is its version: applied steps are never edited, new ones go at the end.
struct MigrationStep {
  const char* what;
  std::initializer_list<const char*> scripts;
};

struct TableSet {
  std::string_view info;  // its table of information: key, value
  std::span<const MigrationStep> steps;
  [[nodiscard]] std::int64_t version() const { return static_cast<std::int64_t>(steps.size()); }
};

// Looks, then makes or migrates the tables; notes which program wrote last. Errors: corrupt/`future_schema`,
// misconfigured/`store_unavailable` for a database that is somebody else's, those of error_of.
[[nodiscard]] Result<void> migrate(Connection& connection, const Place& place, const TableSet& tables,
                                   const std::string& program_version);

}  // namespace latchkey::store::postgres
