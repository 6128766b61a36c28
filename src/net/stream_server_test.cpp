// What a conversation's peer cannot take: the worker, and a place beyond its patience.
#include "net/stream_server.h"

#include <gtest/gtest.h>

#include "net/net_testing.h"

namespace latchkey::net {
namespace {

// Answers every piece that comes with one octet.
class Answering final : public StreamHandler {
 public:
  Task<void> serve(std::shared_ptr<StreamConnection> connection) override {
    for (;;) {
      const auto octets = co_await connection->read(patience);
      if (!octets || octets->empty()) co_return;
      taken += octets->size();
      if (!co_await connection->write("!", patience)) co_return;
    }
  }
  std::string busy_line() const override { return "busy"; }

  Milliseconds patience{20'000};
  std::atomic<std::size_t> taken = 0;
};

class StreamServerTest : public testing::Test {
 protected:
  void start(TlsStart tls = TlsStart::never, StreamLimits limits = {}) {
    write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
    context = TlsServerContext::load(folder.file("cert.pem"), folder.file("key.pem")).value();
    server.emplace(loop.loop, handler, log, limits);
    ASSERT_TRUE(server->start({{.tls = context.get(), .start = tls, .setting = "test"}}));
    port = server->ports().front();
  }
  void TearDown() override {
    if (server) loop.run(server->stop(std::chrono::steady_clock::now() + Seconds(1)));
    loop.stop();
    server.reset();
  }
  TemporaryFolder folder;
  std::unique_ptr<TlsServerContext> context;
  LoopThread loop{1};  // everybody shares one worker
  Answering handler;
  base::MemoryLog log;
  std::optional<StreamServer> server;
  std::uint16_t port = 0;
};

TEST_F(StreamServerTest, D7_WhoSendsWithoutPauseLeavesOthersTheirTurn) {
  start();
  const auto flooding = RawSocket::connect(port);
  std::atomic<bool> enough = false;
  std::thread reading([&] {
    while (!flooding.receive_some().empty()) {
    }
  });
  std::thread sending([&] {
    const std::string piece(256 * 1024, 'x');
    while (!enough && flooding.send(piece)) {
    }
    ::shutdown(flooding.descriptor(), SHUT_WR);
  });
  while (handler.taken < 10'000'000) std::this_thread::yield();
  for (int round = 0; round < 20; ++round) {
    const auto other = RawSocket::connect(port);
    other.send("?");
    EXPECT_EQ(other.receive_some(), "!") << round;
  }
  enough = true;
  sending.join();
  reading.join();
}

TEST_F(StreamServerTest, D7_AHandshakeThatTricklesIsEndedByItsDeadline) {
  start(TlsStart::at_once, {.handshake_timeout = Milliseconds(300)});
  const auto peer = RawSocket::connect(port);
  // A record of 16 KiB is announced, and comes octet by octet: each of them well within the patience.
  ASSERT_TRUE(peer.send(std::string_view("\x16\x03\x01\x3f\x00", 5)));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!peer.wait_readable(Milliseconds(20)) && peer.send("\x01")) ASSERT_LT(std::chrono::steady_clock::now(), until);
  EXPECT_EQ(peer.receive_some(), "") << "closed";
}

}  // namespace
}  // namespace latchkey::net
