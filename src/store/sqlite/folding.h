// Case folding for search: simple (one character to one), after the C library's own Unicode tables, so that "MÜLLER"
// finds "Müller". For searching only: identity (username_key, name_key) is folded by the caller.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

namespace latchkey::store::sqlite {

// Malformed UTF-8 passes through unchanged.
[[nodiscard]] std::string fold(std::string_view text);

// Makes the SQL function folded_contains(needle, text, ...): 1 when the needle, folded already, is in one of the texts.
void register_folding(sqlite3* database);

}  // namespace latchkey::store::sqlite
