// Listeners for protocols that are conversations (SMTP): octets both ways, in clear or in TLS, TLS at once or when the
// protocol asks for it.
//
// Concurrency: each connection is one task on one worker of the event loop; a handler is called on all of them at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "net/event_loop.h"
#include "net/ip_address.h"
#include "net/proxy_headers.h"
#include "net/stream_places.h"
#include "net/tls.h"
#include "net/tls_floor.h"

namespace latchkey::net {

enum class TlsStart { never, at_once, on_request };

// A resource of its connection's task; one call at a time.
class StreamConnection {
 public:
  virtual ~StreamConnection() = default;
  [[nodiscard]] virtual const IpAddress& peer() const = 0;
  // False: a trusted proxy has said that it does not know, or speaks for itself (PROXY UNKNOWN, LOCAL). peer() is the proxy then,
  // and its address says nothing of who is there.
  [[nodiscard]] virtual bool peer_known() const = 0;
  // Which of the server's listeners took it.
  [[nodiscard]] virtual std::size_t listener() const = 0;
  [[nodiscard]] virtual bool in_tls() const = 0;
  [[nodiscard]] virtual bool can_start_tls() const = 0;

  // The next octets, at most 64 KiB; empty: the peer has finished. Other connections of the worker have their turn in between,
  // however fast this one sends. Errors: unavailable/`connection_lost`, `timed_out` (nothing that could be read came within
  // `patience`, pieces of a TLS record among it), `stopping` (the server stops, and nothing had come).
  [[nodiscard]] virtual Task<Result<std::string>> read(Milliseconds patience) = 0;
  // Like read(), but not given up when the server stops: in the middle of a message.
  [[nodiscard]] virtual Task<Result<std::string>> read_on(Milliseconds patience) = 0;
  // Errors: unavailable/`connection_lost`, `timed_out` (not all of it had left within `patience`).
  [[nodiscard]] virtual Task<Result<void>> write(std::string octets, Milliseconds patience) = 0;
  // The server's side of a handshake. What has been read before is the caller's to forget. Errors as of read(), refused/
  // `tls_failed`.
  [[nodiscard]] virtual Task<Result<void>> start_tls(Milliseconds patience) = 0;
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // The conversation from its beginning to its end; then the connection is closed.
  [[nodiscard]] virtual Task<void> serve(std::shared_ptr<StreamConnection> connection) = 0;
  // Whom the listener takes that address for. Any thread; always the same.
  [[nodiscard]] virtual StreamCaller caller(std::size_t /*listener*/, const IpAddress& /*peer*/) const { return StreamCaller::any; }
  // What a connection beyond the limits is told before it is closed.
  [[nodiscard]] virtual std::string busy_line() const = 0;
};

struct StreamListener {
  std::string address = "127.0.0.1";  // an IP address
  std::uint16_t port = 0;             // 0: any free one
  TlsServerContext* tls = nullptr;    // outlives the server; needed but for TlsStart::never
  TlsStart start = TlsStart::never;
  TlsFloor floor = TlsFloor::tls_1_2;
  std::string setting;                // whose address it is, for errors: "smtp.submission"
};

struct StreamLimits {
  StreamPlacesMost places;
  Milliseconds handshake_timeout{30'000};
};

// A resource. Handler and log outlive it; stop() has returned before the destructor runs.
class StreamServer {
 public:
  StreamServer(EventLoop& loop, StreamHandler& handler, Log& log, StreamLimits limits = {});
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;
  ~StreamServer();

  // Whose connections begin with a PROXY preamble, if theirs do (RULES T3). Before start() only.
  void set_trusted_proxies(TrustedProxies proxies);
  // Called once, on main(). Errors: misconfigured/`listen_failed`, naming address and remedy; then nothing listens.
  [[nodiscard]] Result<void> start(std::vector<StreamListener> listeners);
  [[nodiscard]] std::vector<std::uint16_t> ports() const;
  // Accepts nothing new; conversations end where nothing is under way, and are cut at `deadline`. On main().
  [[nodiscard]] Task<void> stop(SteadyTime deadline);
  [[nodiscard]] std::size_t connection_count() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::net
