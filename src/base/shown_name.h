// Names and words of other people's choosing on a page or terminal of one's own: short, and what is seen is what is there. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace latchkey::base {

// As many as a user's name has at an office (people/names.h).
inline constexpr std::size_t kShownNameCharactersMax = 128;

// Whether `name` (UTF-8) has 1 to `most` characters, and none that controls, is not seen, or turns round what stands beside
// it (Unicode's Cc, Cf, Zl and Zp, its Default_Ignorable_Code_Point, and Braille's blank), nor any whose look nobody knows (private, not
// assigned: Co, Cn); of the blanks (Zs) only the plain one, and that singly between others. A variation selector is seen by what it
// stands directly behind: a picture, a Han ideograph, a Mongolian letter; a (non-)joiner (U+200C, U+200D) between two letters of a
// script in which it changes their shape, and a joiner between two pictures.
[[nodiscard]] bool may_be_shown(std::string_view name, std::size_t most = kShownNameCharactersMax);

// The same text with '?' for every character that may not be shown, and for every octet that is no UTF-8. Blanks stay, as plain ones.
[[nodiscard]] std::string as_shown(std::string_view text);

// The same text with what `instead` gives for each of those: a way of writing the character's number (U+FFFD for an octet that is no
// UTF-8). Blanks stay as they are.
[[nodiscard]] std::string with_instead(std::string_view text, std::string (*instead)(char32_t));

// What is compared and not merely read, such as an account's id: every character that may not be shown in itself is its number,
// `\u{200c}`, and so are blanks but for a plain one singly between others, selectors and joiners wherever they stand, and a backslash
// that would read like the beginning of such a number. No two texts in UTF-8 are the same so.
[[nodiscard]] std::string as_escaped(std::string_view text);

// as_shown() as a part of a line that says other things, too: one blank where several stand, none at the ends, and cut after `most`
// characters, of which the last is "…" then.
[[nodiscard]] std::string in_a_line(std::string_view text, std::size_t most = std::string_view::npos);

// The same between quotation marks, and none inside that would end them (`'` in its place): what somebody has called themselves
// does not go on as the sentence round it.
inline constexpr std::size_t kQuotedCharactersMax = 80;
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t most = kQuotedCharactersMax);

}  // namespace latchkey::base
