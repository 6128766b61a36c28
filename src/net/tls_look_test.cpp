#include "net/tls_look.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string text_of(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

AddressPolicy loopback_allowed() { return AddressPolicy::parse({"127.0.0.0/8"}).value(); }

TEST(Certificates, AreReadAsValues) {
  const TemporaryFolder folder;
  write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
  const auto pem = text_of(folder.file("cert.pem"));
  const auto read = read_certificates(pem + pem);
  ASSERT_TRUE(read) << read.error().text;
  ASSERT_EQ(read->size(), 2U);
  const auto& certificate = read->front();
  EXPECT_EQ(certificate.subject, "localhost");
  EXPECT_EQ(certificate.issuer, "localhost");
  EXPECT_THAT(certificate.names, ElementsAre("localhost", "127.0.0.1"));
  EXPECT_TRUE(certificate.self_signed);
  EXPECT_TRUE(certificate.authority);
  EXPECT_EQ(certificate.fingerprint.size(), 64U);
  EXPECT_EQ(certificate.not_after - certificate.not_before, Seconds(86'400 + 3'600));
  EXPECT_EQ(read->back(), certificate);
}

TEST(Certificates, WhatIsNoneIsSaidToBeNone) {
  EXPECT_EQ(read_certificates("").error().reason, "no_certificate");
  EXPECT_EQ(read_certificates("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").error().reason, "no_certificate");
  EXPECT_EQ(read_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").error().reason, "bad_certificate");
  EXPECT_EQ(read_certificates("-----BEGIN CERTIFICATE-----\n!\n").error().reason, "bad_certificate");
}

TEST(Certificates, AreForTheirNamesOnly) {
  const Certificate certificate{.names = {"latchkey.example", "*.office.example", "192.0.2.7", "2001:db8::7"}};
  for (const auto* host : {"latchkey.example", "LATCHKEY.example", "a.office.example", "192.0.2.7", "2001:db8:0::7", "[2001:db8::7]"}) {
    EXPECT_TRUE(is_for_host(certificate, host)) << host;
  }
  for (const auto* host : {"other.example", "a.latchkey.example", "office.example", "a.b.office.example", ".office.example", "192.0.2.8", ""}) {
    EXPECT_FALSE(is_for_host(certificate, host)) << host;
  }
}

class NoHandler final : public HttpHandler {
 public:
  Task<HttpResponse> handle(HttpRequest) override { co_return HttpResponse::no_content(); }
};

class TlsLookTest : public testing::Test {
 protected:
  void SetUp() override {
    write_self_signed(folder.file("cert.pem"), folder.file("key.pem"));
    context = TlsServerContext::load(folder.file("cert.pem"), folder.file("key.pem")).value();
    ASSERT_TRUE(server.start({{.tls = context.get()}}));
  }
  void TearDown() override {
    loop.run(server.stop(std::chrono::steady_clock::now() + Seconds(1)));
    loop.stop();
  }
  TlsLook look(std::string host, std::string ca_file = {}) {
    return look_at_tls({.host = std::move(host), .port = server.ports().front(), .ca_file = std::move(ca_file)}, loopback_allowed());
  }
  TemporaryFolder folder;
  std::unique_ptr<TlsServerContext> context;
  LoopThread loop;
  NoHandler handler;
  base::SystemWallClock clock;
  base::MemoryLog log;
  HttpServer server{loop.loop, handler, clock, log};
};

TEST_F(TlsLookTest, BringsWhatIsServedAndWhetherItIsTrusted) {
  const auto foreign = look("127.0.0.1");
  ASSERT_EQ(foreign.stage, TlsLook::Stage::done) << foreign.why;
  EXPECT_EQ(foreign.trust, Trust::self_signed);
  EXPECT_THAT(foreign.why, HasSubstr("self"));
  EXPECT_EQ(foreign.protocol, "TLSv1.3");
  ASSERT_EQ(foreign.chain.size(), 1U);
  EXPECT_EQ(foreign.chain.front().subject, "localhost");
  EXPECT_THAT(foreign.addresses, ElementsAre("127.0.0.1"));
  EXPECT_EQ(look("127.0.0.1", folder.file("cert.pem")).trust, Trust::trusted);
  EXPECT_EQ(look("127.0.0.2", folder.file("cert.pem")).stage, TlsLook::Stage::connection) << "nobody listens there";
}

TEST_F(TlsLookTest, ACertificateForAnotherHostIsNotTrusted) {
  HttpServer elsewhere(loop.loop, handler, clock, log);
  ASSERT_TRUE(elsewhere.start({{.address = "127.0.0.3", .tls = context.get()}}));
  const auto seen = look_at_tls({.host = "127.0.0.3", .port = elsewhere.ports().front(), .ca_file = folder.file("cert.pem")}, loopback_allowed());
  EXPECT_EQ(seen.trust, Trust::wrong_name) << seen.why;
  loop.run(elsewhere.stop(std::chrono::steady_clock::now() + Seconds(1)));
}

TEST_F(TlsLookTest, GoesOnlyWhereThePolicyAllows) {
  const auto seen = look_at_tls({.host = "127.0.0.1", .port = server.ports().front()}, AddressPolicy());
  EXPECT_EQ(seen.stage, TlsLook::Stage::address);
  EXPECT_THAT(seen.why, HasSubstr("loopback"));
  EXPECT_TRUE(seen.chain.empty());
}

TEST(TlsLook, StagesAreToldApart) {
  EXPECT_EQ(look_at_tls({.host = "no such name"}, loopback_allowed()).stage, TlsLook::Stage::name);
  RawServer clear([](RawSocket& socket, int) { socket.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"); });
  EXPECT_EQ(look_at_tls({.host = "127.0.0.1", .port = clear.port()}, loopback_allowed()).stage, TlsLook::Stage::handshake);
  RawServer silent([](RawSocket& socket, int) { (void)socket.receive_until("never"); });
  const auto seen = look_at_tls({.host = "127.0.0.1", .port = silent.port(), .patience = Milliseconds(50)}, loopback_allowed());
  EXPECT_EQ(seen.stage, TlsLook::Stage::handshake);
  EXPECT_EQ(seen.why, "no answer in time");
}

TEST(ResolveHost, FindsLoopbackAndNothingForNonsense) {
  EXPECT_THAT(resolve_host("127.0.0.1"), ElementsAre(*IpAddress::parse("127.0.0.1")));
  EXPECT_TRUE(resolve_host("no such name").empty());
}

}  // namespace
}  // namespace latchkey::net
