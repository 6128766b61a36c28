#include "net/http_server.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>

#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class EchoHandler final : public HttpHandler {
 public:
  std::optional<HttpResponse> try_handle_now(const HttpRequest& request) override {
    if (!request.path.starts_with("/now")) return std::nullopt;
    return HttpResponse::text(200, request.method + " " + request.path + " " + request.body);
  }
  Task<HttpResponse> handle(HttpRequest request) override {
    if (request.path == "/throw") throw std::runtime_error("planned");
    if (request.path == "/wait") co_await wait_for_release();
    if (request.path == "/big") co_return HttpResponse::text(200, std::string(3'000'000, 'x'));
    if (request.path == "/empty") co_return HttpResponse::no_content();
    if (request.path == "/who") {
      co_return HttpResponse::text(200, request.client.text() + " " + std::string(request.scheme) + " " + request.host +
                                            (request.is_confidential() ? " confidential" : ""));
    }
    co_return HttpResponse::text(200, "later " + request.path + " " + request.body);
  }
  std::optional<HttpResponse> refuse_body(const HttpRequest& request) override {
    if (request.path != "/strangers") return std::nullopt;
    return HttpResponse::text(401, "who?");
  }
  std::size_t body_limit(std::string_view, std::string_view path) const override {
    return path == "/large" ? 2'000'000 : 64 * 1024;
  }

  std::promise<void> waiting;
  std::atomic<bool> released = false;
  std::atomic<bool> cancelled = false;

 private:
  Task<void> wait_for_release() {
    waiting.set_value();
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    try {
      while (!released) {
        timer.expires_after(std::chrono::milliseconds(2));
        co_await timer.async_wait(boost::asio::use_awaitable);
      }
    } catch (...) {
      cancelled = true;
      throw;
    }
  }
};

class HttpServerTest : public testing::Test {
 protected:
  void start(HttpLimits limits = {}, std::vector<HttpListener> listeners = {{}}) {
    server.emplace(loop.loop, handler, clock, log, limits, bodies ? &*bodies : nullptr);
    if (!proxies.empty()) server->set_trusted_proxies(proxies);
    server->set_allowed_hosts(hosts);
    const auto started = server->start(std::move(listeners));
    ASSERT_TRUE(started) << started.error().text;
    port = server->ports().front();
  }
  void TearDown() override {
    if (server) loop.run(server->stop(std::chrono::steady_clock::now() + Seconds(5)));
    if (server) EXPECT_EQ(server->connection_count(), 0U);
    loop.stop();
    server.reset();
  }
  // Sends, half-closes, and returns all that comes.
  std::string exchange(std::string_view text) {
    const auto socket = RawSocket::connect(port);
    socket.send(text);
    socket.finish_sending();
    return socket.receive_to_end();
  }

  std::optional<BodyBudget> bodies;
  LoopThread loop;
  EchoHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  TrustedProxies proxies;
  std::vector<std::string> hosts;
  std::optional<HttpServer> server;
  std::uint16_t port = 0;
};

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST_F(HttpServerTest, AnswersNowAndLater) {
  start();
  const std::string now = exchange("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_THAT(now, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(now, HasSubstr("\r\nContent-Length: 12\r\n"));
  EXPECT_THAT(now, testing::EndsWith("\r\n\r\nPOST /now hi"));
  EXPECT_THAT(exchange("GET /later HTTP/1.1\r\nHost: h\r\n\r\n"), testing::EndsWith("later /later "));
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  std::string requests;
  for (int i = 0; i < 200; ++i) {
    requests += "GET " + std::string(i % 3 == 0 ? "/later" : "/now") + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  const std::string all = exchange(requests);
  EXPECT_EQ(count(all, "HTTP/1.1 200"), 200U);
  std::size_t at = 0;
  for (int i = 0; i < 200 && at != std::string::npos; ++i) {
    at = all.find((i % 3 == 0 ? "/later" : "/now") + std::to_string(i) + " ", at);
    EXPECT_NE(at, std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, ServesRequestAfterRequestOctetByOctet) {
  start();
  const auto socket = RawSocket::connect(port);
  for (int round = 0; round < 2; ++round) {
    for (const char c : std::string_view("PUT /now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")) {
      ASSERT_TRUE(socket.send({&c, 1}));
    }
    EXPECT_THAT(socket.receive_until("PUT /now ab"), StartsWith("HTTP/1.1 200 OK"));
  }
}

TEST_F(HttpServerTest, ClosesWhenAsked) {
  start();
  const auto socket = RawSocket::connect(port);
  socket.send("GET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(socket.receive_to_end(), HasSubstr("\r\nConnection: close\r\n"));
  const auto old = RawSocket::connect(port);
  old.send("GET /now HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.receive_to_end(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(HttpServerTest, HeadAndNoContentHaveNoBody) {
  start();
  EXPECT_THAT(exchange("HEAD /later HTTP/1.1\r\nHost: h\r\n\r\n"), testing::EndsWith("Content-Length: 13\r\n\r\n"));
  const std::string empty = exchange("GET /empty HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(empty, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(empty, testing::Not(HasSubstr("Content-Length")));
}

TEST_F(HttpServerTest, SendsLargeBodiesToSlowReaders) {
  start();
  const auto socket = RawSocket::connect(port);
  socket.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string all = socket.receive_to_end();
  EXPECT_EQ(count(all, "HTTP/1.1 200 OK"), 2U);
  EXPECT_GT(all.size(), 3'000'000U);
  EXPECT_THAT(all.substr(all.size() - 9), "GET /now ");
}

TEST_F(HttpServerTest, SmugglingIsRefusedAndTheConnectionClosed) {
  start();
  for (const std::string_view bad :
       {"POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n",
        "POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 4\n\r\n", "GET /now HTTP/1.1\r\nHost: h\r\nX: 1\r\n 2\r\n\r\n"}) {
    const auto socket = RawSocket::connect(port);
    socket.send(bad);
    socket.send("GET /now/smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    const std::string all = socket.receive_to_end();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << bad;
    EXPECT_THAT(all, HasSubstr("urn:latchkey:problem:malformed_request"));
    EXPECT_EQ(count(all, "HTTP/1.1"), 1U) << all;
  }
}

TEST_F(HttpServerTest, ALargeBodyIsRefusedBeforeItIsRead) {
  start();
  const std::string body(1 << 20, 'x');
  const auto socket = RawSocket::connect(port);
  socket.send("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
  socket.send(body);
  EXPECT_THAT(socket.receive_to_end(), StartsWith("HTTP/1.1 413 Content Too Large\r\n"));
  const auto allowed = RawSocket::connect(port);
  allowed.send("POST /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1048576\r\n\r\n" + body);
  const std::string answer = allowed.receive_to_end();
  EXPECT_THAT(answer.substr(0, 200), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_GT(answer.size(), body.size());
}

TEST_F(HttpServerTest, ContinuesWhenExpectedAndOnlyThen) {
  start();
  const auto socket = RawSocket::connect(port);
  socket.send("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("ok");
  EXPECT_THAT(socket.receive_until("/now ok"), StartsWith("HTTP/1.1 200 OK"));
  const auto large = RawSocket::connect(port);
  large.send("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(large.receive_to_end(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, SlowHeadersTimeOut) {
  start({.header_timeout = Milliseconds(60)});
  const auto silent = RawSocket::connect(port);
  const auto slow = RawSocket::connect(port);
  slow.send("GET /now HTTP/1.1\r\nHost:");
  EXPECT_THAT(slow.receive_to_end(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(silent.receive_to_end(), "") << "who says nothing is told nothing";
}

TEST_F(HttpServerTest, SlowBodiesAndIdleConnectionsTimeOut) {
  start({.body_timeout = Milliseconds(60), .idle_timeout = Milliseconds(60)});
  const auto slow = RawSocket::connect(port);
  slow.send("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_THAT(slow.receive_to_end(), StartsWith("HTTP/1.1 408 "));
  const auto idle = RawSocket::connect(port);
  idle.send("GET /now HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(idle.receive_to_end(), testing::EndsWith("GET /now "));
}

TEST_F(HttpServerTest, AReaderWhoStopsReadingTimesOut) {
  start({.write_timeout = Milliseconds(60)});
  const auto socket = RawSocket::connect(port);
  for (int i = 0; i < 10; ++i) socket.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (server->connection_count() == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  while (server->connection_count() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(server->connection_count(), 0U);
}

TEST_F(HttpServerTest, ConnectionsAreBoundedPerSource) {
  start({.connections_per_source_max = 2});
  std::vector<RawSocket> good;
  for (int i = 0; i < 2; ++i) {
    good.push_back(RawSocket::connect(port));
    good.back().send("GET /now HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(good.back().receive_until("/now "), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_EQ(RawSocket::connect(port).receive_some(), "") << "the third is closed at once";
  EXPECT_THAT(log.text(), HasSubstr("connections_refused"));
  good.pop_back();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (server->connection_count() > 1 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  const auto next = RawSocket::connect(port);
  next.send("GET /now HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(next.receive_until("/now "), StartsWith("HTTP/1.1 200"));
}

// Real time passes here: what is tried again ten times a second would have been written several times.
TEST_F(HttpServerTest, OutOfDescriptorsItSaysSoOnceAndGoesOnWhenThereAreSome) {
  start();
  EXPECT_THAT(exchange("GET /now HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(STDERR_FILENO);
  ASSERT_GE(next, 0);
  ::close(next);
  const rlimit one_more{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &one_more), 0);
  const auto client = RawSocket::connect(port);  // takes that one
  const auto lines = [this] {
    const auto text = log.text();
    std::size_t count = 0;
    for (auto at = text.find("accept_paused"); at != std::string::npos; at = text.find("accept_paused", at + 1)) ++count;
    return count;
  };
  const auto begun = std::chrono::steady_clock::now();
  while (lines() == 0 && std::chrono::steady_clock::now() < begun + kPatience) std::this_thread::yield();
  EXPECT_EQ(lines(), 1U);
  std::this_thread::sleep_for(Milliseconds(700));
  EXPECT_EQ(lines(), 1U);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  client.send("GET /now HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.receive_until("/now "), StartsWith("HTTP/1.1 200"));
}

// Bodies that stay short of their end, from that address (one of 127.0.0.0/8): what they hold has a bound, and others are served.
std::vector<RawSocket> unfinished(std::uint16_t port, const char* from, int how_many, std::string_view header, std::string_view body) {
  std::vector<RawSocket> sockets;
  for (int i = 0; i < how_many; ++i) {
    sockets.push_back(RawSocket::connect(port, from));
    EXPECT_TRUE(sockets.back().send(std::string("POST /now HTTP/1.1\r\nHost: h\r\n").append(header).append("\r\n").append(body)));
  }
  return sockets;
}

template <class Condition>
void wait_for(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(condition());
}

TEST_F(HttpServerTest, WhatGatheredBodiesHoldIsBoundedAndOthersAreServed) {
  bodies.emplace(BodyLimits{.free_bytes = 8 * 1024, .bytes_max = 400 * 1024, .source_bytes_max = 200 * 1024});
  start();
  const std::string most(48 * 1024, 'x');
  const std::string piece = "c000\r\n" + most + "\r\n";
  // Promised or in pieces: four of one source fit, (48 - 8) KiB or the 64 KiB of a string that has grown.
  const auto promised = unfinished(port, "127.0.0.2", 12, "Content-Length: 49152\r\n", most.substr(1));
  wait_for([&] { return bodies->refused() == 7; });
  EXPECT_EQ(bodies->held_bytes(), 5U * (40 * 1024 - 1));
  const auto in_pieces = unfinished(port, "127.0.0.3", 12, "Transfer-Encoding: chunked\r\n", piece);
  wait_for([&] { return bodies->refused() >= 7 + 7; });
  EXPECT_LE(bodies->held_bytes(), 400U * 1024);
  int refused = 0;
  for (const auto& socket : promised) {
    if (!socket.wait_readable(std::chrono::milliseconds(0))) continue;
    ++refused;
    const std::string answer = socket.receive_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: 10\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(answer, HasSubstr("urn:latchkey:problem:bodies_busy"));
  }
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(count(log.text(), "bodies_refused"), 1U) << "not once for each";

  // What is free is free, from the same source too; and a large one of a third source has its share where there is room.
  EXPECT_THAT(exchange("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 8192\r\n\r\n" + std::string(8192, 'y')), StartsWith("HTTP/1.1 200 "));
  const auto again = RawSocket::connect(port, "127.0.0.2");
  again.send("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_THAT(again.receive_until("/now hi"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, WhoeverIsAnsweredOrGoneHoldsNothing) {
  bodies.emplace(BodyLimits{.source_bytes_max = 100 * 1024});
  start();
  const std::string large = "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" + std::string(60000, 'y');
  const auto kept = RawSocket::connect(port);
  for (int round = 0; round < 3; ++round) {
    kept.send(large);
    EXPECT_THAT(kept.receive_until("yyyy"), StartsWith("HTTP/1.1 200 "));
    wait_for([&] { return bodies->held_bytes() == 0; });
    while (kept.wait_readable(std::chrono::milliseconds(50))) static_cast<void>(kept.receive_some());
  }
  {
    const auto gone = unfinished(port, "127.0.0.1", 1, "Content-Length: 60000\r\n", std::string(59'000, 'y'));
    wait_for([&] { return bodies->held_bytes() > 50'000; });
  }
  wait_for([&] { return bodies->held_bytes() == 0; });
  EXPECT_EQ(bodies->refused(), 0);
}

TEST_F(HttpServerTest, APromisedBodyHoldsNothingBeforeItComes) {
  bodies.emplace(BodyLimits{.bytes_max = 64 * 1024});
  start();
  const auto promised = unfinished(port, "127.0.0.2", 50, "Content-Length: 60000\r\n", "abc");
  EXPECT_THAT(exchange("POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" + std::string(60000, 'y')), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(bodies->refused(), 0);
}

// Requests one behind the other, whose answers nobody takes.
TEST_F(HttpServerTest, WhoDoesNotTakeItsAnswersHoldsNoMoreThanItsShare) {
  constexpr std::size_t kShare = 20 * 1024;  // four hold more than twice as much
  bodies.emplace(BodyLimits{.source_bytes_max = kShare});
  start();
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += "POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'y');
  struct Silent {
    RawSocket socket;
    std::size_t sent = 0;
  };
  std::vector<Silent> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back({.socket = RawSocket::connect(port, "127.0.0.2")});
    const int few = 4096;  // else the kernel takes answers by the megabyte
    ASSERT_EQ(::setsockopt(all.back().socket.descriptor(), SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
  }
  // The kernel's buffers first, then the server's; however long the machine takes for it.
  wait_for([&] {
    for (auto& each : all) each.sent = (each.sent + each.socket.send_some(std::string_view(requests).substr(each.sent))) % requests.size();
    return bodies->held_bytes() > kShare || bodies->refused() > 0;
  });
  EXPECT_LE(bodies->held_bytes(), kShare);
  EXPECT_THAT(exchange("GET /now HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, AHandlerRefusesABodyByItsHeader) {
  start();
  const auto refused = RawSocket::connect(port);
  refused.send("POST /strangers HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n");
  const std::string answer = refused.receive_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 ")) << "of 60,000 octets none has come";
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(exchange("POST /strangers HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 200 ")) << "there is none";
}

TEST_F(HttpServerTest, ForeignHostsAreMisdirected) {
  hosts = {"Latchkey.Example", "other.example:8443"};
  start();
  const auto status = [this](const std::string& host) {
    return exchange("GET /now HTTP/1.1\r\nHost: " + host + "\r\n\r\n").substr(9, 3);
  };
  EXPECT_EQ(status("latchkey.example"), "200");
  EXPECT_EQ(status("LATCHKEY.example:443"), "200");
  EXPECT_EQ(status("other.example:8443"), "200");
  EXPECT_EQ(status("other.example"), "421");
  EXPECT_EQ(status("localhost:8480"), "200");
  EXPECT_EQ(status("127.0.0.1"), "200");
  EXPECT_EQ(status("[::1]:1"), "200");
  EXPECT_EQ(status("rebound.example"), "421");
  EXPECT_EQ(status("192.0.2.1"), "421");
}

TEST_F(HttpServerTest, TrustedProxiesNameTheClient) {
  proxies = TrustedProxies::parse({"127.0.0.1"}).value();
  start();
  EXPECT_THAT(exchange("GET /who HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n\r\n"),
              testing::EndsWith("203.0.113.5 https h confidential"));
}

TEST_F(HttpServerTest, StrangersForwardedFieldsCountForNothing) {
  start();
  EXPECT_THAT(exchange("GET /who HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n\r\n"),
              testing::EndsWith("127.0.0.1 http h"));
}

// Rule T3: the preamble counts from trusted proxies only, and there it must be; headers count no more.
TEST_F(HttpServerTest, T3_APreambleOfATrustedProxyNamesTheClient) {
  constexpr std::string_view request = "GET /who HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.9\r\nX-Forwarded-Proto: https\r\n\r\n";
  proxies = *TrustedProxies::parse({"127.0.0.0/8"}, ProxyHeader::proxy_protocol);
  start();
  EXPECT_THAT(exchange("PROXY TCP4 203.0.113.5 127.0.0.1 51234 80\r\n" + std::string(request)), testing::EndsWith("203.0.113.5 http h"));
  const auto slow = RawSocket::connect(port);
  for (const char c : std::string_view("PROXY TCP6 2001:db8::5 ::1 51234 80\r\n")) ASSERT_TRUE(slow.send({&c, 1}));
  for (int round = 0; round < 2; ++round) {
    slow.send(request);
    EXPECT_THAT(slow.receive_until("http h"), testing::EndsWith("2001:db8::5 http h")) << "for the whole connection";
  }
  EXPECT_EQ(exchange(request), "") << "a trusted proxy that says nothing is no proxy";
  EXPECT_EQ(exchange("PROXY TCP4 nobody 127.0.0.1 51234 80\r\n" + std::string(request)), "");
  EXPECT_EQ(exchange("PROXY TCP4 203.0.1"), "") << "broken off";
  EXPECT_THAT(log.text(), HasSubstr("proxy_preamble_missing"));
  // Who is not named is not taken for the proxy's own machine.
  EXPECT_THAT(exchange("PROXY UNKNOWN\r\n" + std::string(request)), testing::EndsWith("127.0.0.1 http h"));
  EXPECT_THAT(exchange("PROXY TCP4 127.0.0.1 127.0.0.1 1 80\r\nGET /who HTTP/1.1\r\nHost: h\r\n\r\n"), testing::EndsWith("127.0.0.1 http h confidential"));
}

TEST_F(HttpServerTest, T3_APreambleOfAnybodyElseIsABadRequest) {
  proxies = *TrustedProxies::parse({"192.0.2.1"}, ProxyHeader::proxy_protocol);
  start();
  EXPECT_THAT(exchange("PROXY TCP4 203.0.113.5 127.0.0.1 51234 80\r\nGET /who HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(exchange("GET /who HTTP/1.1\r\nHost: h\r\n\r\n"), testing::EndsWith("127.0.0.1 http h confidential"));
}

TEST_F(HttpServerTest, AHandlersExceptionIsA500AndALogLine) {
  start();
  const std::string all = exchange("GET /throw HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(all, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(all, testing::Not(HasSubstr("planned")));
  EXPECT_EQ(count(all, "HTTP/1.1 200"), 1U);
  EXPECT_THAT(log.text(), HasSubstr("planned"));
}

TEST_F(HttpServerTest, StopLetsRequestsInWorkFinish) {
  start();
  const auto idle = RawSocket::connect(port);
  idle.send("GET /now HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(idle.receive_until("/now "), StartsWith("HTTP/1.1 200"));
  const auto busy = RawSocket::connect(port);
  busy.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(handler.waiting.get_future().wait_for(kPatience), std::future_status::ready);
  auto stopped = boost::asio::co_spawn(loop.loop.main(), server->stop(std::chrono::steady_clock::now() + kPatience),
                                       boost::asio::use_future);
  EXPECT_EQ(idle.receive_to_end(), "") << "idle connections close at once";
  handler.released = true;
  EXPECT_THAT(busy.receive_to_end(), HasSubstr("Connection: close"));
  ASSERT_EQ(stopped.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(server->connection_count(), 0U);
  loop.stop();
  server.reset();
}

TEST_F(HttpServerTest, StopCutsAtItsDeadline) {
  start();
  const auto busy = RawSocket::connect(port);
  busy.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(handler.waiting.get_future().wait_for(kPatience), std::future_status::ready);
  loop.run(server->stop(std::chrono::steady_clock::now() + Milliseconds(20)));
  EXPECT_EQ(busy.receive_to_end(), "");
  EXPECT_TRUE(handler.cancelled);
  loop.stop();
  server.reset();
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  start();
  HttpServer second(loop.loop, handler, clock, log);
  const auto taken = second.start({{.port = port}});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "listen_failed");
  EXPECT_THAT(taken.error().text, HasSubstr("127.0.0.1:" + std::to_string(port)));
  const auto no_address = second.start({{.address = "printer.lan"}});
  ASSERT_FALSE(no_address);
  EXPECT_THAT(no_address.error().text, HasSubstr("printer.lan"));
}

}  // namespace
}  // namespace latchkey::net
