#include "app/leftovers.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <vector>

namespace latchkey::app {
namespace {

namespace fs = std::filesystem;

std::string lock_path(const std::string& data) { return data + "/backup.lock"; }

void remove_all_that_begin(const std::string& data, std::string_view prefix) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (fs::directory_iterator at(data, ignored), end; at != end; at.increment(ignored)) {
    if (at->path().filename().string().starts_with(prefix)) found.push_back(at->path());
  }
  for (const auto& path : found) fs::remove_all(path, ignored);
}

}  // namespace

void remove_backup_leftovers(const std::string& data) {
  const int lock = ::open(lock_path(data).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  const bool nobody = lock < 0 ? errno == ENOENT : ::flock(lock, LOCK_EX | LOCK_NB) == 0;
  if (nobody) remove_all_that_begin(data, ".backup-");
  if (lock >= 0) ::close(lock);
}

void remove_leftovers(const std::string& data) {
  remove_backup_leftovers(data);
  remove_all_that_begin(data, ".restore-");
  remove_all_that_begin(data, ".doctor-");
}

BackupLock::BackupLock(const std::string& data) : descriptor_(::open(lock_path(data).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
  if (descriptor_ < 0) return;
  struct stat owner{};
  // Root makes backups of the service's user's data; that user looks at the lock too.
  if (::geteuid() == 0 && ::stat(data.c_str(), &owner) == 0 && ::fchown(descriptor_, owner.st_uid, owner.st_gid) != 0) {
    // It is only not looked at then, and nothing is removed.
  }
  static_cast<void>(::flock(descriptor_, LOCK_SH));
}

BackupLock::~BackupLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace latchkey::app
