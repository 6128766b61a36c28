// A QR code (ISO/IEC 18004) in characters, for a person whose phone is nearer than their browser.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::app {

enum class Colours { none, ansi };

// Lines of half blocks, each two rows of modules high, with the quiet zone of four. Light modules are drawn, dark ones are blank: right where
// the ground is dark, and with `ansi` (white on black) anywhere. Empty where the text is too long for one.
[[nodiscard]] std::string qr_in_text(std::string_view text, Colours colours);

}  // namespace latchkey::app
