// Where the service of a grant is, as the catalogue and the grant's own values have it.
#pragma once

#include <string>

#include "grants/provider_client.h"
#include "store/records.h"

namespace latchkey::delivery {

// Without a slash at the end. `type` is the connector's: a token goes to the service that it is for, and nowhere else (RULES K3).
// `grant` has been checked. Errors: needs_person/`connector_changed`, misconfigured/`no_target_address`, those of the catalogue.
[[nodiscard]] Task<Result<std::string>> service_address(grants::ProviderClients& clients, store::Grant grant, std::string type);

}  // namespace latchkey::delivery
