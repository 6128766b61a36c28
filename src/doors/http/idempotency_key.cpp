#include "doors/http/idempotency_key.h"

#include <algorithm>

namespace latchkey::doors {
namespace {

constexpr std::size_t kKeyBytesMax = 200;

}  // namespace

Result<std::string> idempotency_key_of(std::string_view field) {
  if (field.empty()) return std::string();
  if (field.size() >= 2 && field.starts_with('"') && field.ends_with('"')) field = field.substr(1, field.size() - 2);
  const bool good = !field.empty() && field.size() <= kKeyBytesMax &&
                    std::ranges::all_of(field, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
  if (good) return std::string(field);
  return fail(
      ErrorKind::invalid, "bad_idempotency_key",
      "An Idempotency-Key is 1 to 200 visible ASCII characters, such as a UUID, without spaces, quotes and backslashes.");
}

}  // namespace latchkey::doors
