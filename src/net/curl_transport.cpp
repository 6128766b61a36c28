#include "net/curl_transport.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/pool.h"
#include "net/curl_feed.h"
#include "net/curl_transfer.h"
#include "net/epoll_set.h"

namespace latchkey::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kSpareHandlesMax = 64;
constexpr int kLastLooksMax = 100;  // libcurl takes a portion at a time

bool is_method(std::string_view method) {
  return !method.empty() && method.size() <= 32 &&
         std::ranges::all_of(method, [](char c) { return c >= 'A' && c <= 'Z'; });
}

void initialise_curl_once() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  LATCHKEY_CHECK(result == CURLE_OK);
}

}  // namespace

// Invariant: the multi handle and every easy handle in it are touched on executor_ only.
class CurlTransport::Engine : public std::enable_shared_from_this<Engine> {
 public:
  Engine(Executor executor, CurlSettings settings)
      : executor_(executor),
        settings_(std::move(settings)),
        multi_(curl_multi_init()),
        set_(std::make_shared<EpollSet>(executor)),
        timer_(executor) {
    LATCHKEY_CHECK(multi_ != nullptr);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Engine::on_socket_change);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Engine::on_timer_change);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(settings_.kept_connections_max));
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() { shut_down(); }

  [[nodiscard]] const Executor& executor() const { return executor_; }

  void begin(HttpCall call, std::shared_ptr<CurlFeed> feed, CurlTransfer::Done done) {
    if (multi_ == nullptr) {
      return done(NothingSent{fail(ErrorKind::unavailable, "shutting_down", "Latchkey is shutting down.").error()});
    }
    auto url = Url::parse(call.url);
    if (!url) return done(NothingSent{std::move(url.error())});
    if (!is_method(call.method)) {
      return done(NothingSent{fail(ErrorKind::invalid, "bad_method", "This is no HTTP method.").error()});
    }
    if (auto allowed = settings_.policy.check_url(*url, call.url_source); !allowed) {
      return done(NothingSent{std::move(allowed.error())});
    }
    start_once();
    auto transfer = std::make_unique<CurlTransfer>(take_easy(), std::move(call), std::move(*url), settings_, feed, std::move(done));
    CURL* easy = transfer->easy();
    const auto patience = transfer->patience();
    auto& underway = transfers_.emplace(easy, Underway{std::move(transfer), asio::steady_timer(executor_), ++begun_, std::move(feed)}).first->second;
    underway.deadline.expires_after(patience);
    underway.deadline.async_wait([weak = weak_from_this(), easy, number = begun_](boost::system::error_code error) {
      const auto alive = weak.lock();
      if (!error && alive && alive->multi_ != nullptr) alive->end_overdue(easy, number);
    });
    const CURLMcode added = curl_multi_add_handle(multi_, easy);
    if (added != CURLM_OK) finish(easy, CURLE_FAILED_INIT);
  }

  // A part for the call of this feed, if it is still on its way.
  void supply(const std::shared_ptr<CurlFeed>& feed, std::uint64_t offset, Result<Secret> part) {
    const auto found = std::ranges::find_if(transfers_, [&](const auto& each) { return each.second.feed == feed; });
    if (found == transfers_.end()) return;
    feed->supply(offset, std::move(part));
    CURL* easy = found->first;
    curl_easy_pause(easy, CURLPAUSE_CONT);
  }

  void cancel_all() {
    while (!transfers_.empty()) finish(transfers_.begin()->first, CURLE_ABORTED_BY_CALLBACK);
  }

  void shut_down() {
    if (multi_ == nullptr) return;
    cancel_all();
    spare_.clear();
    curl_multi_cleanup(multi_);
    multi_ = nullptr;
    timer_.cancel();
    set_->stop();
  }

 private:
  struct Underway {
    std::unique_ptr<CurlTransfer> transfer;
    asio::steady_timer deadline;
    std::uint64_t number = 0;  // handles are used again
    std::shared_ptr<CurlFeed> feed;
    curl_socket_t socket = CURL_SOCKET_BAD;  // while libcurl has it watched
  };

  void start_once() {
    if (started_) return;
    started_ = true;
    set_->start([weak = weak_from_this()](std::span<const epoll_event> events) {
      if (const auto self = weak.lock()) self->on_ready(events);
    });
  }

  CurlEasyPtr take_easy() {
    if (spare_.empty()) {
      CurlEasyPtr easy(curl_easy_init());
      LATCHKEY_CHECK(easy != nullptr);
      return easy;
    }
    auto easy = std::move(spare_.back());
    spare_.pop_back();
    return easy;
  }

  void on_ready(std::span<const epoll_event> events) {
    for (const epoll_event& event : events) {
      int mask = 0, running = 0;
      if ((event.events & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR;
      curl_multi_socket_action(multi_, event.data.fd, mask, &running);
    }
    collect();
  }

  // The deadline is kept here and not by libcurl, which gives a call up before it looks at what has come meanwhile: after a pause of
  // the process (or of its machine) a reply that lies there would be thrown away, and with it a token (R6).
  void end_overdue(CURL* easy, std::uint64_t number) {
    for (int looks = 0; looks < kLastLooksMax; ++looks) {
      const auto found = transfers_.find(easy);
      if (found == transfers_.end() || found->second.number != number) return;
      // A request that has not begun must not begin now.
      if (!found->second.transfer->request_began() || found->second.socket == CURL_SOCKET_BAD) break;
      const auto before = found->second.transfer->received_bytes();
      int running = 0;
      curl_multi_socket_action(multi_, found->second.socket, CURL_CSELECT_IN, &running);
      collect();
      const auto still = transfers_.find(easy);
      if (still != transfers_.end() && still->second.number == number && still->second.transfer->received_bytes() == before) break;
    }
    finish(easy, CURLE_OPERATION_TIMEDOUT);
  }

  void collect() {
    int left = 0;
    while (multi_ != nullptr) {
      const CURLMsg* message = curl_multi_info_read(multi_, &left);
      if (message == nullptr) return;
      if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
    }
  }

  void finish(CURL* easy, CURLcode result) {
    const auto found = transfers_.find(easy);
    if (found == transfers_.end()) return;
    const auto transfer = std::move(found->second.transfer);
    transfers_.erase(found);
    HttpOutcome outcome = transfer->outcome(result);
    curl_multi_remove_handle(multi_, easy);
    if (spare_.size() < kSpareHandlesMax) spare_.push_back(transfer->release_easy());
    transfer->resume(std::move(outcome));
  }

  static int on_socket_change(CURL* easy, curl_socket_t socket, int what, void* self, void* known) {
    auto* engine = static_cast<Engine*>(self);
    if (const auto found = engine->transfers_.find(easy); found != engine->transfers_.end()) {
      found->second.socket = what == CURL_POLL_REMOVE ? CURL_SOCKET_BAD : socket;
    }
    epoll_data data{};
    data.fd = socket;
    if (what == CURL_POLL_REMOVE) {
      engine->set_->remove(socket);
      return 0;
    }
    std::uint32_t events = 0;
    if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
    if (known != nullptr) {
      engine->set_->modify(socket, events, data);
      return 0;
    }
    curl_multi_assign(engine->multi_, socket, engine);
    return engine->set_->add(socket, events, data) || engine->set_->modify(socket, events, data) ? 0 : -1;
  }

  static int on_timer_change(CURLM*, long span_ms, void* self) {
    auto* engine = static_cast<Engine*>(self);
    if (span_ms < 0) {
      engine->timer_.cancel();
      return 0;
    }
    // Never called back from in here: libcurl is not to be entered twice.
    engine->timer_.expires_after(Milliseconds(span_ms));
    engine->timer_.async_wait([weak = engine->weak_from_this()](boost::system::error_code error) {
      const auto alive = weak.lock();
      if (error || !alive || alive->multi_ == nullptr) return;
      int running = 0;
      curl_multi_socket_action(alive->multi_, CURL_SOCKET_TIMEOUT, 0, &running);
      alive->collect();
    });
    return 0;
  }

  Executor executor_;
  CurlSettings settings_;
  CURLM* multi_;
  std::shared_ptr<EpollSet> set_;
  asio::steady_timer timer_;
  std::unordered_map<CURL*, Underway> transfers_;
  std::uint64_t begun_ = 0;
  std::vector<CurlEasyPtr> spare_;
  bool started_ = false;
};

CurlTransport::CurlTransport(Executor executor, CurlSettings settings) {
  initialise_curl_once();
  engine_ = std::make_shared<Engine>(std::move(executor), std::move(settings));
}

CurlTransport::~CurlTransport() { engine_->shut_down(); }

void CurlTransport::cancel_all() { engine_->cancel_all(); }

Task<HttpOutcome> CurlTransport::send_by_parts(HttpCall call) {
  BodyParts& parts = *call.parts;
  auto feed = std::make_shared<CurlFeed>(engine_->executor(), parts.size_bytes());
  asio::dispatch(engine_->executor(), [engine = engine_, feed, call = std::move(call)]() mutable {
    engine->begin(std::move(call), feed, [feed](HttpOutcome outcome) { feed->finish(std::move(outcome)); });
  });
  for (;;) {
    auto event = co_await feed->event();
    if (auto* outcome = std::get_if<HttpOutcome>(&event)) co_return std::move(*outcome);
    const auto wanted = std::get<CurlFeed::Wanted>(event);
    auto part = co_await parts.read(wanted.offset, wanted.size_bytes);
    asio::dispatch(engine_->executor(), [engine = engine_, feed, offset = wanted.offset, part = std::move(part)]() mutable {
      engine->supply(feed, offset, std::move(part));
    });
  }
}

Task<HttpOutcome> CurlTransport::send(HttpCall call) {
  if (call.parts != nullptr) co_return co_await send_by_parts(std::move(call));
  auto start = [engine = engine_, call = std::move(call)](auto resume) mutable {
    auto begin = [engine, call = std::move(call), resume = std::move(resume)]() mutable {
      engine->begin(std::move(call), nullptr, std::move(resume));
    };
    asio::dispatch(engine->executor(), std::move(begin));
  };
  co_return co_await base::suspend_until<HttpOutcome>(std::move(start));
}

}  // namespace latchkey::net
