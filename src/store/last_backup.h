// Under which key the store remembers the last backup that the server has heard of: JSON with made_at, size_bytes, file.
#pragma once

#include <string_view>

namespace latchkey::store {

inline constexpr std::string_view kLastBackupMeta = "last_backup";

}  // namespace latchkey::store
