// The end of a restore: what was unpacked takes the place of what is there (docs/design/keys-and-backup.md).
//
// In this order, each step durable before the next: a mark that names the folder for what is there; the key files; what is there
// into that folder; the new into its place; the mark away. When a step fails, those before it are undone. A crash leaves the mark:
// `serve` refuses, and the next restore finds by it the journals that were moved aside.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "store/files.h"

namespace latchkey::app {

// What belongs to an installation; anything else in the directory is left alone.
inline constexpr std::string_view kOurs[] = {"latchkey.db", "latchkey.db-wal", "latchkey.db-shm", "journal", "spool", "providers", "tls"};
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
};
// The caller holds the data directory's lock. Errors: sentences; everything is as it was then.
[[nodiscard]] Result<Swapped> swap_in(const SwapWish& wish, store::Files& files, WallTime now, Entropy& entropy);

// The folders to which interrupted restores have moved what was there.
[[nodiscard]] std::vector<std::string> moved_aside(const std::string& data, store::Files& files);

[[nodiscard]] bool exists(const std::string& path);

// Root restores for the service's user: what it has made at `path`, and below, becomes that of the owner of `data`. Files with
// another name elsewhere, and what is not root's, stay as they are. Nothing where somebody else restores.
void give_to_owner_of(const std::string& data, const std::string& path);

}  // namespace latchkey::app
