// Mutations as SQL. All of these run on the writer's connection, inside its transaction and the batch's savepoint: on an
// error the caller rolls the savepoint back.
#pragma once

#include "base/clock.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace latchkey::store::sqlite {

// `now` is the store's clock, by which leases are measured. Errors: as Mutation and error_of say.
[[nodiscard]] Result<void> apply(Connection& db, WallTime now, const Mutation& mutation);

}  // namespace latchkey::store::sqlite
