#include "base/id.h"

namespace latchkey::base {

IdOctets make_id_octets(WallTime now, Entropy& entropy) {
  IdOctets octets{};
  entropy.fill(octets);
  const auto ms = static_cast<std::uint64_t>(to_unix_ms(now));
  for (int i = 0; i < 6; ++i) octets[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  octets[6] = static_cast<std::uint8_t>((octets[6] & 0x0fu) | 0x70u);
  octets[8] = static_cast<std::uint8_t>((octets[8] & 0x3fu) | 0x80u);
  return octets;
}

std::string id_text(const IdOctets& octets) {
  const auto hex = to_hex(octets);
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' + hex.substr(16, 4) + '-' +
         hex.substr(20);
}

std::optional<IdOctets> parse_id(std::string_view text) {
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return std::nullopt;
  std::string hex;
  hex.reserve(32);
  for (const std::size_t i : {0u, 9u, 14u, 19u, 24u}) {
    hex += text.substr(i, i == 0 ? 8 : i == 24 ? 12 : 4);
  }
  const auto bytes = from_hex(hex);
  if (!bytes || bytes->size() != 16) return std::nullopt;
  IdOctets octets;
  std::memcpy(octets.data(), bytes->data(), octets.size());
  return octets;
}

}  // namespace latchkey::base
