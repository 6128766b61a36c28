// Room on a disk, kept for what must not fail for want of it: a file of that size, emptied when the disk is full.
//
// Reserving it inside the database would not do: with a write-ahead log whatever is changed in place is written anew, so it
// wants room once more. A resource; one thread's at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"

namespace latchkey::store::sqlite {

class ReservedRoom {
 public:
  ReservedRoom(std::string path, std::int64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  // Cheap when it is held already; a file of an earlier process is taken over. Errors: unavailable/`store_unavailable`: the
  // disk has not that much room.
  [[nodiscard]] Result<void> hold();
  // False: there was nothing to let go.
  [[nodiscard]] bool let_go();

 private:
  const std::string path_;
  const std::int64_t bytes_;
  bool held_ = false;
};

}  // namespace latchkey::store::sqlite
