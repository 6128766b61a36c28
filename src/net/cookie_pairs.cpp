#include "net/cookie_pairs.h"

namespace latchkey::net {

void each_cookie(const HttpHeaders& headers,
                 const std::function<bool(std::string_view name, std::string_view value)>& visit) {
  for (const auto& header : headers) {
    if (!equal_ignoring_case(header.name, "Cookie")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const auto end = rest.find(';');
      std::string_view pair = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      if (!visit(pair.substr(0, equals), pair.substr(equals + 1))) return;
    }
  }
}

}  // namespace latchkey::net
