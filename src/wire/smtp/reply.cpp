#include "wire/smtp/reply.h"

#include <algorithm>
#include <string_view>

namespace latchkey::wire::smtp {
namespace {

constexpr std::size_t kTextBytesMax = 400;  // of one line, within the 512 octets of RFC 5321 section 4.5.3.1.5

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

}  // namespace

std::string write(const Reply& reply) {
  const auto text = printable(reply.text);
  std::string out;
  std::size_t at = 0;
  do {
    auto size = std::min(kTextBytesMax, text.size() - at);
    if (at + size < text.size()) {
      const auto blank = text.rfind(' ', at + size);
      if (blank != std::string::npos && blank > at) size = blank - at;
    }
    const bool last = at + size >= text.size();
    out += std::to_string(reply.code);
    out += last ? ' ' : '-';
    if (!reply.status.empty()) out += reply.status + " ";
    out.append(text, at, size);
    out += "\r\n";
    at += size;
    if (at < text.size() && text[at] == ' ') ++at;
  } while (at < text.size());
  return out;
}

}  // namespace latchkey::wire::smtp
