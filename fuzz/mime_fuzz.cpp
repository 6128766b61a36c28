// A mail from a device or from whoever got hold of one: read, repaired, and its repair read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/mime/encoded_text.h"
#include "wire/mime/mail_repair.h"
#include "wire/mime/media_type.h"
#include "wire/mime/mime_reader.h"

namespace {

using namespace latchkey;
using namespace latchkey::wire;

// What a reader tells, as text: the same however the message is cut.
std::string told(std::string_view message, std::size_t piece) {
  MimeReader reader({.header_bytes_max = 4096, .depth_max = 5, .parts_max = 20});
  std::string out;
  bool in_part = false;
  const auto take = [&](const Result<std::vector<MimeEvent>>& events) {
    if (!events) return false;
    for (const auto& event : *events) {
      if (const auto* begins = std::get_if<PartBegins>(&event)) {
        LATCHKEY_CHECK(!std::exchange(in_part, true));
        LATCHKEY_CHECK(is_utf8(begins->head.file_name) && is_media_type(begins->head.type));
        LATCHKEY_CHECK(begins->head.depth <= 5 && begins->head.type.contains('/'));
        out += "begins " + begins->head.type + " " + begins->head.file_name + "\n";
      }
      if (const auto* octets = std::get_if<PartOctets>(&event)) {
        LATCHKEY_CHECK(in_part && !octets->octets.empty());
        out += base::as_text(octets->octets);
      }
      if (const auto* ends = std::get_if<PartEnds>(&event)) {
        LATCHKEY_CHECK(std::exchange(in_part, false));
        out += "\nends " + std::to_string(static_cast<int>(ends->ending)) + "\n";
      }
    }
    return true;
  };
  for (auto rest = message; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
    if (!take(reader.feed(rest.substr(0, piece)))) return "refused";
  }
  if (!take(reader.finish())) return "refused";
  LATCHKEY_CHECK(!in_part);
  return out;
}

Result<std::string> repaired(std::string_view message, std::size_t piece) {
  MailRepair repair({.address = "ada@office.example",
                     .aliases = {"scans@office.example"},
                     .date = "Sat, 28 Nov 2026 03:40:00 +0000",
                     .message_id = "<1@latchkey.example>"},
                    4096);
  std::string out;
  for (auto rest = message; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
    auto more = repair.feed(rest.substr(0, piece));
    if (!more) return more;
    out += *more;
  }
  auto last = repair.finish();
  if (!last) return last;
  for (const auto& recipient : repair.facts().recipients) LATCHKEY_CHECK(is_address(recipient) && is_utf8(recipient));
  return out + *last;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const auto whole = told(message, size + 1);
  // Limits are looked at when octets come: a header at the limit's edge may be refused in one cut and not in the other.
  const auto cut = told(message, 3);
  LATCHKEY_CHECK(whole == cut || whole == "refused" || cut == "refused");

  const auto mail = repaired(message, size + 1);
  if (!mail) return 0;
  LATCHKEY_CHECK(repaired(message, 2) == mail);
  const auto header = std::string_view(*mail).substr(0, mail->find("\r\n\r\n") + 2);
  std::size_t froms = 0;
  for (std::size_t at = 0; at < header.size();) {
    const auto end = header.find("\r\n", at);
    const auto line = header.substr(at, end - at);
    LATCHKEY_CHECK(line.size() <= 998 && line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    LATCHKEY_CHECK(std::ranges::all_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x80; }) ||
                   line.contains('@'));
    for (const auto* forbidden : {"sender:", "bcc:", "return-path:", "resent-", "x-ms-exchange-"}) {
      const std::string_view name(forbidden);
      LATCHKEY_CHECK(line.size() < name.size() || !equal_ignoring_case(line.substr(0, name.size()), name));
    }
    if (line.size() >= 5 && equal_ignoring_case(line.substr(0, 5), "from:")) ++froms;
    at = end + 2;
  }
  LATCHKEY_CHECK(froms == 1);
  // Line ends are CR LF alone.
  for (std::size_t at = 0; at < mail->size(); ++at) {
    if ((*mail)[at] == '\r') LATCHKEY_CHECK(at + 1 < mail->size() && (*mail)[at + 1] == '\n');
    if ((*mail)[at] == '\n') LATCHKEY_CHECK(at > 0 && (*mail)[at - 1] == '\r');
  }
  return 0;
}
