#include "net/tls.h"

#include <gmock/gmock.h>
#include <openssl/err.h>

#include <fstream>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::HasSubstr;

struct SslClient {
  explicit SslClient(std::uint16_t port, int version_max = TLS1_3_VERSION, SSL_SESSION* session = nullptr)
      : socket(RawSocket::connect(port)), context(SSL_CTX_new(TLS_client_method())), ssl(nullptr) {
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_max_proto_version(context, version_max);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, socket.descriptor());
    if (session != nullptr) SSL_set_session(ssl, session);
    connected = SSL_connect(ssl) == 1;
    ERR_clear_error();
  }
  SslClient(const SslClient&) = delete;
  SslClient& operator=(const SslClient&) = delete;
  ~SslClient() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  void send(std::string_view text) const { EXPECT_EQ(SSL_write(ssl, text.data(), static_cast<int>(text.size())), text.size()); }
  [[nodiscard]] std::string receive_until(std::string_view mark) const {
    std::string all;
    std::string piece(16 * 1024, '\0');
    while (!all.contains(mark)) {
      const int count = SSL_read(ssl, piece.data(), static_cast<int>(piece.size()));
      if (count <= 0) break;
      all.append(piece, 0, static_cast<std::size_t>(count));
    }
    return all;
  }
  RawSocket socket;
  SSL_CTX* context;
  SSL* ssl;
  bool connected = false;
};

class PathHandler final : public HttpHandler {
 public:
  std::optional<HttpResponse> try_handle_now(const HttpRequest& request) override {
    if (request.path == "/big") return HttpResponse::text(200, std::string(2'000'000, 'x') + "END");
    return HttpResponse::text(200, request.path + " " + std::string(request.scheme) + " " +
                                       std::to_string(request.body.size()) + ".");
  }
  Task<HttpResponse> handle(HttpRequest) override { co_return HttpResponse::no_content(); }
};

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
    context = TlsServerContext::load(folder.file("cert.pem"), folder.file("key.pem")).value();
    ASSERT_TRUE(server.start({{.tls = context.get()}}));
    port = server.ports().front();
  }
  void TearDown() override {
    loop.run(server.stop(std::chrono::steady_clock::now() + Seconds(1)));
    loop.stop();
  }
  TemporaryFolder folder;
  std::unique_ptr<TlsServerContext> context;
  LoopThread loop;
  PathHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  HttpServer server{loop.loop, handler, clock, log};
  std::uint16_t port = 0;
};

TEST_F(TlsTest, ServesRequestsAndLargeBodies) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const SslClient client(port, version);
    ASSERT_TRUE(client.connected);
    for (int i = 0; i < 3; ++i) {
      client.send("GET /a" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
      EXPECT_THAT(client.receive_until("."+std::string()), HasSubstr("HTTP/1.1 200 OK"));
    }
    client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_GT(client.receive_until("END").size(), 2'000'000U);
    const std::string body(60'000, 'b');
    client.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" + body);
    EXPECT_THAT(client.receive_until("60000."), HasSubstr("/upload https 60000."));
  }
}

TEST_F(TlsTest, RefusesOldVersions) { EXPECT_FALSE(SslClient(port, TLS1_1_VERSION).connected); }

TEST_F(TlsTest, ResumesByTicket) {
  SslClient first(port);
  ASSERT_TRUE(first.connected);
  first.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  (void)first.receive_until("https 0.");  // the ticket comes with the first answer
  SSL_SESSION* session = SSL_get1_session(first.ssl);
  const SslClient second(port, TLS1_3_VERSION, session);
  EXPECT_TRUE(second.connected);
  EXPECT_EQ(SSL_session_reused(second.ssl), 1);
  SSL_SESSION_free(session);
}

TEST_F(TlsTest, TellsPlainHttpWhatIsWrong) {
  const auto socket = RawSocket::connect(port);
  socket.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(socket.receive_to_end(), HasSubstr("write https://"));
}

TEST_F(TlsTest, ReloadsWhileServing) {
  const SslClient before(port);
  write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
  ASSERT_TRUE(context->reload());
  before.send("GET /still HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(before.receive_until("0."), HasSubstr("/still"));
  const SslClient after(port);
  ASSERT_TRUE(after.connected);
  X509* old_certificate = SSL_get1_peer_certificate(before.ssl);
  X509* new_certificate = SSL_get1_peer_certificate(after.ssl);
  EXPECT_NE(X509_cmp(old_certificate, new_certificate), 0);
  X509_free(old_certificate);
  X509_free(new_certificate);
}

TEST_F(TlsTest, NamesTheFileThatIsWrong) {
  const auto missing = TlsServerContext::load(folder.file("none.pem"), folder.file("key.pem"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "tls_certificate_unreadable");
  EXPECT_THAT(missing.error().text, HasSubstr(folder.file("none.pem")));

  write_self_signed(folder.file("other.pem"), folder.file("other-key.pem"));
  const auto foreign = TlsServerContext::load(folder.file("cert.pem"), folder.file("other-key.pem"));
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().reason, "tls_key_mismatch");

  std::ofstream(folder.file("text.pem")) << "not a key";
  const auto no_key = TlsServerContext::load(folder.file("cert.pem"), folder.file("text.pem"));
  ASSERT_FALSE(no_key);
  EXPECT_EQ(no_key.error().reason, "tls_key_unreadable");
  const auto no_certificate = TlsServerContext::load(folder.file("text.pem"), folder.file("key.pem"));
  ASSERT_FALSE(no_certificate);
  EXPECT_EQ(no_certificate.error().reason, "tls_certificate_unreadable");
}

TEST_F(TlsTest, AFailedReloadKeepsTheOldCertificate) {
  std::ofstream(folder.file("cert.pem")) << "broken";
  EXPECT_FALSE(context->reload());
  EXPECT_TRUE(SslClient(port).connected);
}

}  // namespace
}  // namespace latchkey::net
