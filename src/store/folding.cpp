#include "store/folding.h"

#include <locale.h>
#include <wctype.h>

#include <cstdint>

namespace latchkey::store {
namespace {

// glibc carries C.UTF-8 within itself. Owned by a function-local constant: made once, immutable, thread-safe.
locale_t unicode() {
  static const locale_t kUnicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return kUnicode;
}

struct Decoded {
  std::uint32_t character = 0;
  std::size_t size = 0;  // 0: malformed
};

Decoded decode(std::string_view text) {
  const auto first = static_cast<std::uint8_t>(text[0]);
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  std::uint32_t character = first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const auto octet = static_cast<std::uint8_t>(text[i]);
    if ((octet & 0xc0U) != 0x80) return {};
    character = character << 6 | (octet & 0x3fU);
  }
  return {character, size};
}

void append(std::string& out, std::uint32_t character) {
  if (character < 0x80) {
    out.push_back(static_cast<char>(character));
  } else if (character < 0x800) {
    out.push_back(static_cast<char>(0xc0U | character >> 6));
    out.push_back(static_cast<char>(0x80U | (character & 0x3fU)));
  } else if (character < 0x10000) {
    out.push_back(static_cast<char>(0xe0U | character >> 12));
    out.push_back(static_cast<char>(0x80U | (character >> 6 & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (character & 0x3fU)));
  } else {
    out.push_back(static_cast<char>(0xf0U | character >> 18));
    out.push_back(static_cast<char>(0x80U | (character >> 12 & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (character >> 6 & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (character & 0x3fU)));
  }
}

}  // namespace

std::string fold(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  while (!text.empty()) {
    const auto octet = static_cast<std::uint8_t>(text[0]);
    if (octet < 0x80) {
      folded.push_back(octet >= 'A' && octet <= 'Z' ? static_cast<char>(octet + 32) : text[0]);
      text.remove_prefix(1);
      continue;
    }
    const auto decoded = decode(text);
    if (decoded.size == 0) {
      folded.push_back(text[0]);
      text.remove_prefix(1);
      continue;
    }
    const auto lower = unicode() == nullptr ? decoded.character : towlower_l(static_cast<wint_t>(decoded.character), unicode());
    append(folded, lower);
    text.remove_prefix(decoded.size);
  }
  return folded;
}

}  // namespace latchkey::store
