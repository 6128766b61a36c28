// Where documents of a connector go: the code that speaks to the service, and the address of its API.
#pragma once

#include <string>

#include "connectors/registry.h"
#include "grants/provider_client.h"
#include "grants/sealing.h"
#include "store/store.h"

namespace latchkey::delivery {

struct Destination {
  connectors::Connector* works = nullptr;
  std::string base_url;  // of the service's API, without a slash at the end
};

// On the executor of the provider clients.
class Destinations {
 public:
  struct Parts {
    store::Store& store;
    grants::ProviderClients& clients;
    const grants::Sealing& sealing;
    const connectors::Connectors& connectors;
  };
  explicit Destinations(Parts parts) : parts_(parts) {}

  // Of a connector that has been read and checked, by that grant. Errors: misconfigured/`no_connector_for_type`,
  // `no_target_address`; needs_person/`no_such_grant`, `connector_changed`, `another_app`: a token goes to the service that
  // it is for, and nowhere else (K3); corrupt/`record_altered`; those of the store.
  [[nodiscard]] Task<Result<Destination>> find(store::Connector connector, GrantId grant);
  // nullptr: nothing is delivered to accounts of that type.
  [[nodiscard]] connectors::Connector* works_for(const std::string& type) const;

 private:
  Parts parts_;
};

}  // namespace latchkey::delivery
