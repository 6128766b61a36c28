// How a fixed connector comes to its owner's account: by the owner's PIN, shown once, and by the standing delegation made of
// it (docs/design/devices.md). Every promise is tried with a real call before anybody relies on it.
#pragma once

#include "delivery/account_trial.h"
#include "grants/standing_delegation.h"
#include "people/audit.h"
#include "people/pin_gate.h"

namespace latchkey::delivery {

// The PIN of a fixed connector's owner, shown by whoever configures it; never stored.
struct OwnersPin {
  Secret pin;
  people::Transport transport = people::Transport::clear;
  SteadyTime arrived{};
};

// Thread-safe.
class AccountAccess {
 public:
  virtual ~AccountAccess() = default;

  // Tries the account of the connector's owner, where the connector delivers to, and makes a standing delegation, which
  // nothing holds yet; the connector need not be stored. Errors: invalid with `field` (`owner`, `owner_pin`); those of
  // PinGate::admit but for a wrong PIN; what the service said (AccountTrial); those of StandingDelegations::make.
  [[nodiscard]] virtual Task<Result<grants::MadeStanding>> give(store::Connector connector, OwnersPin pin,
                                                                people::Actor actor) = 0;

  // The same call, and nothing made. Errors as of give().
  [[nodiscard]] virtual Task<Result<void>> try_by_pin(store::Connector connector, OwnersPin pin, people::Actor actor) = 0;

  // By what the connector may open. Errors: those of StandingDelegations::open, what the service said.
  [[nodiscard]] virtual Task<Result<void>> try_standing(store::Connector connector) = 0;

  // Whether it would open. Errors: those of the store.
  [[nodiscard]] virtual Task<Result<bool>> lives(store::StandingDelegation standing) = 0;
};

class AccountAccessOfGrants final : public AccountAccess {
 public:
  struct Parts {
    store::Store& store;
    people::PinGate& pin_gate;
    grants::Delegations& delegations;
    grants::StandingDelegations& standing;
    AccountTrial& trial;
  };
  explicit AccountAccessOfGrants(Parts parts) : parts_(parts) {}

  [[nodiscard]] Task<Result<grants::MadeStanding>> give(store::Connector connector, OwnersPin pin,
                                                        people::Actor actor) override;
  [[nodiscard]] Task<Result<void>> try_by_pin(store::Connector connector, OwnersPin pin, people::Actor actor) override;
  [[nodiscard]] Task<Result<void>> try_standing(store::Connector connector) override;
  [[nodiscard]] Task<Result<bool>> lives(store::StandingDelegation standing) override;

 private:
  [[nodiscard]] Task<Result<grants::Delegation>> open_by_pin(UserId owner, std::string type, OwnersPin pin,
                                                             people::Actor actor);

  Parts parts_;
};

}  // namespace latchkey::delivery
