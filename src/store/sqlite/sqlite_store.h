// The Store in one SQLite file: no set-up, one process.
//
// Durability: write-ahead log with synchronous=FULL; commit() answers after the fsync that covers it, shared with
// whatever else was waiting. Workers: one writer, a few readers; the caller's thread never touches the disk.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "store/figures.h"
#include "store/store.h"

namespace latchkey::store {

struct SqliteOptions {
  std::string path;                // the database file; the directory it lies in is locked, and made (0700) if absent
  std::size_t reader_threads = 2;  // at least 1
  std::string program_version = "0.1.0";  // noted in the file, so that a later refusal can name who wrote it
  std::size_t group_batches_max = 512;    // batches that share one transaction at most
  int checkpoint_pages = 4'000;    // length of the write-ahead log at which it is moved into the file
  StoreFigures* figures = nullptr;  // where it counts; outlives the store
  std::string vfs;                 // SQLite's name of another file layer (tests, simulation); empty: the system's
  // A directory of the system's, locked as long as the store is open; or one that only `vfs` knows.
  enum class Directory { locked, of_vfs } directory = Directory::locked;
  base::Hire hire = base::hire_threads;  // for its one writer and its readers
};

// Opens the store, making or migrating it as needed. `clock` measures leases; clock and log outlive the store.
// Errors: unavailable/`data_in_use` (text names the process that holds the directory), misconfigured/`data_directory`,
// corrupt/`store_corrupt`, corrupt/`future_schema` (the file is left as it was), unavailable/`store_unavailable`.
// The caller lets every task that awaits the store end before destroying it.
[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite_store(SqliteOptions options, WallClock& clock, Log& log);

}  // namespace latchkey::store
