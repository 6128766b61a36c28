// How full the spool may make its disk: documents are refused while there is still room for what must be written whatever
// comes (the store, the journal of token replies, other programs).
#pragma once

#include <functional>

#include "store/disk_room.h"

namespace latchkey::delivery {

// What stays free: the larger of the two.
struct DiskReserve {
  std::uint64_t bytes = 0;
  std::uint64_t percent = 0;  // of the disk
};

// Thread-safe as its two sources are. Blocking: for the disk's threads.
class SpoolRoom {
 public:
  // How much is taken in between two looks at the disk.
  static constexpr std::uint64_t kLookEveryBytes = 1024 * 1024;

  SpoolRoom(std::function<Result<store::DiskRoom>()> room, std::function<DiskReserve()> reserve)
      : room_(std::move(room)), reserve_(std::move(reserve)) {}

  // Errors: unavailable/`spool_full` when so much more would go beyond the reserve, `spool_failed`.
  [[nodiscard]] Result<void> check(std::uint64_t more_bytes) const;

 private:
  std::function<Result<store::DiskRoom>()> room_;
  std::function<DiskReserve()> reserve_;
};

}  // namespace latchkey::delivery
