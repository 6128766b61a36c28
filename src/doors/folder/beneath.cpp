#include "doors/folder/beneath.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace latchkey::doors {

Descriptor open_beneath(int directory, const std::string& name, int flags) {
  struct open_how how{};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return Descriptor(static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
}

bool move_to_free_name(int from, const std::string& name, int to, const std::string& new_name) {
  if (::renameat2(from, name.c_str(), to, new_name.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // File systems of networks do not know the flag. Nobody else makes names in the directories this is used for.
  struct stat status{};
  if (::fstatat(to, new_name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return false;
  }
  return ::renameat(from, name.c_str(), to, new_name.c_str()) == 0;
}

Result<std::vector<std::string>> names_in(int directory, std::size_t limit,
                                          const std::function<bool(const std::string&)>& wanted) {
  // A description of its own: the place in the listing is not shared with whoever listed before.
  Descriptor own(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(own ? ::fdopendir(::dup(own.get())) : nullptr, &::closedir);
  if (!listing) {
    return fail(ErrorKind::unavailable, "folder_unreadable", "The drop folder cannot be read.",
                {.detail = std::strerror(errno)});
  }
  std::vector<std::string> names;
  while (names.size() < limit) {
    const auto* entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != ".." && wanted(name)) names.push_back(std::move(name));
  }
  return names;
}

Result<void> for_each_name(int directory, const std::function<void(const std::string&)>& visit) {
  const auto none = names_in(directory, 1, [&](const std::string& name) {
    visit(name);
    return false;
  });
  if (!none) return std::unexpected(none.error());
  return {};
}

}  // namespace latchkey::doors
