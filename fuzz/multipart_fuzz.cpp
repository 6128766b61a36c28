// A form as a stranger sends it: whole or in pieces, it is read the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/multipart.h"

namespace {

using latchkey::wire::MultipartReader;

// The parts as one text, and how it ended; fed in pieces of that size.
std::string told(std::string_view boundary, std::string_view body, std::size_t piece) {
  MultipartReader reader(boundary, {.parts_max = 20, .header_bytes_max = 512});
  std::string story;
  for (std::size_t at = 0;;) {
    const auto event = reader.next();
    if (!event) {
      LATCHKEY_CHECK(!reader.next());  // for good
      return story + "!";
    }
    if (std::holds_alternative<MultipartReader::End>(*event)) return story + ".";
    if (const auto* part = std::get_if<MultipartReader::PartBegins>(&*event)) {
      story += '[';
      for (const auto& [name, value] : part->headers) {
        LATCHKEY_CHECK(!name.empty() && name.find_first_of("\r\n: ") == std::string::npos);
        LATCHKEY_CHECK(value.find_first_of("\r\n") == std::string::npos);
        story += name + '=' + value + ';';
      }
      story += '|';
    }
    if (const auto* octets = std::get_if<MultipartReader::PartOctets>(&*event)) {
      LATCHKEY_CHECK(!octets->octets.empty());
      story += octets->octets;
    }
    if (std::holds_alternative<MultipartReader::PartEnds>(*event)) story += ']';
    if (!std::holds_alternative<MultipartReader::NeedsMore>(*event)) continue;
    if (at >= body.size()) return story + "?";
    reader.feed(body.substr(at, piece));
    at += piece;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The first line is a Content-Type.
  const auto line = text.substr(0, text.find('\n'));
  const auto boundary = latchkey::wire::multipart_boundary(line);
  if (boundary) LATCHKEY_CHECK(!boundary->empty() && boundary->size() <= 70);
  const auto body = text.substr(std::min(line.size() + 1, text.size()));
  const std::string used = boundary ? *boundary : "b";
  const auto whole = told(used, body, body.size() + 1);
  for (const std::size_t piece : {1, 2, 7, 64}) LATCHKEY_CHECK(told(used, body, piece) == whole);
  return 0;
}
