// The master keys that go into the backup of a server beside a PostgreSQL database: no store lies there that says which one is in use.
#pragma once

#include <vector>

#include "app/backup.h"
#include "base/entropy.h"
#include "vault/key_files.h"

namespace latchkey::app {

struct NodeKeys {
  vault::KeyFiles::Found in_use;
  // The one before it first: a dump, or a reply in the journal, may be of that time. Then one that is prepared, or left.
  std::vector<vault::KeyFiles::Found> others;
};

// In the key's place, beside it and beside the spare one; of those put aside the newest. Errors: as load_master_key where none is there;
// misconfigured/`master_key_wrong` when the one in use is not there, `master_key_ambiguous` when nobody can say which it is.
[[nodiscard]] Result<NodeKeys> keys_of_node(const BackupWish& wish, Entropy& entropy);

[[nodiscard]] vault::KeyFiles key_files_of(const BackupWish& wish);
[[nodiscard]] std::unexpected<Error> no_such_key(const BackupWish& wish);

}  // namespace latchkey::app
