// What can be said beforehand of telling a provider that a grant has ended: whether it will be asked to revoke its tokens. Whether it
// was is decided in the background (giving_back.h): another grant that rests on the same consent keeps it from being asked.
#pragma once

#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "store/records.h"

namespace latchkey::grants {

// `perhaps`: what the provider says of itself, once it is read, may name no address for it; or whose account it is is not known.
enum class Revocable { yes, perhaps, no };
[[nodiscard]] std::string_view name_of(Revocable revocable);  // "asked", "perhaps", "by_hand"

// Whether the provider of a type offers a way.
[[nodiscard]] Revocable revocable(const catalog::Catalog& catalog, std::string_view type);

// Of a grant: a token of an account that nobody named could be any account's, and several providers revoke a whole consent by one
// token. Such a provider is asked only where no other account of the app is in use here.
struct RevocationProspect {
  Revocable revocable = Revocable::no;
  std::string provider;  // its name for people
  std::string words;     // one or two sentences
};
[[nodiscard]] RevocationProspect revocation_prospect(const catalog::Catalog& catalog, const store::Grant& grant);

}  // namespace latchkey::grants
