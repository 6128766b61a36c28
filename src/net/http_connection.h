// One HTTP/1.1 connection: reads, parses, calls the handler, writes; one request at a time. Private to net.
//
// Invariants: answers leave in the order of requests; nothing is read while an answer is due (a peer that pipelines
// without end is held back by TCP); after a refusal nothing more is parsed. Buffers are borrowed from the worker while
// there is something in them, so that an idle connection holds its socket and TLS state only.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <exception>

#include "net/http_body_pipe.h"
#include "net/http_worker.h"

namespace latchkey::net {

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpWorker> worker, AcceptedSocket socket);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection();

  void on_ready(std::uint32_t events);
  // Goes on until the connection must wait.
  void pump();
  void check_deadline(SteadyTime now);
  void begin_stop();
  void cut();
  // Closes without telling the worker, which is going.
  void abandon();

  [[nodiscard]] int descriptor() const { return stream_->descriptor(); }
  std::size_t index = 0;  // among the worker's connections

 private:
  enum class Phase { preamble, handshake, open, lingering, closed };
  enum class Step { again, wait, close };

  [[nodiscard]] Step step();
  [[nodiscard]] Step read_preamble();
  [[nodiscard]] Step handshake();
  [[nodiscard]] Step flush();
  [[nodiscard]] Step linger();
  [[nodiscard]] Step receive();
  [[nodiscard]] Step after_end_of_input();
  [[nodiscard]] std::size_t consume(std::string_view input);
  [[nodiscard]] bool on_header_done(bool body_has_begun);
  void identify(HttpRequest& request) const;
  void on_request_complete();
  void start_handler();
  void start_stream(bool wants_continue);
  void on_body_wanted();
  [[nodiscard]] Step receive_body();
  [[nodiscard]] std::size_t feed_body(std::string_view input);
  void handler_done(const std::exception_ptr& problem, HttpResponse response);
  void respond(HttpResponse& response);
  void refuse(int status, const char* code, const char* detail);
  void refuse_with(HttpResponse response);
  [[nodiscard]] bool body_fits();
  [[nodiscard]] bool backlog_fits();
  [[nodiscard]] bool host_is_allowed(const HttpRequest& request);
  void append_head(const HttpResponse& response, std::uint64_t body_size);
  [[nodiscard]] Step send_source();
  void source_gave(const std::exception_ptr& problem, Result<std::string> piece);
  void close();

  [[nodiscard]] bool output_waits() const { return out_at_ < out_.size() || body_at_ < body_.size(); }
  [[nodiscard]] bool in_request() const { return exchange_ != nullptr; }
  [[nodiscard]] bool is_idle() const { return !in_request() && !handling_ && !source_ && !output_waits() && in_.empty(); }
  void set_deadline(Milliseconds span);
  void rest_when_idle(SteadyTime now);

  std::shared_ptr<HttpWorker> worker_;
  std::unique_ptr<HttpStream> stream_;
  std::unique_ptr<HttpExchange> exchange_;
  BodyBudget::Share body_share_;
  BodyBudget::Share backlog_share_;
  std::shared_ptr<HttpBodyPipe> body_pipe_;  // of a streaming route whose handler is running
  std::shared_ptr<HttpSource> source_;       // of the answer under way, until its last piece is in body_
  std::uint64_t source_due_ = 0;             // how much is still to come from it
  std::uint64_t source_given_ = 0;           // how much has
  SteadyTime source_began_;
  std::string in_;   // received, not yet parsed
  std::string out_;  // to be sent, from out_at_ on
  std::string body_; // to be sent behind out_, from body_at_ on
  std::size_t out_at_ = 0;
  std::size_t body_at_ = 0;
  SteadyTime now_;  // as of the last pump: the clock is read once a turn, not once a step
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime request_deadline_ = SteadyTime::max();
  boost::asio::cancellation_signal cancel_;
  IpAddress peer_;
  IpAddress client_;            // the peer, unless a trusted proxy's preamble names another
  std::uint16_t local_port_;
  std::optional<std::uint32_t> peer_uid_;
  bool loopback_listener_;
  bool tls_;
  bool client_tls_;             // the same of the way between client and proxy
  bool client_known_ = true;
  Phase phase_ = Phase::handshake;
  bool readable_ = true;
  bool peer_ending_ = false;    // the kernel has announced the peer's end
  bool input_ended_ = false;    // and it has been read
  bool handling_ = false;       // a handler's task is running
  bool source_asked_ = false;   // for its next piece
  bool piece_waits_ = false;    // body_ is one of a source's
  bool continue_due_ = false;   // `100 Continue` goes out with the handler's first pull
  bool close_after_ = false;    // once all output has left
  bool linger_after_ = false;   // unread input may be on its way
  bool keep_alive_ = true;      // of the request being answered
  bool is_head_ = false;
  bool is_http_1_0_ = false;
  bool pumping_ = false;
  bool resting_ = false;        // idle, and its buffers have been given back
};

}  // namespace latchkey::net
