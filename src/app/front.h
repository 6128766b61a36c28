// The server's front: which handler answers which path. Longest prefix first; what nobody claims goes to the last.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace latchkey::app {

// A resource; handlers outlive it. Thread-safe once built: claim() only before the server starts.
class Front final : public net::HttpHandler {
 public:
  // A prefix that ends in '/' claims everything below it; any other claims that path alone.
  void claim(std::string prefix, net::HttpHandler& handler);

  [[nodiscard]] std::optional<net::HttpResponse> try_handle_now(const net::HttpRequest& request) override;
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;
  [[nodiscard]] std::optional<net::HttpResponse> refuse_body(const net::HttpRequest& request) override;
  [[nodiscard]] bool streams_body(std::string_view method, std::string_view path) const override;
  [[nodiscard]] Task<net::HttpResponse> handle_stream(net::HttpRequest request, std::shared_ptr<net::HttpBody> body) override;

 private:
  struct Claim {
    std::string prefix;
    net::HttpHandler* handler;
  };
  [[nodiscard]] net::HttpHandler* find(std::string_view path) const;
  std::vector<Claim> claims_;  // longest first
};

}  // namespace latchkey::app
