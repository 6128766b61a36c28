#include "cloud/shown_name.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace latchkey::cloud {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode 15: Cc, Cf, Zl and Zp, and beside each other also what of their blocks is not assigned yet.
constexpr std::array kNotShown{Range{0x0000, 0x001f},   Range{0x007f, 0x009f},   Range{0x00ad, 0x00ad},   Range{0x0600, 0x0605},
                               Range{0x061c, 0x061c},   Range{0x06dd, 0x06dd},   Range{0x070f, 0x070f},   Range{0x0890, 0x0891},
                               Range{0x08e2, 0x08e2},   Range{0x180e, 0x180e},   Range{0x200b, 0x200f},   Range{0x2028, 0x202e},
                               Range{0x2060, 0x206f},   Range{0xfeff, 0xfeff},   Range{0xfff9, 0xfffb},   Range{0x110bd, 0x110bd},
                               Range{0x110cd, 0x110cd}, Range{0x13430, 0x1343f}, Range{0x1bca0, 0x1bca3}, Range{0x1d173, 0x1d17a},
                               Range{0xe0000, 0xe007f}};

// The first character, taken from the front; nullopt: no UTF-8.
std::optional<char32_t> next_of(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (size == 0 || size > text.size()) return std::nullopt;
  char32_t character = size == 1 ? lead : lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    if ((octet & 0xc0U) != 0x80U) return std::nullopt;
    character = character << 6 | (octet & 0x3fU);
  }
  text.remove_prefix(size);
  return character;
}

}  // namespace

bool may_be_shown(std::string_view name) {
  std::size_t characters = 0;
  while (!name.empty()) {
    const auto character = next_of(name);
    if (!character || ++characters > kShownNameCharactersMax) return false;
    if (std::ranges::any_of(kNotShown, [&](const Range& range) { return *character >= range.first && *character <= range.last; })) return false;
  }
  return characters > 0;
}

}  // namespace latchkey::cloud
