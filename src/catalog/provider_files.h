// Which files of a directory are provider files: one answer for the catalogue, which loads them, and for a backup, which packs them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace latchkey::catalog {

// Their names in order: every *.json but hidden ones, which editors and file managers leave. An absent directory has none. Errors:
// unavailable/`unreadable`, where it cannot be listed.
[[nodiscard]] Result<std::vector<std::string>> list_provider_files(const std::string& directory);

}  // namespace latchkey::catalog
