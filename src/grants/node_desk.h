// The server processes that share the store, and declaring one lost (RULES F6).
#pragma once

#include <string>
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
  std::int64_t open_exchanges = 0;  // begun there, their replies not merged: nobody else resolves them
};

// Called on the engine's executor.
class NodeDesk {
 public:
  virtual ~NodeDesk() = default;
  [[nodiscard]] virtual Task<Result<std::vector<NodeView>>> list() = 0;
  // Its open exchanges count as answers that were lost; the types' rules go on from there. Should it come back, the replies in
  // its journal still count. Errors: not_found/`no_such_node`; conflict/`node_alive` while it is seen, or this one.
  [[nodiscard]] virtual Task<Result<void>> forget(NodeId node, Requester requester) = 0;
};

}  // namespace latchkey::grants
