// A real call to the service, with what a PIN or a standing delegation has opened: whether the account takes it, before
// anybody relies on it.
#pragma once

#include "delivery/destination.h"
#include "grants/delegation.h"

namespace latchkey::delivery {

// Thread-safe: hops to the engine, where the connectors work.
class AccountTrial {
 public:
  struct Parts {
    grants::Delegations& delegations;
    Destinations& destinations;
    Executor engine;
  };
  explicit AccountTrial(Parts parts) : parts_(std::move(parts)) {}

  // Lists at most one entry where the connector delivers to. `opened` outlives the call. Errors: those of
  // Delegations::token, of Destinations::find and of a connector's list(), each with what to do.
  [[nodiscard]] Task<Result<void>> run(store::Connector connector, const grants::Delegation& opened);

 private:
  [[nodiscard]] Task<Result<void>> list_one(store::Connector connector, const grants::Delegation& opened);

  Parts parts_;
};

}  // namespace latchkey::delivery
