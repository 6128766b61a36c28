#include "net/http_request_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/none.hpp>
#include <optional>
#include <utility>

namespace latchkey::net {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

namespace {

// A promise costs its maker nothing.
constexpr std::uint64_t kReservedMax = 16 * 1024;

std::string_view plain(string_view text) { return {text.data(), text.size()}; }

bool is_all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

// Beast's grammar, our storage: fields go straight into the request.
struct HttpRequestParserImpl final : http::basic_parser<true> {
  explicit HttpRequestParserImpl(HttpRequestParser& owner_in) : owner(owner_in) {
    body_limit(boost::none);
    header_limit(static_cast<std::uint32_t>(owner.limits_.header_bytes_max));
    eager(false);
  }

  HttpRequestParser& owner;
  int content_lengths = 0;
  int transfer_encodings = 0;
  int authorizations = 0;
  bool in_trailer = false;
  error_code stopped = http::make_error_code(http::error::bad_field);

  void refuse(error_code& ec, int status, const char* code, const char* detail) {
    owner.fail_with(status, code, detail);
    ec = stopped;
  }

  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code&) override {
    owner.request_->method = plain(method);
    owner.request_->target = plain(target);
    owner.is_http_1_0_ = version == 10;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}  // requests only
  void on_field_impl(http::field field, string_view name, string_view value, error_code& ec) override {
    if (in_trailer) return;  // read over: nothing here uses trailers
    if (field == http::field::content_length && (++content_lengths > 1 || !is_all_digits(plain(value)))) {
      return refuse(ec, 400, "malformed_request", "Content-Length must be one number.");
    }
    if (field == http::field::transfer_encoding) {
      if (++transfer_encodings > 1) return refuse(ec, 400, "malformed_request", "Transfer-Encoding is given twice.");
      if (owner.is_http_1_0_) return refuse(ec, 400, "malformed_request", "HTTP/1.0 knows no Transfer-Encoding.");
      if (!equal_ignoring_case(plain(value), "chunked")) {
        return refuse(ec, 501, "not_implemented", "The only Transfer-Encoding understood is chunked.");
      }
    }
    HttpHeaders& headers = owner.request_->headers;
    if (headers.size() >= owner.limits_.header_count_max) {
      return refuse(ec, 431, "header_too_large", "The request has too many header fields.");
    }
    // Which of two credentials is meant is not for us to choose (RFC 9110 section 11.6.2 knows one).
    if (field == http::field::authorization && ++authorizations > 1) {
      return refuse(ec, 400, "malformed_request", "Authorization is given twice.");
    }
    if (!headers.add(plain(name), plain(value))) {
      return refuse(ec, 400, "malformed_request", "A header field holds characters it must not.");
    }
  }
  void on_header_impl(error_code& ec) override {
    if (content_lengths > 0 && transfer_encodings > 0) {
      refuse(ec, 400, "malformed_request", "Content-Length and Transfer-Encoding exclude each other.");
    }
  }
  bool store(string_view body, error_code& ec) {
    if (body.size() > owner.body_bytes_max_ - owner.body_bytes_) {
      refuse(ec, 413, "body_too_large", "The body is larger than this address takes.");
      return false;
    }
    owner.body_bytes_ += body.size();
    owner.request_->body.append(body.data(), body.size());
    return true;
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& ec) override { return store(body, ec) ? body.size() : 0; }
  void on_chunk_header_impl(std::uint64_t size, string_view, error_code& ec) override {
    if (size > owner.body_bytes_max_ - owner.body_bytes_) {
      return refuse(ec, 413, "body_too_large", "The body is larger than this address takes.");
    }
    if (size == 0) in_trailer = true;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    return store(body, ec) ? body.size() : 0;
  }
  void on_finish_impl(error_code&) override {}

  // Beast's parsers serve one message; this one is built anew in the same place.
  void begin_again() {
    HttpRequestParser& kept = owner;
    this->~HttpRequestParserImpl();
    new (this) HttpRequestParserImpl(kept);
  }
};

HttpRequestParser::HttpRequestParser(HttpParseLimits limits)
    : limits_(limits), impl_(std::make_unique<HttpRequestParserImpl>(*this)) {}

HttpRequestParser::~HttpRequestParser() = default;

void HttpRequestParser::start(HttpRequest& request) {
  impl_->begin_again();
  request_ = &request;
  state_ = ParseState::header;
  failure_ = {};
  scanned_ = 0;
  lines_ = 0;
  body_bytes_max_ = 0;
  body_bytes_ = 0;
  expects_continue_ = false;
  is_http_1_0_ = false;
  request.method.clear();
  request.target.clear();
  request.path.clear();
  request.query.clear();
  request.headers.clear();
  request.body.clear();
  request.host.clear();
}

void HttpRequestParser::fail_with(int status, const char* code, const char* detail) {
  if (state_ == ParseState::failed) return;
  state_ = ParseState::failed;
  failure_ = {status, code, detail};
}

bool HttpRequestParser::keep_alive() const { return impl_->keep_alive(); }

std::optional<std::uint64_t> HttpRequestParser::content_length() const {
  if (const auto length = impl_->content_length()) return *length;
  return std::nullopt;
}

std::string HttpRequestParser::take_body() { return std::exchange(request_->body, {}); }

std::size_t HttpRequestParser::feed(std::string_view input) {
  switch (state_) {
    case ParseState::header: return feed_header(input);
    case ParseState::body: return feed_body(input);
    case ParseState::header_done:
    case ParseState::complete:
    case ParseState::failed: return 0;
  }
  return 0;
}

// The size of the header including the empty line; 0 while it is not whole, or after a failure.
std::size_t HttpRequestParser::find_header_end(std::string_view input) {
  while (true) {
    const auto feed_at = input.find('\n', scanned_);
    if (feed_at == std::string_view::npos) {
      scanned_ = input.size();
      break;
    }
    if (feed_at == 0 || input[feed_at - 1] != '\r') {
      fail_with(400, "malformed_request", "Lines must end with CR LF.");
      return 0;
    }
    if (feed_at + 1 >= limits_.header_bytes_max) break;
    if (feed_at >= 3 && input[feed_at - 2] == '\n') return feed_at + 1;
    if (feed_at + 1 == input.size()) {
      // What follows decides whether the line is folded: look at this line end again when it has come.
      scanned_ = feed_at;
      break;
    }
    if (input[feed_at + 1] == ' ' || input[feed_at + 1] == '\t') {
      fail_with(400, "malformed_request", "Header fields must not be folded over lines.");
      return 0;
    }
    ++lines_;
    scanned_ = feed_at + 1;
  }
  const bool in_request_line = lines_ == 0 && !input.contains('\n');
  if (in_request_line && input.size() > limits_.target_bytes_max + 64) {
    fail_with(414, "target_too_long", "The address is too long.");
  } else if (input.size() >= limits_.header_bytes_max) {
    fail_with(431, "header_too_large", "The request's header is too large.");
  }
  return 0;
}

std::size_t HttpRequestParser::feed_header(std::string_view input) {
  std::size_t skipped = 0;
  // RFC 9112 section 2.2: empty lines before a request are read over.
  while (scanned_ == 0 && input.substr(skipped).starts_with("\r\n")) skipped += 2;
  input.remove_prefix(skipped);
  if (input.empty() || input == "\r") return skipped;
  const std::size_t header_size = find_header_end(input);
  if (header_size == 0) {
    // A first octet that begins no method: TLS spoken to a listener in clear, for one. No use in waiting for more.
    const char first = input.front();
    if (first <= 0x20 || first == 0x7f) fail_with(400, "malformed_request", "This is not HTTP.");
    return skipped;
  }
  error_code ec;
  impl_->put({input.data(), header_size}, ec);
  if (ec || !impl_->is_header_done()) {
    if (ec == http::error::bad_version) {
      const auto line = input.substr(0, input.find('\r'));
      const auto version = line.substr(std::min(line.rfind(' ') + 1, line.size()));
      if (version.size() == 8 && version.starts_with("HTTP/") && is_all_digits(version.substr(5, 1)) &&
          version[6] == '.' && is_all_digits(version.substr(7))) {
        fail_with(505, "version_not_supported", "This server speaks HTTP/1.1.");
      }
    }
    fail_with(400, "malformed_request", "The request's header is malformed.");
    return skipped + header_size;
  }
  check_header();
  return skipped + header_size;
}

void HttpRequestParser::check_header() {
  HttpRequest& request = *request_;
  if (request.method == "CONNECT") return fail_with(501, "not_implemented", "This server is no proxy.");
  if (request.target.size() > limits_.target_bytes_max) {
    return fail_with(414, "target_too_long", "The address is too long.");
  }
  TargetParts parts;
  if (!parse_target(request.method, request.target, parts)) {
    return fail_with(400, "malformed_target", "The address in the request line is malformed.");
  }
  request.path = std::move(parts.path);
  request.query = std::move(parts.query);
  request.host = std::move(parts.authority);
  check_host();
  if (state_ == ParseState::failed) return;
  if (const auto expect = request.headers.find("Expect"); expect && !is_http_1_0_) {
    if (!equal_ignoring_case(*expect, "100-continue")) {
      return fail_with(417, "expectation_failed", "The only expectation understood is 100-continue.");
    }
    expects_continue_ = true;
  }
  state_ = ParseState::header_done;
}

void HttpRequestParser::check_host() {
  std::optional<std::string_view> host;
  for (const auto& header : request_->headers) {
    if (!equal_ignoring_case(header.name, "Host")) continue;
    if (host) return fail_with(400, "malformed_host", "Host must be given once.");
    host = header.value;
  }
  if (!host && !is_http_1_0_) return fail_with(400, "malformed_host", "Host is missing.");
  if (host && !is_valid_authority(*host)) return fail_with(400, "malformed_host", "Host is malformed.");
  // RFC 9112 section 3.2.2: an absolute target's authority overrides Host.
  if (request_->host.empty() && host) request_->host = *host;
  for (char& c : request_->host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
}

void HttpRequestParser::set_body_limit(std::uint64_t size_bytes_max) {
  if (state_ != ParseState::header_done) return;
  body_bytes_max_ = size_bytes_max;
  if (impl_->is_done()) {
    state_ = ParseState::complete;
    expects_continue_ = false;
    return;
  }
  if (const auto length = impl_->content_length()) {
    if (*length > size_bytes_max) {
      return fail_with(413, "body_too_large", "The body is larger than this address takes.");
    }
    request_->body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, kReservedMax)));
  }
  state_ = ParseState::body;
}

std::size_t HttpRequestParser::feed_body(std::string_view input) {
  std::size_t consumed = 0;
  while (consumed < input.size() && !impl_->is_done()) {
    error_code ec;
    const std::size_t count = impl_->put({input.data() + consumed, input.size() - consumed}, ec);
    consumed += count;
    if (ec == http::error::need_more) {
      // Chunk headers and trailers are buffered whole, so they are bounded like headers.
      if (input.size() - consumed > limits_.header_bytes_max) {
        fail_with(400, "malformed_request", "A chunk header or trailer is too large.");
      }
      return consumed;
    }
    if (ec) {
      fail_with(400, "malformed_request", "The request's body is malformed.");
      return consumed;
    }
    if (count == 0) break;
  }
  if (impl_->is_done()) state_ = ParseState::complete;
  return consumed;
}

}  // namespace latchkey::net
