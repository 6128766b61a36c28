#include "store/disk_room.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "store/files.h"

namespace latchkey::store {

Result<DiskRoom> disk_room(const std::string& directory) {
  struct statvfs status{};
  if (::statvfs(directory.c_str(), &status) != 0) return std::unexpected(disk_error("statvfs", errno, directory));
  return DiskRoom{.free_bytes = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize,
                  .size_bytes = static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize};
}

}  // namespace latchkey::store
