// This node's signs of life in the shared store, and what it sees of the others.
//
// Invariants:
//  - two processes with one node's name (a copied data directory) refresh at the same time for no longer than it takes the elder to
//    look: it then refreshes nothing more;
//  - after a restore each node says when its own journal is merged; until all have, or were forgotten, none sends a token that
//    came from a journal (RULES F10, grants/restore_watch.h);
//  - a node begins only by the master key that the store names (RULES K1); a rotation relies on it, and on kJoinedMeta.
// Lives on the engine's executor.
#pragma once

#include "base/entropy.h"
#include "base/log.h"
#include "grants/alerts.h"
#include "grants/common_clock.h"
#include "grants/keeper.h"
#include "grants/node_desk.h"
#include "vault/vault.h"

namespace latchkey::grants {

[[nodiscard]] std::string machine_name();

class Nodes final : public NodeDesk {
 public:
  static constexpr Seconds kShowEvery{5};
  static constexpr Seconds kAliveFor{30};  // since the last sign
  static constexpr Milliseconds kClocksDiffer{2000};  // told from here on

  struct Parts {
    store::Store& store;
    Keeper& keeper;
    const vault::Vault& vault;
    Alerts& alerts;
    CommonClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    NodeId node;
    std::string version;  // of the program
    // Another database server has taken over so lately that a node which seems silent may merely not have found the way yet.
    std::function<bool()> just_taken_over = {};
  };
  explicit Nodes(Parts parts);

  // Says that this process has begun. Errors: misconfigured/`master_key_wrong`; those of the store.
  [[nodiscard]] Task<Result<void>> begin();
  // Says that it has ended, after everything else, if `conditions` hold. A store that is away is not waited for.
  [[nodiscard]] Task<void> end(store::Batch conditions = {});
  // Whether it has shown itself so lately that nobody can have declared it lost.
  [[nodiscard]] bool is_counted() const;
  // Shows that it runs, until cancelled.
  [[nodiscard]] Task<void> keep_showing();

  [[nodiscard]] Task<Result<std::vector<NodeView>>> list() override;
  [[nodiscard]] Task<Result<void>> forget(NodeId node, Requester requester) override;

 private:
  [[nodiscard]] Task<void> compare_clocks();
  [[nodiscard]] Task<Result<void>> look_at_restore();
  [[nodiscard]] Task<void> look_who_took_the_name();
  void note_shown(SteadyTime steady, WallTime wall);
  void give_up(std::string cause, std::string words, std::string why);

  Parts parts_;
  store::Node self_;
  Bytes replaced_;  // the process that bore the name before; empty: none, or its row has been met again
  bool begun_ = false;
  int shut_out_looks_ = 0;
  Bytes restored_note_;  // what the store said of its last restore when this process began
  SteadyTime shown_steady_{};  // when the last sign that the store has taken was sent,
  WallTime shown_wall_{};      // and by the other clock: the steady one stands still while the machine sleeps
};

}  // namespace latchkey::grants
