#include "net/stream_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "base/run_on.h"
#include "base/task_group.h"
#include "net/http_stream.h"
#include "net/proxy_preamble.h"

namespace latchkey::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using UseAwaitable = asio::use_awaitable_t<Executor>;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr Milliseconds kAcceptPause{100};
constexpr Milliseconds kPreambleTimeout{10'000};
constexpr Milliseconds kBusyPatience{2'000};

std::unexpected<Error> lost() { return fail(ErrorKind::unavailable, "connection_lost", "The connection is gone."); }

}  // namespace

// Connections, by worker: who is waiting may be told to stop waiting.
class Conversation;

struct StreamServer::State : std::enable_shared_from_this<StreamServer::State> {
  State(EventLoop& loop_in, StreamHandler& handler_in, Log& log_in, StreamLimits limits_in)
      : loop(loop_in), handler(handler_in), log(log_in), limits(limits_in), pause(loop.main()), accepting(loop.main(), log) {}

  struct Open {
    StreamListener listener;
    std::unique_ptr<tcp::acceptor> acceptor;
    std::uint16_t port = 0;
  };
  // What one worker has. Its executor's alone.
  struct Share {
    Share(Executor executor_in, Log& log) : executor(executor_in), tasks(executor_in, log) {}
    Executor executor;
    TaskGroup tasks;
    std::vector<std::weak_ptr<Conversation>> conversations;
    bool stopping = false;
  };

  EventLoop& loop;
  StreamHandler& handler;
  Log& log;
  StreamLimits limits;
  TrustedProxies proxies;
  std::vector<Open> open;
  std::vector<std::shared_ptr<Share>> shares;
  asio::steady_timer pause;
  TaskGroup accepting;
  std::size_t next_share = 0;

  std::atomic<std::size_t> connections = 0;
  std::mutex mutex;  // guards what follows
  std::unordered_map<SourceAddress, std::size_t, SourceAddressHash> by_source;

  // Of those that come straight here. False: too many altogether, or of that address.
  [[nodiscard]] bool admit(const IpAddress& peer);
  void leave(const IpAddress& peer);
  // Of one address; a trusted proxy is not counted, and whoever comes by way of it is, once it has said who that is.
  [[nodiscard]] bool count_in(const IpAddress& source);
  void count_out(const IpAddress& source);
  [[nodiscard]] Result<void> listen(StreamListener listener);
  [[nodiscard]] Task<void> accept_from(std::size_t index);
  void adopt(int descriptor, IpAddress peer, std::size_t index);
  [[nodiscard]] static Task<void> converse(std::shared_ptr<State> self, std::shared_ptr<Conversation> conversation);
};

// One connection.
class Conversation final : public StreamConnection, public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(Executor executor, int descriptor, IpAddress peer, std::size_t index, const StreamListener& listener)
      : peer_(peer), index_(index), listener_(listener), plain_(make_plain_stream(descriptor)), ready_(executor, descriptor), timer_(executor) {}
  ~Conversation() override {
    tls_.reset();
    (void)ready_.release();
  }

  const IpAddress& peer() const override { return peer_; }
  std::size_t listener() const override { return index_; }
  bool in_tls() const override { return tls_ != nullptr; }
  bool can_start_tls() const override { return listener_.tls != nullptr && listener_.start == TlsStart::on_request && !tls_; }
  [[nodiscard]] bool begins_with_tls() const { return listener_.start == TlsStart::at_once; }

  Task<Result<std::string>> read(Milliseconds patience) override {
    interruptible_ = true;
    auto octets = co_await read_on(patience);
    interruptible_ = false;
    co_return octets;
  }

  Task<Result<std::string>> read_on(Milliseconds patience) override {
    const auto until = deadline_of(patience);
    std::string octets(kReadBytes, '\0');
    for (bool waited = false;; waited = true) {
      const auto result = stream().read(octets);
      switch (result.status) {
        case IoStatus::done:
          octets.resize(result.count);
          // A peer that never lets us wait shares the worker all the same.
          if (!waited) co_await asio::post(ready_.get_executor(), UseAwaitable());
          co_return octets;
        case IoStatus::ended:
          co_return std::string();
        case IoStatus::failed:
          co_return lost();
        case IoStatus::would_block:
          break;
      }
      // A stop that came while nobody waited.
      if (interruptible_ && stop_asked_) co_return fail(ErrorKind::unavailable, "stopping", "The server stops.");
      if (const auto ready = co_await wait(asio::posix::stream_descriptor::wait_read, until); !ready) co_return std::unexpected(ready.error());
    }
  }

  Task<Result<void>> write(std::string octets, Milliseconds patience) override {
    const auto until = deadline_of(patience);
    std::string_view left = octets;
    while (!left.empty()) {
      const auto result = stream().write(left, {});
      if (result.status == IoStatus::done) {
        left.remove_prefix(result.count);
        continue;
      }
      if (result.status != IoStatus::would_block) co_return lost();
      if (const auto ready = co_await wait(asio::posix::stream_descriptor::wait_write, until); !ready) co_return ready;
    }
    co_return Result<void>{};
  }

  Task<Result<void>> start_tls(Milliseconds patience) override {
    LATCHKEY_CHECK(listener_.tls != nullptr && !tls_);
    const auto until = deadline_of(patience);
    // Both look at the same socket; what waits for it goes on waiting by the first descriptor.
    const int again = ::dup(plain_->descriptor());
    if (again < 0) co_return lost();
    tls_ = make_tls_stream(again, listener_.tls->native(), listener_.floor);
    for (;;) {
      const auto result = tls_->handshake();
      if (result.status == IoStatus::done) co_return Result<void>{};
      if (result.status != IoStatus::would_block) co_return fail(ErrorKind::refused, "tls_failed", "TLS could not be agreed on.");
      if (const auto ready = co_await wait(asio::posix::stream_descriptor::wait_read, until); !ready) co_return ready;
    }
  }

  // The preamble, octet by octet: what follows belongs to the protocol, or to TLS.
  Task<Result<void>> read_preamble() {
    const auto until = deadline_of(kPreambleTimeout);
    std::string seen;
    while (seen.size() < kProxyPreambleBytesMax) {
      char octet = 0;
      const auto result = plain_->read({&octet, 1});
      if (result.status == IoStatus::would_block) {
        if (const auto ready = co_await wait(asio::posix::stream_descriptor::wait_read, until); !ready) co_return ready;
        continue;
      }
      if (result.status != IoStatus::done) co_return lost();
      seen += octet;
      const auto parsed = parse_proxy_preamble(seen);
      if (std::holds_alternative<PreambleMalformed>(parsed)) break;
      if (const auto* preamble = std::get_if<ProxyPreamble>(&parsed)) {
        if (preamble->client) peer_ = *preamble->client;
        co_return Result<void>{};
      }
    }
    co_return fail(ErrorKind::invalid, "proxy_preamble_missing", "The proxy does not say whose connection it is.");
  }

  void ask_to_stop() {
    stop_asked_ = true;
    if (interruptible_) ready_.cancel();
  }

 private:
  [[nodiscard]] HttpStream& stream() { return tls_ ? *tls_ : *plain_; }

  using Deadline = asio::steady_timer::time_point;
  // Patience is for the whole call: what trickles in does not renew it.
  [[nodiscard]] static Deadline deadline_of(Milliseconds patience) { return asio::steady_timer::clock_type::now() + patience; }

  Task<Result<void>> wait(asio::posix::stream_descriptor::wait_type what, Deadline until) {
    const auto turn = ++turn_;
    timed_out_ = false;
    timer_.expires_at(until);
    timer_.async_wait([this, turn, weak = weak_from_this()](boost::system::error_code error) {
      const auto alive = weak.lock();
      if (error || !alive || turn != turn_) return;
      timed_out_ = true;
      ready_.cancel();
    });
    boost::system::error_code error;
    co_await ready_.async_wait(what, asio::redirect_error(UseAwaitable(), error));
    ++turn_;
    timer_.cancel();
    if (!error) co_return Result<void>{};
    if (timed_out_) co_return fail(ErrorKind::unavailable, "timed_out", "Nothing came for too long.");
    if (interruptible_ && stop_asked_) co_return fail(ErrorKind::unavailable, "stopping", "The server stops.");
    co_return lost();
  }

  IpAddress peer_;
  std::size_t index_;
  const StreamListener& listener_;
  std::unique_ptr<HttpStream> plain_;
  std::unique_ptr<HttpStream> tls_;
  asio::posix::stream_descriptor ready_;  // waits; the streams own the socket
  asio::steady_timer timer_;
  std::uint64_t turn_ = 0;
  bool timed_out_ = false;
  bool interruptible_ = false;
  bool stop_asked_ = false;
};

bool StreamServer::State::admit(const IpAddress& peer) {
  if (connections.fetch_add(1) < limits.connections_max && count_in(peer)) return true;
  --connections;
  return false;
}

void StreamServer::State::leave(const IpAddress& peer) {
  --connections;
  count_out(peer);
}

bool StreamServer::State::count_in(const IpAddress& source) {
  if (proxies.trusts(source)) return true;  // a proxy stands for many
  const std::lock_guard lock(mutex);
  auto& count = by_source[SourceAddress(source)];
  if (count >= limits.connections_per_source_max) return false;
  ++count;
  return true;
}

void StreamServer::State::count_out(const IpAddress& peer) {
  if (proxies.trusts(peer)) return;
  const std::lock_guard lock(mutex);
  const auto found = by_source.find(SourceAddress(peer));
  if (found != by_source.end() && --found->second == 0) by_source.erase(found);
}

Result<void> StreamServer::State::listen(StreamListener listener) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::misconfigured, "listen_failed",
                listener.setting + ": cannot listen on " + listener.address + " port " + std::to_string(listener.port) + " (" + why +
                    "). Choose another address or port, or stop what listens there.",
                {.field = listener.setting});
  };
  boost::system::error_code error;
  const auto address = asio::ip::make_address(listener.address, error);
  if (error) return refuse(error.message());
  const tcp::endpoint endpoint(address, listener.port);
  auto acceptor = std::make_unique<tcp::acceptor>(loop.main());
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->set_option(tcp::no_delay(true), error);  // inherited by what is accepted
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return refuse(error.message());
  const auto port = acceptor->local_endpoint(error).port();
  open.push_back({std::move(listener), std::move(acceptor), port});
  return {};
}

Task<void> StreamServer::State::accept_from(std::size_t index) {
  auto& acceptor = *open[index].acceptor;
  for (;;) {
    boost::system::error_code error;
    tcp::endpoint from;
    auto socket = co_await acceptor.async_accept(from, asio::redirect_error(UseAwaitable(), error));
    if (!acceptor.is_open()) co_return;
    if (error) {
      // Descriptors or memory are short: those there are go on, and leave room.
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(asio::redirect_error(UseAwaitable(), error));
      continue;
    }
    const auto peer = IpAddress::from_sockaddr(from.data());
    socket.native_non_blocking(true, error);
    if (!peer || error) continue;
    if (!admit(*peer)) {
      const auto line = handler.busy_line();
      socket.write_some(asio::buffer(line), error);
      log.warning("stream_connection_refused", {{"setting", open[index].listener.setting}, {"peer", peer->text()}});
      continue;
    }
    const int descriptor = socket.release(error);
    if (error) {
      leave(*peer);
      continue;
    }
    adopt(descriptor, *peer, index);
  }
}

void StreamServer::State::adopt(int descriptor, IpAddress peer, std::size_t index) {
  auto share = shares[next_share++ % shares.size()];
  asio::post(share->executor, [self = shared_from_this(), share, descriptor, peer, index] {
    auto conversation = std::make_shared<Conversation>(share->executor, descriptor, peer, index, self->open[index].listener);
    std::erase_if(share->conversations, [](const auto& weak) { return weak.expired(); });
    share->conversations.push_back(conversation);
    if (share->stopping) conversation->ask_to_stop();
    if (!share->tasks.spawn("conversation", converse(self, std::move(conversation)))) self->leave(peer);
  });
}

Task<void> StreamServer::State::converse(std::shared_ptr<State> self, std::shared_ptr<Conversation> conversation) {
  const auto counted = conversation->peer();
  struct Leaving {
    State& state;
    IpAddress peer;
    ~Leaving() { state.leave(peer); }
  } leaving{*self, counted};
  if (self->proxies.expects_preamble(counted)) {
    if (const auto read = co_await conversation->read_preamble(); !read) {
      self->log.warning(read.error().reason, {{"peer", counted.text()}});
      co_return;
    }
  }
  struct CountedBehindProxy {
    State& state;
    std::optional<IpAddress> source;
    ~CountedBehindProxy() {
      if (source) state.count_out(*source);
    }
  } behind{*self, std::nullopt};
  if (const auto source = conversation->peer(); source != counted) {
    if (!self->count_in(source)) {
      (void)co_await conversation->write(self->handler.busy_line(), kBusyPatience);
      self->log.warning("stream_connection_refused", {{"peer", source.text()}, {"by", counted.text()}});
      co_return;
    }
    behind.source = source;
  }
  if (conversation->begins_with_tls()) {
    if (const auto done = co_await conversation->start_tls(self->limits.handshake_timeout); !done) co_return;
  }
  co_await self->handler.serve(std::move(conversation));
}

StreamServer::StreamServer(EventLoop& loop, StreamHandler& handler, Log& log, StreamLimits limits)
    : state_(std::make_shared<State>(loop, handler, log, limits)) {}

StreamServer::~StreamServer() = default;

void StreamServer::set_trusted_proxies(TrustedProxies proxies) { state_->proxies = std::move(proxies); }

Result<void> StreamServer::start(std::vector<StreamListener> listeners) {
  auto& state = *state_;
  for (auto& listener : listeners) {
    if (const auto done = state.listen(std::move(listener)); !done) {
      state.open.clear();
      return done;
    }
  }
  for (std::size_t i = state.loop.worker_count() > 1 ? 1 : 0; i < state.loop.worker_count(); ++i) {
    state.shares.push_back(std::make_shared<State::Share>(state.loop.worker(i), state.log));
  }
  for (std::size_t i = 0; i < state.open.size(); ++i) state.accepting.spawn("accept", state.accept_from(i));
  return {};
}

std::vector<std::uint16_t> StreamServer::ports() const {
  std::vector<std::uint16_t> ports;
  for (const auto& one : state_->open) ports.push_back(one.port);
  return ports;
}

namespace {

template <class Share>
Task<void> end_share(std::shared_ptr<Share> share) {
  co_await share->tasks.cancel_and_wait();
}

template <class Share>
Task<void> ask_share(std::shared_ptr<Share> share) {
  share->stopping = true;
  for (const auto& weak : share->conversations) {
    if (const auto conversation = weak.lock()) conversation->ask_to_stop();
  }
  co_return;
}

}  // namespace

Task<void> StreamServer::stop(SteadyTime deadline) {
  const auto state = state_;
  for (const auto& one : state->open) one.acceptor->close();
  co_await state->accepting.cancel_and_wait();
  for (const auto& share : state->shares) co_await run_on(share->executor, ask_share(share));
  base::SystemSteadyClock clock;
  while (state->connections > 0 && clock.now() < deadline) co_await clock.sleep_for(Milliseconds(20));
  for (const auto& share : state->shares) co_await run_on(share->executor, end_share(share));
}

std::size_t StreamServer::connection_count() const { return state_->connections; }

}  // namespace latchkey::net
