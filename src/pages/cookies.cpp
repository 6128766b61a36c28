#include "pages/cookies.h"

#include <algorithm>

namespace latchkey::pages {
namespace {

constexpr std::size_t kCookiesMax = 64;

}  // namespace

std::vector<std::pair<std::string, std::string>> cookies_of(const net::HttpRequest& request,
                                                            std::initializer_list<std::string_view> prefixes) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& header : request.headers) {
    if (!net::equal_ignoring_case(header.name, "Cookie")) continue;
    std::string_view rest = header.value;
    while (!rest.empty() && found.size() < kCookiesMax) {
      const auto end = rest.find(';');
      std::string_view pair = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      const auto equals = pair.find('=');
      const bool wanted = std::ranges::any_of(prefixes, [&](std::string_view prefix) { return pair.starts_with(prefix); });
      if (equals == std::string_view::npos || !wanted) continue;
      found.emplace_back(std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1)));
    }
  }
  return found;
}

}  // namespace latchkey::pages
