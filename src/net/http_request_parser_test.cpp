#include "net/http_request_parser.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

struct Parsed {
  ParseState state = ParseState::header;
  HttpRequest request;
  int status = 0;
  std::size_t consumed = 0;
  bool keep_alive = false;
};

// Feeds `text` in pieces of `piece` octets, as a connection would.
Parsed parse(std::string_view text, std::size_t piece = 1'000'000, HttpParseLimits limits = {},
             std::size_t body_limit = 1000) {
  Parsed parsed;
  HttpRequestParser parser(limits);
  parser.start(parsed.request);
  std::string waiting;
  while (true) {
    const std::size_t consumed = parser.feed(waiting);
    parsed.consumed += consumed;
    waiting.erase(0, consumed);
    if (parser.state() == ParseState::header_done) {
      parsed.keep_alive = parser.keep_alive();
      parser.set_body_limit(body_limit);
      if (parser.state() == ParseState::body) continue;
    }
    if (parser.state() == ParseState::complete || parser.state() == ParseState::failed || text.empty()) break;
    waiting += text.substr(0, piece);
    text.remove_prefix(std::min(piece, text.size()));
  }
  parsed.state = parser.state();
  if (parsed.state == ParseState::failed) parsed.status = parser.failure().status;
  return parsed;
}

int status_of(std::string_view text) {
  const int whole = parse(text).status;
  EXPECT_EQ(parse(text, 1).status, whole) << "octet by octet: " << text;
  return whole;
}

TEST(HttpRequestParser, ReadsARequestHoweverItIsCut) {
  constexpr std::string_view kText =
      "\r\nPOST /a%20b/c?x=%31&y HTTP/1.1\r\nHost: Example.COM:8480\r\nContent-Length: 5\r\nX-A:  v  \r\n\r\nhelloGET";
  for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 64UL, 1000UL}) {
    const auto parsed = parse(kText, piece);
    ASSERT_EQ(parsed.state, ParseState::complete) << piece;
    EXPECT_EQ(parsed.request.method, "POST");
    EXPECT_EQ(parsed.request.path, "/a b/c");
    EXPECT_EQ(parsed.request.query, "x=%31&y");
    EXPECT_EQ(parsed.request.host, "example.com:8480");
    EXPECT_EQ(parsed.request.headers.find("x-a"), "v");
    EXPECT_EQ(parsed.request.body, "hello");
    EXPECT_EQ(parsed.consumed, kText.size() - 3) << "the next request is left alone";
    EXPECT_TRUE(parsed.keep_alive);
  }
}

TEST(HttpRequestParser, ReadsChunksWithExtensionsAndTrailers) {
  constexpr std::string_view kText =
      "PUT /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\nNEXT";
  for (const std::size_t piece : {1UL, 5UL, 1000UL}) {
    const auto parsed = parse(kText, piece);
    ASSERT_EQ(parsed.state, ParseState::complete) << piece;
    EXPECT_EQ(parsed.request.body, "hello world");
    EXPECT_FALSE(parsed.request.headers.contains("X-Trailer"));
    EXPECT_EQ(parsed.consumed, kText.size() - 4);
  }
}

TEST(HttpRequestParser, RefusesWhateverTwoParsersCouldReadInTwoWays) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"), 400) << "folded";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n"), 400) << "folded";
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: h\n\n"), 400) << "bare LF";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n"), 400) << "bare LF";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n"), 400) << "bare CR";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), 400) << "space before the colon";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nNo colon\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\nAuthorization: Basic YTpj\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: user@h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n"), 400);
}

TEST(HttpRequestParser, SaysWhatItDoesNotSpeak) {
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/0.9\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / FTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"), 417);
  EXPECT_EQ(status_of("\x16\x03\x01\x02\x01"), 400) << "TLS to a listener in clear";
}

TEST(HttpRequestParser, ChecksTargets) {
  for (const char* target : {"/../etc", "/a/./b", "/%2e%2e/x", "/a%2fb", "/a%5Cb", "/a\\b", "/%00", "/%0a", "/%zz", "/%4",
                             "/%ff", "/%c0%af", "/a#b", "a", "ftp://h/", "http:///x", "*"}) {
    EXPECT_EQ(status_of("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n"), 400) << target;
  }
  EXPECT_EQ(parse("GET /%c3%a9/..x//y HTTP/1.1\r\nHost: h\r\n\r\n").request.path, "/\xc3\xa9/..x//y");
  const auto absolute = parse("GET http://Public.example/x?y HTTP/1.1\r\nHost: other\r\n\r\n");
  EXPECT_EQ(absolute.request.path, "/x");
  EXPECT_EQ(absolute.request.host, "public.example") << "RFC 9112 section 3.2.2";
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").state, ParseState::complete);
}

TEST(HttpRequestParser, IsBounded) {
  const std::string long_target = "GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(parse(long_target).status, 414);
  EXPECT_EQ(parse("GET /" + std::string(9'000, 'a'), 100).status, 414) << "before the line has ended";
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(20'000, 'a'), 100).status, 431);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 99; ++i) many += "X: y\r\n";
  EXPECT_EQ(parse(many + "\r\n").state, ParseState::complete);
  EXPECT_EQ(parse(many + "X: y\r\n\r\n").status, 431);
  EXPECT_EQ(parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n").status, 413);
  EXPECT_EQ(parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n").status, 413);
  const std::string chunk = "1f4\r\n" + std::string(500, 'a') + "\r\n";
  const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk;
  EXPECT_EQ(parse(chunked + "0\r\n\r\n").request.body.size(), 1000U);
  EXPECT_EQ(parse(chunked + "1\r\na\r\n").status, 413);
  EXPECT_EQ(parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(20'000, 'a'), 500)
                .status,
            400);
}

TEST(HttpRequestParser, KeepsAliveAsTheVersionSays) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

}  // namespace
}  // namespace latchkey::net
