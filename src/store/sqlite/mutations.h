// Mutations as SQL. All of these run on the writer's connection, inside its transaction and the batch's savepoint: on an
// error the caller rolls the savepoint back.
#pragma once

#include "base/clock.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace latchkey::store::sqlite {

// `now` is the store's clock, by which leases are measured. Errors: as Mutation and error_of say.
[[nodiscard]] Result<void> apply(Connection& db, WallTime now, const Mutation& mutation);

// Minutes of hand-outs this old go when a newer one is counted, wrong tries for users who do not exist when another
// comes: nothing grows without bound.
inline constexpr auto kHandoutsKept = std::chrono::days(90);
inline constexpr auto kTriesOfNobodyKept = std::chrono::days(7);

}  // namespace latchkey::store::sqlite
