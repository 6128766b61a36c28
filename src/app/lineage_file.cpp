#include "app/lineage_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "store/files.h"

namespace latchkey::app {
namespace {

std::string path_of(const std::string& data) { return fmt::format("{}/{}", data, kLineageFile); }

}  // namespace

Result<std::string> load_lineage(const std::string& data) {
  const auto path = path_of(data);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::string();
  std::ifstream file(path);
  std::string name;
  if (!std::getline(file, name) || name.empty()) {
    return fail(ErrorKind::misconfigured, "lineage_file",
                fmt::format("The file {}, which says which database server this node has reached last, cannot be read. Look after its rights and its disk; "
                            "where the database that `store` names is certain to be the newest of its cluster, the file may be removed.", path),
                {.field = "data"});
  }
  return name;
}

Result<void> keep_lineage(const std::string& data, const std::string& name) {
  store::SystemFiles files;
  const auto path = path_of(data);
  const auto draft = path + ".part";
  if (auto old = load_lineage(data); old && *old == name) return {};
  static_cast<void>(files.unlink(draft));
  auto file = files.open(draft, store::OpenFile::create);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->pwrite(base::as_bytes(name + "\n"), 0); !written) return written;
  if (auto synced = (*file)->fdatasync(); !synced) return synced;
  if (auto named = files.rename(draft, path); !named) return named;
  return files.sync_directory(data);
}

Result<void> forget_lineage(const std::string& data) {
  std::error_code ignored;
  if (!std::filesystem::exists(path_of(data), ignored)) return {};
  store::SystemFiles files;
  if (auto gone = files.unlink(path_of(data)); !gone) return gone;
  return files.sync_directory(data);
}

}  // namespace latchkey::app
