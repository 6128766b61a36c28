// HTTP/1.1 (RFC 9112) on any number of listeners, spread over all workers of the event loop.
//
// Invariants: a handler sees complete, checked requests only (of a streaming route: a complete, checked header); a connection has one request in work at a time, answers
// leave in the order of the requests; whatever is ambiguous about where a request ends is refused and the connection
// closed (request smuggling): Content-Length beside Transfer-Encoding or twice, folded fields, bare LF.
// Concurrency: connections live on their worker; start(), stop() and the destructor belong to main().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "net/body_budget.h"
#include "net/event_loop.h"
#include "net/http_types.h"
#include "net/proxy_headers.h"
#include "net/tls.h"

namespace latchkey::net {

// A body that arrives while its handler works, pulled piece by piece. What is not pulled is not read from the socket (but for
// 128 KiB that may wait here), so that TCP holds the sender back. `100 Continue` is sent with the first pull: who is refused before
// need not send. A resource of the connection's worker: pull() is awaited there, by one task at a time.
class HttpBody {
 public:
  virtual ~HttpBody() = default;
  // As Content-Length says; nullopt: it shows at the end.
  [[nodiscard]] virtual std::optional<std::uint64_t> stated_size() const = 0;
  // The next octets; empty: the body is complete. After an error nothing follows: unavailable/`connection_lost` (nobody is left to answer to),
  // unavailable/`request_timeout`, invalid/`malformed_request`.
  [[nodiscard]] virtual Task<Result<Bytes>> pull() = 0;
};

// Called on every worker at once: a handler is thread-safe, or hops to its own executor (base::run_on).
// Why the server itself does not serve a request: too long, too large, too slow, broken, or for another host.
struct HttpRefusal {
  int status;
  std::string_view code;    // as a problem's
  std::string_view detail;  // a sentence
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Called first, on the connection's worker; must not block. nullopt: handle() is called. For routes that answer from
  // memory, sparing them a coroutine. Must not throw.
  [[nodiscard]] virtual std::optional<HttpResponse> try_handle_now(const HttpRequest& request);
  // Runs on the connection's worker, and is not cancelled when the peer goes away; the server's stop() cancels it at
  // its deadline. An exception becomes a 500 and a line in the log.
  [[nodiscard]] virtual Task<HttpResponse> handle(HttpRequest request) = 0;
  // How many octets of body are read for this route; more is answered 413 before it is read. Must be quick.
  [[nodiscard]] virtual std::size_t body_limit(std::string_view method, std::string_view path) const;
  // Whether this route takes its body through handle_stream(), which then is called once the header is complete (request.body stays
  // empty, `arrived` is the header's time) in place of the two above. Must be quick.
  [[nodiscard]] virtual bool streams_body(std::string_view method, std::string_view path) const;
  // What is said of it; a problem (RFC 9457) by default. Of `request` there is what had been read: path and fields may be missing. Must be
  // quick, and must not throw.
  [[nodiscard]] virtual HttpResponse refusal(const HttpRefusal& why, const HttpRequest& request) const;
  // Like handle(). An answer before the body has been pulled to its end closes the connection.
  [[nodiscard]] virtual Task<HttpResponse> handle_stream(HttpRequest request, std::shared_ptr<HttpBody> body);
  // An answer in place of reading the body, given once the header is complete where a body is to be gathered; the connection is
  // closed behind it. For whoever shows by the header alone that he may not send one: nothing of his is kept then. Must be
  // quick, and must not throw.
  [[nodiscard]] virtual std::optional<HttpResponse> refuse_body(const HttpRequest& request);
};

struct HttpLimits {
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t header_count_max = 100;
  std::size_t target_bytes_max = 8 * 1024;
  std::size_t connections_max = 10'000;
  std::size_t connections_per_source_max = 1'000;
  Milliseconds header_timeout{10'000};  // from the first octet to the end of the header; TLS handshakes too
  Milliseconds body_timeout{30'000};    // without a single octet arriving
  Milliseconds idle_timeout{75'000};    // between two requests
  Milliseconds write_timeout{30'000};   // without a single octet leaving
  // Of an answer that is made while it is sent, octets a second on the whole; write_timeout more is free.
  std::uint64_t source_rate_min = 1'000;
};

struct HttpListener {
  // An IP address; "0.0.0.0" and "::" mean all.
  std::string address = "127.0.0.1";
  // 0: any free one (see HttpServer::ports()).
  std::uint16_t port = 0;
  // nullptr: in clear. Must outlive the server.
  TlsServerContext* tls = nullptr;
  // Not empty: a UNIX socket of mode 0600 at that path instead of an address; a file left there is replaced, and the
  // socket is removed at the end. Requests then come from 127.0.0.1 (confidential), and Host may be "localhost".
  std::string unix_path{};
  // Who may connect to it besides root, by the kernel's word (SO_PEERCRED); others are closed at once (RULES G6).
  std::optional<std::uint32_t> unix_uid{};
};

// A resource. The handler, clock and log outlive it; the event loop must have stopped, or stop() have returned, before
// the destructor runs.
class HttpServer {
 public:
  // `bodies`: what gathered bodies may hold, of several servers where they share it; nullptr: one of its own. Whose body does
  // not fit is answered 503.
  HttpServer(EventLoop& loop, HttpHandler& handler, const WallClock& clock, Log& log, HttpLimits limits = {},
             BodyBudget* bodies = nullptr);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  // Requests whose Host is none of these are answered 421 (rule G3). Entries are "host" or "host:port", without case;
  // one without port stands for any port. Listeners on loopback also answer to localhost, 127.0.0.1 and [::1], other
  // listeners also to their own address. An empty list (the default) allows every Host. Before start() or later, from
  // any thread.
  void set_allowed_hosts(std::vector<std::string> hosts);
  // Whose X-Forwarded-*, Forwarded count (rule T3). Before start() only.
  void set_trusted_proxies(TrustedProxies proxies);

  // Listens, and serves once the loop runs. Errors: misconfigured/`listen_failed`, naming address and remedy; then
  // nothing listens. Called once, on main() or before the loop runs.
  [[nodiscard]] Result<void> start(std::vector<HttpListener> listeners);
  // The ports really listened on, in the order of the listeners.
  [[nodiscard]] std::vector<std::uint16_t> ports() const;

  // Accepts nothing new, closes idle connections, lets requests in work finish until `deadline`, then cuts them.
  // Returns on main() when no connection is left.
  [[nodiscard]] Task<void> stop(SteadyTime deadline);

  [[nodiscard]] std::size_t connection_count() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::net
