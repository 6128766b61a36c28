// Paging by the place where the last page ended, not by counting rows over again.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace latchkey::store {

inline constexpr std::int64_t kCountedAtMost = 10'001;

// Revocations that wait, whenever they are due, are counted to the last: the bad day is looked at by that number.
[[nodiscard]] inline std::int64_t revocations_counted(WallTime due_until) {
  return due_until == WallTime::max() ? std::numeric_limits<std::int64_t>::max() : kCountedAtMost;
}

[[nodiscard]] inline std::size_t page_limit(const Page& page) { return std::clamp<std::size_t>(page.limit, 1, 200); }

// A value: the keys of the last row shown, and the total counted for the first page, carried along so that later pages
// need not count again. Opaque to callers; text form: base64url of lines.
struct Cursor {
  std::int64_t total = 0;
  std::vector<std::string> keys;

  [[nodiscard]] bool first_page() const { return keys.empty(); }
  [[nodiscard]] std::string text() const;
  // Errors: invalid/`cursor`, also when it has not `key_count` keys.
  [[nodiscard]] static Result<Cursor> parse(const std::string& text, std::size_t key_count);
};

[[nodiscard]] std::unexpected<Error> bad_cursor();

}  // namespace latchkey::store
