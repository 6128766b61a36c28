// The lineage of the database that this node has reached last, kept in its data directory: after a restart, too, a former primary must
// not be taken for the server that has taken over from it (store/lineage.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::app {

inline constexpr std::string_view kLineageFile = "lineage";

// Empty: none is known. Errors: misconfigured/`lineage_file`.
[[nodiscard]] Result<std::string> load_lineage(const std::string& data);
// Durable when it returns. Errors: unavailable/`disk_full`, `disk_failed`.
[[nodiscard]] Result<void> keep_lineage(const std::string& data, const std::string& name);
// An older state was put back on purpose. Errors as above.
[[nodiscard]] Result<void> forget_lineage(const std::string& data);

}  // namespace latchkey::app
