// The server processes that share the store, and declaring one lost (RULES F6).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "grants/authorize.h"
#include "store/store.h"

namespace latchkey::grants {

struct NodeView {
  store::Node node;
  bool here = false;             // this process
  bool alive = false;            // seen a short while ago
  bool stopped = false;          // it said so; neither: it died, or cannot reach the store
  std::int64_t open_exchanges = 0;  // begun there, their replies not merged: nobody else resolves them
};

class NodeDesk {
 public:
  virtual ~NodeDesk() = default;
  // On any executor.
  [[nodiscard]] virtual Task<Result<std::vector<NodeView>>> list() = 0;
  // On the engine's executor.
  // Its open exchanges count as answers that were lost; the types' rules go on from there. Should it come back, the replies in
  // its journal still count. Errors: not_found/`no_such_node`; conflict/`node_alive` while it is seen, or this one.
  [[nodiscard]] virtual Task<Result<void>> forget(NodeId node, Requester requester) = 0;
};

// All nodes as `self` sees them, without their open exchanges. Any executor.
[[nodiscard]] Task<Result<std::vector<NodeView>>> nodes_seen(store::Store& store, NodeId self);

// The other nodes that may hold what they read of the store, joined by commas: those that have begun and
// not said that they stopped, seen or not, and those whose journals may keep a reply.
[[nodiscard]] Task<Result<std::vector<store::Node>>> nodes_at_work(store::Store& store, NodeId self);
// Their machines' names, joined by commas. Empty: none.
[[nodiscard]] Task<Result<std::string>> others_at_work(store::Store& store, NodeId self);

// Store::meta that changes whenever a node begins, for whoever must know that none has come (compare, then write).
inline constexpr std::string_view kJoinedMeta = "node_joined";

}  // namespace latchkey::grants
