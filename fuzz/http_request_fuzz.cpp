// HTTP requests as a connection reads them. Whatever comes, the parser must agree with itself: the same octets, cut
// elsewhere, are the same requests or the same refusal (a difference is a smuggling hole).
#include <cstdlib>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_request_parser.h"

namespace {

using latchkey::net::HttpRequest;
using latchkey::net::HttpRequestParser;
using latchkey::net::ParseState;

struct Outcome {
  std::vector<std::string> requests;
  int refused = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void check_promises(const HttpRequest& request) {
  LATCHKEY_CHECK(request.path.starts_with('/'));
  LATCHKEY_CHECK(!request.method.empty());
  LATCHKEY_CHECK(request.body.size() <= 1000);
  for (const char c : request.path) LATCHKEY_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\');
  const std::string closed = request.path + "/";
  LATCHKEY_CHECK(!closed.contains("/../") && !closed.contains("/./"));
  (void)request.query_parameter("code");
  (void)request.cookie("session");
  (void)request.content_type();
}

std::string flatten(const HttpRequest& request) {
  std::string text = request.method + "|" + request.target + "|" + request.host + "|" + request.body;
  for (const auto& header : request.headers) text.append("|").append(header.name).append("=").append(header.value);
  return text;
}

Outcome read_all(std::string_view input, std::size_t piece) {
  Outcome outcome;
  HttpRequest request;
  HttpRequestParser parser({.header_bytes_max = 2'000, .header_count_max = 20, .target_bytes_max = 500});
  parser.start(request);
  std::string waiting;
  while (true) {
    const std::size_t consumed = parser.feed(waiting);
    LATCHKEY_CHECK(consumed <= waiting.size());
    waiting.erase(0, consumed);
    if (parser.state() == ParseState::header_done) {
      parser.set_body_limit(1'000);
      if (parser.state() == ParseState::body) continue;
    }
    if (parser.state() == ParseState::failed) {
      outcome.refused = parser.failure().status;
      return outcome;
    }
    if (parser.state() == ParseState::complete) {
      check_promises(request);
      outcome.requests.push_back(flatten(request));
      parser.start(request);
      continue;
    }
    if (input.empty()) return outcome;
    waiting += input.substr(0, piece);
    input.remove_prefix(std::min(piece, input.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 8'000) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read_all(input, 100'000);
  for (const std::size_t piece : {1UL, 7UL}) {
    const Outcome cut = read_all(input, piece);
    LATCHKEY_CHECK(cut.requests == whole.requests);
    LATCHKEY_CHECK((cut.refused != 0) == (whole.refused != 0));
  }
  return 0;
}
