// This node's signs of life in the shared store, and what it sees of the others.
//
// Invariant: two processes with one node's name (a copied data directory) refresh at the same time for no longer than it takes
// the elder to look: it then refreshes nothing more. Lives on the engine's executor.
#pragma once

#include "base/entropy.h"
#include "base/log.h"
#include "grants/alerts.h"
#include "grants/keeper.h"
#include "grants/node_desk.h"

namespace latchkey::grants {

class Nodes final : public NodeDesk {
 public:
  static constexpr Seconds kShowEvery{5};
  static constexpr Seconds kAliveFor{30};  // since the last sign

  struct Parts {
    store::Store& store;
    Keeper& keeper;
    Alerts& alerts;
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    NodeId node;
    std::string version;  // of the program
  };
  explicit Nodes(Parts parts);

  // Says that this process has begun. Errors: those of the store.
  [[nodiscard]] Task<Result<void>> begin();
  // Shows that it runs, until cancelled.
  [[nodiscard]] Task<void> keep_showing();

  [[nodiscard]] Task<Result<std::vector<NodeView>>> list() override;
  [[nodiscard]] Task<Result<void>> forget(NodeId node, Requester requester) override;

 private:
  [[nodiscard]] Task<void> look_who_took_the_name();

  Parts parts_;
  store::Node self_;
};

}  // namespace latchkey::grants
