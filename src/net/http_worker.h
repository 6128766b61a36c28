// One worker's share of an HTTP server: its connections, their deadlines, and what they use in turn. Private to net.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <unordered_map>

#include "net/epoll_set.h"
#include "net/http_request_parser.h"
#include "net/http_server.h"
#include "net/http_stream.h"

namespace latchkey::net {

class HttpConnection;

// What all workers share. Constant once the server has started, but for what says otherwise.
struct HttpServerShared {
  HttpHandler& handler;
  const WallClock& clock;
  Log& log;
  HttpLimits limits;
  std::optional<BodyBudget> own_bodies;
  BodyBudget* bodies;
  TrustedProxies proxies;

  // Any thread.
  std::atomic<std::size_t> connections = 0;
  std::atomic<unsigned> hosts_generation = 1;
  std::mutex mutex;  // guards what follows
  std::shared_ptr<const std::vector<std::string>> allowed_hosts;
  std::unordered_map<SourceAddress, std::size_t, SourceAddressHash> connections_by_source;
  std::optional<SteadyTime> bodies_reported{};

  // Counts a connection in, unless a limit is reached.
  [[nodiscard]] bool admit(const IpAddress& peer);
  void leave(const IpAddress& peer);
  // Now and then, that bodies are refused for want of room.
  void report_bodies(SteadyTime now);
};

// A socket just accepted.
struct AcceptedSocket {
  int descriptor = -1;
  IpAddress peer;
  std::uint16_t local_port = 0;
  bool loopback_listener = false;
  std::shared_ptr<TlsServerContext::Native> tls;
  std::optional<std::uint32_t> peer_uid{};
};

// The parser and request of the exchange under way; kept for the next one.
struct HttpExchange {
  explicit HttpExchange(HttpParseLimits limits) : parser(limits) {}
  HttpRequestParser parser;
  HttpRequest request;
};

// A resource of one executor; everything but the constructor runs there.
class HttpWorker : public std::enable_shared_from_this<HttpWorker> {
 public:
  HttpWorker(Executor executor, std::shared_ptr<HttpServerShared> shared);
  HttpWorker(const HttpWorker&) = delete;
  HttpWorker& operator=(const HttpWorker&) = delete;
  ~HttpWorker();

  void start();
  void adopt(AcceptedSocket socket);
  // No more keep-alive; `when_empty` is called once no connection and no handler is left.
  void begin_stop(std::function<void()> when_empty);
  // Ends what is left, cancelling handlers.
  void cut();
  // For the destructor of the server, when the loop runs no more.
  void abandon();

  // For connections.
  [[nodiscard]] Executor executor() const { return executor_; }
  [[nodiscard]] HttpServerShared& shared() { return *shared_; }
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] std::span<char> read_buffer() { return read_buffer_; }
  [[nodiscard]] std::unique_ptr<HttpExchange> take_exchange();
  void give_back(std::unique_ptr<HttpExchange> exchange);
  // An output buffer with capacity, and its return.
  [[nodiscard]] std::string take_buffer();
  void give_back(std::string buffer);
  // Answers to the requests of one batch leave together, behind the last of them: code and data stay in the processor's
  // caches, and the peers are woken once. False: there is no batch, send at once.
  [[nodiscard]] bool send_later(HttpConnection& connection);
  // "Date: ...\r\n"
  [[nodiscard]] std::string_view date_line();
  [[nodiscard]] const std::vector<std::string>& allowed_hosts();
  void handler_started() { ++handlers_; }
  void handler_ended();
  // Drops the worker's hold on the connection.
  void forget(HttpConnection& connection);

 private:
  void on_events(std::span<const epoll_event> events);
  void tick();
  void report_if_empty();

  Executor executor_;
  std::shared_ptr<HttpServerShared> shared_;
  std::shared_ptr<EpollSet> set_;
  boost::asio::steady_timer timer_;
  bool timer_armed_ = false;
  std::vector<std::shared_ptr<HttpConnection>> connections_;
  std::vector<std::unique_ptr<HttpExchange>> spare_exchanges_;
  std::vector<std::string> spare_buffers_;
  std::vector<HttpConnection*> to_send_;
  bool in_batch_ = false;
  std::vector<char> read_buffer_;
  std::string date_line_;
  std::chrono::sys_seconds date_second_{};
  std::shared_ptr<const std::vector<std::string>> allowed_hosts_;
  unsigned hosts_generation_ = 0;
  std::size_t handlers_ = 0;
  bool stopping_ = false;
  std::function<void()> when_empty_;
};

}  // namespace latchkey::net
