// Octets in, a checked request out (RFC 9112). No socket, no clock. Private to net and its fuzz target.
//
// Invariant: an octet is either consumed into exactly one request or left to the next; what two parsers could read in
// two ways (both lengths, two lengths, folded fields, bare LF, whitespace before the colon) fails.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_types.h"

namespace latchkey::net {

struct HttpParseLimits {
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t header_count_max = 100;
  std::size_t target_bytes_max = 8 * 1024;
};

// Why a request is refused: its status, problem code and a sentence for whoever wrote the client.
struct HttpParseFailure {
  int status = 400;
  const char* code = "malformed_request";
  const char* detail = "";
};

enum class ParseState {
  header,       // needs more octets of the header
  header_done,  // the header is in the request; say set_body_limit() and go on
  body,         // needs more octets of the body
  complete,     // the request is whole; start() begins the next
  failed,       // see failure(); the connection cannot go on
};

// A resource of one connection, used for one request after the other.
class HttpRequestParser {
 public:
  explicit HttpRequestParser(HttpParseLimits limits);
  HttpRequestParser(const HttpRequestParser&) = delete;
  HttpRequestParser& operator=(const HttpRequestParser&) = delete;
  ~HttpRequestParser();

  // Begins a request, written into `request` (which must stay until complete or failed).
  void start(HttpRequest& request);
  // Consumes octets from the front of `input` and returns how many. In state header, what is not consumed must be
  // given again, with more behind it.
  [[nodiscard]] std::size_t feed(std::string_view input);
  // In state header_done: fails (413) if the stated length is larger; else the state becomes body or complete.
  void set_body_limit(std::uint64_t size_bytes_max);
  // In state body or complete: what has come of the body since the last call, for who does not want it gathered.
  [[nodiscard]] std::string take_body();

  [[nodiscard]] ParseState state() const { return state_; }
  [[nodiscard]] const HttpParseFailure& failure() const { return failure_; }
  // Valid from header_done on.
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] bool is_http_1_0() const { return is_http_1_0_; }
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;

 private:
  friend struct HttpRequestParserImpl;
  [[nodiscard]] std::size_t find_header_end(std::string_view input);
  [[nodiscard]] std::size_t feed_header(std::string_view input);
  [[nodiscard]] std::size_t feed_body(std::string_view input);
  void check_header();
  void check_host();
  void fail_with(int status, const char* code, const char* detail);

  HttpParseLimits limits_;
  std::unique_ptr<struct HttpRequestParserImpl> impl_;
  HttpRequest* request_ = nullptr;
  ParseState state_ = ParseState::header;
  HttpParseFailure failure_;
  std::size_t scanned_ = 0;  // octets of the header already searched for its end
  std::size_t lines_ = 0;
  std::uint64_t body_bytes_max_ = 0;
  std::uint64_t body_bytes_ = 0;  // so far, gathered or taken
  bool expects_continue_ = false;
  bool is_http_1_0_ = false;
};

// The parts of a request target, checked and decoded as HttpRequest promises. `authority` is set for absolute-form.
struct TargetParts {
  std::string path;
  std::string query;
  std::string authority;
};
[[nodiscard]] bool parse_target(std::string_view method, std::string_view target, TargetParts& parts);
// "name", "name:port", "192.0.2.1", "[::1]:8480": syntax only.
[[nodiscard]] bool is_valid_authority(std::string_view host);

}  // namespace latchkey::net
