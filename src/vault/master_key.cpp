#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "vault/key_files.h"
#include "vault/sub_keys.h"
#include "vault/vault.h"

namespace latchkey::vault {
namespace {

constexpr std::size_t kFileBytesMax = 4096;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

std::unexpected<Error> misconfigured(std::string reason, std::string text, int code = 0) {
  return fail(ErrorKind::misconfigured, std::move(reason), std::move(text),
              {.detail = code != 0 ? std::strerror(code) : ""});
}

std::unexpected<Error> missing(const std::string& path) {
  return misconfigured("master_key_missing",
                       fmt::format("The master key file {} is missing, and the store holds secrets that only it opens. "
                                   "Put the file back from its backup (mode 0600); nothing has been changed.",
                                   path));
}

std::unexpected<Error> cannot_make(const std::string& path, int code) {
  return misconfigured("master_key_missing",
                       fmt::format("The master key file {} cannot be made: {}. Give the service's user write access to "
                                   "its folder, or put a key there.",
                                   path, std::strerror(code)),
                       code);
}

Result<Secret> parse(const std::string& path, std::string_view text) {
  std::string_view key;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (!key.empty()) key = "two keys";
    else key = line;
  }
  auto octets = base::from_hex(key);
  if (!octets || octets->size() != kMasterKeyBytes) {
    if (octets) base::wipe(octets->data(), octets->size());
    return misconfigured("master_key_malformed",
                         fmt::format("The master key file {} does not hold one line of 64 hexadecimal digits. Put the "
                                     "file back from its backup.",
                                     path));
  }
  return Secret(std::move(*octets));
}

Result<Secret> read(const std::string& path, int descriptor) {
  struct stat about {};
  if (fstat(descriptor, &about) != 0) return misconfigured("master_key_malformed", path + " cannot be examined.", errno);
  if (!S_ISREG(about.st_mode)) {
    return misconfigured("master_key_malformed", fmt::format("The master key {} is not a regular file.", path));
  }
  if ((about.st_mode & 0077) != 0) {
    return misconfigured("master_key_permissions",
                         fmt::format("The master key file {} may be read by others (mode {:04o}). Run: chmod 600 {}. If others may have read it, "
                                     "rotate the key.",
                                     path, about.st_mode & 07777u, path));
  }
  // Root backs up and restores for the service's user: that one's key is no stranger's. Giving it to root would bar its owner.
  if (about.st_uid != geteuid() && about.st_uid != 0 && geteuid() != 0) {
    return misconfigured("master_key_permissions",
                         fmt::format("The master key file {} belongs to the user {}, who may read it, and this runs as {}. Run this as that user, or "
                                     "give the file to this one: chown {} {}",
                                     path, about.st_uid, geteuid(), geteuid(), path));
  }
  auto content = Secret::of_size(kFileBytesMax + 1);
  std::size_t size = 0;
  while (size <= kFileBytesMax) {
    const auto got = ::read(descriptor, content.writable().data() + size, kFileBytesMax + 1 - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return misconfigured("master_key_malformed", path + " cannot be read.", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return parse(path, content.reveal_text().substr(0, size));
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto put = write(descriptor, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

}  // namespace

Result<void> write_master_key(const std::string& path, const Secret& key, Entropy& entropy) {
  const auto directory = std::filesystem::path(path).parent_path().string();
  const auto draft = fmt::format("{}.{}.new", path, base::to_hex(entropy.bytes(8)));
  auto digits = base::to_hex(key.reveal());
  auto text = Secret("# Latchkey master key. Everything sealed in the store opens only with it: keep a copy elsewhere.\n" +
                     digits + "\n");
  base::wipe(digits.data(), digits.size());
  int problem = 0;
  {
    const Descriptor file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return cannot_make(path, errno);
    if (!write_all(file.get(), text.reveal_text()) || fsync(file.get()) != 0) problem = errno;
  }
  if (problem == 0 && link(draft.c_str(), path.c_str()) != 0 && errno != EEXIST) problem = errno;
  unlink(draft.c_str());
  if (problem == 0) {
    const Descriptor folder(open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || fsync(folder.get()) != 0) problem = errno;
  }
  if (problem != 0) return cannot_make(path, problem);
  return {};
}

Result<Secret> load_master_key(const std::string& path, OnMissingKey on_missing, Entropy& entropy) {
  for (bool made = false;; made = true) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() >= 0) return read(path, file.get());
    if (errno == EACCES) {
      return misconfigured("master_key_permissions",
                           fmt::format("The master key file {} cannot be opened by the user {}. Run this as the service's user, and the file must "
                                       "be that user's.",
                                       path, geteuid()),
                           errno);
    }
    if (errno != ENOENT || made || on_missing == OnMissingKey::refuse) return missing(path);
    auto key = Secret::of_size(kMasterKeyBytes);
    entropy.fill(key.writable());
    if (auto result = write_master_key(path, key, entropy); !result) return std::unexpected(result.error());
  }
}

}  // namespace latchkey::vault
