// Another database server takes over, and may lack what was committed last (RULES F5): what each node's journal knows is brought back to
// it before anything that may have been spent is sent.
//
// Meta `lineage:<node>` = the lineage of the database that this node has told what it knows, and a nonce of the telling; `lineage` = the
// lineage on which every node has.
//
// Invariants:
//  - a node sends nothing through a database that it has not told, nor between the loss of a connection and a look at whom it reaches now;
//  - what a provider takes once only waits for the other nodes, those that the database knows to run and, for a lease's length, those it
//    may not know, but not beyond its emergency window (F6).
// Not seen: a former primary that goes on beside its successor, by who has not met the successor yet. Lives on the engine's executor.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/entropy.h"
#include "base/log.h"
#include "grants/alerts.h"
#include "grants/keeper.h"
#include "store/lineage.h"

namespace latchkey::grants {

class FailOverWatch {
 public:
  static constexpr Milliseconds kGlanceEvery{250};  // whether a connection has been lost
  static constexpr Seconds kLookEvery{5};           // whom it reaches
  static constexpr Seconds kUnknownFor{60};         // after a take-over, whether a node that is silent runs

  struct Parts {
    store::Store& store;
    Keeper& keeper;
    const store::Lineage& lineage;
    // Kept beyond this process, durably, before anything is sent: a former primary must not be taken for the successor. Errors: the disk's.
    std::function<Result<void>(const std::string& lineage)> remember;
    Alerts& alerts;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    NodeId node;
    std::function<Seconds()> lease;  // of the keeper
  };
  explicit FailOverWatch(Parts parts) : parts_(std::move(parts)) {}

  // Whether the database reached is known for the one that has been told.
  [[nodiscard]] bool may_send() const { return parts_.lineage.sight() == looked_at_; }
  // So lately that a node which is silent may merely not have found the way yet.
  [[nodiscard]] bool has_just_happened() const { return taken_over_at_ && parts_.steady.now() < *taken_over_at_ + kUnknownFor; }
  // What must hold for this node to say that it has stopped in order; nullopt: it cannot say so.
  [[nodiscard]] Task<std::optional<store::Batch>> conditions_of_stopping();
  // Until cancelled.
  [[nodiscard]] Task<void> keep_telling();

 private:
  [[nodiscard]] Task<Result<void>> look();
  [[nodiscard]] Task<Result<void>> tell(std::string name, bool is_first);
  [[nodiscard]] Task<Result<std::string>> names_behind(std::string name);
  void say(const std::string& names);
  [[nodiscard]] Bytes mark_of(const std::string& name) const;  // with a fresh nonce

  Parts parts_;
  store::Lineage::Sight looked_at_;
  Bytes told_;                               // `lineage:<node>` as this process knows it; empty: nothing yet
  bool agreed_ = false;                      // every node has told this database
  SteadyTime look_again_at_{};
  std::optional<SteadyTime> taken_over_at_;  // as seen here
  std::optional<SteadyTime> stuck_since_;
};

}  // namespace latchkey::grants
