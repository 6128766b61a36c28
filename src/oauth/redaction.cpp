#include "oauth/redaction.h"

#include <algorithm>

namespace latchkey::oauth {
namespace {

constexpr std::size_t kWordsBytesMax = 200;
constexpr std::size_t kTokenBytesMin = 20;

bool may_stand_in_a_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~+/=|!*").find(c) != std::string_view::npos;
}

}  // namespace

std::string redacted(std::string_view words) {
  std::string out;
  for (std::size_t at = 0; at < words.size();) {
    auto end = at;
    while (end < words.size() && may_stand_in_a_token(words[end])) ++end;
    const auto run = words.substr(at, end - at);
    // Long words of a language have no digits in them; tokens do.
    const bool token = run.size() >= kTokenBytesMin && std::ranges::any_of(run, [](char c) { return c >= '0' && c <= '9'; });
    if (token || run.size() >= 2 * kTokenBytesMin) out += "\u2026";
    else out += run;
    if (end < words.size()) out += static_cast<unsigned char>(words[end]) < 0x20 ? ' ' : words[end];
    at = end + 1;
  }
  if (out.size() <= kWordsBytesMax) return out;
  auto cut = kWordsBytesMax;
  while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80) --cut;  // not inside a character
  out.resize(cut);
  return out + "\u2026";
}

}  // namespace latchkey::oauth
