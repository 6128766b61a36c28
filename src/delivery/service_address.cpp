#include "delivery/service_address.h"

namespace latchkey::delivery {

Task<Result<std::string>> service_address(grants::ProviderClients& clients, store::Grant grant, std::string type) {
  if (grant.type != type) {
    co_return fail(ErrorKind::needs_person, "connector_changed",
                   "The connector is of another type than the account. Change it back, or send the document again.");
  }
  const auto resolved = co_await clients.type_for(type, grant.app, grant.params_json, grant.extras_json);
  if (!resolved) co_return std::unexpected(resolved.error());
  if (resolved->resource.empty()) {
    co_return fail(ErrorKind::misconfigured, "no_target_address", "Where this type's service is, nobody has said.");
  }
  auto url = resolved->resource;
  while (url.ends_with('/')) url.pop_back();
  co_return url;
}

}  // namespace latchkey::delivery
