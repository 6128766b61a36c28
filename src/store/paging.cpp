#include "store/paging.h"

#include <charconv>

#include "base/bytes.h"

namespace latchkey::store {

std::unexpected<Error> bad_cursor() {
  return fail(ErrorKind::invalid, "cursor", "This page address is not valid: start again at the first page.",
              {.field = "cursor"});
}

// Keys may hold any character but a line feed, which neither user names nor group names contain (control characters are
// refused); one that did would only make its cursor invalid.
std::string Cursor::text() const {
  std::string lines = std::to_string(total);
  for (const auto& key : keys) lines.append("\n").append(key);
  return base::to_base64url(base::as_bytes(lines));
}

Result<Cursor> Cursor::parse(const std::string& text, std::size_t key_count) {
  Cursor cursor;
  if (text.empty()) return cursor;
  const auto octets = base::from_base64url(text);
  if (!octets) return bad_cursor();
  auto rest = base::as_text(*octets);
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    cursor.keys.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  cursor.keys.emplace_back(rest);
  const auto total = cursor.keys.front();
  cursor.keys.erase(cursor.keys.begin());
  const auto read = std::from_chars(total.data(), total.data() + total.size(), cursor.total);
  if (read.ec != std::errc() || read.ptr != total.data() + total.size()) return bad_cursor();
  if (cursor.keys.size() != key_count) return bad_cursor();
  return cursor;
}

}  // namespace latchkey::store
