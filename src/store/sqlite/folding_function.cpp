#include "store/sqlite/folding_function.h"

#include <string>
#include <string_view>

#include "store/folding.h"

namespace latchkey::store::sqlite {
namespace {

std::string_view text_of(sqlite3_value* value) {
  const auto* data = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

void folded_contains(sqlite3_context* context, int count, sqlite3_value** values) {
  const auto needle = text_of(values[0]);
  for (int i = 1; i < count; ++i) {
    if (fold(text_of(values[i])).find(needle) != std::string::npos) {
      sqlite3_result_int(context, 1);
      return;
    }
  }
  sqlite3_result_int(context, 0);
}

}  // namespace

void register_folding(sqlite3* database) {
  sqlite3_create_function_v2(database, "folded_contains", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                             &folded_contains, nullptr, nullptr, nullptr);
}

}  // namespace latchkey::store::sqlite
