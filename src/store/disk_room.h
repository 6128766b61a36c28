// How much room a disk has. Apart from Files, since only who takes in what others send must ask.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace latchkey::store {

// For this process: what the system keeps for root is not free.
struct DiskRoom {
  std::uint64_t free_bytes = 0;
  std::uint64_t size_bytes = 0;
};

// Of the disk that the directory lies on. Errors: those of Files.
[[nodiscard]] Result<DiskRoom> disk_room(const std::string& directory);

}  // namespace latchkey::store
