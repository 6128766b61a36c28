#include "net/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>

#include "base/broadcast.h"
#include "net/epoll_set.h"
#include "net/http_worker.h"
#include "net/report_pace.h"

namespace latchkey::net {

namespace asio = boost::asio;

std::optional<HttpResponse> HttpHandler::try_handle_now(const HttpRequest&) { return std::nullopt; }

HttpResponse HttpHandler::refusal(const HttpRefusal& why, const HttpRequest&) const {
  return HttpResponse::problem(why.status, std::string(why.code), std::string(why.detail));
}

std::size_t HttpHandler::body_limit(std::string_view, std::string_view) const { return 64 * 1024; }

std::optional<HttpResponse> HttpHandler::refuse_body(const HttpRequest&) { return std::nullopt; }

bool HttpHandler::streams_body(std::string_view, std::string_view) const { return false; }

Task<HttpResponse> HttpHandler::handle_stream(HttpRequest, std::shared_ptr<HttpBody>) {
  base::broken_invariant("a handler that streams bodies handles streams", __FILE__, __LINE__);
}

namespace {

constexpr int kBacklog = 4096;
constexpr Milliseconds kAcceptPause{100};

struct OpenListener {
  int descriptor = -1;
  std::uint16_t port = 0;
  bool loopback = false;
  TlsServerContext* tls = nullptr;
  std::string unix_path{};
  std::optional<std::uint32_t> unix_uid{};
};

void close_listener(const OpenListener& listener) {
  ::close(listener.descriptor);
  if (!listener.unix_path.empty()) ::unlink(listener.unix_path.c_str());
}

std::string where(const HttpListener& listener) {
  const bool v6 = listener.address.contains(':');
  return (v6 ? "[" + listener.address + "]" : listener.address) + ":" + std::to_string(listener.port);
}

std::unexpected<Error> listen_failure(const HttpListener& listener, int code) {
  std::string remedy;
  if (code == EADDRINUSE) {
    remedy = "Another program listens there: stop it, or choose another port under listen.";
  } else if (code == EACCES) {
    remedy = "Ports below 1024 need the capability CAP_NET_BIND_SERVICE: choose a higher port, or use the systemd unit.";
  } else if (code == EADDRNOTAVAIL) {
    remedy = "This machine has no such address: correct listen.";
  } else {
    remedy = std::strerror(code);
  }
  return fail(ErrorKind::misconfigured, "listen_failed", "Cannot listen on " + where(listener) + ". " + remedy,
              {.detail = std::strerror(code), .field = "listen"});
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress result;
  if (address.is_v4()) {
    sockaddr_in inet{};
    inet.sin_family = AF_INET;
    inet.sin_port = htons(port);
    inet.sin_addr.s_addr = htonl(address.v4_host_order());
    std::memcpy(&result.storage, &inet, sizeof inet);
    result.size = sizeof inet;
  } else {
    sockaddr_in6 inet{};
    inet.sin6_family = AF_INET6;
    inet.sin6_port = htons(port);
    std::memcpy(&inet.sin6_addr, address.octets().data(), 16);
    std::memcpy(&result.storage, &inet, sizeof inet);
    result.size = sizeof inet;
  }
  return result;
}

std::uint16_t port_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

Result<OpenListener> open_unix_listener(const HttpListener& listener) {
  const auto refuse = [&listener](const std::string& remedy) {
    return fail(ErrorKind::misconfigured, "listen_failed", "Cannot listen on " + listener.unix_path + ". " + remedy);
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (listener.unix_path.size() >= sizeof address.sun_path) {
    return refuse("The path is longer than the 107 octets a socket may have: choose a shorter data directory.");
  }
  std::memcpy(address.sun_path, listener.unix_path.data(), listener.unix_path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return refuse(std::strerror(errno));
  ::unlink(listener.unix_path.c_str());
  // Nobody can connect before listen(), when the mode is right.
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(listener.unix_path.c_str(), 0600) != 0 || ::listen(descriptor, kBacklog) != 0) {
    const int code = errno;
    ::close(descriptor);
    return refuse(std::strerror(code));
  }
  return OpenListener{descriptor, 0, true, nullptr, listener.unix_path, listener.unix_uid};
}

// Who is at the other end of a UNIX socket, if that one may connect.
std::optional<std::uint32_t> permitted_uid(int descriptor, std::optional<std::uint32_t> permitted) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  if (peer.uid != 0 && permitted != peer.uid) return std::nullopt;
  return peer.uid;
}

Result<OpenListener> open_listener(const HttpListener& listener, bool v6_only) {
  if (!listener.unix_path.empty()) return open_unix_listener(listener);
  const auto address = IpAddress::parse(listener.address);
  if (!address) {
    return fail(ErrorKind::misconfigured, "listen_failed",
                "listen: '" + listener.address + "' is no IP address. Write one, such as 127.0.0.1 or 0.0.0.0.",
                {.field = "listen"});
  }
  const int family = address->is_v4() ? AF_INET : AF_INET6;
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return listen_failure(listener, errno);
  const int on = 1, only = v6_only ? 1 : 0;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // inherited by what is accepted
  if (family == AF_INET6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  SocketAddress bound = socket_address(*address, listener.port);
  if (::bind(descriptor, bound.get(), bound.size) != 0 || ::listen(descriptor, kBacklog) != 0) {
    const int code = errno;
    ::close(descriptor);
    return listen_failure(listener, code);
  }
  bound.size = sizeof bound.storage;
  ::getsockname(descriptor, bound.get(), &bound.size);
  return OpenListener{descriptor, port_of(bound.storage), address->is_loopback(), listener.tls, {}, {}};
}

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(EventLoop& loop_in, HttpHandler& handler, const WallClock& clock, Log& log, HttpLimits limits, BodyBudget* bodies)
      : loop(loop_in),
        shared(new HttpServerShared{.handler = handler, .clock = clock, .log = log, .limits = limits, .own_bodies = {}, .bodies = bodies, .proxies = {},
                                    .mutex = {}, .allowed_hosts = {}, .connections_by_source = {}}),
        set(std::make_shared<EpollSet>(loop.main())),
        resume_accepting(loop.main()),
        ended(loop.main()) {
    shared->allowed_hosts = std::make_shared<std::vector<std::string>>();
    if (shared->bodies == nullptr) shared->bodies = &shared->own_bodies.emplace();
  }

  EventLoop& loop;
  std::shared_ptr<HttpServerShared> shared;
  std::vector<std::shared_ptr<HttpWorker>> workers;
  std::vector<OpenListener> listeners;
  std::shared_ptr<EpollSet> set;
  asio::steady_timer resume_accepting;
  base::Broadcast ended;
  std::size_t next_worker = 0;
  std::size_t workers_left = 0;
  ReportPace refusals;
  ReportPace pauses;

  void watch() {
    for (std::size_t i = 0; i < listeners.size(); ++i) {
      epoll_data data{};
      data.u64 = i;
      LATCHKEY_CHECK(set->add(listeners[i].descriptor, EPOLLIN, data));
    }
  }
  void unwatch() {
    for (const auto& listener : listeners) set->remove(listener.descriptor);
  }
  void close_listeners() {
    resume_accepting.cancel();
    for (const auto& listener : listeners) close_listener(listener);
    listeners.clear();
    set->stop();
  }

  void accept_from(const OpenListener& listener) {
    // Bounded, so that a flood of connections leaves time for those there are.
    for (int count = 0; count < 64; ++count) {
      SocketAddress from;
      const int descriptor = ::accept4(listener.descriptor, from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor < 0) {
        const int code = errno;
        if (code == EINTR || code == ECONNABORTED) continue;
        if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM) pause_accepting(code);
        return;
      }
      std::optional<std::uint32_t> peer_uid;
      auto peer = IpAddress::from_sockaddr(from.get());
      if (!listener.unix_path.empty()) {
        peer_uid = permitted_uid(descriptor, listener.unix_uid);
        if (peer_uid) peer = IpAddress::v4(INADDR_LOOPBACK);
      }
      if (!peer || !shared->admit(*peer)) {
        report_refusal();
        ::close(descriptor);
        continue;
      }
      hand_over({descriptor, *peer, listener.port, listener.loopback,
                 listener.tls != nullptr ? listener.tls->native() : nullptr, peer_uid});
    }
  }

  void hand_over(AcceptedSocket socket) {
    const auto& worker = workers[next_worker++ % workers.size()];
    if (worker->executor() == loop.main()) return worker->adopt(std::move(socket));
    asio::post(worker->executor(), [worker, socket = std::move(socket)]() mutable { worker->adopt(std::move(socket)); });
  }

  // Out of descriptors or memory: the listening sockets would stay ready and spin.
  void pause_accepting(int code) {
    if (const auto times = pauses.happened(std::chrono::steady_clock::now())) {
      shared->log.warning("accept_paused",
                          {{"error", std::strerror(code)}, {"times", *times}, {"open", shared->connections.load()}});
    }
    unwatch();
    resume_accepting.expires_after(kAcceptPause);
    resume_accepting.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self && !self->listeners.empty()) self->watch();
    });
  }

  void report_refusal() {
    if (const auto count = refusals.happened(std::chrono::steady_clock::now()))
      shared->log.warning("connections_refused", {{"count", *count}, {"open", shared->connections.load()}});
  }
};

HttpServer::HttpServer(EventLoop& loop, HttpHandler& handler, const WallClock& clock, Log& log, HttpLimits limits, BodyBudget* bodies)
    : state_(std::make_shared<State>(loop, handler, clock, log, limits, bodies)) {}

HttpServer::~HttpServer() {
  state_->close_listeners();
  for (const auto& worker : state_->workers) worker->abandon();
}

void HttpServer::set_allowed_hosts(std::vector<std::string> hosts) {
  for (std::string& host : hosts) {
    for (char& c : host) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
  }
  const std::lock_guard lock(state_->shared->mutex);
  state_->shared->allowed_hosts = std::make_shared<const std::vector<std::string>>(std::move(hosts));
  ++state_->shared->hosts_generation;
}

void HttpServer::set_trusted_proxies(TrustedProxies proxies) {
  LATCHKEY_CHECK(state_->workers.empty());
  state_->shared->proxies = std::move(proxies);
}

Result<void> HttpServer::start(std::vector<HttpListener> listeners) {
  State& state = *state_;
  LATCHKEY_CHECK(state.workers.empty());
  for (const auto& listener : listeners) {
    // "::" takes IPv4 as well, unless a listener of its own does.
    const bool v6_only = std::ranges::any_of(listeners, [&listener](const HttpListener& other) {
      return other.port == listener.port && !other.address.contains(':');
    });
    auto opened = open_listener(listener, v6_only);
    if (!opened) {
      for (const auto& earlier : state.listeners) close_listener(earlier);
      state.listeners.clear();
      return std::unexpected(std::move(opened.error()));
    }
    state.listeners.push_back(*opened);
  }
  for (std::size_t i = state.loop.worker_count() > 1 ? 1 : 0; i < state.loop.worker_count(); ++i) {
    auto worker = std::make_shared<HttpWorker>(state.loop.worker(i), state.shared);
    state.workers.push_back(worker);
    asio::post(worker->executor(), [worker] { worker->start(); });
  }
  asio::post(state.loop.main(), [weak = state_->weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->listeners.empty()) return;
    self->watch();
    self->set->start([weak](std::span<const epoll_event> events) {
      const auto alive = weak.lock();
      if (!alive) return;
      for (const epoll_event& event : events) {
        if (event.data.u64 < alive->listeners.size()) alive->accept_from(alive->listeners[event.data.u64]);
      }
    });
  });
  return {};
}

std::vector<std::uint16_t> HttpServer::ports() const {
  std::vector<std::uint16_t> ports;
  for (const auto& listener : state_->listeners) ports.push_back(listener.port);
  return ports;
}

Task<void> HttpServer::stop(SteadyTime deadline) {
  const auto state = state_;
  state->close_listeners();
  state->workers_left = state->workers.size();
  for (const auto& worker : state->workers) {
    asio::post(worker->executor(), [worker, state] {
      worker->begin_stop([state] {
        asio::post(state->loop.main(), [state] {
          if (--state->workers_left == 0) state->ended.notify_all();
        });
      });
    });
  }
  base::SystemSteadyClock clock;
  while (state->workers_left > 0 && clock.now() < deadline) {
    co_await state->ended.wait_for(clock, deadline - clock.now());
  }
  if (state->workers_left == 0) co_return;
  for (const auto& worker : state->workers) {
    asio::post(worker->executor(), [worker] { worker->cut(); });
  }
  while (state->workers_left > 0) co_await state->ended.wait();
}

std::size_t HttpServer::connection_count() const { return state_->shared->connections.load(); }

}  // namespace latchkey::net
