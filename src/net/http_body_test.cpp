// Bodies that arrive while their handler works.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// /count pulls everything and says how much it was; /slow waits for `released` before its first pull; /refuse never pulls.
class CountingHandler final : public HttpHandler {
 public:
  bool streams_body(std::string_view method, std::string_view) const override { return method == "POST"; }
  Task<HttpResponse> handle(HttpRequest request) override { co_return HttpResponse::text(200, "plain " + request.path); }
  Task<HttpResponse> handle_stream(HttpRequest request, std::shared_ptr<HttpBody> body) override {
    if (request.path == "/refuse") co_return HttpResponse::text(403, "not here");
    if (request.path == "/slow") co_await wait_for_release();
    const auto stated = body->stated_size();
    std::uint64_t size = 0;
    std::uint64_t sum = 0;
    for (;;) {
      const auto piece = co_await body->pull();
      if (!piece) {
        problem = piece.error().reason;
        co_return HttpResponse::text(piece.error().kind == ErrorKind::invalid ? 400 : 408, piece.error().reason);
      }
      if (piece->empty()) break;
      EXPECT_LE(piece->size(), 512U * 1024) << "so much may be in memory";
      size += piece->size();
      for (const auto octet : *piece) sum += octet;
    }
    co_return HttpResponse::text(200, "size=" + std::to_string(size) + " sum=" + std::to_string(sum) +
                                          " stated=" + (stated ? std::to_string(*stated) : "none") +
                                          " body=" + std::to_string(request.body.size()));
  }

  std::atomic<bool> released = false;
  std::atomic<bool> waiting = false;
  std::string problem;  // written before its answer leaves

 private:
  Task<void> wait_for_release() {
    waiting = true;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    while (!released) {
      timer.expires_after(std::chrono::milliseconds(2));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
  }
};

class HttpBodyTest : public testing::Test {
 protected:
  void start(HttpLimits limits = {}) {
    server.emplace(loop.loop, handler, clock, log, limits);
    ASSERT_TRUE(server->start({{}}));
    port = server->ports().front();
  }
  void TearDown() override {
    if (server) loop.run(server->stop(std::chrono::steady_clock::now() + Seconds(5)));
    loop.stop();
    server.reset();
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  LoopThread loop;
  CountingHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  std::optional<HttpServer> server;
  std::uint16_t port = 0;
};

std::string head(std::string_view path, std::string_view more) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "\r\n\r\n";
}

TEST_F(HttpBodyTest, ArriveWholeAndTheNextRequestFollows) {
  start();
  const auto socket = RawSocket::connect(port);
  const std::string body(3'000'000, 'a');
  ASSERT_TRUE(socket.send(head("/count", "Content-Length: 3000000")));
  ASSERT_TRUE(socket.send(body));
  ASSERT_TRUE(socket.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto answers = socket.receive_until("plain /next");
  EXPECT_THAT(answers, HasSubstr("size=3000000 sum=" + std::to_string(3'000'000ULL * 'a') + " stated=3000000 body=0"));
}

TEST_F(HttpBodyTest, OfNoOctetsAreComplete) {
  start();
  const auto socket = RawSocket::connect(port);
  ASSERT_TRUE(socket.send(head("/count", "Content-Length: 0")));
  EXPECT_THAT(socket.receive_until("body="), HasSubstr("size=0 sum=0 stated=0"));
}

TEST_F(HttpBodyTest, ArriveInChunks) {
  start();
  const auto socket = RawSocket::connect(port);
  ASSERT_TRUE(socket.send(head("/count", "Transfer-Encoding: chunked")));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(socket.send("400\r\n" + std::string(1024, 'b') + "\r\n"));
  ASSERT_TRUE(socket.send("0\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto answers = socket.receive_until("plain /next");
  EXPECT_THAT(answers, HasSubstr("size=102400 sum=" + std::to_string(102'400ULL * 'b') + " stated=none"));
}

TEST_F(HttpBodyTest, AreInvitedWithTheFirstPull) {
  start();
  const auto socket = RawSocket::connect(port);
  ASSERT_TRUE(socket.send(head("/count", "Content-Length: 2\r\nExpect: 100-continue")));
  EXPECT_THAT(socket.receive_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue\r\n"));
  ASSERT_TRUE(socket.send("hi"));
  EXPECT_THAT(socket.receive_until("body="), HasSubstr("size=2"));
}

TEST_F(HttpBodyTest, OfWhoIsRefusedAreNotInvited) {
  start();
  const auto socket = RawSocket::connect(port);
  ASSERT_TRUE(socket.send(head("/refuse", "Content-Length: 500000000\r\nExpect: 100-continue")));
  const auto answer = socket.receive_until("not here");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(answer, Not(HasSubstr("100 Continue")));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

// Who sends faster than the handler takes is held back by TCP, not kept in memory.
TEST_F(HttpBodyTest, WaitInTheSenderUntilTheyArePulled) {
  start();
  const auto socket = RawSocket::connect(port);
  constexpr std::size_t kWhole = 256 * 1024 * 1024;
  ASSERT_TRUE(socket.send(head("/slow", "Content-Length: " + std::to_string(kWhole))));
  ASSERT_TRUE(eventually([&] { return handler.waiting.load(); }));
  const std::string piece(1024 * 1024, 'c');
  std::size_t sent = 0;
  while (sent < kWhole) {
    const auto count =
        ::send(socket.descriptor(), piece.data(), std::min(piece.size(), kWhole - sent), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) sent += static_cast<std::size_t>(count);
    if (count > 0) continue;
    // Full. Whether it stays so shows when the kernel has had its time to move what it will.
    pollfd entry{.fd = socket.descriptor(), .events = POLLOUT, .revents = 0};
    if (::poll(&entry, 1, 300) == 0) break;
  }
  EXPECT_LT(sent, 64U * 1024 * 1024) << "the kernel's buffers, and no more";
  handler.released = true;
  while (sent < kWhole) {
    const auto count = ::send(socket.descriptor(), piece.data(), std::min(piece.size(), kWhole - sent), MSG_NOSIGNAL);
    ASSERT_GT(count, 0);
    sent += static_cast<std::size_t>(count);
  }
  EXPECT_THAT(socket.receive_until("body="), HasSubstr("size=" + std::to_string(kWhole)));
}

TEST_F(HttpBodyTest, CutShortAreSaidToBeLost) {
  start();
  {
    const auto socket = RawSocket::connect(port);
    ASSERT_TRUE(socket.send(head("/count", "Content-Length: 1000")));
    ASSERT_TRUE(socket.send("too little"));
    socket.finish_sending();
    EXPECT_THAT(socket.receive_to_end(), HasSubstr("connection_lost"));
  }
  EXPECT_EQ(handler.problem, "connection_lost");
}

TEST_F(HttpBodyTest, ThatStopComingAreGivenUp) {
  HttpLimits limits;
  limits.body_timeout = Milliseconds(200);
  start(limits);
  const auto socket = RawSocket::connect(port);
  ASSERT_TRUE(socket.send(head("/count", "Content-Length: 1000")));
  ASSERT_TRUE(socket.send("too little"));
  EXPECT_THAT(socket.receive_to_end(), HasSubstr("request_timeout"));
}

TEST_F(HttpBodyTest, ThatAreBrokenAreRefused) {
  start();
  const auto socket = RawSocket::connect(port);
  ASSERT_TRUE(socket.send(head("/count", "Transfer-Encoding: chunked") + "3\r\nabc\r\nzz\r\n"));
  const auto answer = socket.receive_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer, HasSubstr("malformed_request"));
}

}  // namespace
}  // namespace latchkey::net
