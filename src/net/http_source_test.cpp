// Bodies that are made while they are sent.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kPiece = 64 * 1024;

std::string octets_of(std::uint64_t from, std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (from + i) % 23);
  return text;
}

class CountedSource final : public HttpSource {
 public:
  CountedSource(std::uint64_t size, std::uint64_t fails_at, std::atomic<int>& asked)
      : size_(size), fails_at_(fails_at), asked_(asked) {}
  std::uint64_t size_bytes() const override { return size_; }
  Task<Result<std::string>> next() override {
    asked_ += 1;
    if (at_ >= fails_at_) co_return fail(ErrorKind::corrupt, "document_damaged", "damaged");
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size_ - at_));
    auto piece = octets_of(at_, size);
    at_ += size;
    co_return piece;
  }

 private:
  std::uint64_t size_;
  std::uint64_t fails_at_;
  std::uint64_t at_ = 0;
  std::atomic<int>& asked_;
};

// /SIZE answers with so many octets; /broken with some of what it stated; /short is a plain answer.
class SourceHandler final : public HttpHandler {
 public:
  Task<HttpResponse> handle(HttpRequest request) override {
    auto response = HttpResponse::text(200, "plain");
    if (request.path == "/short") co_return response;
    const bool broken = request.path == "/broken";
    const auto size = broken ? 1'000'000U : static_cast<std::uint64_t>(std::stoull(request.path.substr(1)));
    response.body.clear();
    response.source = std::make_shared<CountedSource>(size, broken ? 3 * kPiece : ~0ULL, asked);
    co_return response;
  }
  std::atomic<int> asked = 0;
};

class HttpSourceTest : public testing::Test {
 protected:
  void SetUp() override { begin(); }
  void begin(HttpLimits limits = {}, BodyBudget* bodies = nullptr) {
    stop_server();
    server.emplace(loop.loop, handler, clock, log, limits, bodies);
    ASSERT_TRUE(server->start({{}}));
    socket = RawSocket::connect(server->ports().front());
  }
  void stop_server() {
    socket.close();
    if (server) loop.run(server->stop(std::chrono::steady_clock::now() + Seconds(5)));
    server.reset();
  }
  void TearDown() override {
    stop_server();
    loop.stop();
  }
  void ask(const std::string& line, const std::string& more = "") const {
    ASSERT_TRUE(socket.send(line + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n"));
  }

  LoopThread loop;
  SourceHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  std::optional<HttpServer> server;
  RawSocket socket;
};

TEST_F(HttpSourceTest, ArriveWholeAndTheConnectionServesOn) {
  const std::size_t size = 3'000'001;
  ask("GET /" + std::to_string(size));
  ask("GET /0");
  ask("GET /short", "Connection: close\r\n");
  const auto all = socket.receive_to_end();
  const auto head_end = all.find("\r\n\r\n") + 4;
  EXPECT_THAT(all.substr(0, head_end), HasSubstr("Content-Length: 3000001\r\n"));
  ASSERT_GT(all.size(), head_end + size);
  EXPECT_EQ(all.substr(head_end, size), octets_of(0, size));
  const auto rest = all.substr(head_end + size);
  EXPECT_THAT(rest, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(rest, HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(rest, EndsWith("plain"));
  EXPECT_EQ(handler.asked, static_cast<int>((size + kPiece - 1) / kPiece)) << "and of nothing nothing";
}

TEST_F(HttpSourceTest, D8_ArePulledNoFasterThanThePeerTakesThem) {
  constexpr std::uint64_t kSize = 64'000'000;
  constexpr std::uint64_t kInTheKernelMax = 16'000'000;  // both sockets' buffers
  ask("GET /" + std::to_string(kSize));
  std::uint64_t received = 0;
  std::uint64_t ahead = 0;
  for (auto more = socket.receive_some(); !more.empty() && received < kSize; more = socket.receive_some()) {
    received += more.size();
    const auto made = static_cast<std::uint64_t>(handler.asked.load()) * kPiece;
    ahead = std::max(ahead, made > received ? made - received : 0);
  }
  EXPECT_GE(received, kSize);
  EXPECT_LT(ahead, kInTheKernelMax);
}

TEST_F(HttpSourceTest, OfWhichAPieceCannotBeMadeCutTheConnectionSoThatThePeerKnows) {
  ask("GET /broken");
  const auto all = socket.receive_to_end();
  const auto head_end = all.find("\r\n\r\n") + 4;
  EXPECT_THAT(all, HasSubstr("Content-Length: 1000000\r\n"));
  EXPECT_EQ(all.substr(head_end), octets_of(0, 3 * kPiece));
  EXPECT_THAT(log.text(), HasSubstr("document_damaged"));
}

TEST_F(HttpSourceTest, AreNotAskedForAHead) {
  ask("HEAD /5000", "Connection: close\r\n");
  const auto all = socket.receive_to_end();
  EXPECT_THAT(all, HasSubstr("Content-Length: 5000\r\n"));
  EXPECT_THAT(all, EndsWith("\r\n\r\n"));
  EXPECT_EQ(handler.asked, 0);
}

// A little now and then is no reason to hold a place for ever.
TEST_F(HttpSourceTest, D7_OfAPeerThatTakesThemTooSlowlyEnd) {
  begin({.write_timeout = Milliseconds(1'000), .source_rate_min = 1'000'000'000'000});
  constexpr std::uint64_t kSize = 200'000'000;
  ask("GET /" + std::to_string(kSize));
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t received = 0;
  // As fast as a slow line, so that an octet leaves again and again: never for as long as write_timeout does none.
  for (auto more = socket.receive_some(); !more.empty(); more = socket.receive_some()) {
    received += more.size();
    std::this_thread::sleep_until(began + std::chrono::microseconds(received / 20));  // 20 MB a second
  }
  EXPECT_LT(received, kSize);
}

// What of a document waits in memory for a peer that does not take it counts among what strangers may hold.
TEST_F(HttpSourceTest, D7_WhatWaitsOfThemIsCounted) {
  BodyBudget bodies({.free_bytes = 0, .bytes_max = 1, .source_bytes_max = 1});
  begin({}, &bodies);
  constexpr int kPeers = 8;
  std::vector<RawSocket> peers;
  for (int peer = 0; peer < kPeers; ++peer) {
    peers.push_back(RawSocket::connect(server->ports().front()));
    ASSERT_TRUE(peers.back().send("GET /64000000 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (bodies.refused() < kPeers && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(bodies.refused(), kPeers) << "each is let go when there is no room for what waits";
  stop_server();
}

TEST_F(HttpSourceTest, OfAPeerThatIsGoneEnd) {
  ask("GET /1000000000");
  ASSERT_THAT(socket.receive_some(), StartsWith("HTTP/1.1 200 OK"));
  socket.reset();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (server->connection_count() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(server->connection_count(), 0U);
  EXPECT_THAT(log.text(), Not(HasSubstr("http_body_cut_short"))) << "a peer that leaves is no fault of ours";
}

}  // namespace
}  // namespace latchkey::net
