#include "console/signed_value.h"

#include "base/bytes.h"
#include "base/json.h"

namespace latchkey::console {
namespace {

constexpr std::int64_t kVersion = 1;

std::string mac(const vault::Vault& vault, std::string_view use, std::string_view text) {
  return base::to_base64url(vault.keyed_hash(use, base::as_bytes(text)));
}

}  // namespace

std::string signed_value(const vault::Vault& vault, std::string_view use, JsonObject members, WallTime ends) {
  members["v"] = kVersion;
  members["ends"] = base::to_unix_ms(ends);
  const auto text = base::to_base64url(base::as_bytes(boost::json::serialize(members)));
  return text + "." + mac(vault, use, text);
}

std::optional<JsonObject> opened_value(const vault::Vault& vault, std::string_view use, std::string_view value, WallTime now) {
  const auto dot = value.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto text = value.substr(0, dot);
  if (!base::equal_in_constant_time(base::as_bytes(mac(vault, use, text)), base::as_bytes(value.substr(dot + 1)))) return std::nullopt;
  const auto plain = base::from_base64url(text);
  if (!plain) return std::nullopt;
  auto json = base::parse_json(base::as_text(*plain));
  if (!json || !json->is_object() || base::integer_or(json->get_object(), "v") != kVersion) return std::nullopt;
  if (now >= base::from_unix_ms(base::integer_or(json->get_object(), "ends"))) return std::nullopt;
  return std::move(json->get_object());
}

}  // namespace latchkey::console
