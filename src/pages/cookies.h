// What a browser on its way through a flow brings with it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_types.h"

namespace latchkey::pages {

// The request's cookies whose names begin with one of these, by name and value, 64 at most; a name given twice stands here
// twice.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> cookies_of(const net::HttpRequest& request,
                                                                          std::initializer_list<std::string_view> prefixes);

}  // namespace latchkey::pages
