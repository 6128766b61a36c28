// Answers every request with the same small JSON, through the server of src/net as it is. See README.md beside this.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/log.h"
#include "net/event_loop.h"
#include "net/http_server.h"

namespace {

using namespace latchkey;

class TokenLikeHandler final : public net::HttpHandler {
 public:
  explicit TokenLikeHandler(std::string body) : body_(std::move(body)) {}
  std::optional<net::HttpResponse> try_handle_now(const net::HttpRequest& request) override {
    if (request.headers.value_or("Authorization").empty()) return net::HttpResponse::problem(401, "invalid_credentials", "");
    return net::HttpResponse{200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, body_};
  }
  Task<net::HttpResponse> handle(net::HttpRequest) override { co_return net::HttpResponse::no_content(); }

 private:
  std::string body_;
};

}  // namespace

// http_bench_server PORT TLS_PORT CERTIFICATE KEY BODY
int main(int argc, char** argv) {
  if (argc != 6) return 2;
  net::EventLoop loop(3);  // two of them serve
  base::SystemWallClock clock;
  base::StreamLog log(2, base::LogLevel::warning, clock);
  TokenLikeHandler handler(argv[5]);
  const auto tls = net::TlsServerContext::load(argv[3], argv[4]);
  if (!tls) {
    fmt::print(stderr, "{}\n", tls.error().text);
    return 1;
  }
  net::HttpServer server(loop, handler, clock, log, {.connections_per_source_max = 10'000});
  server.set_allowed_hosts({"latchkey.example"});
  const auto started = server.start({{.port = static_cast<std::uint16_t>(std::atoi(argv[1]))},
                                     {.port = static_cast<std::uint16_t>(std::atoi(argv[2])), .tls = tls->get()}});
  if (!started) {
    fmt::print(stderr, "{}\n", started.error().text);
    return 1;
  }
  loop.run();
}
