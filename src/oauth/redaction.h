// Providers' words, before anybody reads them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace latchkey::oauth {

// A provider's words fit to be shown: at most 200 octets, and every run that may be a token ("…" in its place).
[[nodiscard]] std::string redacted(std::string_view words);

// Takes what is known to be secret out of the words, "…" in its place: as it is or form-encoded, in whatever case, and what is left of
// it where the words were cut. A secret of fewer than four octets stays.
void strike_out(std::string& words, std::span<const Secret> secrets);

}  // namespace latchkey::oauth
