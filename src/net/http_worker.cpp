#include "net/http_worker.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "net/http_connection.h"

namespace latchkey::net {

namespace {

constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr std::size_t kSpareExchangesMax = 64;
constexpr std::size_t kSpareBufferBytesMax = 16 * 1024;
constexpr std::size_t kSpareBuffersMax = 64;
constexpr Seconds kReportBodiesEvery{10};

// Deadlines are looked at this often: a quarter of the shortest, within reason.
Milliseconds tick_of(const HttpLimits& limits) {
  const auto shortest =
      std::min({limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.write_timeout});
  return std::clamp(shortest / 4, Milliseconds(5), Milliseconds(1'000));
}

// RFC 9110 section 5.6.7.
std::string imf_date_line(std::chrono::sys_seconds second) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);
  return fmt::format("Date: {}, {:02} {} {:04} {:02}:{:02}:{:02} GMT\r\n",
                     kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace

bool HttpServerShared::admit(const IpAddress& peer) {
  if (connections.fetch_add(1) >= limits.connections_max) {
    --connections;
    return false;
  }
  if (proxies.trusts(peer)) return true;  // a proxy stands for many
  const std::lock_guard lock(mutex);
  std::size_t& count = connections_by_source[SourceAddress(peer)];
  if (count >= limits.connections_per_source_max) {
    --connections;
    return false;
  }
  ++count;
  return true;
}

void HttpServerShared::leave(const IpAddress& peer) {
  --connections;
  if (proxies.trusts(peer)) return;
  const std::lock_guard lock(mutex);
  const auto found = connections_by_source.find(SourceAddress(peer));
  if (found != connections_by_source.end() && --found->second == 0) connections_by_source.erase(found);
}

void HttpServerShared::report_bodies(SteadyTime now) {
  const std::lock_guard lock(mutex);
  if (bodies_reported && now - *bodies_reported < kReportBodiesEvery) return;
  bodies_reported = now;
  log.warning("bodies_refused", {{"refused_so_far", bodies->refused()}, {"held_bytes", bodies->held_bytes()},
              {"remedy", "More or slower request bodies than there is room for: where this goes on, somebody means it. Close the "
                         "listener to that network, or let a reverse proxy read the bodies first."}});
}

HttpWorker::HttpWorker(Executor executor, std::shared_ptr<HttpServerShared> shared)
    : executor_(executor),
      shared_(std::move(shared)),
      set_(std::make_shared<EpollSet>(executor)),
      timer_(executor),
      read_buffer_(kReadBufferBytes) {}

HttpWorker::~HttpWorker() = default;

void HttpWorker::start() {
  set_->start([weak = weak_from_this()](std::span<const epoll_event> events) {
    if (const auto self = weak.lock()) self->on_events(events);
  });
}

void HttpWorker::adopt(AcceptedSocket socket) {
  const int descriptor = socket.descriptor;
  const IpAddress peer = socket.peer;
  auto connection = std::make_shared<HttpConnection>(shared_from_this(), std::move(socket));
  epoll_data data{};
  data.ptr = connection.get();
  if (stopping_ || !set_->add(descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, data)) {
    connection->abandon();
    shared_->leave(peer);
    return;
  }
  connection->index = connections_.size();
  connections_.push_back(std::move(connection));
  tick();
}

// A connection is named at most once in a batch and closes nobody but itself, so the pointers stay good.
void HttpWorker::on_events(std::span<const epoll_event> events) {
  in_batch_ = true;
  for (const epoll_event& event : events) static_cast<HttpConnection*>(event.data.ptr)->on_ready(event.events);
  in_batch_ = false;
  for (HttpConnection* connection : std::exchange(to_send_, {})) connection->pump();
}

bool HttpWorker::send_later(HttpConnection& connection) {
  if (in_batch_) to_send_.push_back(&connection);
  return in_batch_;
}

void HttpWorker::forget(HttpConnection& connection) {
  const auto hold = std::move(connections_[connection.index]);
  if (connection.index + 1 != connections_.size()) {
    connections_[connection.index] = std::move(connections_.back());
    connections_[connection.index]->index = connection.index;
  }
  connections_.pop_back();
  report_if_empty();
}

// Arms the timer while there are connections; an idle server sleeps.
void HttpWorker::tick() {
  if (timer_armed_ || connections_.empty()) return;
  timer_armed_ = true;
  timer_.expires_after(tick_of(shared_->limits));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->timer_armed_ = false;
    const auto now = std::chrono::steady_clock::now();
    // A connection that closes takes the last one's place in the list: walk from the back.
    for (std::size_t at = self->connections_.size(); at-- > 0;) {
      if (at < self->connections_.size()) self->connections_[at]->check_deadline(now);
    }
    self->tick();
  });
}

std::unique_ptr<HttpExchange> HttpWorker::take_exchange() {
  if (spare_exchanges_.empty()) {
    const HttpLimits& limits = shared_->limits;
    return std::make_unique<HttpExchange>(
        HttpParseLimits{limits.header_bytes_max, limits.header_count_max, limits.target_bytes_max});
  }
  auto exchange = std::move(spare_exchanges_.back());
  spare_exchanges_.pop_back();
  return exchange;
}

void HttpWorker::give_back(std::unique_ptr<HttpExchange> exchange) {
  // One that grew beyond what is free is let go: nobody answers for it any more.
  if (spare_exchanges_.size() >= kSpareExchangesMax || exchange->request.body.capacity() > shared_->bodies->limits().free_bytes) return;
  spare_exchanges_.push_back(std::move(exchange));
}

std::string HttpWorker::take_buffer() {
  if (spare_buffers_.empty()) return {};
  auto buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void HttpWorker::give_back(std::string buffer) {
  if (spare_buffers_.size() < kSpareBuffersMax && buffer.capacity() <= kSpareBufferBytesMax) spare_buffers_.push_back(std::move(buffer));
}

std::string_view HttpWorker::date_line() {
  const auto second = std::chrono::floor<std::chrono::seconds>(shared_->clock.now());
  if (second != date_second_ || date_line_.empty()) {
    date_second_ = second;
    date_line_ = imf_date_line(second);
  }
  return date_line_;
}

const std::vector<std::string>& HttpWorker::allowed_hosts() {
  if (const unsigned generation = shared_->hosts_generation.load(); generation != hosts_generation_) {
    const std::lock_guard lock(shared_->mutex);
    allowed_hosts_ = shared_->allowed_hosts;
    hosts_generation_ = generation;
  }
  return *allowed_hosts_;
}

void HttpWorker::handler_ended() {
  --handlers_;
  report_if_empty();
}

void HttpWorker::begin_stop(std::function<void()> when_empty) {
  stopping_ = true;
  when_empty_ = std::move(when_empty);
  const auto snapshot = connections_;
  for (const auto& connection : snapshot) connection->begin_stop();
  report_if_empty();
}

void HttpWorker::cut() {
  const auto snapshot = connections_;
  for (const auto& connection : snapshot) connection->cut();
}

void HttpWorker::report_if_empty() {
  if (!stopping_ || !connections_.empty() || handlers_ > 0 || !when_empty_) return;
  const auto report = std::exchange(when_empty_, nullptr);
  set_->stop();
  timer_.cancel();
  report();
}

void HttpWorker::abandon() {
  for (const auto& connection : connections_) connection->abandon();
  connections_.clear();
  set_->stop();
}

}  // namespace latchkey::net
