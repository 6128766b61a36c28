// What the flow's pages need besides themselves: style sheet, script and picture, served from where the page asks for them.
#pragma once

#include <optional>
#include <string_view>

#include "net/http_types.h"

namespace latchkey::pages {

// For /oauth/flow.css, /oauth/done.js and /logo.svg; nullopt: no such file.
[[nodiscard]] std::optional<net::HttpResponse> flow_asset(std::string_view path);

}  // namespace latchkey::pages
