#include "console/surface.h"

#include <algorithm>

namespace latchkey::console {

Surface::Surface(std::vector<Mount> mounts, net::HttpHandler& otherwise) : mounts_(std::move(mounts)), otherwise_(otherwise) {
  std::ranges::stable_sort(mounts_, [](const Mount& a, const Mount& b) { return a.prefix.size() > b.prefix.size(); });
}

net::HttpHandler& Surface::handler_for(std::string_view path) const {
  for (const auto& mount : mounts_) {
    const bool below = mount.prefix.ends_with('/') && path.starts_with(mount.prefix);
    if (below || path == mount.prefix) return *mount.handler;
  }
  return otherwise_;
}

std::optional<net::HttpResponse> Surface::try_handle_now(const net::HttpRequest& request) {
  return handler_for(request.path).try_handle_now(request);
}

Task<net::HttpResponse> Surface::handle(net::HttpRequest request) {
  auto& handler = handler_for(request.path);
  return handler.handle(std::move(request));
}

std::size_t Surface::body_limit(std::string_view method, std::string_view path) const {
  return handler_for(path).body_limit(method, path);
}

}  // namespace latchkey::console
