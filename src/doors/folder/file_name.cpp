#include "doors/folder/file_name.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "delivery/document_name.h"

namespace latchkey::doors {
namespace {

constexpr std::string_view kUnderWay[] = {".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".uploading"};
constexpr std::string_view kOfDesktops[] = {"thumbs.db", "desktop.ini"};

// 0x80 to 0x9f of windows-1252 (WHATWG Encoding, index windows-1252); '_' where it has no character of its own.
constexpr std::array<std::uint16_t, 32> kWindows1252{
    0x20ac, '_',    0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, '_',    0x017d, '_',
    '_',    0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, '_',    0x017e, 0x0178};

std::string lower_of(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

void append_utf8(std::string& out, std::uint16_t character) {
  if (character < 0x80) {
    out += static_cast<char>(character);
  } else if (character < 0x800) {
    out += static_cast<char>(0xc0 | (character >> 6));
    out += static_cast<char>(0x80 | (character & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | (character >> 12));
    out += static_cast<char>(0x80 | ((character >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (character & 0x3f));
  }
}

}  // namespace

bool is_left_alone(std::string_view name) {
  if (name.starts_with('.') || name.starts_with("~$")) return true;
  const auto lower = lower_of(name);
  return std::ranges::any_of(kUnderWay, [&](auto ending) { return lower.ends_with(ending); }) ||
         std::ranges::find(kOfDesktops, lower) != std::end(kOfDesktops);
}

std::string name_in_utf8(std::string_view octets) {
  if (delivery::is_utf8(octets)) return std::string(octets);
  std::string text;
  for (const char c : octets) {
    const auto octet = static_cast<std::uint8_t>(c);
    append_utf8(text, octet >= 0x80 && octet < 0xa0 ? kWindows1252[octet - 0x80] : octet);
  }
  return text;
}

}  // namespace latchkey::doors
