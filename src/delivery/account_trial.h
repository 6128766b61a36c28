// A real call to the service, with what a PIN or a standing delegation has opened: whether the account takes it, before anybody
// relies on it.
#pragma once

#include "connectors/registry.h"
#include "grants/delegation.h"
#include "grants/provider_client.h"
#include "grants/sealing.h"

namespace latchkey::delivery {

// Thread-safe: hops to the engine, where the connectors work.
class AccountTrial {
 public:
  struct Parts {
    store::Store& store;
    grants::Delegations& delegations;
    grants::ProviderClients& clients;
    const grants::Sealing& sealing;
    const connectors::Connectors& connectors;
    Executor engine;
  };
  explicit AccountTrial(Parts parts) : parts_(std::move(parts)) {}

  // Lists at most one entry there. `opened` outlives the call. Errors: those of Delegations::token and of a connector's list(), each
  // with what to do; misconfigured/`no_connector_for_type`, `no_target_address`.
  [[nodiscard]] Task<Result<void>> run(const grants::Delegation& opened);

 private:
  [[nodiscard]] Task<Result<void>> list_one(const grants::Delegation& opened);

  Parts parts_;
};

}  // namespace latchkey::delivery
