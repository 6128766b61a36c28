// What lets a fixed connector use its owner's grant while nobody shows a PIN (RULES K2, K4; docs/design/devices.md): the owner's PIN,
// given once when the connector is configured, opens the grant, whose private half is sealed to a pair of the connector's own.
//
// Invariants: it opens one grant, and lives as long as the grant's wrap for it: whatever deletes that (an owner's word, another
// account, the connector's end) ends it, and a PIN reset or a new master key seals it anew. Every change of it counts the grant's
// version up, so that whoever has read the wraps before looks again (conflict/`version`).
#pragma once

#include <vector>

#include "grants/delegation.h"

namespace latchkey::grants {

// The grant's wrap for it; end(): it has ended.
[[nodiscard]] std::vector<store::Wrap>::const_iterator find_wrap(const std::vector<store::Wrap>& wraps,
                                                                 const store::StandingDelegation& standing);

// The grant among those held; nullptr: it is not.
[[nodiscard]] const store::Holding::Held* held_grant(const store::Holding& holding, GrantId grant);

// A delegation about to be: for the connector's record, and what to commit with it.
struct MadeStanding {
  store::StandingDelegation standing;
  store::Batch batch;
};

// Thread-safe.
class StandingDelegations {
 public:
  struct Parts {
    store::Store& store;
    const Sealing& sealing;
    const vault::Vault& vault;
    const WallClock& wall;
    Entropy& entropy;
  };
  explicit StandingDelegations(Parts parts) : parts_(parts) {}

  // Of what the owner's PIN has just opened (Delegations::delegate), which outlives the call. Errors: refused/`invalid_credentials` when
  // the PIN or the user's state has changed meanwhile; not_found/`no_such_grant`; corrupt/`record_altered`; those of the store.
  [[nodiscard]] Task<Result<MadeStanding>> make(const Delegation& opened);

  // Opens the grant for one delivery, or one look: the same as the PIN does. Errors: needs_person/`delegation_ended`; not_found/
  // `no_such_grant`; corrupt/`record_altered`, `ciphertext_rejected`; those of the store.
  [[nodiscard]] Task<Result<Delegation>> open(store::Connector connector);
  // The same, with its owner's holding as it was read with it (Admittance).
  [[nodiscard]] Task<Result<Delegation>> open_with(store::Connector connector, std::optional<store::Holding> holding);

  // Whether it would open. Errors: those of the store.
  [[nodiscard]] Task<Result<bool>> lives(store::StandingDelegation standing);

 private:
  Parts parts_;
};

// Adds to a batch the end of what a connector may open; nothing where it has ended already. Errors: those of the store.
[[nodiscard]] Task<Result<void>> add_end_of_standing(store::Store& store, store::Batch& batch, store::StandingDelegation standing);

}  // namespace latchkey::grants
