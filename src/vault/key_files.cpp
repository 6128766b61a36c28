#include "vault/key_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace latchkey::vault {
namespace {

constexpr std::size_t kIdOctetsInName = 4;
constexpr std::size_t kDraftOctets = 8;

std::optional<Secret> key_of(const std::string& path, ByteView id, Entropy& entropy) {
  auto key = load_master_key(path, OnMissingKey::refuse, entropy);
  if (!key || !std::ranges::equal(Vault::id_of(*key), id)) return std::nullopt;
  return std::move(*key);
}

bool sync_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

// What load_master_key writes a key to before it gets its name.
bool is_draft(std::string_view name, std::string_view key_name) {
  constexpr std::string_view kSuffix = ".new";
  if (!name.starts_with(key_name) || !name.ends_with(kSuffix)) return false;
  name.remove_prefix(key_name.size());
  name.remove_suffix(std::min(name.size(), kSuffix.size()));
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const auto octets = base::from_hex(name.substr(dot + 1));
  return octets && octets->size() == kDraftOctets;
}

}  // namespace

void KeyFiles::remove_drafts() const {
  for (const std::filesystem::path key : {path_, spare_}) {
    const auto folder = key.has_parent_path() ? key.parent_path() : std::filesystem::path(".");
    std::error_code problem;
    for (std::filesystem::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
      std::error_code ignored;  // one that cannot be removed does no harm
      if (is_draft(at->path().filename().string(), key.filename().string())) std::filesystem::remove(at->path(), ignored);
    }
  }
}

std::string KeyFiles::retired_path(ByteView id) const {
  return fmt::format("{}.old-{}", path_, base::to_hex(id.first(std::min(id.size(), kIdOctetsInName))));
}

std::optional<KeyFiles::Found> KeyFiles::find(ByteView id, Entropy& entropy) const {
  for (const auto& path : {path_, next_path(), spare_, retired_path(id)}) {
    if (auto key = key_of(path, id, entropy)) return Found{.key = std::move(*key), .path = path};
  }
  return std::nullopt;
}

Result<KeyFiles::Found> KeyFiles::make_next(Entropy& entropy) const {
  auto path = next_path();
  auto key = load_master_key(path, OnMissingKey::create, entropy);
  if (!key && ::access(path.c_str(), F_OK) != 0) {  // nothing can be made there
    path = spare_;
    key = load_master_key(path, OnMissingKey::create, entropy);
  }
  if (!key) return std::unexpected(key.error());
  return Found{.key = std::move(*key), .path = path};
}

Result<void> KeyFiles::install(ByteView from, ByteView to, Entropy& entropy) const {
  if (key_of(path_, to, entropy)) return {};
  const auto fail_with = [&](std::string_view what, int code) {
    return fail(ErrorKind::misconfigured, "key_not_in_place",
                fmt::format("The new master key could not be put in place of {} ({}). The server works with it from where it was "
                            "made. Put it into {} yourself (with systemd: into the credential), mode 0600.",
                            path_, what, path_),
                {.detail = code != 0 ? std::strerror(code) : ""});
  };
  if (!key_of(next_path(), to, entropy)) return fail_with("it lies in " + spare_, 0);
  const auto aside = retired_path(from);
  if (::link(path_.c_str(), aside.c_str()) != 0 && !(errno == EEXIST && key_of(aside, from, entropy))) {
    return fail_with(aside + ": " + std::strerror(errno), errno);
  }
  // The old key must be safe under its other name before its own one goes to the new key.
  if (!sync_folder_of(path_)) return fail_with("its folder cannot be synced", errno);
  if (::rename(next_path().c_str(), path_.c_str()) != 0) return fail_with(std::strerror(errno), errno);
  if (!sync_folder_of(path_)) return fail_with("its folder cannot be synced", errno);
  return {};
}

}  // namespace latchkey::vault
