#include "store/sqlite/reserved_room.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/sqlite/statement.h"

namespace latchkey::store::sqlite {

Result<void> ReservedRoom::hold() {
  if (held_) return {};
  const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return std::unexpected(error_of(SQLITE_CANTOPEN, path_ + ": " + std::strerror(errno)));
  int problem = EINTR;
  while (problem == EINTR) problem = ::posix_fallocate(file, 0, bytes_);
  // A part of it would be room for nobody.
  if (problem != 0 && ::ftruncate(file, 0) != 0) problem = errno;
  ::close(file);
  if (problem != 0) return std::unexpected(error_of(SQLITE_FULL, path_ + ": " + std::strerror(problem)));
  held_ = true;
  return {};
}

bool ReservedRoom::let_go() {
  held_ = false;
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0 || status.st_size == 0) return false;
  return ::truncate(path_.c_str(), 0) == 0;
}

}  // namespace latchkey::store::sqlite
