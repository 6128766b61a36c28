// The whole of what a listener offers, by the beginning of the path. Parts of other rooms (/v1 of doors/http) are mounted
// here by whoever wires the server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace latchkey::console {

struct Mount {
  // "/v1/": the path begins so; "/healthz": the path is exactly this.
  std::string prefix;
  net::HttpHandler* handler = nullptr;  // outlives the surface
};

// A resource; thread-safe. The longest prefix that fits wins; what fits none goes to `otherwise`.
class Surface final : public net::HttpHandler {
 public:
  Surface(std::vector<Mount> mounts, net::HttpHandler& otherwise);

  [[nodiscard]] std::optional<net::HttpResponse> try_handle_now(const net::HttpRequest& request) override;
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;

 private:
  [[nodiscard]] net::HttpHandler& handler_for(std::string_view path) const;

  std::vector<Mount> mounts_;  // longest first
  net::HttpHandler& otherwise_;
};

}  // namespace latchkey::console
