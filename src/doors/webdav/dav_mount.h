// Where the WebDAV door is in the server's addresses.
#pragma once

#include <string_view>

namespace latchkey::doors {

inline constexpr std::string_view kDavMount = "/dav/";

}  // namespace latchkey::doors
