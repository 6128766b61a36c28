#include "net/stream_server.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <optional>
#include <utility>

#include "base/run_on.h"
#include "base/task_group.h"
#include "net/http_stream.h"
#include "net/proxy_preamble.h"
#include "net/stream_places.h"

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
    std::shared_ptr<StreamPlaces> places;
  };
  // A connection's.
  struct Places {
    StreamPlaces::Place listener;
    std::optional<StreamPlaces::Place> source;  // none as long as a proxy has not said whose it is
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

  [[nodiscard]] StreamCaller caller_at(std::size_t index, const IpAddress& peer, bool is_known) const;
  // Of those that come straight here; a proxy stands for many. Nothing: too many at this listener, or of that address.
  [[nodiscard]] std::optional<Places> admit(std::size_t index, const IpAddress& peer);
  // For the one that a proxy has named: those it does not know are one together. False: too many.
  [[nodiscard]] bool admit_behind_proxy(Places& places, const Conversation& conversation);
  [[nodiscard]] std::size_t connection_count() const;
  [[nodiscard]] Result<void> listen(StreamListener listener);
  [[nodiscard]] Task<void> accept_from(std::size_t index);
  void adopt(int descriptor, IpAddress peer, std::size_t index, Places places);
  [[nodiscard]] static Task<void> converse(std::shared_ptr<State> self, std::shared_ptr<Conversation> conversation, Places places);
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
  bool peer_known() const override { return peer_known_; }
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
        peer_known_ = preamble->client.has_value();
        if (peer_known_) peer_ = *preamble->client;
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
  bool peer_known_ = true;
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

StreamCaller StreamServer::State::caller_at(std::size_t index, const IpAddress& peer, bool is_known) const {
  const auto caller = handler.caller(index, peer);
  return caller == StreamCaller::named && !is_known ? StreamCaller::stranger : caller;
}

std::optional<StreamServer::State::Places> StreamServer::State::admit(std::size_t index, const IpAddress& peer) {
  auto& all = *open[index].places;
  const bool is_proxy = proxies.trusts(peer);
  const auto caller = is_proxy ? StreamCaller::any : caller_at(index, peer, true);
  auto place = all.enter(caller);
  if (!place) return std::nullopt;
  Places places{.listener = std::move(*place), .source = std::nullopt};
  if (is_proxy) return places;
  places.source = all.take(peer, caller);
  if (!places.source) return std::nullopt;
  return places;
}

bool StreamServer::State::admit_behind_proxy(Places& places, const Conversation& conversation) {
  auto& all = *open[conversation.listener()].places;
  const auto caller = caller_at(conversation.listener(), conversation.peer(), conversation.peer_known());
  if (caller == StreamCaller::stranger) {
    auto place = all.enter(caller);
    if (!place) return false;
    places.listener = std::move(*place);
  }
  places.source = all.take(conversation.peer(), caller);
  return places.source.has_value();
}

std::size_t StreamServer::State::connection_count() const {
  std::size_t count = 0;
  for (const auto& one : open) count += one.places->count();
  return count;
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
  open.push_back({std::move(listener), std::move(acceptor), port, std::make_shared<StreamPlaces>(limits.places)});
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
    auto places = admit(index, *peer);
    if (!places) {
      const auto line = handler.busy_line();
      socket.write_some(asio::buffer(line), error);
      log.warning("stream_connection_refused", {{"setting", open[index].listener.setting}, {"peer", peer->text()}});
      continue;
    }
    const int descriptor = socket.release(error);
    if (!error) adopt(descriptor, *peer, index, std::move(*places));
  }
}

void StreamServer::State::adopt(int descriptor, IpAddress peer, std::size_t index, Places places) {
  auto share = shares[next_share++ % shares.size()];
  asio::post(share->executor, [self = shared_from_this(), share, descriptor, peer, index, places = std::move(places)]() mutable {
    auto conversation = std::make_shared<Conversation>(share->executor, descriptor, peer, index, self->open[index].listener);
    std::erase_if(share->conversations, [](const auto& weak) { return weak.expired(); });
    share->conversations.push_back(conversation);
    if (share->stopping) conversation->ask_to_stop();
    (void)share->tasks.spawn("conversation", converse(self, std::move(conversation), std::move(places)));
  });
}

Task<void> StreamServer::State::converse(std::shared_ptr<State> self, std::shared_ptr<Conversation> conversation, Places places) {
  const auto counted = conversation->peer();
  if (self->proxies.expects_preamble(counted)) {
    if (const auto read = co_await conversation->read_preamble(); !read) {
      self->log.warning(read.error().reason, {{"peer", counted.text()}});
      co_return;
    }
  }
  const auto source = conversation->peer();
  // A proxy that speaks for itself, known by its address, stays uncounted; so does one that another proxy names.
  const bool is_counted = conversation->peer_known() && (source == counted || self->proxies.trusts(source));
  if (!is_counted && !self->admit_behind_proxy(places, *conversation)) {
    (void)co_await conversation->write(self->handler.busy_line(), kBusyPatience);
    self->log.warning("stream_connection_refused", {{"peer", source.text()}, {"by", counted.text()}});
    co_return;
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
  while (state->connection_count() > 0 && clock.now() < deadline) co_await clock.sleep_for(Milliseconds(20));
  for (const auto& share : state->shares) co_await run_on(share->executor, end_share(share));
}

std::size_t StreamServer::connection_count() const { return state_->connection_count(); }

}  // namespace latchkey::net
