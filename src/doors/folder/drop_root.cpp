#include "doors/folder/drop_root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "doors/folder/beneath.h"
#include "doors/folder/file_name.h"

namespace latchkey::doors {
namespace {

constexpr const char* kTaken = ".taken";

std::unexpected<Error> bad_root(std::string text) {
  return fail(ErrorKind::misconfigured, "drop_root", "folder.root: " + text, {.field = "folder.root"});
}

std::optional<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr), &std::free);
  return resolved ? std::optional<std::string>(resolved.get()) : std::nullopt;
}

bool lies_in(const std::string& inner, const std::string& outer) {
  return inner == outer || inner.starts_with(outer.ends_with('/') ? outer : outer + "/");
}

bool is_trusted(uid_t owner) { return owner == 0 || owner == ::geteuid(); }

// Nobody but root and this process may put another directory in the root's place. A sticky parent (/tmp) lets others make
// names, not move ours.
Result<void> check_parents(const std::string& root) {
  for (auto slash = root.rfind('/'); slash != std::string::npos;
       slash = slash == 0 ? std::string::npos : root.rfind('/', slash - 1)) {
    const auto parent = slash == 0 ? std::string("/") : root.substr(0, slash);
    struct stat status{};
    if (::stat(parent.c_str(), &status) != 0)
      return bad_root(fmt::format("{} cannot be looked at ({}).", parent, std::strerror(errno)));
    if (!is_trusted(status.st_uid)) {
      return bad_root(fmt::format(
          "{} belongs to the user with the number {}, who could put another directory in the drop folder's place. "
          "Choose a directory whose parents belong to root.",
          parent, status.st_uid));
    }
    if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
      return bad_root(fmt::format("{} is writable for everybody on this machine: chmod o-w {}", parent, parent));
    }
  }
  return {};
}

Result<void> check_root(const std::string& path, const struct stat& status) {
  if (!is_trusted(status.st_uid)) {
    return bad_root(fmt::format("{} must belong to root or to the service's own user: chown root {}", path, path));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return bad_root(
        fmt::format("{} itself must not be writable for others, only the directories of the connectors in it: chmod go-w {}",
                    path, path));
  }
  return {};
}

Result<uid_t> user_number(const std::string& text) {
  uid_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  std::array<char, 16 * 1024> room{};
  struct passwd entry{};
  struct passwd* found = nullptr;
  if (::getpwnam_r(text.c_str(), &entry, room.data(), room.size(), &found) == 0 && found != nullptr) return found->pw_uid;
  return fail(
      ErrorKind::misconfigured, "drop_owners",
      fmt::format("folder.uids: there is no user {} on this machine. Make it (useradd --system {}), or give its number.",
                  text, text),
      {.field = "folder.uids"});
}

Result<std::vector<uid_t>> user_numbers(const std::vector<std::string>& texts) {
  if (texts.empty()) {
    return fail(ErrorKind::misconfigured, "drop_owners",
                "folder.uids: is missing; name the users whose files are taken from folder.root, such as [\"scanner\"]",
                {.field = "folder.uids"});
  }
  std::vector<uid_t> numbers;
  for (const auto& text : texts) {
    const auto number = user_number(text);
    if (!number) return std::unexpected(number.error());
    numbers.push_back(*number);
  }
  return numbers;
}

// A directory of ours, made where it is missing.
Descriptor open_own(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) return {};
  auto directory = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
  struct stat status{};
  if (!directory || ::fstat(directory.get(), &status) != 0) return {};
  if (status.st_uid != ::geteuid()) {
    errno = EPERM;
    return {};
  }
  return directory;
}

constexpr std::size_t kDirectoriesMax = 10'000;

// Adds the names of the directories in `parent` that hold a file that is `wanted`.
Result<void> add_lying(int parent, std::set<std::string>& lying, bool (*wanted)(std::string_view name)) {
  const auto names = names_in(parent, kDirectoriesMax, [&](const std::string& name) {
    if (name.starts_with('.')) return false;
    const auto directory = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
    if (!directory) return false;
    const auto found = names_in(directory.get(), 1, [&](const std::string& file) {
      struct stat status{};
      return wanted(file) && ::fstatat(directory.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode);
    });
    return found && !found->empty();
  });
  if (!names) return std::unexpected(names.error());
  lying.insert(names->begin(), names->end());
  return {};
}

std::unexpected<Error> bad_box(std::string text, std::string detail = {}) {
  return fail(ErrorKind::misconfigured, "drop_box", std::move(text), {.detail = std::move(detail)});
}

}  // namespace

DropRoot::DropRoot(std::string path, std::vector<uid_t> owners, Descriptor root, Descriptor taken)
    : path_(std::move(path)), owners_(std::move(owners)), root_(std::move(root)), taken_(std::move(taken)) {}

Result<std::unique_ptr<DropRoot>> DropRoot::open(const DropSettings& settings) {
  auto owners = user_numbers(settings.owners);
  if (!owners) return std::unexpected(owners.error());
  auto wanted = settings.root;
  while (wanted.size() > 1 && wanted.ends_with('/')) wanted.pop_back();
  const auto real = real_path(wanted);
  if (!real)
    return bad_root(
        fmt::format("{} is not there ({}). Make it: install -d -m 0755 {}", wanted, std::strerror(errno), wanted));
  if (*real != wanted) return bad_root(fmt::format("{} leads to {} through a link; name that.", wanted, *real));
  const auto data = real_path(settings.data).value_or(settings.data);
  if (lies_in(*real, data) || lies_in(data, *real)) {
    return bad_root(fmt::format(
        "{} and the data directory {} must lie apart: whoever may write into one must not reach the other.", *real, data));
  }
  if (const auto sound = check_parents(*real); !sound) return std::unexpected(sound.error());
  Descriptor root(::open(real->c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!root || ::fstat(root.get(), &status) != 0)
    return bad_root(fmt::format("{} cannot be opened ({}).", *real, std::strerror(errno)));
  if (const auto sound = check_root(*real, status); !sound) return std::unexpected(sound.error());
  auto taken = open_own(root.get(), kTaken);
  if (!taken) {
    return bad_root(
        fmt::format("{}/{} cannot be made or is not the service's own ({}). Make it: install -d -m 0700 -o {} {}/{}", *real,
                    kTaken, std::strerror(errno), ::geteuid(), *real, kTaken));
  }
  return std::unique_ptr<DropRoot>(new DropRoot(*real, std::move(*owners), std::move(root), std::move(taken)));
}

Result<std::set<std::string>> DropRoot::lying() const {
  std::set<std::string> lying;
  if (const auto added = add_lying(root_.get(), lying, [](std::string_view name) { return !is_left_alone(name); }); !added)
    return std::unexpected(added.error());
  if (const auto added = add_lying(taken_.get(), lying, is_taken_name); !added) return std::unexpected(added.error());
  return lying;
}

Result<std::shared_ptr<DropBox>> DropRoot::box(const std::string& connector) const {
  const auto path = path_ + "/" + connector;
  auto directory = open_beneath(root_.get(), connector, O_RDONLY | O_DIRECTORY);
  if (!directory && errno == ENOENT)
    return fail(ErrorKind::not_found, "no_drop_box", fmt::format("There is no directory {}.", path));
  if (!directory && (errno == ELOOP || errno == ENOTDIR || errno == EXDEV)) {
    return bad_box(fmt::format(
        "{} is a link, no directory, or on a file system of its own. It must be a plain directory of {}.", path, path_));
  }
  if (!directory)
    return bad_box(fmt::format("{} cannot be opened. May the service's user read and enter it?", path),
                   std::strerror(errno));
  if (::faccessat(directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return bad_box(
        fmt::format("The service's user may not move files out of {}: put it into the directory's group, and chmod g+rwx.",
                    path),
        std::strerror(errno));
  }
  auto taken = open_own(taken_.get(), connector);
  if (!taken) return bad_box(fmt::format("{}/{}/{} cannot be made.", path_, kTaken, connector), std::strerror(errno));
  return std::make_shared<DropBox>(path, owners_, std::move(directory), std::move(taken));
}

}  // namespace latchkey::doors
