// The end of a restore: what was unpacked takes the place of what is there (docs/design/keys-and-backup.md).
//
// In this order, each step durable before the next: the folder for what is there, with a note that nobody may serve what lies in it; a
// mark that names the folder; the key files; the same note in the database that is there, while the mark keeps it from being served; it
// and all that is there into that folder; the new into its place; the mark away. So what lies in such a folder is set aside at every
// moment, and before the new can be served. When a step fails, those before it are undone. A crash leaves the mark: `serve` refuses, and
// the next restore finds by it the journals that were moved aside.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "store/files.h"
#include "store/sqlite/set_aside.h"

namespace latchkey::app {

// The note (store/sqlite/set_aside.h) as a file, for a database that is too damaged to bear it, or none.
inline constexpr std::string_view kSetAsideFile = "set-aside.json";

// What belongs to an installation; anything else in the directory is left alone.
inline constexpr std::string_view kOurs[] = {"latchkey.db", "latchkey.db-wal", "latchkey.db-shm", "journal", "spool", "providers", "tls", "node", kSetAsideFile};
// Stays where it is when what is restored has none: a backup from before it was kept, or of a server behind a proxy.
inline constexpr std::string_view kStaysUnlessReplaced = "tls";

struct SwapWish {
  std::string data;
  std::string key_path;
  std::string staging;  // in `data`
};
struct Swapped {
  std::string replaced;   // where what was there has gone; empty: nothing was there
  std::string key_aside;  // the other key that lay there; empty: none
  std::string not_marked{};  // why the database there could not be given the note; empty: it bears it, or there is none
};
// The caller holds the data directory's lock. Errors: sentences; everything is as it was then.
[[nodiscard]] Result<Swapped> swap_in(const SwapWish& wish, store::Files& files, WallTime now, Entropy& entropy);

// The folders to which interrupted restores have moved what was there.
[[nodiscard]] std::vector<std::string> moved_aside(const std::string& data, store::Files& files);

// What the file says that lies in a folder; nullopt: there is none.
[[nodiscard]] std::optional<store::SetAside> set_aside_file(const std::string& folder, store::Files& files);

// Whether no restore into a data directory has stopped half-way. Errors: misconfigured/`restore_interrupted`.
[[nodiscard]] Result<void> check_not_interrupted(const std::string& data);
// Whether what lies there may be worked on. Errors: as above; those of set_aside_error.
[[nodiscard]] Result<void> check_whole(const std::string& data);

[[nodiscard]] bool exists(const std::string& path);

// Root restores for the service's user: what it has made at `path`, and below, becomes that of the owner of `data`. Files with
// another name elsewhere, and what is not root's, stay as they are. Nothing where somebody else restores.
void give_to_owner_of(const std::string& data, const std::string& path);

}  // namespace latchkey::app
