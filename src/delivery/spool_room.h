// How full the spool may make its disk: documents are refused while there is still room for what must be written whatever
// comes (the store, the journal of token replies, other programs).
#pragma once

#include <functional>
#include <string>

#include "store/files.h"

namespace latchkey::delivery {

// What stays free: the larger of the two.
struct DiskReserve {
  std::uint64_t bytes = 0;
  std::uint64_t percent = 0;  // of the disk
};

// Thread-safe; the files outlive it. Blocking: for the disk's threads.
class SpoolRoom {
 public:
  // How much is taken in between two looks at the disk.
  static constexpr std::uint64_t kLookEveryBytes = 1024 * 1024;

  SpoolRoom(store::Files& files, std::string directory, std::function<DiskReserve()> reserve)
      : files_(files), directory_(std::move(directory)), reserve_(std::move(reserve)) {}

  // Errors: unavailable/`spool_full` when so much more would go beyond the reserve, `spool_failed`.
  [[nodiscard]] Result<void> check(std::uint64_t more_bytes) const;

 private:
  store::Files& files_;
  std::string directory_;
  std::function<DiskReserve()> reserve_;
};

}  // namespace latchkey::delivery
