// Moving a stopped SQLite store into PostgreSQL: copied in portions, resumed where it stopped, proven table by table, and only
// then the source retired, so that at no time two stores with one set of grants can be worked on (RULES F10).
//
// Meta `moving_to` in the source, from the first row on: `serve` refuses it. `moving_from` in the target's store_info until the
// copy is proven: opening it refuses; then `moved_from`. `moved_to` in the source at the end, for ever. Both marks of the target hold
// the source's node and the move's id, which the source keeps as meta `move_id` until the move is given up: a copy made by another
// move is out of date, and never taken for this one's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "store/postgres/postgres_store.h"
#include "store/store.h"

namespace latchkey::store {

struct MovedTable {
  std::string name;
  std::int64_t rows = 0;
  std::string digest;  // of the source's rows and of the copy's, which were equal
};

struct MoveResult {
  std::vector<MovedTable> tables;  // none: all had been copied and proven by an earlier call
  NodeId node;         // as whom the source worked: its data directory goes on by this name
  std::string target;  // for sentences
  std::optional<std::int64_t> broken_entry{};  // of the audit trail, accepted
};

// An audit trail of which an entry does not fit the chain.
enum class BrokenTrail { refuse, accept };

struct MoveOptions {
  std::string path;        // of the SQLite file; nobody may have it open
  PostgresOptions target;  // an empty database, or one that an earlier, interrupted move began to fill
  BrokenTrail broken_trail = BrokenTrail::refuse;
  // Called as rows arrive. `total`: the table's.
  std::function<void(std::string_view table, std::int64_t done, std::int64_t total)> progress{};
};

// Errors: those of opening either store; conflict/`target_not_empty`; conflict/`source_moved` (to somewhere else);
// corrupt/`audit_chain_broken` (nothing was begun by this call); corrupt/`copy_differs` (nothing is retired); unavailable/`store_unavailable`:
// call again to go on. Once a move is begun, the sentence says so.
[[nodiscard]] Result<MoveResult> move_to_postgres(const MoveOptions& options, const WallClock& wall, Log& log);

// At a start: a store that was moved away, or is half moved, must not be worked on. Errors: misconfigured/`store_moved`,
// `store_moving`, with the way on; those of the store.
[[nodiscard]] Task<Result<void>> check_not_moved(Store& store);

// Gives an unfinished move up: the source may be worked on again, and the target, whose display it returns, must be thrown away.
// `target`: looked at first, where it can be named. Errors: conflict/`source_moved` when it was finished, conflict/`no_move` when
// none was begun.
[[nodiscard]] Result<std::string> give_up_move(const std::string& path, std::optional<PostgresOptions> target, const WallClock& wall);

}  // namespace latchkey::store
