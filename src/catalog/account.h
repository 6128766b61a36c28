// Who is behind a grant: reading the account out of an answer, as the catalogue's AccountLookup says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "catalog/provider.h"

namespace latchkey::catalog {

struct Account {
  std::string id;    // stable at the provider, as it is there: people are shown base::as_escaped() of it; empty: not found
  std::string name;  // for people; the id, escaped, where there is no name
  friend bool operator==(const Account&, const Account&) = default;
};

// `d.results[0].UserID`, `[0].tenantId`, `data.user.email`; texts and integers, at most 256 octets, that may be shown to
// people (base/shown_name.h).
[[nodiscard]] std::optional<std::string> value_at(const Json& json, std::string_view path);

// nullopt: the answer names nobody. Where it has no name for people, the id_token's claims may (nullptr: none). A name that may not
// be shown is none; an id is an id whatever it holds but U+0000.
[[nodiscard]] std::optional<Account> read_account(const AccountLookup& lookup, const Json& answer,
                                                  const JsonObject* id_claims = nullptr);

}  // namespace latchkey::catalog
