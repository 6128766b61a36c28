#include "net/http_connection.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <limits>
#include <utility>

#include "net/no_answer.h"
#include "net/proxy_preamble.h"

namespace latchkey::net {

namespace asio = boost::asio;

namespace {

// Bodies up to this size are copied behind their header, so that one system call (and one TLS record) carries both.
constexpr std::size_t kInlineBodyBytesMax = 12 * 1024;
// Answers to pipelined requests are gathered up to this size before they are sent.
constexpr std::size_t kGatherBytesMax = 64 * 1024;
// Turns a connection may take before others get theirs.
constexpr int kTurnsMax = 32;
constexpr Milliseconds kLingerTime{2'000};
constexpr Milliseconds kRequestTimeMax{300'000};
// A body that is gathered in memory has this long, however steadily it drips.
constexpr Milliseconds kGatheredTimeMax{60'000};
// Idle for this long, a connection gives its buffers back.
constexpr Milliseconds kRestAfter{1'000};

bool has_no_body(int status) { return status == 204 || status == 304 || status / 100 == 1; }

// The host of "host:port" or "[v6]:port".
std::string_view without_port(std::string_view host) {
  const auto end = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  const auto colon = host.find(':', end == std::string_view::npos ? 0 : end);
  return host.substr(0, colon);
}

std::string local_address_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  const auto address = IpAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
  if (!address) return {};
  return address->is_v4() ? address->text() : "[" + address->text() + "]";
}

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<HttpWorker> worker, AcceptedSocket socket)
    : worker_(std::move(worker)),
      stream_(socket.tls ? make_tls_stream(socket.descriptor, socket.tls) : make_plain_stream(socket.descriptor)),
      body_share_(*worker_->shared().bodies),
      backlog_share_(*worker_->shared().bodies),
      now_(std::chrono::steady_clock::now()),
      peer_(socket.peer),
      client_(socket.peer),
      local_port_(socket.local_port),
      peer_uid_(socket.peer_uid),
      loopback_listener_(socket.loopback_listener),
      tls_(socket.tls != nullptr),
      client_tls_(tls_) {
  if (worker_->shared().proxies.expects_preamble(peer_)) phase_ = Phase::preamble;
  set_deadline(worker_->shared().limits.header_timeout);
}

HttpConnection::~HttpConnection() = default;

void HttpConnection::set_deadline(Milliseconds span) {
  deadline_ = std::min(now_ + span, request_deadline_);
}

void HttpConnection::on_ready(std::uint32_t events) {
  readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_ending_ = true;
  pump();
}

void HttpConnection::pump() {
  if (pumping_ || phase_ == Phase::closed) return;
  const auto self = shared_from_this();  // the worker's hold may end in here
  pumping_ = true;
  resting_ = false;
  now_ = std::chrono::steady_clock::now();
  for (int turn = 0;; ++turn) {
    const Step next = step();
    if (next == Step::wait) break;
    if (next == Step::close) {
      close();
      break;
    }
    if (turn >= kTurnsMax) {
      asio::post(worker_->executor(), [self] { self->pump(); });
      break;
    }
  }
  pumping_ = false;
}

HttpConnection::Step HttpConnection::step() {
  if (phase_ == Phase::preamble) return read_preamble();
  if (phase_ == Phase::handshake) return handshake();
  if (phase_ == Phase::lingering) return linger();
  if (output_waits()) return worker_->send_later(*this) ? Step::wait : flush();
  if (source_) return send_source();
  if (close_after_) {
    if (!linger_after_ || input_ended_) return Step::close;
    stream_->finish();
    phase_ = Phase::lingering;
    readable_ = true;
    set_deadline(kLingerTime);
    return Step::again;
  }
  if (handling_) return body_pipe_ ? receive_body() : Step::wait;
  if (!in_.empty()) {
    const std::size_t consumed = consume(in_);
    in_.erase(0, consumed);
    if (in_.empty()) in_ = std::string();  // an idle connection keeps no buffer
    if (consumed > 0 || output_waits() || handling_ || close_after_) return Step::again;
  }
  if (input_ended_) return after_end_of_input();
  return receive();
}

// Looked at in the socket first, so that the octets behind it stay there for whoever reads next (TLS does its own reading).
HttpConnection::Step HttpConnection::read_preamble() {
  std::array<char, kProxyPreambleBytesMax> octets;
  const ssize_t seen = ::recv(descriptor(), octets.data(), octets.size(), MSG_PEEK | MSG_DONTWAIT);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return Step::wait;
  if (seen <= 0) return Step::close;
  const auto parsed = parse_proxy_preamble({octets.data(), static_cast<std::size_t>(seen)});
  if (std::holds_alternative<PreambleIncomplete>(parsed) && !peer_ending_) return Step::wait;
  const auto* preamble = std::get_if<ProxyPreamble>(&parsed);
  if (preamble == nullptr) {
    worker_->shared().log.warning("proxy_preamble_missing", {{"peer", peer_.text()}, {"remedy", "This address is in trusted_proxies and proxy_header is "
                                  "proxy-protocol: whoever connects from it must begin with that protocol."}});
    return Step::close;
  }
  if (::recv(descriptor(), octets.data(), preamble->size_bytes, MSG_DONTWAIT) != static_cast<ssize_t>(preamble->size_bytes)) return Step::close;
  client_known_ = preamble->client.has_value();
  if (client_known_) {
    client_ = *preamble->client;
    client_tls_ = tls_ || preamble->tls;
  }
  phase_ = Phase::handshake;
  return Step::again;
}

HttpConnection::Step HttpConnection::handshake() {
  const IoResult result = stream_->handshake();
  if (result.status == IoStatus::would_block) return Step::wait;
  if (result.status != IoStatus::done) return Step::close;
  phase_ = Phase::open;
  return Step::again;
}

HttpConnection::Step HttpConnection::flush() {
  const std::string_view head = std::string_view(out_).substr(out_at_);
  const std::string_view tail = std::string_view(body_).substr(body_at_);
  const IoResult result = head.empty() ? stream_->write(tail, {}) : stream_->write(head, tail);
  if (result.status == IoStatus::would_block) return backlog_fits() ? Step::wait : Step::close;
  if (result.status != IoStatus::done) return Step::close;
  const std::size_t of_head = std::min(result.count, head.size());
  out_at_ += of_head;
  body_at_ += result.count - of_head;
  if (output_waits()) {
    set_deadline(worker_->shared().limits.write_timeout);
    return Step::again;
  }
  out_.clear();
  out_at_ = 0;
  worker_->give_back(std::move(out_));
  out_ = std::string();
  body_ = std::string();
  body_at_ = 0;
  if (std::exchange(piece_waits_, false)) request_deadline_ = SteadyTime::max();
  backlog_share_.give_back();
  if (!in_request() && !handling_ && !source_) set_deadline(worker_->shared().limits.idle_timeout);
  return Step::again;
}

HttpConnection::Step HttpConnection::linger() {
  if (!readable_) return Step::wait;
  const IoResult result = stream_->read(worker_->read_buffer());
  if (result.status == IoStatus::done) return Step::again;
  if (result.status != IoStatus::would_block) return Step::close;
  readable_ = false;
  return Step::wait;
}

HttpConnection::Step HttpConnection::receive() {
  if (!readable_) return Step::wait;
  const std::span<char> buffer = worker_->read_buffer();
  const IoResult result = stream_->read(buffer);
  switch (result.status) {
    case IoStatus::would_block: readable_ = false; return Step::wait;
    case IoStatus::failed: return Step::close;
    case IoStatus::ended:
      input_ended_ = true;
      readable_ = false;
      return Step::again;
    case IoStatus::done: break;
  }
  readable_ = !result.drained || peer_ending_;
  const std::string_view received(buffer.data(), result.count);
  if (!in_.empty()) {
    in_.append(received);
    const std::size_t consumed = consume(in_);
    in_.erase(0, consumed);
  } else {
    const std::size_t consumed = consume(received);
    in_.append(received.substr(consumed));
  }
  return Step::again;
}

HttpConnection::Step HttpConnection::after_end_of_input() {
  // A request cut short has nobody left to answer to: whoever half-closes does so behind a whole request.
  return Step::close;
}

// Takes requests from the front of `input` until it needs more, an answer is due, or enough output is gathered.
std::size_t HttpConnection::consume(std::string_view input) {
  if (body_pipe_) return feed_body(input);
  std::size_t consumed = 0;
  while (!handling_ && !close_after_ && body_.empty() && !source_ && out_.size() - out_at_ < kGatherBytesMax) {
    const std::string_view rest = input.substr(consumed);
    if (!in_request()) {
      if (rest.empty()) break;
      exchange_ = worker_->take_exchange();
      exchange_->parser.start(exchange_->request);
      request_deadline_ = now_ + kRequestTimeMax;
      set_deadline(worker_->shared().limits.header_timeout);
    }
    HttpRequestParser& parser = exchange_->parser;
    const bool in_body = parser.state() == ParseState::body;
    const std::size_t count = parser.feed(rest);
    consumed += count;
    if (parser.state() == ParseState::header_done && !on_header_done(consumed < input.size())) break;
    if (parser.state() == ParseState::failed) {
      const HttpParseFailure failure = parser.failure();
      refuse(failure.status, failure.code, failure.detail);
      break;
    }
    if (count > 0 && in_body && !body_fits()) break;
    if (parser.state() == ParseState::complete) {
      on_request_complete();
      continue;
    }
    if (parser.state() == ParseState::body && count > 0) {
      set_deadline(worker_->shared().limits.body_timeout);
      if (consumed < input.size()) continue;
    }
    break;
  }
  return consumed;
}

// False if the request is no more the caller's: answered here, or given to its handler together with its body.
bool HttpConnection::on_header_done(bool body_has_begun) {
  HttpRequestParser& parser = exchange_->parser;
  HttpRequest& request = exchange_->request;
  if (!host_is_allowed(request)) {
    refuse(421, "unknown_host",
           "This server does not answer to that host name. Use its public address, or correct public_url.");
    return false;
  }
  const bool wants_continue = parser.expects_continue();
  if (worker_->shared().handler.streams_body(request.method, request.path)) {
    parser.set_body_limit(std::numeric_limits<std::uint64_t>::max());
    start_stream(wants_continue && !body_has_begun);
    return false;
  }
  parser.set_body_limit(worker_->shared().handler.body_limit(request.method, request.path));
  if (parser.state() == ParseState::body) {
    identify(request);
    if (auto refusal = worker_->shared().handler.refuse_body(request)) {
      refuse_with(std::move(*refusal));
      return false;
    }
    request_deadline_ = std::min(request_deadline_, now_ + kGatheredTimeMax);
    set_deadline(worker_->shared().limits.body_timeout);
    if (!body_fits()) return false;
  }
  if (parser.state() == ParseState::body && wants_continue && !body_has_begun) {
    if (out_.empty()) out_ = worker_->take_buffer();
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  return true;
}

void HttpConnection::identify(HttpRequest& request) const {
  request.arrived = now_;
  request.peer = peer_;
  request.local_port = local_port_;
  request.peer_uid = peer_uid_;
  request.tls = tls_;
  request.client = client_;
  request.client_known = client_known_;
  request.scheme = client_tls_ ? "https" : "http";
  const TrustedProxies& proxies = worker_->shared().proxies;
  if (proxies.empty()) return;
  const ClientView view = proxies.client_of(client_, request.scheme, request.headers);
  request.client = view.address;
  request.scheme = view.scheme;
}

void HttpConnection::on_request_complete() {
  HttpRequest& request = exchange_->request;
  identify(request);
  keep_alive_ = exchange_->parser.keep_alive();
  is_http_1_0_ = exchange_->parser.is_http_1_0();
  is_head_ = request.method == "HEAD";
  if (auto response = worker_->shared().handler.try_handle_now(request)) {
    respond(*response);
  } else {
    start_handler();
  }
}

void HttpConnection::start_handler() {
  handling_ = true;
  request_deadline_ = SteadyTime::max();
  deadline_ = SteadyTime::max();
  worker_->handler_started();
  auto done = [self = shared_from_this()](const std::exception_ptr& problem, HttpResponse response) {
    self->handler_done(problem, std::move(response));
  };
  HttpRequest request = std::move(exchange_->request);
  worker_->give_back(std::move(exchange_));
  asio::co_spawn(worker_->executor(), worker_->shared().handler.handle(std::move(request)),
                 asio::bind_cancellation_slot(cancel_.slot(), std::move(done)));
}

// The parser stays with the connection and goes on with the body; the request goes to the handler.
void HttpConnection::start_stream(bool wants_continue) {
  HttpRequestParser& parser = exchange_->parser;
  (void)parser.take_body();  // nothing yet but room for a gathered body
  HttpRequest request = exchange_->request;
  identify(request);
  keep_alive_ = parser.keep_alive();
  is_http_1_0_ = parser.is_http_1_0();
  is_head_ = request.method == "HEAD";
  continue_due_ = wants_continue && parser.state() == ParseState::body;
  handling_ = true;
  request_deadline_ = SteadyTime::max();
  deadline_ = SteadyTime::max();
  worker_->handler_started();
  body_pipe_ = std::make_shared<HttpBodyPipe>(parser.content_length(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_body_wanted();
  });
  if (parser.state() == ParseState::complete) body_pipe_->end();
  auto done = [self = shared_from_this()](const std::exception_ptr& problem, HttpResponse response) {
    self->handler_done(problem, std::move(response));
  };
  asio::co_spawn(worker_->executor(), worker_->shared().handler.handle_stream(std::move(request), body_pipe_),
                 asio::bind_cancellation_slot(cancel_.slot(), std::move(done)));
}

void HttpConnection::on_body_wanted() {
  if (phase_ != Phase::open || !body_pipe_) return;
  if (std::exchange(continue_due_, false)) {
    if (out_.empty()) out_ = worker_->take_buffer();
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  if (deadline_ == SteadyTime::max()) {
    now_ = std::chrono::steady_clock::now();
    set_deadline(worker_->shared().limits.body_timeout);
  }
  pump();
}

HttpConnection::Step HttpConnection::receive_body() {
  if (!body_pipe_->wants_more()) {
    deadline_ = SteadyTime::max();  // it is the handler's turn
    return Step::wait;
  }
  if (!in_.empty()) {
    const std::size_t consumed = feed_body(in_);
    in_.erase(0, consumed);
    if (consumed > 0) return Step::again;
  }
  if (input_ended_) {
    body_pipe_->fail_with({.kind = ErrorKind::unavailable, .reason = "connection_lost", .text = "The sender hung up before the end."});
    return Step::again;
  }
  return receive();
}

std::size_t HttpConnection::feed_body(std::string_view input) {
  if (!body_pipe_->wants_more()) return 0;
  HttpRequestParser& parser = exchange_->parser;
  const std::size_t consumed = parser.feed(input);
  if (consumed > 0) set_deadline(worker_->shared().limits.body_timeout);
  body_pipe_->deliver(parser.take_body());
  if (parser.state() == ParseState::complete) body_pipe_->end();
  if (parser.state() == ParseState::failed) {
    body_pipe_->fail_with({.kind = ErrorKind::invalid, .reason = parser.failure().code, .text = parser.failure().detail});
  }
  return consumed;
}

void HttpConnection::handler_done(const std::exception_ptr& problem, HttpResponse response) {
  handling_ = false;
  now_ = std::chrono::steady_clock::now();  // the handler may have taken long
  if (std::exchange(body_pipe_, nullptr) && (!exchange_ || exchange_->parser.state() != ParseState::complete)) {
    keep_alive_ = false;  // where the next request would begin is not known
    linger_after_ = true;
  }
  if (problem) {
    std::string what = "unknown";
    try {
      std::rethrow_exception(problem);
    } catch (const std::exception& error) {
      what = error.what();
    } catch (...) {
    }
    if (phase_ != Phase::closed) worker_->shared().log.error("http_handler_failed", {{"error", what}});
    response = HttpResponse::problem(500, "internal_error", "Something went wrong here; it has been logged.");
  }
  const auto self = shared_from_this();  // close() lets go of it
  if (response.status == kNoAnswer) close();
  if (phase_ != Phase::closed) {
    respond(response);
    pump();
  }
  worker_->handler_ended();
}

void HttpConnection::respond(HttpResponse& response) {
  if (worker_->stopping()) keep_alive_ = false;
  if (!keep_alive_) close_after_ = true;
  const std::uint64_t body_size = response.source ? response.source->size_bytes() : response.body.size();
  if (out_.empty()) out_ = worker_->take_buffer();
  append_head(response, body_size);
  if (!is_head_ && !has_no_body(response.status)) {
    if (response.source) {
      source_due_ = body_size;
      source_given_ = 0;
      source_began_ = now_;
      if (source_due_ > 0) source_ = std::move(response.source);
    } else if (body_size <= kInlineBodyBytesMax) {
      out_ += response.body;
    } else {
      body_ = std::move(response.body);
      body_at_ = 0;
    }
  }
  if (exchange_) worker_->give_back(std::move(exchange_));
  body_share_.give_back();
  request_deadline_ = SteadyTime::max();
  set_deadline(worker_->shared().limits.write_timeout);
}

// The peer has taken everything so far: one piece more.
HttpConnection::Step HttpConnection::send_source() {
  if (std::exchange(source_asked_, true)) return Step::wait;
  deadline_ = SteadyTime::max();  // it is the source's turn
  worker_->handler_started();
  auto done = [self = shared_from_this()](const std::exception_ptr& problem, Result<std::string> piece) {
    self->source_gave(problem, std::move(piece));
  };
  // Held by this connection until source_gave(), whatever becomes of the socket meanwhile.
  asio::co_spawn(worker_->executor(), source_->next(), asio::bind_cancellation_slot(cancel_.slot(), std::move(done)));
  return source_asked_ || phase_ == Phase::closed ? Step::wait : Step::again;  // it may have answered at once
}

void HttpConnection::source_gave(const std::exception_ptr& problem, Result<std::string> piece) {
  source_asked_ = false;
  now_ = std::chrono::steady_clock::now();
  const bool whole = !problem && piece && !piece->empty() && piece->size() <= source_due_;
  if (phase_ == Phase::closed) {
    source_ = nullptr;
  } else if (whole) {
    source_due_ -= piece->size();
    source_given_ += piece->size();
    body_ = std::move(*piece);
    body_at_ = 0;
    piece_waits_ = true;
    if (source_due_ == 0) source_ = nullptr;
    const HttpLimits& limits = worker_->shared().limits;
    // Whoever takes a little now and then would else hold it for ever.
    const auto so_far = Milliseconds(source_given_ * 1'000 / std::max<std::uint64_t>(limits.source_rate_min, 1));
    request_deadline_ = source_began_ + limits.write_timeout + so_far;
    set_deadline(limits.write_timeout);
    pump();
  } else {
    worker_->shared().log.error("http_body_cut_short",
                                {{"missing_bytes", source_due_}, {"reason", piece ? "no_more_octets" : piece.error().reason}});
    source_ = nullptr;
    close();
  }
  worker_->handler_ended();
}

void HttpConnection::append_head(const HttpResponse& response, std::uint64_t body_size) {
  if (response.status == 200) {
    out_ += "HTTP/1.1 200 OK\r\n";
  } else {
    fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  }
  out_ += worker_->date_line();
  for (const auto& header : response.headers) {
    out_.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  if (!has_no_body(response.status)) {
    const fmt::format_int length(body_size);
    out_.append("Content-Length: ").append(length.data(), length.size()).append("\r\n");
  }
  if (!keep_alive_) {
    out_ += "Connection: close\r\n";
  } else if (is_http_1_0_) {
    out_ += "Connection: keep-alive\r\n";
  }
  out_ += "\r\n";
}

// Answers a request that cannot be served, and closes: where the next one would begin is not certain.
void HttpConnection::refuse(int status, const char* code, const char* detail) {
  HttpRequest nothing_read;
  HttpRequest& request = exchange_ ? exchange_->request : nothing_read;
  identify(request);
  refuse_with(worker_->shared().handler.refusal({.status = status, .code = code, .detail = detail}, request));
}

void HttpConnection::refuse_with(HttpResponse response) {
  keep_alive_ = false;
  is_head_ = exchange_ && exchange_->request.method == "HEAD";
  is_http_1_0_ = false;
  linger_after_ = true;
  respond(response);
}

// Counts in what the request's body has taken. False: there is no room for it, which has been answered.
bool HttpConnection::body_fits() {
  HttpServerShared& shared = worker_->shared();
  const HttpRequest& request = exchange_->request;
  if (body_share_.grow_to(request.body.size(), request.client)) return true;
  shared.report_bodies(now_);
  // Not the handler's to word: it would count and log each one.
  refuse_with(HttpResponse::problem(503, "bodies_busy", "So much is being sent here just now that there is no room for this. Try again in a moment.")
                  .with("Retry-After", "10"));
  return false;
}

// Of a peer that does not take its answers: what it has sent beyond them, and what they are. Who asks one thing after another holds
// next to nothing; of what is made while it is sent, a piece. False: there is no room for it.
bool HttpConnection::backlog_fits() {
  const std::size_t of_piece = piece_waits_ ? body_.size() - body_at_ : 0;
  if (backlog_share_.grow_to(in_.size() + out_.size() - out_at_ + of_piece, client_)) return true;
  worker_->shared().report_bodies(now_);
  return false;
}

bool HttpConnection::host_is_allowed(const HttpRequest& request) {
  const auto& allowed = worker_->allowed_hosts();
  if (allowed.empty()) return true;
  const std::string_view name = without_port(request.host);
  for (const std::string& host : allowed) {
    if (host == request.host || host == name) return true;
  }
  if (loopback_listener_) return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
  return !name.empty() && name == local_address_of(stream_->descriptor());
}

void HttpConnection::rest_when_idle(SteadyTime now) {
  const bool idle = phase_ == Phase::open && is_idle();
  if (!idle || resting_ || now - now_ < kRestAfter) return;
  stream_->rest();
  resting_ = true;
}

void HttpConnection::check_deadline(SteadyTime now) {
  if (phase_ == Phase::closed) return;
  if (now < deadline_) return rest_when_idle(now);
  now_ = now;
  if (body_pipe_) {
    deadline_ = SteadyTime::max();
    return body_pipe_->fail_with({.kind = ErrorKind::unavailable, .reason = "request_timeout", .text = "The body did not arrive in time."});
  }
  const bool reading = phase_ == Phase::open && in_request() && !output_waits() && !close_after_;
  if (!reading) return close();
  refuse(408, "request_timeout", "The request did not arrive in time.");
  pump();
}

void HttpConnection::begin_stop() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::preamble || phase_ == Phase::handshake || is_idle()) close();
}

void HttpConnection::cut() {
  const auto self = shared_from_this();
  close();
  if (handling_ || source_asked_) cancel_.emit(asio::cancellation_type::terminal);
}

void HttpConnection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  if (body_pipe_) {
    body_pipe_->fail_with({.kind = ErrorKind::unavailable, .reason = "connection_lost", .text = "The connection broke before the end."});
  }
  stream_.reset();  // closing the descriptor takes it out of the epoll set
  if (exchange_) worker_->give_back(std::move(exchange_));
  worker_->shared().leave(peer_);
  worker_->forget(*this);
}

void HttpConnection::abandon() {
  phase_ = Phase::closed;
  stream_.reset();
}

}  // namespace latchkey::net
