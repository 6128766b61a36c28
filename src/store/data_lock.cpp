#include "store/data_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace latchkey::store {
namespace {

std::unexpected<Error> unusable(const std::string& directory, int code) {
  return fail(ErrorKind::misconfigured, "data_directory",
              fmt::format("The data directory {} cannot be used: {}. Make it writable for the server's user, or name another "
                          "one (--data).",
                          directory, std::generic_category().message(code)),
              {.field = "data"});
}

}  // namespace

Result<std::unique_ptr<DataLock>> DataLock::take(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return unusable(directory, errno);
  const std::string path = directory + "/lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return unusable(directory, errno);
  // Made by root (a restore): whoever owns the directory must be able to take it next.
  if (struct stat owner{}; ::geteuid() == 0 && ::stat(directory.c_str(), &owner) == 0) {
    if (::fchown(descriptor, owner.st_uid, owner.st_gid) != 0) {
      // As before, then.
    }
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    char holder[32] = {};
    const auto size = ::pread(descriptor, holder, sizeof holder - 1, 0);
    ::close(descriptor);
    if (code != EWOULDBLOCK) return unusable(directory, code);
    std::string pid(holder, size > 0 ? std::strcspn(holder, "\n") : 0);
    if (pid.empty()) pid = "unknown";
    return fail(ErrorKind::unavailable, "data_in_use",
                fmt::format("Another Latchkey server (process {}) is using the data directory {}. Stop it first, or name another "
                            "directory (--data).",
                            pid, directory),
                {.field = "data"});
  }
  const auto pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    // Only the sentence for a second server suffers (a full disk): the lock itself holds.
  }
  return std::unique_ptr<DataLock>(new DataLock(descriptor));
}

DataLock::~DataLock() { ::close(descriptor_); }

}  // namespace latchkey::store
