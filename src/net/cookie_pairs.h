// A request's cookies (RFC 6265 section 5.4), one after another.
#pragma once

#include <functional>
#include <string_view>

#include "net/http_headers.h"

namespace latchkey::net {

// Calls `visit(name, value)` for each in the order they came, until it returns false. Views into the headers. What has no
// `=` is no cookie.
void each_cookie(const HttpHeaders& headers,
                 const std::function<bool(std::string_view name, std::string_view value)>& visit);

}  // namespace latchkey::net
