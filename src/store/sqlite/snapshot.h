// A consistent copy of a database that may be in use by a running server.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "store/sqlite/set_aside.h"

namespace latchkey::store {

struct SnapshotFacts {
  std::int64_t schema = 0;
  std::string written_by;     // version of the program
  Bytes master_key_id;        // empty: never opened by a server
  Bytes former_master_key_id; // while the master key is being rotated, else empty
  std::string moved_to;       // where it lives on: what was copied is out of date; else empty
  std::optional<SetAside> set_aside{};
  std::vector<DeliveryId> undelivered{};  // whose documents lie in a spool
};

// Copies `database` to `into`, which must not exist, as of one moment; writers go on meanwhile (the write-ahead log grows). The copy is
// checked. `progress` gets pages done and all. Blocking. Errors: not_found/`no_store`; corrupt/`store_corrupt`, `future_schema`;
// unavailable/`store_unavailable`.
[[nodiscard]] Result<SnapshotFacts> snapshot_sqlite(const std::string& database, const std::string& into, const std::string& program_version,
                                                    const std::function<void(std::int64_t, std::int64_t)>& progress);

// The master key by which a database is worked on at this moment; empty: never opened by a server. Blocking. Errors as above.
[[nodiscard]] Result<Bytes> sqlite_master_key_id(const std::string& database);

}  // namespace latchkey::store
