#include "doors/folder/document_end.h"

#include <algorithm>

namespace latchkey::doors {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kNearTheEnd = 1024;

bool has_near_end(ByteView tail, std::string_view mark) {
  const auto text = base::as_text(tail.last(std::min(tail.size(), kNearTheEnd)));
  return text.find(mark) != std::string_view::npos;
}

// Four octets from the fifth on, in the order that the header names.
std::uint64_t first_directory(ByteView head, bool little_endian) {
  std::uint64_t offset = 0;
  for (std::size_t at = 0; at < 4; ++at) offset = (offset << 8) | head[little_endian ? 7 - at : 4 + at];
  return offset;
}

}  // namespace

std::string_view missing_end(ByteView head, ByteView tail, std::uint64_t size_bytes) {
  const auto start = base::as_text(head);
  if (start.starts_with("%PDF-"sv)) return has_near_end(tail, "%%EOF"sv) ? "" : "a PDF without its end";
  if (start.starts_with("\xff\xd8\xff"sv)) return has_near_end(tail, "\xff\xd9"sv) ? "" : "a JPEG without its end";
  if (start.starts_with("\x89PNG\r\n"sv)) return has_near_end(tail, "IEND"sv) ? "" : "a PNG without its end";
  if (start.starts_with("PK\x03\x04"sv)) {
    return base::as_text(tail).find("PK\x05\x06"sv) != std::string_view::npos ? "" : "a ZIP or office document without its end";
  }
  const bool little_endian = start.starts_with("II*\0"sv);
  if (little_endian || start.starts_with("MM\0*"sv)) {
    const bool inside = head.size() >= kHeadBytes && first_directory(head, little_endian) + 2 <= size_bytes;
    return inside ? "" : "a TIFF without its directory";
  }
  return "";
}

}  // namespace latchkey::doors
