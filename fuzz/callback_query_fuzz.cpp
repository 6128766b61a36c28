// What a browser brings to the redirect address, and server metadata: both come from strangers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "oauth/callback.h"
#include "oauth/metadata.h"
#include "oauth/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey::oauth;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto callback = parse_callback(text)) {
    LATCHKEY_CHECK(text.size() <= 8192);
    LATCHKEY_CHECK(callback->code.empty() != callback->error.empty());
    const auto clean = [](std::string_view value) {
      return std::none_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
    };
    LATCHKEY_CHECK(clean(callback->code.reveal_text()) && clean(callback->error) && clean(callback->error_description));
    for (const auto& [name, value] : callback->others) LATCHKEY_CHECK(clean(name) && clean(value));
    const bool matches = check_issuer(*callback, "https://a.example", IssParameter::advertised).has_value();
    LATCHKEY_CHECK(matches == (callback->iss == "https://a.example"));
  }

  // What is written is read back the same.
  if (const auto form = parse_form(text)) {
    const auto again = parse_form(form_body(*form), {.size_bytes_max = 1 << 20});
    auto named = *form;
    std::erase_if(named, [](const auto& pair) { return pair.first.empty() && pair.second.empty(); });
    LATCHKEY_CHECK(again.has_value() && (*again == *form || *again == named));
  }
  if (const auto url = parse_url(text)) {
    LATCHKEY_CHECK(!url->host.empty() && url->port != 0);
    LATCHKEY_CHECK(parse_url(url->origin()).has_value());
  }
  constexpr std::string_view kSuffix = "example.com";
  const std::string suffixes[] = {std::string(kSuffix)};
  if (const auto url = check_learned_url(text, suffixes)) {
    LATCHKEY_CHECK(url->scheme == "https" && url->port == 443 && url->userinfo.empty());
    LATCHKEY_CHECK(url->host == kSuffix || url->host.ends_with(".example.com"));
  }
  if (const auto metadata = parse_metadata(text, "https://a.example", PlainHttp::refused)) {
    LATCHKEY_CHECK(metadata->endpoints.token.starts_with("https://") || metadata->endpoints.token.starts_with("HTTPS://") ||
                   parse_url(metadata->endpoints.token)->scheme == "https");
  }
  return 0;
}
