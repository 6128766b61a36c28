#include "app/restore_swap.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "app/backup.h"
#include "app/backup_sections.h"
#include "vault/key_files.h"

namespace latchkey::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMarkBytesMax = 64 * 1024;
constexpr int kDepthMax = 8;  // of what a restore makes

std::string mark_of(const std::string& data) { return fmt::format("{}/{}", data, kRestoringMark); }

std::string folder_of(const std::string& path) {
  auto folder = fs::path(path).parent_path().string();
  return folder.empty() ? std::string(".") : folder;
}

std::unexpected<Error> with_words(Error error, std::string words) {
  error.text = std::move(words);
  error.kind = ErrorKind::unavailable;
  return std::unexpected(std::move(error));
}

class Swap {
 public:
  Swap(const SwapWish& wish, store::Files& files, Entropy& entropy) : wish_(wish), files_(files), entropy_(entropy), marked_before_(exists(mark_of(wish.data))) {}

  Result<Swapped> run(WallTime now);
  // Backwards; what cannot be undone leaves the mark where it is.
  void undo();

 private:
  struct Step {
    std::string from;  // empty: `to` was made
    std::string to;
  };
  Result<void> move(const std::string& from, const std::string& to);
  Result<void> write_new(const std::string& path, ByteView octets);
  Result<void> mark();
  Result<void> place_key(const std::string& staged, const std::string& path);
  Result<void> place_keys();
  Result<void> make_folder(const store::SetAside& note);
  Result<void> set_aside(const store::SetAside& note);
  Result<void> clear_place();
  Result<void> move_in();

  const SwapWish& wish_;
  store::Files& files_;
  Entropy& entropy_;
  Swapped swapped_;
  std::vector<Step> steps_;
  bool marked_before_;  // by a restore that was interrupted
  bool noted_ = false;  // in the database, by this one
};

Result<void> Swap::move(const std::string& from, const std::string& to) {
  if (auto done = files_.rename(from, to); !done) return with_words(done.error(), fmt::format("{} could not be moved to {}.", from, to));
  steps_.push_back({from, to});
  return {};
}

// Whole and on the medium, its name included, when it returns.
Result<void> Swap::write_new(const std::string& path, ByteView octets) {
  const auto part = path + ".part";
  if (exists(part)) {
    if (auto gone = files_.unlink(part); !gone) return gone;
  }
  auto file = files_.open(part, store::OpenFile::create);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->pwrite(octets, 0); !written) return written;
  if (auto synced = (*file)->fdatasync(); !synced) return synced;
  struct stat owner{};
  // Root restores for the service's user.
  if (::geteuid() == 0 && ::stat(wish_.data.c_str(), &owner) == 0 && ::lchown(part.c_str(), owner.st_uid, owner.st_gid) != 0) {
    return std::unexpected(store::disk_error("lchown", errno));
  }
  if (auto named = files_.rename(part, path); !named) return named;
  return files_.sync_directory(folder_of(path));
}

Result<void> Swap::mark() {
  auto names = moved_aside(wish_.data, files_);
  if (!swapped_.replaced.empty()) names.push_back(swapped_.replaced);
  std::string text;
  for (const auto& name : names) text += fs::path(name).filename().string() + "\n";
  return write_new(mark_of(wish_.data), base::as_bytes(text));
}

// Puts one key file in place; another key that lies there goes aside.
Result<void> Swap::place_key(const std::string& staged, const std::string& path) {
  const auto staged_key = vault::load_master_key(staged, vault::OnMissingKey::refuse, entropy_);
  if (!staged_key) return std::unexpected(staged_key.error());
  if (exists(path)) {
    const auto there = vault::load_master_key(path, vault::OnMissingKey::refuse, entropy_);
    if (there && there->equals(*staged_key)) return {};
    auto aside = there ? vault::KeyFiles(path, "").retired_path(vault::Vault::id_of(*there)) : fmt::format("{}.old-{}", path, base::to_hex(entropy_.bytes(4)));
    if (exists(aside)) aside += "-" + base::to_hex(entropy_.bytes(4));
    if (auto moved = move(path, aside); !moved) return moved;
    swapped_.key_aside = aside;
  }
  const auto file = files_.open(staged, store::OpenFile::read_only);
  if (!file) return std::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return std::unexpected(size.error());
  const auto octets = (*file)->pread(*size, 0);
  if (!octets) return std::unexpected(octets.error());
  // The key's folder may be of another file system.
  if (auto written = write_new(path, *octets); !written) return with_words(written.error(), fmt::format("The master key cannot be put into {}; nothing was changed.", path));
  steps_.push_back({"", path});
  return {};
}

Result<void> Swap::place_keys() {
  const auto names = files_.list(wish_.staging);
  if (!names) return std::unexpected(names.error());
  for (const auto& name : *names) {
    if (name != kFormerKeyName && !name.starts_with(kOtherKeyPrefix)) continue;
    const auto staged = fmt::format("{}/{}", wish_.staging, name);
    const auto key = vault::load_master_key(staged, vault::OnMissingKey::refuse, entropy_);
    if (!key) return std::unexpected(key.error());
    const auto path = vault::KeyFiles(wish_.key_path, "").retired_path(vault::Vault::id_of(*key));
    if (auto placed = place_key(staged, path); !placed) return placed;
  }
  return place_key(fmt::format("{}/{}", wish_.staging, kMasterKeyName), wish_.key_path);
}

Result<void> Swap::make_folder(const store::SetAside& note) {
  if (std::ranges::none_of(kOurs, [this](std::string_view name) { return exists(fmt::format("{}/{}", wish_.data, name)); })) return {};
  auto name = "replaced-" + base::to_rfc3339(note.at);
  std::ranges::replace(name, ':', '-');
  swapped_.replaced = fmt::format("{}/{}", wish_.data, name);
  if (exists(swapped_.replaced)) swapped_.replaced += "-" + base::to_hex(entropy_.bytes(4));
  if (auto made = files_.make_directory(swapped_.replaced); !made) return made;
  give_to_owner_of(wish_.data, swapped_.replaced);
  return write_new(fmt::format("{}/{}", swapped_.replaced, kSetAsideFile), note.to_octets());
}

// A database that is too damaged to be written to is replaced all the same: that is what restores are for.
Result<void> Swap::set_aside(const store::SetAside& note) {
  const auto database = wish_.data + "/latchkey.db";
  if (!exists(database)) return {};
  const auto noted = store::set_sqlite_aside(database, note);
  noted_ = noted.value_or(false);
  if (!noted) swapped_.not_marked = noted.error().text;
  return {};
}

Result<void> Swap::clear_place() {
  if (swapped_.replaced.empty()) return {};
  for (const auto name : kOurs) {
    const auto from = fmt::format("{}/{}", wish_.data, name);
    if (!exists(from) || (name == kStaysUnlessReplaced && !exists(fmt::format("{}/{}", wish_.staging, name)))) continue;
    if (auto moved = move(from, fmt::format("{}/{}", swapped_.replaced, name)); !moved) return moved;
  }
  return files_.sync_directory(swapped_.replaced);
}

Result<void> Swap::move_in() {
  for (const auto name : kOurs) {
    const auto from = fmt::format("{}/{}", wish_.staging, name);
    if (!exists(from)) continue;
    if (auto moved = move(from, fmt::format("{}/{}", wish_.data, name)); !moved) return moved;
  }
  return files_.sync_directory(wish_.data);
}

Result<Swapped> Swap::run(WallTime now) {
  std::error_code ignored;
  const store::SetAside note{.at = now, .data = fs::absolute(wish_.data, ignored).lexically_normal().string()};
  if (auto done = make_folder(note); !done) return std::unexpected(done.error());
  for (const auto step : {&Swap::mark, &Swap::place_keys}) {
    if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
  }
  if (auto done = set_aside(note); !done) return std::unexpected(done.error());
  for (const auto step : {&Swap::clear_place, &Swap::move_in}) {
    if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
  }
  // It is done: whatever becomes of the mark, nothing is undone any more.
  steps_.clear();
  marked_before_ = true;
  if (auto gone = files_.unlink(mark_of(wish_.data)); !gone) return std::unexpected(gone.error());
  if (auto synced = files_.sync_directory(wish_.data); !synced) return std::unexpected(synced.error());
  return std::move(swapped_);
}

void Swap::undo() {
  for (; !steps_.empty(); steps_.pop_back()) {
    const auto& [from, to] = steps_.back();
    if (auto back = from.empty() ? files_.unlink(to) : files_.rename(to, from); !back) return;
    if (auto synced = files_.sync_directory(folder_of(from.empty() ? to : from)); !synced) return;
  }
  if (noted_ && !store::take_sqlite_back(wish_.data + "/latchkey.db")) return;
  if (marked_before_) return;
  for (const auto* left : {"", ".part"}) {
    if (exists(mark_of(wish_.data) + left)) static_cast<void>(files_.unlink(mark_of(wish_.data) + left));
  }
  if (swapped_.replaced.empty()) return;
  std::error_code ignored;
  for (const auto* left : {"", ".part"}) fs::remove(fmt::format("{}/{}{}", swapped_.replaced, kSetAsideFile, left), ignored);
  fs::remove(swapped_.replaced, ignored);  // only if it is empty
}

// Descriptor by descriptor, never through a link: the owner may put one in any file's or folder's place meanwhile.
void give_below(int folder, const char* name, const struct stat& owner, int depth) {
  const int descriptor = ::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return;
  struct stat about{};
  const bool known = ::fstat(descriptor, &about) == 0;
  const bool ours = known && about.st_uid == 0 && (S_ISDIR(about.st_mode) || (S_ISREG(about.st_mode) && about.st_nlink == 1));
  if (known && S_ISDIR(about.st_mode) && depth > 0) {
    if (DIR* list = ::fdopendir(::dup(descriptor)); list != nullptr) {
      while (const auto* entry = ::readdir(list)) {
        const std::string_view each = entry->d_name;
        if (each != "." && each != "..") give_below(descriptor, entry->d_name, owner, depth - 1);
      }
      ::closedir(list);
    }
  }
  if (ours && ::fchown(descriptor, owner.st_uid, owner.st_gid) != 0) {
    // It stays root's, and the server says which file it cannot open.
  }
  ::close(descriptor);
}

}  // namespace

void give_to_owner_of(const std::string& data, const std::string& path) {
  struct stat owner{};
  if (::geteuid() != 0 || ::stat(data.c_str(), &owner) != 0 || owner.st_uid == 0) return;
  give_below(AT_FDCWD, path.c_str(), owner, kDepthMax);
}

std::optional<store::SetAside> set_aside_file(const std::string& folder, store::Files& files) {
  const auto path = fmt::format("{}/{}", folder, kSetAsideFile);
  if (!exists(path)) return std::nullopt;
  if (const auto file = files.open(path, store::OpenFile::read_only)) {
    if (const auto octets = (*file)->pread(kMarkBytesMax, 0)) {
      if (auto note = store::SetAside::from_octets(*octets)) return note;
    }
  }
  // It says so by being there.
  return store::SetAside{.at = {}, .data = fs::path(folder).parent_path().string()};
}

Result<void> check_not_interrupted(const std::string& data) {
  if (!exists(mark_of(data))) return {};
  return fail(ErrorKind::misconfigured, "restore_interrupted",
              fmt::format("A restore into {} was interrupted, so what is there is not whole. Run `latchkey restore` with --replace again; what was "
                          "there before lies in its replaced-* directories.",
                          data),
              {.field = "data"});
}

Result<void> check_whole(const std::string& data) {
  if (auto whole = check_not_interrupted(data); !whole) return whole;
  store::SystemFiles files;
  if (const auto note = set_aside_file(data, files)) return std::unexpected(store::set_aside_error(*note, data));
  return {};
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

std::vector<std::string> moved_aside(const std::string& data, store::Files& files) {
  std::vector<std::string> folders;
  const auto file = files.open(mark_of(data), store::OpenFile::read_only);
  if (!file) return folders;
  const auto octets = (*file)->pread(kMarkBytesMax, 0);
  if (!octets) return folders;
  auto text = base::as_text(*octets);
  while (!text.empty()) {
    const auto name = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    if (name.starts_with("replaced-") && name.find('/') == std::string_view::npos) folders.push_back(fmt::format("{}/{}", data, name));
  }
  return folders;
}

Result<Swapped> swap_in(const SwapWish& wish, store::Files& files, WallTime now, Entropy& entropy) {
  Swap swap(wish, files, entropy);
  auto done = swap.run(now);
  if (!done) swap.undo();
  return done;
}

}  // namespace latchkey::app
