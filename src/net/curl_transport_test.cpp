#include "net/curl_transport.h"

#include <gmock/gmock.h>

#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::HasSubstr;

class CurlTransportTest : public testing::Test {
 protected:
  void TearDown() override {
    loop.stop();
    transport.reset();
  }
  HttpOutcome send(HttpCall call, std::vector<std::string> allow = {"127.0.0.1"}, std::string ca_file = {}, std::string proxy = {}) {
    if (!transport) {
      transport.emplace(loop.loop.main(), CurlSettings{.policy = AddressPolicy::parse(allow).value(), .ca_file = std::move(ca_file),
                                                       .proxy = std::move(proxy)});
    }
    return loop.run(transport->send(std::move(call)));
  }
  static HttpCall post(std::string url, Reuse reuse = Reuse::fresh_connection) {
    HttpCall call;
    call.method = "POST";
    call.url = std::move(url);
    call.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    call.body = Secret("grant_type=refresh_token&refresh_token=canary");
    call.reuse = reuse;
    return call;
  }
  LoopThread loop{1};
  std::optional<CurlTransport> transport;
};

constexpr std::string_view kGood = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: yes\r\n\r\n{}";

TEST_F(CurlTransportTest, BringsTheReplyAndSendsWhatWasGiven) {
  std::string request;
  RawServer server([&request](RawSocket& socket, int) {
    request = socket.receive_until("canary");
    socket.send(kGood);
  });
  const auto outcome = send(post(server.url("/token?x=1")));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  const auto& reply = std::get<Reply>(outcome);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.find("x-seen"), "yes");
  EXPECT_EQ(base::as_text(reply.body), "{}");
  EXPECT_FALSE(reply.truncated);
  EXPECT_THAT(request, testing::StartsWith("POST /token?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nContent-Length: 45\r\n"));
  EXPECT_THAT(request, testing::Not(HasSubstr("Expect")));
  EXPECT_THAT(request, testing::EndsWith("\r\n\r\ngrant_type=refresh_token&refresh_token=canary"));
}

TEST_F(CurlTransportTest, ErrorStatusIsAReply) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nerror");
  });
  const auto outcome = send(post(server.url()));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(std::get<Reply>(outcome).status, 400);
  EXPECT_EQ(base::as_text(std::get<Reply>(outcome).body), "error");
}

TEST_F(CurlTransportTest, LongRepliesAreCutAndFlagged) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
  });
  const auto outcome = send(post(server.url()));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_TRUE(std::get<Reply>(outcome).truncated);
  EXPECT_EQ(std::get<Reply>(outcome).body.size(), 64U * 1024);
}

TEST_F(CurlTransportTest, ARefusedConnectionSendsNothing) {
  std::uint16_t port = 0;
  { port = RawServer([](RawSocket&, int) {}).port(); }
  const auto outcome = send(post("http://127.0.0.1:" + std::to_string(port) + "/"));
  ASSERT_TRUE(std::holds_alternative<NothingSent>(outcome));
  EXPECT_EQ(std::get<NothingSent>(outcome).error.kind, ErrorKind::unavailable);
}

// Rule F4: the line is closed behind the body; the POST was counted once and must not come again.
TEST_F(CurlTransportTest, AOneShotPostIsNeverRepeated) {
  std::atomic<int> posts = 0;
  RawServer server([&posts](RawSocket& socket, int) {
    if (socket.receive_until("canary").contains("POST ")) ++posts;
  });
  const auto outcome = send(post(server.url()));
  ASSERT_TRUE(std::holds_alternative<Ambiguous>(outcome));
  EXPECT_EQ(std::get<Ambiguous>(outcome).status, 0);
  EXPECT_EQ(std::get<Ambiguous>(outcome).error.kind, ErrorKind::ambiguous);
  EXPECT_EQ(posts, 1);
  EXPECT_EQ(server.connections(), 1);
}

// The same with a kept connection at hand, on which libcurl would send again.
TEST_F(CurlTransportTest, AOneShotPostDoesNotUseAKeptConnection) {
  std::atomic<int> posts = 0;
  RawServer server([&posts](RawSocket& socket, int connection) {
    if (connection == 0) {
      (void)socket.receive_until("\r\n\r\n");
      socket.send(kGood);
      // Kept open: whatever comes next on it is counted, and cut off.
      if (!socket.wait_readable(std::chrono::milliseconds(200))) return;
    }
    if (socket.receive_until("canary").contains("POST ")) ++posts;
  });
  HttpCall first;
  first.url = server.url();
  ASSERT_TRUE(std::holds_alternative<Reply>(send(std::move(first))));
  const auto outcome = send(post(server.url()));
  EXPECT_TRUE(std::holds_alternative<Ambiguous>(outcome));
  EXPECT_EQ(posts, 1);
  EXPECT_EQ(server.connections(), 2);
}

// The counter-proof: where a kept connection may serve, libcurl does send twice. Calls that must not say so.
TEST_F(CurlTransportTest, OnAKeptConnectionThePostWouldBeRepeated) {
  std::atomic<int> posts = 0;
  RawServer server([&posts](RawSocket& socket, int connection) {
    if (connection == 0) {
      (void)socket.receive_until("\r\n\r\n");
      socket.send(kGood);
    }
    if (socket.receive_until("canary").contains("POST ")) ++posts;
    if (connection > 0) socket.send(kGood);
  });
  HttpCall first;
  first.url = server.url();
  ASSERT_TRUE(std::holds_alternative<Reply>(send(std::move(first))));
  EXPECT_TRUE(std::holds_alternative<Reply>(send(post(server.url(), Reuse::may_reuse))));
  EXPECT_EQ(posts, 2);
}

TEST_F(CurlTransportTest, KeptConnectionsServeWhoAllowsIt) {
  RawServer server([](RawSocket& socket, int) {
    while (socket.receive_until("canary").contains("canary")) socket.send(kGood);
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::holds_alternative<Reply>(send(post(server.url(), Reuse::may_reuse))));
  }
  EXPECT_EQ(server.connections(), 1);
  loop.stop();
  transport.reset();
}

TEST_F(CurlTransportTest, AResetBeforeAnyOctetOfAReplyIsAmbiguous) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.reset();
  });
  EXPECT_TRUE(std::holds_alternative<Ambiguous>(send(post(server.url()))));
}

TEST_F(CurlTransportTest, WhatArrivedOfACutReplyIsKept) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Seen: yes\r\n\r\n{\"refresh_token\":\"n+1\"");
  });
  const auto outcome = send(post(server.url()));
  ASSERT_TRUE(std::holds_alternative<Ambiguous>(outcome));
  const auto& cut = std::get<Ambiguous>(outcome);
  EXPECT_EQ(cut.status, 200);
  EXPECT_EQ(cut.headers.find("X-Seen"), "yes");
  EXPECT_EQ(base::as_text(cut.body), "{\"refresh_token\":\"n+1\"");
}

TEST_F(CurlTransportTest, SilenceBeyondTheTotalTimeoutIsAmbiguous) {
  std::promise<void> end;
  RawServer server([&end](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    end.get_future().wait();
  });
  auto call = post(server.url());
  call.total_timeout = Milliseconds(150);
  const auto outcome = send(std::move(call));
  end.set_value();
  ASSERT_TRUE(std::holds_alternative<Ambiguous>(outcome));
  EXPECT_EQ(std::get<Ambiguous>(outcome).error.reason, "reply_timeout");
}

// R6: the process was stopped beyond the deadline, and the reply lies in the socket when it goes on.
TEST_F(CurlTransportTest, AReplyThatCameWhileTheProcessWasStoppedIsTaken) {
  const std::string body(60'000, 'x');
  constexpr Milliseconds kPatience{2'000};
  const auto beyond = std::chrono::steady_clock::now() + kPatience * 2;
  std::promise<void> held;
  std::promise<void> sent;
  RawServer server([&](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    // Nothing runs on the loop from here to well beyond the deadline.
    boost::asio::post(loop.loop.main(), [&] {
      held.set_value();
      sent.get_future().wait();
      std::this_thread::sleep_until(beyond);
    });
    held.get_future().wait();
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + body);
    sent.set_value();
  });
  auto call = post(server.url());
  call.total_timeout = kPatience;
  const auto outcome = send(std::move(call));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(base::as_text(std::get<Reply>(outcome).body), body);
}

// A TLS handshake that never ends: the connection stands, but no octet of the request has left.
TEST_F(CurlTransportTest, ASilentTlsHandshakeSendsNothing) {
  std::promise<void> end;
  RawServer server([&end](RawSocket& socket, int) {
    (void)socket.receive_some();
    end.get_future().wait();
  });
  auto call = post("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  call.total_timeout = Milliseconds(300);
  const auto outcome = send(std::move(call));
  end.set_value();
  ASSERT_TRUE(std::holds_alternative<NothingSent>(outcome));
  EXPECT_EQ(std::get<NothingSent>(outcome).error.reason, "connect_timeout");
}

// Octets that differ from place to place, made when they are asked for.
class CountedParts final : public BodyParts {
 public:
  explicit CountedParts(std::uint64_t size_bytes) : size_bytes_(size_bytes) {}
  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes) override {
    asked += 1;
    if (damaged_from && offset + size_bytes > *damaged_from) co_return fail(ErrorKind::corrupt, "document_damaged", "Damaged.");
    co_return Secret(std::string_view(octets(offset, size_bytes)));
  }
  static std::string octets(std::uint64_t offset, std::size_t size_bytes) {
    std::string made(size_bytes, ' ');
    for (std::size_t i = 0; i < size_bytes; ++i) made[i] = static_cast<char>('a' + (offset + i) / 1000 % 26);
    return made;
  }
  int asked = 0;
  std::optional<std::uint64_t> damaged_from;

 private:
  std::uint64_t size_bytes_;
};

TEST_F(CurlTransportTest, ABodyIsFetchedByPartsWhileItIsSent) {
  constexpr std::size_t kSize = 3'000'000;
  std::string body;
  RawServer server([&body](RawSocket& socket, int) {
    (void)socket.receive_until("\r\n\r\n");
    socket.send("HTTP/1.1 100 Continue\r\n\r\n");
    while (body.size() < kSize) {
      const auto more = socket.receive_some();
      if (more.empty()) return;
      body += more;
    }
    socket.send(kGood);
  });
  CountedParts parts(kSize);
  HttpCall call{.method = "PUT", .url = server.url("/a"), .headers = {}, .body = {}};
  call.parts = &parts;
  const auto outcome = send(std::move(call));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(body, CountedParts::octets(0, kSize));
  EXPECT_GE(parts.asked, 10) << "never much of it at once";
}

TEST_F(CurlTransportTest, WhoRefusesABodyGetsNoneOfIt) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("\r\n\r\n");
    socket.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  CountedParts parts(3'000'000);
  HttpCall call{.method = "PUT", .url = server.url("/a"), .headers = {}, .body = {}};
  call.parts = &parts;
  const auto outcome = send(std::move(call));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(std::get<Reply>(outcome).status, 413);
  EXPECT_EQ(parts.asked, 0);
}

TEST_F(CurlTransportTest, APartThatCannotBeHadEndsTheCallWithItsError) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("\r\n\r\n");
    socket.send("HTTP/1.1 100 Continue\r\n\r\n");
    while (!socket.receive_some().empty()) continue;
  });
  CountedParts parts(3'000'000);
  parts.damaged_from = 2'000'000;
  HttpCall call{.method = "PUT", .url = server.url("/a"), .headers = {}, .body = {}};
  call.parts = &parts;
  const auto outcome = send(std::move(call));
  ASSERT_TRUE(std::holds_alternative<Ambiguous>(outcome));
  EXPECT_EQ(std::get<Ambiguous>(outcome).error.reason, "document_damaged");
}

TEST_F(CurlTransportTest, RedirectsAreNotFollowed) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.send("HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  });
  const auto outcome = send(post(server.url()));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(std::get<Reply>(outcome).status, 307);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlTransportTest, TheAddressConnectedToIsJudgedNotTheName) {
  RawServer server([](RawSocket& socket, int) { socket.send(kGood); });
  const std::string port = std::to_string(server.port());
  HttpCall call;
  call.url = "https://localhost:" + port + "/";
  const auto outcome = send(std::move(call), {});
  ASSERT_TRUE(std::holds_alternative<NothingSent>(outcome));
  const auto& error = std::get<NothingSent>(outcome).error;
  EXPECT_EQ(error.reason, "address_not_allowed");
  EXPECT_EQ(error.kind, ErrorKind::misconfigured);
  EXPECT_THAT(error.text, HasSubstr("localhost:" + port));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(CurlTransportTest, ANameIsAllowedByOutboundAllow) {
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.send(kGood);
  });
  const std::string where = "localhost:" + std::to_string(server.port());
  EXPECT_TRUE(std::holds_alternative<Reply>(send(post("http://" + where + "/"), {where})));
}

TEST_F(CurlTransportTest, BadCallsSendNothing) {
  const auto reason = [this](HttpCall call) {
    const auto outcome = send(std::move(call));
    return std::holds_alternative<NothingSent>(outcome) ? std::get<NothingSent>(outcome).error.reason : "sent";
  };
  EXPECT_EQ(reason(post("not a url")), "bad_url");
  EXPECT_EQ(reason(post("http://login.example/")), "address_not_allowed");
  auto bad_method = post("http://127.0.0.1:1/");
  bad_method.method = "POST / HTTP/1.1\r\nX:";
  EXPECT_EQ(reason(std::move(bad_method)), "bad_method");
  auto from_reply = post("http://127.0.0.1:1/");
  from_reply.url_source = UrlSource::reply;
  EXPECT_EQ(reason(std::move(from_reply)), "address_not_allowed");
}

TEST_F(CurlTransportTest, TheProxyVariablesOfTheEnvironmentCountForNothing) {
  ::setenv("http_proxy", "http://127.0.0.1:9", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
  RawServer server([](RawSocket& socket, int) {
    (void)socket.receive_until("canary");
    socket.send(kGood);
  });
  EXPECT_TRUE(std::holds_alternative<Reply>(send(post(server.url()))));
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
}

class OkHandler final : public HttpHandler {
 public:
  Task<HttpResponse> handle(HttpRequest request) override { co_return HttpResponse::text(200, request.body); }
};

class CurlTlsTest : public CurlTransportTest {
 protected:
  void SetUp() override {
    write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
    context = TlsServerContext::load(folder.file("cert.pem"), folder.file("key.pem")).value();
    ASSERT_TRUE(server.start({{.tls = context.get()}}));
    where = "localhost:" + std::to_string(server.ports().front());
  }
  void TearDown() override {
    serving.run(server.stop(std::chrono::steady_clock::now() + Seconds(1)));
    serving.stop();
    CurlTransportTest::TearDown();
  }
  TemporaryFolder folder;
  std::unique_ptr<TlsServerContext> context;
  LoopThread serving{1};
  OkHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  HttpServer server{serving.loop, handler, clock, log};
  std::string where;
};

TEST_F(CurlTlsTest, TrustsTheOperatorsAuthority) {
  const auto outcome = send(post("https://" + where + "/"), {where}, folder.file("cert.pem"));
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome)) << std::get<NothingSent>(outcome).error.detail;
  EXPECT_THAT(base::as_text(std::get<Reply>(outcome).body), HasSubstr("canary"));
}

// What the TLS layer has taken counts as sent.
TEST_F(CurlTlsTest, ALineClosedBehindTheBodyIsAmbiguousAndSentOnce) {
  SSL_CTX* server_context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate_file(server_context, folder.file("cert.pem").c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(server_context, folder.file("key.pem").c_str(), SSL_FILETYPE_PEM);
  std::atomic<int> posts = 0;
  {
    RawServer closing([&posts, server_context](RawSocket& socket, int) {
      SSL* ssl = SSL_new(server_context);
      SSL_set_fd(ssl, socket.descriptor());
      std::string request;
      if (SSL_accept(ssl) == 1) {
        std::string piece(4096, '\0');
        for (int count = 1; count > 0 && !request.contains("canary");) {
          count = SSL_read(ssl, piece.data(), static_cast<int>(piece.size()));
          if (count > 0) request.append(piece, 0, static_cast<std::size_t>(count));
        }
      }
      if (request.contains("POST ")) ++posts;
      SSL_free(ssl);
    });
    const std::string there = "localhost:" + std::to_string(closing.port());
    const auto outcome = send(post("https://" + there + "/"), {there}, folder.file("cert.pem"));
    EXPECT_TRUE(std::holds_alternative<Ambiguous>(outcome));
    EXPECT_EQ(posts, 1);
    EXPECT_EQ(closing.connections(), 1);
  }
  SSL_CTX_free(server_context);
}

TEST_F(CurlTlsTest, RefusesAnUnknownAuthority) {
  const auto outcome = send(post("https://" + where + "/"), {where});
  ASSERT_TRUE(std::holds_alternative<NothingSent>(outcome));
  EXPECT_EQ(std::get<NothingSent>(outcome).error.reason, "tls_untrusted");
  EXPECT_EQ(std::get<NothingSent>(outcome).error.kind, ErrorKind::misconfigured);
}

// A proxy stands before the provider (outbound.proxy): CONNECT, then octets both ways.
class CurlProxyTest : public CurlTlsTest {
 protected:
  HttpOutcome through(const RawServer& proxy, const std::string& there, std::string ca_file) {
    return send(post("https://" + there + "/"), {there}, std::move(ca_file), "http://127.0.0.1:" + std::to_string(proxy.port()));
  }
  HttpOutcome through(const RawServer& proxy) { return through(proxy, where, folder.file("cert.pem")); }
  // What the client asked the proxy for, and then everything until either end closes.
  static std::string tunnel(RawSocket& client, std::uint16_t port) {
    auto asked = client.receive_until("\r\n\r\n");
    const auto server = RawSocket::connect(port);
    client.send("HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n");
    for (;;) {
      pollfd ends[] = {{.fd = client.descriptor(), .events = POLLIN, .revents = 0}, {.fd = server.descriptor(), .events = POLLIN, .revents = 0}};
      if (::poll(ends, 2, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) return asked;
      const bool from_client = ends[0].revents != 0;
      const auto piece = (from_client ? client : server).receive_some();
      if (piece.empty() || !(from_client ? server : client).send(piece)) return asked;
    }
  }
};

TEST_F(CurlProxyTest, PassesAndOnlyTheProvidersAnswerCounts) {
  std::string asked;
  {
    RawServer proxy([this, &asked](RawSocket& socket, int) { asked = tunnel(socket, server.ports().front()); });
    const auto outcome = through(proxy);
    ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
    EXPECT_THAT(base::as_text(std::get<Reply>(outcome).body), HasSubstr("canary"));
    EXPECT_FALSE(std::get<Reply>(outcome).headers.contains("X-Proxy"));
    loop.stop();
    transport.reset();  // closes the tunnel; the proxy's thread is waited for here
  }
  EXPECT_THAT(asked, testing::StartsWith("CONNECT " + where + " HTTP/1.1\r\n"));
}

// Rule F1: a failure before the first octet of the request is transient, and the CONNECT is none of it.
TEST_F(CurlProxyTest, ARefusalSendsNothing) {
  RawServer proxy([](RawSocket& socket, int) {
    (void)socket.receive_until("\r\n\r\n");
    socket.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  const auto outcome = through(proxy);
  ASSERT_TRUE(std::holds_alternative<NothingSent>(outcome));
  EXPECT_EQ(std::get<NothingSent>(outcome).error.reason, "proxy_refused");
  EXPECT_THAT(std::get<NothingSent>(outcome).error.text, HasSubstr("407"));
}

// It is the proxy that is looked at then, not the provider.
TEST_F(CurlProxyTest, OneThatIsAwayIsSaidToBe) {
  const auto text_of = [&](std::string proxy) {
    transport.reset();
    const auto outcome = send(post("https://" + where + "/"), {where}, folder.file("cert.pem"), std::move(proxy));
    return std::holds_alternative<NothingSent>(outcome) ? std::get<NothingSent>(outcome).error.text : "sent";
  };
  EXPECT_THAT(text_of("http://127.0.0.1:1"), HasSubstr("The proxy on the way to localhost cannot be reached. Check outbound.proxy"));
  EXPECT_THAT(text_of("http://proxy.invalid:3128"), HasSubstr("The name of the proxy on the way to localhost cannot be resolved"));
}

TEST_F(CurlProxyTest, ALineClosedAfterConnectSendsNothing) {
  RawServer proxy([](RawSocket& socket, int connection) {
    (void)socket.receive_until("\r\n\r\n");
    // First before the proxy has answered, then in the midst of the TLS handshake.
    if (connection == 0) return;
    socket.send("HTTP/1.1 200 Connection established\r\n\r\n");
    (void)socket.receive_some();
  });
  EXPECT_TRUE(std::holds_alternative<NothingSent>(through(proxy)));
  EXPECT_TRUE(std::holds_alternative<NothingSent>(through(proxy)));
  EXPECT_EQ(proxy.connections(), 2);
}

TEST_F(CurlProxyTest, AnUntrustedProviderBehindItSendsNothing) {
  RawServer proxy([this](RawSocket& socket, int) { (void)tunnel(socket, server.ports().front()); });
  const auto outcome = through(proxy, where, {});
  ASSERT_TRUE(std::holds_alternative<NothingSent>(outcome));
  EXPECT_EQ(std::get<NothingSent>(outcome).error.reason, "tls_untrusted");
}

TEST_F(CurlProxyTest, ALineClosedBehindTheRequestIsAmbiguous) {
  SSL_CTX* server_context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate_file(server_context, folder.file("cert.pem").c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(server_context, folder.file("key.pem").c_str(), SSL_FILETYPE_PEM);
  {
    RawServer closing([server_context](RawSocket& socket, int) {
      SSL* ssl = SSL_new(server_context);
      SSL_set_fd(ssl, socket.descriptor());
      std::array<char, 4096> piece{};
      if (SSL_accept(ssl) == 1) (void)SSL_read(ssl, piece.data(), piece.size());
      SSL_free(ssl);
    });
    RawServer proxy([&closing](RawSocket& socket, int) { (void)tunnel(socket, closing.port()); });
    EXPECT_TRUE(std::holds_alternative<Ambiguous>(through(proxy, "localhost:" + std::to_string(closing.port()), folder.file("cert.pem"))));
    EXPECT_EQ(closing.connections(), 1);
  }
  SSL_CTX_free(server_context);
}

}  // namespace
}  // namespace latchkey::net
