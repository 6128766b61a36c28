// Moving a stopped SQLite store into PostgreSQL: copied in portions, resumed where it stopped, proven table by table, and only
// then the source retired, so that at no time two stores with one set of grants can be worked on (RULES F10).
//
// Meta `moving_to` in the source, from the first row on: `serve` refuses it, and so does a move to anywhere else. `moving_from` in the target's store_info until the
// copy is proven: opening it refuses; then `moved_from`. `moved_to` in the source at the end, for ever. Both marks of the target hold
// the source's node and the move's id, which the source keeps as meta `move_id` until the move is given up: a copy made by another
// move is out of date, and never taken for this one's. Meta `move_ending` is in the source before the target's last word: from then on
// the copy may be served, and what may have been served is not copied again when it is gone.
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
  // Called before the first mark is made: the data directory keeps this name as its node's. What it refuses ends the call.
  std::function<Result<void>(const NodeId& node)> keep_node{};
};

// Errors: those of opening either store; conflict/`target_not_empty`; conflict/`source_moved` (to somewhere else, or the database does not
// hold it any more), `move_begun` (to somewhere else), `copy_lost` (it was whole, and is not there): nothing was changed anywhere then;
// corrupt/`audit_chain_broken` (nothing was begun by this call); corrupt/`copy_differs` (nothing is retired); unavailable/`store_unavailable`:
// call again to go on. Once a move is begun, the sentence says so.
[[nodiscard]] Result<MoveResult> move_to_postgres(const MoveOptions& options, const WallClock& wall, Log& log);

// At a start: a store that was moved away, or is half moved, must not be worked on. Errors: misconfigured/`store_moved`,
// `store_moving`, with the way on; those of the store.
[[nodiscard]] Task<Result<void>> check_not_moved(Store& store);

struct GiveUpOptions {
  std::string path;  // as above
  std::string program_version;
  std::optional<PostgresOptions> target{};  // looked at first, where it can be named; nothing is made there
};

// Gives an unfinished move up: the source may be worked on again, and the target, whose display it returns, must be thrown away.
// Errors: conflict/`source_moved` when it was finished, conflict/`move_begun` when it went elsewhere than to `target`,
// conflict/`no_move` when none was begun.
[[nodiscard]] Result<std::string> give_up_move(const GiveUpOptions& options, const WallClock& wall);

}  // namespace latchkey::store
