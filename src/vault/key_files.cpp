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

std::string retired_name(std::string_view path, ByteView id) {
  return fmt::format("{}.old-{}", path, base::to_hex(id.first(std::min(id.size(), kIdOctetsInName))));
}

// A file system that cannot be written has nothing to sync.
bool sync_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS;
  ::close(descriptor);
  return synced;
}

}  // namespace

void KeyFiles::remove_drafts() const {
  for (const std::filesystem::path key : {path_, spare_base()}) {
    const auto folder = key.has_parent_path() ? key.parent_path() : std::filesystem::path(".");
    std::error_code problem;
    for (std::filesystem::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
      std::error_code ignored;  // one that cannot be removed does no harm
      if (is_draft(at->path().filename().string(), key.filename().string())) std::filesystem::remove(at->path(), ignored);
    }
  }
}

std::string KeyFiles::retired_path(ByteView id) const { return retired_name(path_, id); }

std::string KeyFiles::spare_base() const {
  constexpr std::string_view kNext = ".next";
  return spare_.ends_with(kNext) ? spare_.substr(0, spare_.size() - kNext.size()) : spare_;
}

std::string KeyFiles::spare_retired_path(ByteView id) const { return retired_name(spare_base(), id); }

std::optional<std::string> KeyFiles::aside(ByteView id, Entropy& entropy) const {
  for (auto path : {retired_path(id), spare_retired_path(id)}) {
    if (key_of(path, id, entropy)) return path;
  }
  return std::nullopt;
}

// The key that is in place, as a copy beside the spare one.
std::optional<std::string> KeyFiles::keep_aside(ByteView id, Entropy& entropy) const {
  if (auto kept = aside(id, entropy)) return kept;
  if (const auto key = key_of(path_, id, entropy)) static_cast<void>(write_master_key(spare_retired_path(id), *key, entropy));
  return aside(id, entropy);
}

// Once it is in place, and on the medium there.
void KeyFiles::drop_next(ByteView id, Entropy& entropy) const {
  for (const auto& path : {next_path(), spare_}) {
    if (path == path_ || !key_of(path, id, entropy) || !sync_file(path_)) continue;
    if (::unlink(path.c_str()) == 0) static_cast<void>(sync_folder_of(path));  // a copy that comes back does no harm
  }
}

std::optional<KeyFiles::Found> KeyFiles::find(ByteView id, Entropy& entropy) const {
  for (const auto& path : {path_, next_path(), spare_, retired_path(id), spare_retired_path(id)}) {
    if (auto key = key_of(path, id, entropy)) return Found{.key = std::move(*key), .path = path};
  }
  return std::nullopt;
}

std::vector<KeyFiles::Found> KeyFiles::all(Entropy& entropy) const {
  std::vector<std::string> paths{path_, next_path(), spare_};
  for (const std::filesystem::path key : {path_, spare_base()}) {
    const auto name = key.filename().string();
    const auto first = static_cast<std::ptrdiff_t>(paths.size());
    std::error_code problem;
    for (std::filesystem::directory_iterator at(key.has_parent_path() ? key.parent_path() : std::filesystem::path("."), problem), end; !problem && at != end;
         at.increment(problem)) {
      const auto each = at->path().filename().string();
      if (each.starts_with(name) && !is_draft(each, name)) paths.push_back(at->path().string());
    }
    std::sort(paths.begin() + first, paths.end());
  }
  std::vector<Found> found;
  for (const auto& path : paths) {
    auto key = load_master_key(path, OnMissingKey::refuse, entropy);
    if (!key || std::ranges::any_of(found, [&](const Found& each) { return each.key.equals(*key); })) continue;
    found.push_back({.key = std::move(*key), .path = path});
  }
  return found;
}

std::optional<KeyFiles::Found> KeyFiles::find_unretired(ByteView id, Entropy& entropy) const {
  for (const auto& path : {path_, next_path(), spare_}) {
    if (auto key = key_of(path, id, entropy)) return Found{.key = std::move(*key), .path = path};
  }
  return std::nullopt;
}

std::optional<Error> KeyFiles::wrong_with_next(Entropy& entropy) const {
  for (const auto& path : {next_path(), spare_}) {
    if (::access(path.c_str(), F_OK) != 0) continue;
    if (const auto key = load_master_key(path, OnMissingKey::refuse, entropy); !key) return key.error();
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
  if (key_of(path_, to, entropy)) {
    drop_next(to, entropy);
    return {};
  }
  const auto in_place = load_master_key(path_, OnMissingKey::refuse, entropy);
  const auto held = in_place ? Vault::id_of(*in_place) : Bytes(from.begin(), from.end());
  const auto fail_with = [&](std::string_view what, int code) {
    const auto lies = find(to, entropy);
    const auto kept = keep_aside(held, entropy);
    return fail(ErrorKind::misconfigured, "key_not_in_place",
                fmt::format("The new master key could not be put in place of {} ({}). The server works with it from {}. {} Put a copy of the new one "
                            "into {} yourself (with systemd: into the credential), mode 0600; the next start removes the other.",
                            path_, what, lies ? lies->path : spare_,
                            kept                         ? fmt::format("The old key is kept in {}.", *kept)
                            : key_of(path_, held, entropy) ? fmt::format("First put a copy of {} away: no other file holds the old key.", path_)
                                                         : "The old key is in no file of this server.",
                            path_),
                {.detail = code != 0 ? std::strerror(code) : ""});
  };
  if (!key_of(next_path(), to, entropy)) return fail_with("it lies in " + spare_, 0);
  const auto aside_path = retired_path(held);
  if (::link(path_.c_str(), aside_path.c_str()) != 0 && !(errno == EEXIST && key_of(aside_path, held, entropy))) {
    return fail_with(aside_path + ": " + std::strerror(errno), errno);
  }
  // The old key must be safe under its other name before its own one goes to the new key.
  if (!sync_folder_of(path_)) return fail_with("its folder cannot be synced", errno);
  if (::rename(next_path().c_str(), path_.c_str()) != 0) return fail_with(std::strerror(errno), errno);
  if (!sync_folder_of(path_)) return fail_with("its folder cannot be synced", errno);
  return {};
}

}  // namespace latchkey::vault
