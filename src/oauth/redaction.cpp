#include "oauth/redaction.h"

#include <algorithm>

#include "oauth/uri.h"

namespace latchkey::oauth {
namespace {

constexpr std::size_t kWordsBytesMax = 200;
constexpr std::size_t kTokenBytesMin = 20;
constexpr std::size_t kSecretBytesMin = 4;
constexpr std::size_t kBeginningBytesMin = 6;  // of a secret that the end of the words cuts off
constexpr std::string_view kStruck = "\u2026";

bool may_stand_in_a_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~+/=|!*").find(c) != std::string_view::npos;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(char a, char b) { return lower(a) == lower(b); }

void strike_out(std::string& words, std::string_view secret) {
  for (auto from = words.begin();;) {
    const auto found = std::search(from, words.end(), secret.begin(), secret.end(), same);
    if (found == words.end()) break;
    const auto at = static_cast<std::size_t>(found - words.begin());
    words.replace(at, secret.size(), kStruck);
    from = words.begin() + static_cast<std::ptrdiff_t>(at + kStruck.size());
  }
  for (auto size = std::min(secret.size() - 1, words.size()); size >= kBeginningBytesMin; --size) {
    const auto end = std::string_view(words).substr(words.size() - size);
    if (!std::ranges::equal(end, secret.substr(0, size), same)) continue;
    words.replace(words.size() - size, size, kStruck);
    break;
  }
}

}  // namespace

void strike_out(std::string& words, std::span<const Secret> secrets) {
  for (const auto& secret : secrets) {
    if (secret.size() < kSecretBytesMin) continue;
    strike_out(words, secret.reveal_text());
    auto encoded = form_encode(secret.reveal_text());
    if (encoded != secret.reveal_text()) strike_out(words, encoded);
    base::wipe(encoded.data(), encoded.size());
  }
}

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
