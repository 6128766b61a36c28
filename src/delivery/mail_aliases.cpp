#include "delivery/mail_aliases.h"

#include "base/json.h"
#include "wire/mime/mail_address.h"

namespace latchkey::delivery {

std::vector<std::string> aliases_of(const store::Connector& connector) {
  std::vector<std::string> aliases;
  const auto target = parse_json(connector.target_json);
  const auto* fields = target ? target->if_object() : nullptr;
  const auto* listed = fields == nullptr ? nullptr : base::find_array(*fields, "aliases");
  if (listed == nullptr) return aliases;
  for (const auto& one : *listed) {
    if (one.is_string() && wire::is_address(one.get_string())) aliases.emplace_back(one.get_string());
  }
  return aliases;
}

}  // namespace latchkey::delivery
