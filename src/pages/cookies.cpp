#include "pages/cookies.h"

#include <algorithm>

#include "net/cookie_pairs.h"

namespace latchkey::pages {
namespace {

constexpr std::size_t kCookiesMax = 64;

}  // namespace

std::vector<std::pair<std::string, std::string>> cookies_of(const net::HttpRequest& request,
                                                            std::initializer_list<std::string_view> prefixes) {
  std::vector<std::pair<std::string, std::string>> found;
  net::each_cookie(request.headers, [&](std::string_view name, std::string_view value) {
    if (std::ranges::any_of(prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); }))
      found.emplace_back(std::string(name), std::string(value));
    return found.size() < kCookiesMax;
  });
  return found;
}

}  // namespace latchkey::pages
