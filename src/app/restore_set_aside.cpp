#include <fmt/format.h>
#include <unistd.h>

#include "app/backup.h"
#include "app/leftovers.h"
#include "app/restore_swap.h"
#include "base/entropy.h"
#include "store/sqlite/set_aside.h"

namespace latchkey::app {
namespace {

// The backup in between lives as long as this run, under a passphrase that nobody knows.
constexpr store::BackupCost kCostOfPassing{.memory_kib = 64, .passes = 1};

class Passing {
 public:
  explicit Passing(std::string path) : path_(std::move(path)) {}
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  ~Passing() { ::unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

Result<RestoreReport> restore_set_aside(RestoreWish wish) {
  const auto folder = wish.file;
  store::SystemFiles files;
  const auto note = wish.of_node ? Result<std::optional<store::SetAside>>(set_aside_file(folder, files)) : store::sqlite_set_aside(folder + "/latchkey.db");
  if (!note) return std::unexpected(note.error());
  if (!*note) {
    return fail(ErrorKind::invalid, "not_set_aside",
                fmt::format("{} holds nothing that a restore has set aside. Name a backup, or one of the folders DATA/replaced-*.", folder));
  }
  base::SystemEntropy entropy;
  const auto random = base::to_hex(entropy.bytes(16));
  // Declared first: while it is there nobody takes the file for a leftover.
  const BackupLock busy(folder);
  const Passing passing(fmt::format("{}/.backup-{}.lkb", folder, random));
  BackupWish all{.file = passing.path(), .data = folder, .key_path = wish.key_path, .passphrase = Secret(base::to_hex(entropy.bytes(32))),
                 .cost = kCostOfPassing, .progress = wish.progress, .spare_key = wish.data + "/master.key.next", .of_node = wish.of_node, .of_set_aside = true};
  if (const auto made = make_backup(all); !made) return std::unexpected(made.error());
  wish.file = passing.path();
  wish.passphrase = std::move(all.passphrase);
  wish.of_folder = folder;
  return restore_backup(wish);
}

}  // namespace latchkey::app
