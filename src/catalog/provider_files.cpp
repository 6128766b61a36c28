#include "catalog/provider_files.h"

#include <algorithm>
#include <filesystem>

namespace latchkey::catalog {

Result<std::vector<std::string>> list_provider_files(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  std::error_code failed;
  if (!fs::exists(directory, failed) && !failed) return names;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end; at.increment(failed)) {
    auto name = at->path().filename().string();
    if (at->path().extension() == ".json" && !name.starts_with('.')) names.push_back(std::move(name));
  }
  if (failed) return fail(ErrorKind::unavailable, "unreadable", directory + " cannot be listed. Check its permissions.", {.detail = failed.message()});
  std::ranges::sort(names);
  return names;
}

}  // namespace latchkey::catalog
