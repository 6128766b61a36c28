// What this program calls itself.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::app {

[[nodiscard]] std::string_view version();
// "clang 19.1.4, RelWithDebInfo, SQLite 3.40.1, libcurl/7.88.1, OpenSSL 3.0.15"
[[nodiscard]] std::string build_information();

}  // namespace latchkey::app
