#include "grants/revocation_prospect.h"

#include "grants/cloud_enrolment.h"

namespace latchkey::grants {
namespace {

Revocable offers(const catalog::Provider* provider) {
  if (provider == nullptr) return Revocable::no;
  if (!provider->endpoints.revocation.empty()) return Revocable::yes;
  return provider->discovery_fills_endpoints ? Revocable::perhaps : Revocable::no;
}

std::shared_ptr<const catalog::Provider> provider_of(const catalog::Catalog& catalog, std::string_view type_id) {
  const auto type = catalog.find_type(type_id);
  return type ? catalog.find_provider(type->provider) : nullptr;
}

}  // namespace

std::string_view name_of(Revocable revocable) {
  switch (revocable) {
    case Revocable::yes: return "asked";
    case Revocable::perhaps: return "perhaps";
    case Revocable::no: break;
  }
  return "by_hand";
}

Revocable revocable(const catalog::Catalog& catalog, std::string_view type) { return offers(provider_of(catalog, type).get()); }

RevocationProspect revocation_prospect(const catalog::Catalog& catalog, const store::Grant& grant) {
  const auto provider = provider_of(catalog, grant.type);
  const auto way = offers(provider.get());
  RevocationProspect prospect{.revocable = way, .provider = provider ? provider->name : grant.app, .words = {}};
  const auto& name = prospect.provider;
  if (way == Revocable::no) {
    prospect.words = name + " offers no way to revoke it from outside: remove the app in the account's own settings there.";
    return prospect;
  }
  // All offices of a service are the same client to the provider, which knows nothing of offices.
  const std::string shared = is_cloud_app_id(grant.app) ? " Other offices of the same Cloud Service share its registration: a provider that ends an "
                                                          "account's whole consent ends their use of the same account, too."
                                                        : "";
  const std::string if_any = way == Revocable::perhaps ? " if it offers a way" : "";
  if (!grant.account_id.empty()) {
    prospect.words = name + " is asked to revoke it" + if_any + ", unless another grant here rests on the same account, or on one that the provider never named." + shared;
    return prospect;
  }
  prospect.revocable = Revocable::perhaps;
  prospect.words = name + " never told whose account it is, and a provider may end an account's other grants with it. It is asked to revoke it" + if_any +
                   " once no other account of this app is in use here; to end it now, remove the app in the account's own settings there." + shared;
  return prospect;
}

}  // namespace latchkey::grants
