// The Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header-07): a structured string (RFC 9941
// section 3.3.3), or, as many programs send it, the same without its quotes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::doors {

// Empty: the request has none. 1 to 200 visible ASCII characters. Errors: invalid/`bad_idempotency_key`.
[[nodiscard]] Result<std::string> idempotency_key_of(std::string_view field);

}  // namespace latchkey::doors
