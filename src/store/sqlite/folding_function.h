// Folded search as an SQL function.
#pragma once

#include <sqlite3.h>

namespace latchkey::store::sqlite {

// Makes the SQL function folded_contains(needle, text, ...): 1 when the needle, folded already, is in one of the texts.
void register_folding(sqlite3* database);

}  // namespace latchkey::store::sqlite
