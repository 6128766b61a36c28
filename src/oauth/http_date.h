// The Date and Retry-After fields' moment in time.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace latchkey::oauth {

// RFC 9110 5.6.7, the preferred form: Sun, 06 Nov 1994 08:49:37 GMT. Everything else is nullopt.
[[nodiscard]] std::optional<WallTime> parse_http_date(const std::string& text);

}  // namespace latchkey::oauth
