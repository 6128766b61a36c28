#include "delivery/destination.h"

#include "delivery/connector_address.h"

namespace latchkey::delivery {

connectors::Connector* Destinations::works_for(const std::string& type) const {
  const auto found = parts_.clients.catalog().find_type(type);
  return found ? parts_.connectors.find(*found) : nullptr;
}

Task<Result<Destination>> Destinations::find(store::Connector connector, GrantId grant_id) {
  auto* works = works_for(connector.type);
  if (works == nullptr)
    co_return fail(ErrorKind::misconfigured, "no_connector_for_type",
                   "This version delivers nothing to accounts of that type.");
  const auto view = co_await parts_.store.grant(grant_id);
  if (!view) co_return std::unexpected(view.error());
  if (!*view)
    co_return fail(ErrorKind::needs_person, "no_such_grant",
                   "The account was removed here. Send the document again once it is authorised.");
  const auto& grant = (*view)->grant;
  if (const auto sound = parts_.sealing.check(grant); !sound) co_return std::unexpected(sound.error());
  if (grant.type != connector.type)
    co_return fail(ErrorKind::needs_person, "connector_changed",
                   "The connector is of another type than the account. Change it back, or send the document again.");
  const auto resolved = co_await parts_.clients.type_for(connector.type, grant.app, grant.params_json, grant.extras_json);
  if (!resolved) co_return std::unexpected(resolved.error());
  if (resolved->resource.empty()) {
    const auto address = address_of(connector);
    if (!address || !asks_for_address(*resolved->type))
      co_return fail(ErrorKind::misconfigured, "no_target_address", "Where this type's service is, nobody has said.");
    // The administrator named the app whose tokens may go to that address: another server's token would be given away (K6).
    if (grant.app != address->app)
      co_return fail(ErrorKind::needs_person, "another_app",
                     "The connector is for accounts of another app than this one. Authorise the account with that app.");
    co_return Destination{.works = works, .base_url = address->url};
  }
  auto url = resolved->resource;
  while (url.ends_with('/')) url.pop_back();
  co_return Destination{.works = works, .base_url = std::move(url)};
}

}  // namespace latchkey::delivery
