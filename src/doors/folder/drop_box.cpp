#include "doors/folder/drop_box.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <utility>

#include "delivery/document_name.h"
#include "doors/folder/beneath.h"
#include "doors/folder/document_end.h"
#include "doors/folder/file_name.h"

namespace latchkey::doors {
namespace {

constexpr std::size_t kEntriesMax = 1000;
constexpr std::size_t kTokenChars = 32;
constexpr const char* kRefused = ".refused";
constexpr int kFreeNamesTried = 1000;

Stamp stamp_of(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size_bytes = status.st_size,
          .modified_ns = nanoseconds(status.st_mtim),
          .changed_ns = nanoseconds(status.st_ctim)};
}

std::unexpected<Error> being_written() {
  return fail(ErrorKind::conflict, "being_written", "The file is still being written.");
}
std::unexpected<Error> gone() { return fail(ErrorKind::not_found, "gone", "The file is gone."); }
std::unexpected<Error> no_document(std::string words) {
  return fail(ErrorKind::refused, "not_a_document", std::move(words));
}

// What a file must be, whoever put it there (RULES G5).
Result<void> check_file(const struct stat& status, const std::vector<uid_t>& owners) {
  if (S_ISLNK(status.st_mode)) return no_document("This is a link, not a file. Only files themselves are taken.");
  if (!S_ISREG(status.st_mode)) return no_document("This is a device, pipe or socket, not a file.");
  if (status.st_nlink != 1)
    return no_document("This file has another name elsewhere (a hard link). Put a copy here instead.");
  if (std::ranges::find(owners, status.st_uid) == owners.end()) {
    return no_document(fmt::format(
        "This file belongs to the user with the number {}, whose files are not taken. An administrator lists the users in "
        "folder.uids.",
        status.st_uid));
  }
  return {};
}

// Whether somebody has a file open for writing, while nobody new may begin to.
class NoWriter {
 public:
  enum class Answer { nobody, somebody, cannot_tell };
  explicit NoWriter(int file) : file_(file) {
    // A writer that comes breaks the lease; the signal that tells so is one that does nothing by default, unlike SIGIO.
    (void)::fcntl(file_, F_SETSIG, SIGURG);
    if (::fcntl(file_, F_SETLEASE, F_RDLCK) == 0)
      answer_ = Answer::nobody;
    else
      answer_ = errno == EAGAIN ? Answer::somebody : Answer::cannot_tell;
  }
  NoWriter(const NoWriter&) = delete;
  NoWriter& operator=(const NoWriter&) = delete;
  ~NoWriter() {
    if (answer_ == Answer::nobody) (void)::fcntl(file_, F_SETLEASE, F_UNLCK);
  }

  [[nodiscard]] Answer answer() const { return answer_; }
  // Nobody has asked for it meanwhile.
  [[nodiscard]] bool holds() const { return answer_ != Answer::nobody || ::fcntl(file_, F_GETLEASE) == F_RDLCK; }

 private:
  int file_;
  Answer answer_;
};

Bytes read_at(int file, std::size_t size_bytes, std::int64_t offset) {
  Bytes octets(size_bytes);
  std::size_t have = 0;
  while (have < size_bytes) {
    const auto got = ::pread(file, octets.data() + have, size_bytes - have, offset + static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  octets.resize(have);
  return octets;
}

// Whether its sender is done with a file that has been as it is for so long. `name`: as its sender gave it.
Result<void> check_sender_done(int file, const std::string& name, std::int64_t size_bytes, const NoWriter& lease, Milliseconds unchanged_for,
                               const DropPatience& patience) {
  if (unchanged_for < patience.settled || lease.answer() == NoWriter::Answer::somebody) return being_written();
  if (lease.answer() == NoWriter::Answer::cannot_tell && unchanged_for < patience.unsure) return being_written();
  // Servers make a file first and fill it later: nothing at all is the least finished of all.
  if (size_bytes == 0 && unchanged_for < std::min(patience.unsure, 5 * patience.settled)) return being_written();
  if (!patience.check_endings) return {};
  const auto missing = missing_end(name, static_cast<std::uint64_t>(size_bytes), [file](std::uint64_t offset, std::size_t length) {
    return read_at(file, length, static_cast<std::int64_t>(offset));
  });
  if (missing.empty()) return {};
  if (unchanged_for < patience.incomplete) return being_written();
  return no_document(fmt::format("This is {}: its upload broke off. Send it once more.", missing));
}

bool is_token(std::string_view text) {
  return text.size() == kTokenChars && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Name and ending, so that a number fits between: "scan.pdf" -> "scan-2.pdf".
std::string numbered(const std::string& name, int number) {
  if (number == 1) return name;
  const auto dot = name.rfind('.');
  const auto at = dot == std::string::npos || dot == 0 ? name.size() : dot;
  return fmt::format("{}-{}{}", name.substr(0, at), number, name.substr(at));
}

// Readable for those who deliver, as far as the directory's group and this process' rights allow.
Descriptor open_refused(int directory) {
  const bool made = ::mkdirat(directory, kRefused, 0700) == 0;
  if (!made && errno != EEXIST) return {};
  auto refused = open_beneath(directory, kRefused, O_RDONLY | O_DIRECTORY);
  if (refused && made && ::fchmod(refused.get(), 02770) != 0) (void)::fchmod(refused.get(), 0770);
  return refused;
}

void write_words(int directory, const std::string& name, const std::string& words) {
  const Descriptor file(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return;
  const auto text = words + "\n";
  if (::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) (void)::fchmod(file.get(), 0660);
}

// Of one directory, however many lie there: those aside, and kEntriesMax others, which have lain there unchanged for longest. A sender
// sets mtime as it likes, and ctime only to now.
template <class File>
class Oldest {
 public:
  void add(File file, bool is_aside) {
    if (is_aside) {
      aside_.push_back(std::move(file));
      return;
    }
    others_.push_back(std::move(file));
    if (others_.size() >= 2 * kEntriesMax) trim();
  }
  [[nodiscard]] std::vector<File> all() && {
    trim();
    others_.insert(others_.end(), std::make_move_iterator(aside_.begin()), std::make_move_iterator(aside_.end()));
    return std::move(others_);
  }

 private:
  void trim() {
    if (others_.size() <= kEntriesMax) return;
    std::ranges::nth_element(others_, others_.begin() + static_cast<std::ptrdiff_t>(kEntriesMax), {},
                             [](const File& file) { return file.stamp.changed_ns; });
    others_.erase(others_.begin() + static_cast<std::ptrdiff_t>(kEntriesMax), others_.end());
  }

  std::vector<File> others_;
  std::vector<File> aside_;
};

}  // namespace

bool is_taken_name(std::string_view name) {
  return name.size() > kTokenChars && name[kTokenChars] == '-' && is_token(name.substr(0, kTokenChars));
}

Result<Bytes> TakenFile::read(std::size_t size_bytes) {
  Bytes octets(size_bytes);
  const auto got = ::pread(file_.get(), octets.data(), size_bytes, static_cast<off_t>(read_));
  if (got < 0)
    return fail(ErrorKind::unavailable, "drop_read_failed", "The file cannot be read.", {.detail = std::strerror(errno)});
  octets.resize(static_cast<std::size_t>(got));
  read_ += octets.size();
  if (!octets.empty()) return octets;
  struct stat status{};
  if (::fstat(file_.get(), &status) != 0 || stamp_of(status) != stamp_ || read_ != this->size_bytes())
    return being_written();
  return octets;
}

DropBox::DropBox(std::string path, std::vector<uid_t> owners, Descriptor directory, Descriptor taken)
    : path_(std::move(path)), owners_(std::move(owners)), directory_(std::move(directory)), taken_(std::move(taken)) {}

Result<std::vector<DropEntry>> DropBox::entries(const std::set<std::string>& aside) const {
  Oldest<DropEntry> found;
  const auto listed = for_each_name(directory_.get(), [&](const std::string& name) {
    struct stat status{};
    if (is_left_alone(name) || ::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(status.st_mode)) return;
    found.add({.name = name, .stamp = stamp_of(status)}, aside.contains(name));
  });
  if (!listed) return std::unexpected(listed.error());
  auto all = std::move(found).all();
  std::ranges::sort(all, {}, [](const DropEntry& entry) { return std::pair(entry.stamp.modified_ns, entry.stamp.changed_ns); });
  return all;
}

Result<std::unique_ptr<TakenFile>> DropBox::take(const DropEntry& entry, Milliseconds unchanged_for,
                                                 const DropPatience& patience, const std::string& token) const {
  LATCHKEY_CHECK(is_token(token));
  if (unchanged_for < patience.settled) return being_written();
  struct stat status{};
  if (::fstatat(directory_.get(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return gone();
  if (stamp_of(status) != entry.stamp) return being_written();
  if (const auto sound = check_file(status, owners_); !sound) return std::unexpected(sound.error());
  if (const auto name = delivery::check_name(name_in_utf8(entry.name)); !name) return no_document(name.error().text);
  // Should it have become a pipe or a file with a lease on it meanwhile, opening it waits for nobody.
  auto file = open_beneath(directory_.get(), entry.name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file && errno == ENOENT) return gone();
  if (!file && errno == EACCES) {
    return fail(ErrorKind::misconfigured, "drop_box",
                fmt::format("The service's user may not read {}/{}. Let whoever puts files there give their group the right "
                            "to read (see the recipes in "
                            "docs/folder.md).",
                            path_, name_in_utf8(entry.name)));
  }
  if (!file) return being_written();
  if (::fstat(file.get(), &status) != 0 || stamp_of(status) != entry.stamp) return being_written();

  const NoWriter lease(file.get());
  if (const auto done = check_sender_done(file.get(), entry.name, status.st_size, lease, unchanged_for, patience); !done)
    return std::unexpected(done.error());

  const auto stored = token + "-" + entry.name;
  if (!move_to_free_name(directory_.get(), entry.name, taken_.get(), stored)) {
    if (errno == ENOENT) return gone();
    return fail(ErrorKind::misconfigured, "drop_box",
                fmt::format("{}/{} cannot be moved: the service's user needs the right to write in that directory, which "
                            "must not be sticky (chmod -t).",
                            path_, name_in_utf8(entry.name)),
                {.detail = std::strerror(errno)});
  }
  // Between opening and moving, another file may have got the name, or a writer may have come.
  struct stat moved{};
  const bool same = ::fstatat(taken_.get(), stored.c_str(), &moved, AT_SYMLINK_NOFOLLOW) == 0 &&
                    moved.st_dev == status.st_dev && moved.st_ino == status.st_ino && moved.st_size == status.st_size &&
                    moved.st_nlink == 1 && lease.holds();
  // Before anything is accepted: after a loss of power it must lie where its token is known.
  const bool lasting = same && ::fsync(taken_.get()) == 0 && ::fsync(directory_.get()) == 0;
  if (!lasting) {
    (void)move_to_free_name(taken_.get(), stored, directory_.get(), entry.name);
    return being_written();
  }
  return std::make_unique<TakenFile>(token, entry.name, std::move(file), stamp_of(moved));
}

Result<std::vector<LeftFile>> DropBox::taken(const std::set<std::string>& aside) const {
  Oldest<LeftFile> left;
  const auto listed = for_each_name(taken_.get(), [&](const std::string& name) {
    struct stat status{};
    if (!is_taken_name(name) || ::fstatat(taken_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    const auto token = name.substr(0, kTokenChars);
    left.add({.token = token, .stamp = stamp_of(status)}, aside.contains(token));
  });
  if (!listed) return std::unexpected(listed.error());
  auto all = std::move(left).all();
  // Its ctime is that of the move.
  std::ranges::sort(all, {}, [](const LeftFile& file) { return std::pair(file.stamp.changed_ns, file.stamp.modified_ns); });
  return all;
}

Result<std::string> DropBox::find_taken(const std::string& token) const {
  const auto names = names_in(taken_.get(), 1, [&](const std::string& name) { return name.starts_with(token + "-"); });
  if (!names) return std::unexpected(names.error());
  if (names->empty()) return gone();
  return names->front();
}

Result<std::unique_ptr<TakenFile>> DropBox::take_up(const std::string& token) const {
  const auto stored = find_taken(token);
  if (!stored) return std::unexpected(stored.error());
  auto file = open_beneath(taken_.get(), *stored, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return gone();
  if (const auto sound = check_file(status, owners_); !sound) return std::unexpected(sound.error());
  return std::make_unique<TakenFile>(token, stored->substr(kTokenChars + 1), std::move(file), stamp_of(status));
}

Result<void> DropBox::check_done(const TakenFile& file, Milliseconds unchanged_for, const DropPatience& patience) const {
  const NoWriter lease(file.descriptor());
  struct stat status{};
  if (::fstat(file.descriptor(), &status) != 0 || stamp_of(status) != file.stamp()) return being_written();
  return check_sender_done(file.descriptor(), file.name(), status.st_size, lease, unchanged_for, patience);
}

Result<void> DropBox::remove(const TakenFile& file) const {
  if ((::unlinkat(taken_.get(), file.stored_name().c_str(), 0) == 0 || errno == ENOENT) && ::fsync(taken_.get()) == 0)
    return {};
  return fail(ErrorKind::unavailable, "drop_not_removed",
              fmt::format("A document that was taken from {} cannot be removed.", path_), {.detail = std::strerror(errno)});
}

Result<void> DropBox::refuse(const DropEntry& entry, const std::string& words) const {
  return refuse(directory_.get(), entry.name, entry.name, words);
}

Result<void> DropBox::refuse(const TakenFile& file, const std::string& words) const {
  return refuse(taken_.get(), file.stored_name(), file.name(), words);
}

Result<void> DropBox::refuse(int directory, const std::string& stored_name, const std::string& name,
                             const std::string& words) const {
  const auto refused = open_refused(directory_.get());
  int number = 1;
  while (refused && number <= kFreeNamesTried) {
    const auto free_name = numbered(name, number);
    if (move_to_free_name(directory, stored_name, refused.get(), free_name)) {
      write_words(refused.get(), free_name + ".why.txt", words);
      (void)::fsync(refused.get());
      return {};
    }
    if (errno == ENOENT) return {};
    if (errno != EEXIST) break;
    number += 1;
  }
  return fail(
      ErrorKind::misconfigured, "drop_box",
      fmt::format("What is refused cannot be moved to {}/{}: it must be a directory that the service's user may write to.",
                  path_, kRefused),
      {.detail = std::strerror(errno)});
}

}  // namespace latchkey::doors
