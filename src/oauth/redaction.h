// Providers' words, before anybody reads them.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::oauth {

// A provider's words fit to be shown: at most 200 octets, and every run that may be a token ("…" in its place).
[[nodiscard]] std::string redacted(std::string_view words);

}  // namespace latchkey::oauth
