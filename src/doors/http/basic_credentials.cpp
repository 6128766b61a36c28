#include "doors/http/basic_credentials.h"

#include "base/bytes.h"

namespace latchkey::doors {
namespace {

constexpr std::size_t kHeaderBytesMax = 2048;

bool is_basic(std::string_view scheme) {
  constexpr std::string_view kName = "basic";
  if (scheme.size() != kName.size()) return false;
  for (std::size_t i = 0; i < kName.size(); ++i) {
    if ((static_cast<unsigned char>(scheme[i]) | 0x20u) != static_cast<unsigned char>(kName[i])) return false;
  }
  return true;
}

}  // namespace

std::optional<BasicCredentials> parse_basic(std::string_view authorization) {
  if (authorization.size() > kHeaderBytesMax) return std::nullopt;
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos || !is_basic(authorization.substr(0, space))) return std::nullopt;
  auto token = authorization.substr(space + 1);
  while (token.starts_with(' ')) token.remove_prefix(1);
  auto octets = base::from_base64(token);
  if (!octets) return std::nullopt;
  const Secret plain(std::move(*octets));
  const auto text = plain.reveal_text();
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return BasicCredentials{.username = std::string(text.substr(0, colon)), .pin = Secret(text.substr(colon + 1))};
}

}  // namespace latchkey::doors
