// A node's name among those that share a store: an id kept in DATA/node, made at the first start.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/result.h"

namespace latchkey::app {

// In the data directory; an installation on SQLite has none.
inline constexpr std::string_view kNodeFile = "node";

// Errors: misconfigured/`node_name` when the file cannot be read or written, or holds something else.
[[nodiscard]] Result<NodeId> load_node_name(const std::string& data, const WallClock& wall, Entropy& entropy);
// Writes the name of a node that was known by it before: whole, synced, or not at all. While the directory's lock is held. Errors as
// above; another name that is there stays, and is one.
[[nodiscard]] Result<void> keep_node_name(const std::string& data, const NodeId& node);

}  // namespace latchkey::app
