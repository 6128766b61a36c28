#include "wire/controls.h"

#include <cstdint>

namespace latchkey::wire {

std::size_t control_length(std::string_view text) {
  const auto octet = [text](std::size_t at) { return at < text.size() ? static_cast<std::uint8_t>(text[at]) : 0U; };
  if (text.empty()) return 0;
  if (octet(0) < 0x20 || octet(0) == 0x7f) return 1;
  if (octet(0) == 0xc2) return octet(1) >= 0x80 && octet(1) <= 0x9f ? 2 : 0;  // U+0080 to U+009F
  if (octet(0) == 0xd8) return octet(1) == 0x9c ? 2 : 0;                      // U+061C
  if (octet(0) != 0xe2) return 0;
  const bool is_mark = octet(1) == 0x80 && (octet(2) == 0x8e || octet(2) == 0x8f);      // U+200E, U+200F
  const bool parts_or_embeds = octet(1) == 0x80 && octet(2) >= 0xa8 && octet(2) <= 0xae;  // U+2028 to U+202E
  const bool isolates = octet(1) == 0x81 && octet(2) >= 0xa6 && octet(2) <= 0xa9;        // U+2066 to U+2069
  return is_mark || parts_or_embeds || isolates ? 3 : 0;
}

bool has_controls(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(1)) {
    if (control_length(text) > 0) return true;
  }
  return false;
}

}  // namespace latchkey::wire
