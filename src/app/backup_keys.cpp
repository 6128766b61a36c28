#include "app/backup_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>

namespace latchkey::app {
namespace {

namespace fs = std::filesystem;

using Found = vault::KeyFiles::Found;

bool is_aside(const Found& key) { return fs::path(key.path).filename().string().find(".old-") != std::string::npos; }

fs::file_time_type time_of(const Found& key) {
  std::error_code ignored;
  const auto time = fs::last_write_time(key.path, ignored);
  return ignored ? fs::file_time_type::min() : time;
}

// Without what has another name, and all those put aside but the newest.
std::vector<Found> keys_there(const vault::KeyFiles& files, Entropy& entropy) {
  std::vector<Found> keys;
  std::optional<Found> newest;
  for (auto& key : files.all(entropy)) {
    if (files.is_place(key.path)) {
      keys.push_back(std::move(key));
    } else if (is_aside(key) && (!newest || time_of(key) > time_of(*newest))) {
      newest = std::move(key);
    }
  }
  if (newest) keys.push_back(*std::move(newest));
  return keys;
}

// Empty: nobody has to be asked, or can say.
Result<Bytes> id_in_use(const BackupWish& wish, const std::vector<Found>& keys) {
  if (!wish.key_in_use.empty()) return wish.key_in_use;
  const auto may_be_in_use = std::ranges::count_if(keys, [](const Found& key) { return !is_aside(key); });
  if (may_be_in_use <= 1) return Bytes();
  auto told = wish.ask_store ? wish.ask_store() : Result<Bytes>(Bytes());
  if (told && !told->empty()) return told;
  std::vector<std::string> places;
  for (const auto& key : keys) {
    if (!is_aside(key)) places.push_back(key.path);
  }
  return fail(ErrorKind::misconfigured, "master_key_ambiguous",
              fmt::format("Different master keys lie in {}, no server runs here, and the database cannot be asked which of them is in use{}. Start either of them "
                          "and run this again; nothing was written.",
                          fmt::join(places, " and "), told ? std::string() : fmt::format(" ({})", told.error().text)));
}

}  // namespace

vault::KeyFiles key_files_of(const BackupWish& wish) { return {wish.key_path, wish.spare_key.empty() ? wish.data + "/master.key.next" : wish.spare_key}; }

std::unexpected<Error> no_such_key(const BackupWish& wish) {
  return fail(ErrorKind::misconfigured, "master_key_wrong",
              fmt::format("The master key of this data is not in {} (or may not be read). Name its file with --master-key-file, or the server's "
                          "configuration with --config.",
                          wish.key_path));
}

Result<NodeKeys> keys_of_node(const BackupWish& wish, Entropy& entropy) {
  const auto files = key_files_of(wish);
  auto keys = keys_there(files, entropy);
  const auto id = id_in_use(wish, keys);
  if (!id) return std::unexpected(id.error());
  auto in_use = std::ranges::find_if(keys, [&](const Found& key) { return id->empty() ? !is_aside(key) : vault::Vault::id_of(key.key) == *id; });
  if (id->empty() && in_use == keys.end()) {
    const auto key = vault::load_master_key(wish.key_path, vault::OnMissingKey::refuse, entropy);
    return key ? Result<NodeKeys>(no_such_key(wish)) : std::unexpected(key.error());
  }
  if (in_use == keys.end()) return no_such_key(wish);
  NodeKeys found{.in_use = std::move(*in_use), .others = {}};
  keys.erase(in_use);
  const auto before = std::ranges::find_if(keys, [&](const Found& key) { return key.path == files.path() || is_aside(key); });
  if (before != keys.end()) std::rotate(keys.begin(), before, before + 1);
  found.others = std::move(keys);
  return found;
}

}  // namespace latchkey::app
