// Where documents go for types whose service may be anywhere: the address an administrator gave, and whose tokens may go
// there (docs/design/webdav-connector.md). Pure.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "connectors/registry.h"
#include "store/records.h"

namespace latchkey::delivery {

struct ConnectorAddress {
  std::string url;  // without a slash at the end
  std::string app;  // of the grants whose tokens may go there, and of no others
  friend bool operator==(const ConnectorAddress&, const ConnectorAddress&) = default;
};

// Types of the catalogue that name no service of their own.
[[nodiscard]] bool asks_for_address(const catalog::Type& type);
// https, or http on loopback; no query. Errors: invalid with `field` `url`.
[[nodiscard]] Result<std::string> check_address(std::string_view url);
// Of the connector's target; nullopt: it has none.
[[nodiscard]] std::optional<ConnectorAddress> address_of(const store::Connector& connector);
// Adds to what target_json holds.
void add_address(JsonObject& target, const ConnectorAddress& address);

}  // namespace latchkey::delivery
