// Characters that say nothing and do something: in no name of a document, where they would break lines, or show ".fdp" where ".pdf"
// stands. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace latchkey::wire {

// How many octets of UTF-8 the character takes that `text` begins with, where it controls (Unicode's Cc), parts lines or paragraphs
// (Zl, Zp) or turns the direction of what stands beside it (Bidi_Control); 0: it does nothing of the kind. What joins letters or
// keeps them apart (U+200C, U+200D) does not: names are written with it.
[[nodiscard]] std::size_t control_length(std::string_view text);

[[nodiscard]] bool has_controls(std::string_view text);

}  // namespace latchkey::wire
