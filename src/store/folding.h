// Case folding for search: simple (one character to one), after the C library's own Unicode tables, so that "MÜLLER"
// finds "Müller". For searching only: identity (username_key, name_key) is folded by the caller.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::store {

// Malformed UTF-8 passes through unchanged.
[[nodiscard]] std::string fold(std::string_view text);

}  // namespace latchkey::store
