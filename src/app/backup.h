// `latchkey backup` and `latchkey restore`: the data folder into one encrypted file, and back (docs/design/keys-and-backup.md,
// docs/backup.md). Both work on the folder itself; a server may run during a backup, never during a restore.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/backup_file.h"
#include "store/postgres/postgres_store.h"

namespace latchkey::app {

// While this file is in a data directory, a restore into it has been interrupted between its renamings.
inline constexpr std::string_view kRestoringMark = "restore.interrupted";

// The manifest's `store` where the store is not in it.
inline constexpr std::string_view kNodeStore = "postgresql";

struct BackupWish {
  std::string file;
  std::string data;
  std::string key_path;
  Secret passphrase;
  store::BackupCost cost;
  std::function<void(std::string_view step, std::int64_t done, std::int64_t all)> progress;
  std::string spare_key{};  // KeyFiles' spare; empty: in `data`
  // Of a server beside a PostgreSQL database, the id of the key in use: as the running server says, empty: none runs; and as the database
  // says, which is asked only where several keys lie here.
  Bytes key_in_use{};
  std::function<Result<Bytes>()> ask_store{};
  bool of_node = false;       // of a server beside a PostgreSQL database: all that lies here, and no store
  bool of_set_aside = false;  // of what a restore has set aside, to be restored at once; of nothing else
};

struct BackupReport {
  std::uint64_t size_bytes = 0;
  WallTime made_at;
  std::size_t replies = 0;
  std::size_t provider_files = 0;
  std::size_t documents = 0;  // that wait to be delivered
  std::vector<std::string> journal_unreadable{};  // files of the journal: what they hold is not in it
};

// Blocking. The file is read back whole before it gets its name. Errors: sentences; no file is left behind then. What a restore has set
// aside is no backup's worth, nor is what one has left half-way.
[[nodiscard]] Result<BackupReport> make_backup(const BackupWish& wish);

struct RestoreWish {
  std::string file;
  std::string data;
  std::string key_path;
  Secret passphrase;
  bool of_node = false;            // as in BackupWish
  bool replace = false;            // what is in the directory is moved aside
  bool nothing_ran_since = false;  // the operator's word that no refresh has happened since the backup was made
  std::string of_folder{};         // where the backup was made of what lies there; its journal is in the backup then, and survived nothing
  std::function<void(std::string_view step, std::int64_t done, std::int64_t all)> progress;
};

struct RestoreReport {
  WallTime made_at;                // of the backup
  std::int64_t grants_marked = 0;  // may have been refreshed since
  std::int64_t authorizations_ended = 0;  // may have been answered since
  std::int64_t deliveries_marked = 0;            // may have been sent since
  std::int64_t deliveries_without_document = 0;  // had left the server before the backup came to them
  std::size_t documents_replaced = 0;            // lie in `replaced` now, with the records that know them
  std::size_t replies_left_out = 0;  // of a node's backup: what they brought may have been spent since
  bool journal_survived = true;      // there was one in the directory
  std::size_t replies = 0;         // from the journal that survived
  std::string replaced;            // where what was there has gone; empty: nothing was there
  std::string not_marked{};        // why the database in there does not bear the note that it is set aside; empty: it does
  std::string key_path;            // where the master key lies now
  std::string key_aside;           // the other key that lay there; empty: none
  std::vector<std::string> journal_unreadable{};  // files of the journal that survived
  std::size_t grants_doubted = 0;  // whose newest answer that journal has lost, or may have: what it holds of them is not used
  std::vector<std::string> left_out{};  // provider files of the backup with names that no file may have here
};

// Blocking. Errors: sentences; the directory is as it was then.
[[nodiscard]] Result<RestoreReport> restore_backup(const RestoreWish& wish);

// Goes back to what a restore has set aside in the folder `wish.file`: like a restore of a backup made at that moment. It stays there,
// set aside, whatever happens. Blocking. Errors: sentences; invalid/`not_set_aside`.
[[nodiscard]] Result<RestoreReport> restore_set_aside(RestoreWish wish);

// The database that nodes share was put back from an older state by its own tools: marks what may have been spent since, and takes newer
// replies from this node's journal (RULES F10). No node may run. Blocking. Errors: sentences; conflict/`nodes_alive`.
[[nodiscard]] Result<RestoreReport> mark_restored_database(const RestoreWish& wish, store::PostgresOptions database);

}  // namespace latchkey::app
