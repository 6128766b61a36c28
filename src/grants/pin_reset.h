// What a PIN reset does to grants (RULES K2, K7): the old pairs open nothing any more, so each grant gets a new one.
#pragma once

#include "grants/keeper.h"
#include "grants/sealing.h"
#include "people/directory.h"

namespace latchkey::grants {

// pin_reset() may run on any executor; pin_reset_done() too: the keeper finds the grants due within a second.
class PinReset final : public people::PinResetListener {
 public:
  PinReset(store::Store& store, const vault::Vault& vault, const Sealing& sealing, GrantWatcher& watcher, const WallClock& wall)
      : store_(store), vault_(vault), sealing_(sealing), watcher_(watcher), wall_(wall) {}

  // New pairs, sealed to the user's new public key; access tokens sealed before are dropped and every grant falls due, so
  // that a refresh fills the new pairs at once.
  [[nodiscard]] Task<Result<store::Batch>> pin_reset(store::User before, store::User after) override;
  void pin_reset_done(store::User after) override;

 private:
  [[nodiscard]] Task<Result<store::Batch>> seal_to_others(store::Grant grant, Secret private_key);

  store::Store& store_;
  const vault::Vault& vault_;
  const Sealing& sealing_;
  GrantWatcher& watcher_;
  const WallClock& wall_;
};

}  // namespace latchkey::grants
