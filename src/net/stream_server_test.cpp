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

// Says whom it takes its peer for, and goes on until that one goes.
class Naming final : public StreamHandler {
 public:
  Task<void> serve(std::shared_ptr<StreamConnection> connection) override {
    if (!co_await connection->write(connection->peer_known() ? connection->peer().text() : "unknown", Milliseconds(20'000))) co_return;
    (void)co_await connection->read(Milliseconds(20'000));
  }
  StreamCaller caller(std::size_t, const IpAddress& peer) const override {
    if (!named) return StreamCaller::any;
    return peer == *named ? StreamCaller::named : StreamCaller::stranger;
  }
  std::string busy_line() const override { return "busy"; }

  std::optional<IpAddress> named;  // everybody else is a stranger
};

class StreamServerTest : public testing::Test {
 protected:
  void start(TlsStart tls = TlsStart::never, StreamLimits limits = {}) {
    write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
    context = TlsServerContext::load(folder.file("cert.pem"), folder.file("key.pem")).value();
    server.emplace(loop.loop, *serving, log, limits);
    server->set_trusted_proxies(proxies);
    ASSERT_TRUE(server->start({{.tls = context.get(), .start = tls, .setting = "test"}, {.setting = "other"}}));
    port = server->ports().front();
    other_port = server->ports().back();
  }
  void TearDown() override {
    if (server) loop.run(server->stop(std::chrono::steady_clock::now() + Seconds(1)));
    loop.stop();
    server.reset();
  }
  TemporaryFolder folder;
  std::unique_ptr<TlsServerContext> context;
  LoopThread loop{1};  // everybody shares one worker
  // What a peer that says this first is answered; the connection stays.
  RawSocket meeting(std::string_view said, const std::string& answer) {
    auto peer = RawSocket::connect(port);
    EXPECT_TRUE(peer.send(said));
    EXPECT_EQ(peer.receive_some(), answer) << said;
    return peer;
  }

  // Whoever was refused leaves its place a moment after it was told so.
  void until_there_are(std::size_t connections) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (server->connection_count() != connections) ASSERT_LT(std::chrono::steady_clock::now(), until) << server->connection_count();
  }

  // The same, as soon as a place is free.
  void meeting_in_the_end(std::string_view said, const std::string& answer) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (std::string told; told != answer;) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "its place is free again";
      const auto peer = RawSocket::connect(port);
      if (!said.empty()) ASSERT_TRUE(peer.send(said));
      told = peer.receive_some();
    }
  }

  Answering handler;
  Naming naming;
  StreamHandler* serving = &handler;
  TrustedProxies proxies;
  base::MemoryLog log;
  std::optional<StreamServer> server;
  std::uint16_t port = 0;
  std::uint16_t other_port = 0;
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

TEST_F(StreamServerTest, T3_WhomAProxyDoesNotKnowIsNotTheProxy) {
  proxies = TrustedProxies::parse({"127.0.0.1"}, ProxyHeader::proxy_protocol).value();
  serving = &naming;
  start(TlsStart::never, {.places = {.of_a_source = 2}});
  const auto first = meeting("PROXY UNKNOWN\r\n", "unknown");
  auto second = meeting("PROXY UNKNOWN\r\n", "unknown");
  const auto named = meeting("PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n", "192.0.2.7");
  meeting("PROXY UNKNOWN\r\n", "busy");
  second.close();
  meeting_in_the_end("PROXY UNKNOWN\r\n", "unknown");
}

TEST_F(StreamServerTest, WhoeverFillsAListenerLeavesTheOthersTheirPlaces) {
  serving = &naming;
  start(TlsStart::never, {.places = {.all = 2, .of_a_source = 1}});
  auto first = RawSocket::connect(port, "127.0.0.2");
  EXPECT_EQ(first.receive_some(), "127.0.0.2");
  const auto second = RawSocket::connect(port, "127.0.0.3");
  EXPECT_EQ(second.receive_some(), "127.0.0.3");
  EXPECT_EQ(RawSocket::connect(port, "127.0.0.4").receive_some(), "busy");
  for (const auto* source : {"127.0.0.4", "127.0.0.2"}) EXPECT_EQ(RawSocket::connect(other_port, source).receive_some(), source);
  first.close();
  meeting_in_the_end("", "127.0.0.1");
}

TEST_F(StreamServerTest, AStrangerTakesNoPlaceOfThoseWhoAreNamed) {
  serving = &naming;
  naming.named = IpAddress::parse("127.0.0.5");
  start(TlsStart::never, {.places = {.all = 2, .strangers = 1}});
  auto stranger = RawSocket::connect(port, "127.0.0.2");
  EXPECT_EQ(stranger.receive_some(), "127.0.0.2");
  EXPECT_EQ(RawSocket::connect(port, "127.0.0.3").receive_some(), "busy");
  for (const auto& named : {RawSocket::connect(port, "127.0.0.5"), RawSocket::connect(port, "127.0.0.5")}) EXPECT_EQ(named.receive_some(), "127.0.0.5");
  stranger.close();
  meeting_in_the_end("", "127.0.0.1");
}

TEST_F(StreamServerTest, AStrangerBehindAProxyIsOne) {
  proxies = TrustedProxies::parse({"127.0.0.1"}, ProxyHeader::proxy_protocol).value();
  serving = &naming;
  naming.named = IpAddress::parse("192.0.2.5");
  start(TlsStart::never, {.places = {.all = 2, .strangers = 1}});
  auto stranger = meeting("PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n", "192.0.2.7");
  for (const auto* other : {"PROXY TCP4 192.0.2.8 127.0.0.1 4000 25\r\n", "PROXY UNKNOWN\r\n"}) {
    meeting(other, "busy");
    until_there_are(1);
  }
  const auto first = meeting("PROXY TCP4 192.0.2.5 127.0.0.1 4000 25\r\n", "192.0.2.5");
  const auto second = meeting("PROXY TCP4 192.0.2.5 127.0.0.1 4000 25\r\n", "192.0.2.5");
  EXPECT_EQ(server->connection_count(), 3U);
}

TEST_F(StreamServerTest, Attack_SourcesOfOneNetworkAreBounded) {
  proxies = TrustedProxies::parse({"127.0.0.1"}, ProxyHeader::proxy_protocol).value();
  serving = &naming;
  start(TlsStart::never, {.places = {.of_a_network = 2}});
  const auto from = [&](const std::string& address, const std::string& answer) {
    return meeting("PROXY TCP6 " + address + " ::1 4000 25\r\n", answer);
  };
  auto first = from("2001:db8:1:1::7", "2001:db8:1:1::7");
  const auto second = from("2001:db8:1:2::7", "2001:db8:1:2::7");
  from("2001:db8:1:3::7", "busy");
  const auto neighbour = from("2001:db8:2:3::7", "2001:db8:2:3::7");
  first.close();
  meeting_in_the_end("PROXY TCP6 2001:db8:1:3::7 ::1 4000 25\r\n", "2001:db8:1:3::7");
}

}  // namespace
}  // namespace latchkey::net
