#include "app/front.h"

#include <algorithm>

namespace latchkey::app {

void Front::claim(std::string prefix, net::HttpHandler& handler) {
  claims_.push_back({std::move(prefix), &handler});
  std::ranges::sort(claims_, std::greater(), [](const Claim& claim) { return claim.prefix.size(); });
}

net::HttpHandler* Front::find(std::string_view path) const {
  for (const Claim& claim : claims_) {
    if (claim.prefix.ends_with('/') ? path.starts_with(claim.prefix) : path == claim.prefix) return claim.handler;
  }
  return nullptr;
}

std::optional<net::HttpResponse> Front::try_handle_now(const net::HttpRequest& request) {
  net::HttpHandler* handler = find(request.path);
  if (handler == nullptr) {
    return net::HttpResponse::problem(404, "not_found", "There is nothing at this address.");
  }
  return handler->try_handle_now(request);
}

Task<net::HttpResponse> Front::handle(net::HttpRequest request) {
  net::HttpHandler* handler = find(request.path);
  LATCHKEY_CHECK(handler != nullptr);  // try_handle_now() has answered
  co_return co_await handler->handle(std::move(request));
}

std::size_t Front::body_limit(std::string_view method, std::string_view path) const {
  const net::HttpHandler* handler = find(path);
  return handler == nullptr ? 0 : handler->body_limit(method, path);
}

std::optional<net::HttpResponse> Front::refuse_body(const net::HttpRequest& request) {
  net::HttpHandler* handler = find(request.path);
  return handler == nullptr ? std::nullopt : handler->refuse_body(request);
}

bool Front::streams_body(std::string_view method, std::string_view path) const {
  const net::HttpHandler* handler = find(path);
  return handler != nullptr && handler->streams_body(method, path);
}

Task<net::HttpResponse> Front::handle_stream(net::HttpRequest request, std::shared_ptr<net::HttpBody> body) {
  net::HttpHandler* handler = find(request.path);
  LATCHKEY_CHECK(handler != nullptr);
  co_return co_await handler->handle_stream(std::move(request), std::move(body));
}

}  // namespace latchkey::app
