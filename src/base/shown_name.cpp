#include "base/shown_name.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace latchkey::base {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// What is a letter or mark by its category and not seen all the same: Unicode's Default_Ignorable_Code_Point, Braille's blank, a Khitan
// filler, a note without a head.
constexpr std::array kNotSeen{Range{0x034f, 0x034f}, Range{0x115f, 0x1160}, Range{0x17b4, 0x17b5},   Range{0x180b, 0x180f},   Range{0x2800, 0x2800},
                              Range{0x3164, 0x3164}, Range{0xfe00, 0xfe0f}, Range{0xffa0, 0xffa0},   Range{0x16fe4, 0x16fe4}, Range{0x1d159, 0x1d159},
                              Range{0xe0000, 0xe0fff}};

template <std::size_t Count>
bool is_in(const std::array<Range, Count>& ranges, char32_t character) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return character >= range.first && character <= range.last; });
}

// What looks another way with a selector behind it: pictures, Han ideographs (Unicode's standardized and ideographic variation
// sequences), Mongolian letters. Behind anything else a selector changes nothing that is seen.
constexpr std::array kPictures{
    Range{0xa9, 0xa9},     Range{0xae, 0xae},     Range{0x203c, 0x203c}, Range{0x2049, 0x2049}, Range{0x2122, 0x2122}, Range{0x2139, 0x2139},
    Range{0x2194, 0x2199}, Range{0x21a9, 0x21aa}, Range{0x231a, 0x231b}, Range{0x2328, 0x2328}, Range{0x23cf, 0x23cf}, Range{0x23e9, 0x23fa},
    Range{0x24c2, 0x24c2}, Range{0x25aa, 0x25ab}, Range{0x25b6, 0x25b6}, Range{0x25c0, 0x25c0}, Range{0x25fb, 0x25fe}, Range{0x2600, 0x27bf},
    Range{0x2934, 0x2935}, Range{0x2b05, 0x2b07}, Range{0x2b1b, 0x2b1c}, Range{0x2b50, 0x2b50}, Range{0x2b55, 0x2b55}, Range{0x3030, 0x3030},
    Range{0x303d, 0x303d}, Range{0x3297, 0x3297}, Range{0x3299, 0x3299}, Range{0x1f000, 0x1faff}};
constexpr std::array kHan{Range{0x3400, 0x4dbf}, Range{0x4e00, 0x9fff}, Range{0xf900, 0xfaff}, Range{0x20000, 0x3ffff}};
constexpr std::array kMongolian{Range{0x1820, 0x18aa}};
constexpr char32_t kKeycap = 0x20e3;

bool is_keycap_base(char32_t character) { return (character >= '0' && character <= '9') || character == '#' || character == '*'; }

bool is_selected(char32_t before, char32_t selector, char32_t after) {
  if (selector == 0xfe0e || selector == 0xfe0f) return is_in(kPictures, before) || (after == kKeycap && is_keycap_base(before));
  if ((selector >= 0xfe00 && selector <= 0xfe02) || (selector >= 0xe0100 && selector <= 0xe01ef)) return is_in(kHan, before);
  return ((selector >= 0x180b && selector <= 0x180d) || selector == 0x180f) && is_in(kMongolian, before);
}

utf8proc_category_t category_of(char32_t character) { return utf8proc_category(static_cast<utf8proc_int32_t>(character)); }

bool is_blank(char32_t character) { return category_of(character) == UTF8PROC_CATEGORY_ZS; }

// Unassigned and private characters look like anything, or nothing.
constexpr std::array kWithoutALook{UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CF, UTF8PROC_CATEGORY_CN, UTF8PROC_CATEGORY_CO,
                                   UTF8PROC_CATEGORY_CS, UTF8PROC_CATEGORY_ZL, UTF8PROC_CATEGORY_ZP};

bool has_a_look(char32_t character) {
  return std::ranges::find(kWithoutALook, category_of(character)) == kWithoutALook.end() && !is_in(kNotSeen, character);
}

// The script of a letter or mark whose shape a (non-)joiner changes; 0: none.
char32_t joining_script_of(char32_t character) {
  constexpr std::array kArabic{Range{0x0600, 0x06ff}, Range{0x0750, 0x077f}, Range{0x0870, 0x08ff}, Range{0xfb50, 0xfdff}, Range{0xfe70, 0xfefc}};
  constexpr std::array kSyriac{Range{0x0700, 0x074f}, Range{0x0860, 0x086f}};
  constexpr std::array kLetters{UTF8PROC_CATEGORY_LO, UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MC};
  if (std::ranges::find(kLetters, category_of(character)) == kLetters.end()) return 0;
  if (is_in(kArabic, character)) return 1;
  if (is_in(kSyriac, character)) return 2;
  if (is_in(kMongolian, character)) return 3;
  return character >= 0x0900 && character <= 0x0dff ? character & ~char32_t{0x7f} : 0;  // Devanagari to Sinhala, a block each
}

bool is_joining(char32_t before, char32_t joiner, char32_t after) {
  if (joiner != 0x200c && joiner != 0x200d) return false;
  const auto script = joining_script_of(before);
  if (script != 0 && script == joining_script_of(after)) return true;
  return joiner == 0x200d && (before == 0xfe0f || is_in(kPictures, before)) && is_in(kPictures, after);
}

// `before` and `after`: what stands beside it; 0: nothing. Of the blanks the plain one is seen, and that between two others alone.
bool is_shown(char32_t before, char32_t character, char32_t after) {
  if (is_blank(character)) return character == ' ' && before != 0 && after != 0 && !is_blank(before) && !is_blank(after);
  return has_a_look(character) || is_selected(before, character, after) || is_joining(before, character, after);
}

// The first character, taken from the front; nullopt: no UTF-8 (an overlong form, a surrogate, beyond U+10FFFF, broken off).
std::optional<char32_t> next_of(std::string_view& text) {
  utf8proc_int32_t character = -1;
  const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &character);
  if (size <= 0 || character < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(size));
  return static_cast<char32_t>(character);
}

struct Piece {
  std::string_view octets;
  std::optional<char32_t> character;  // nullopt: no UTF-8
  bool shown;
};
std::vector<Piece> pieces_of(std::string_view text) {
  std::vector<Piece> pieces;
  while (!text.empty()) {
    const auto rest = text;
    const auto character = next_of(text);
    if (!character) text.remove_prefix(1);
    pieces.push_back({rest.substr(0, rest.size() - text.size()), character, false});
  }
  const auto number = [&](std::size_t at) { return at < pieces.size() ? pieces[at].character.value_or(0) : 0; };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto& piece = pieces[i];
    piece.shown = piece.character && is_shown(i > 0 ? number(i - 1) : 0, *piece.character, number(i + 1));
  }
  return pieces;
}

}  // namespace

bool may_be_shown(std::string_view name, std::size_t most) {
  const auto pieces = pieces_of(name);
  return !pieces.empty() && pieces.size() <= most && std::ranges::all_of(pieces, &Piece::shown);
}

std::string as_shown(std::string_view text) {
  std::string shown;
  for (const auto& piece : pieces_of(text)) {
    if (piece.shown) shown += piece.octets;
    else shown += piece.character && is_blank(*piece.character) ? ' ' : '?';
  }
  return shown;
}

std::string with_instead(std::string_view text, std::string (*instead)(char32_t)) {
  std::string written;
  for (const auto& piece : pieces_of(text)) {
    const auto character = piece.character.value_or(U'\ufffd');
    if (piece.shown || (piece.character && is_blank(character))) written += piece.octets;
    else written += instead(character);
  }
  return written;
}

std::string as_escaped(std::string_view text) {
  std::string written;
  for (const auto& piece : pieces_of(text)) {
    text.remove_prefix(piece.octets.size());
    const auto character = piece.character.value_or(U'\ufffd');
    const bool reads_like_one = character == '\\' && text.starts_with("u{");
    const bool plain = piece.shown && (is_blank(character) || has_a_look(character)) && !reads_like_one;
    written += plain ? std::string(piece.octets) : fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(character));
  }
  return written;
}

std::string in_a_line(std::string_view text, std::size_t most) {
  std::string line;
  std::size_t characters = 0;
  std::size_t cut = 0;  // behind the last character that leaves room for the dots
  const auto without_last_blank = [](std::string part) {
    if (part.ends_with(' ')) part.pop_back();
    return part;
  };
  for (const char c : as_shown(text)) {
    if (c == ' ' && (line.empty() || line.back() == ' ')) continue;
    const bool begins = (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
    if (begins && characters == most) return without_last_blank(line.substr(0, cut)) + "…";
    if (begins && ++characters == most) cut = line.size();
    line += c;
  }
  return without_last_blank(std::move(line));
}

std::string in_quotes(std::string_view text, std::size_t most) {
  auto words = in_a_line(text, most);
  std::ranges::replace(words, '"', '\'');
  return "\"" + words + "\"";
}

}  // namespace latchkey::base
