// The checks of the server's own address: public_url, dns, certificate, doors.
#include <gmock/gmock.h>

#include "doctor/certificate_check.h"
#include "doctor/dns_check.h"
#include "doctor/doctor_testing.h"
#include "doctor/door_check.h"
#include "doctor/public_url_check.h"

namespace latchkey::doctor {
namespace {

using std::chrono::days;
using testing::HasSubstr;

Premises premises(std::string public_url, bool tls = true) {
  return {.public_url = std::move(public_url),
          .public_url_given = true,
          .doors = {{.name = "HTTP", .listen = "0.0.0.0:443", .loopback = false, .tls = tls}},
          .data = "/nowhere"};
}

TEST(PublicUrl, IsJudgedByWhoMayReachIt) {
  struct Case {
    std::string url;
    bool given;
    Severity severity;
    std::string seen;
  };
  for (const auto& [url, given, severity, seen] :
       std::vector<Case>{{"https://latchkey.example", true, Severity::ok, "https"},
                         {"https://latchkey.example", false, Severity::warning, "not set"},
                         {"http://latchkey.example", true, Severity::error, "plain http"},
                         {"http://localhost:8480", true, Severity::note, "localhost"},
                         {"http://localhost:8480", false, Severity::note, "not set"},
                         {"https://192.0.2.7", true, Severity::note, "a number"},
                         {"latchkey.example", true, Severity::error, "cannot be read"}}) {
    auto of = premises(url);
    of.public_url_given = given;
    PublicUrlCheck check(of);
    const auto findings = findings_of(check);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].severity, severity) << url;
    EXPECT_THAT(findings[0].seen, HasSubstr(seen)) << url;
    EXPECT_EQ(findings[0].remedy.empty(), severity == Severity::ok) << url;
  }
}

TEST(Dns, SaysWhereTheNameLeads) {
  Pool worker("test", 1);
  const auto of = premises("https://latchkey.example");
  const auto judged = [&](std::vector<std::string> texts) {
    DnsCheck check(
        of,
        [texts](const std::string& host) {
          EXPECT_EQ(host, "latchkey.example");
          std::vector<net::IpAddress> out;
          for (const auto& text : texts) out.push_back(*net::IpAddress::parse(text));
          return out;
        },
        worker);
    return findings_of(check).at(0);
  };
  EXPECT_EQ(judged({"192.168.1.5", "2606:4700::1"}).severity, Severity::ok);
  EXPECT_EQ(judged({}).severity, Severity::error);
  EXPECT_EQ(judged({"127.0.1.1"}).severity, Severity::warning);
  EXPECT_EQ(judged({"169.254.169.254"}).severity, Severity::error);
  const auto local = premises("http://localhost:8480");
  DnsCheck none(local, [](const std::string&) { return std::vector<net::IpAddress>(); }, worker);
  EXPECT_TRUE(findings_of(none).empty()) << "there is nothing to look up";
}

class CertificateTest : public testing::Test {
 protected:
  CertificateTest() {
    look.stage = net::TlsLook::Stage::done;
    look.trust = net::Trust::trusted;
    look.protocol = "TLSv1.3";
    look.chain.push_back({.subject = "latchkey.example",
                          .issuer = "Example CA",
                          .names = {"latchkey.example"},
                          .not_before = wall.now() - days(30),
                          .not_after = wall.now() + days(60)});
    look.chain.push_back({.subject = "Example CA", .issuer = "Example Root"});
  }
  Finding judged() {
    CertificateCheck check(
        of,
        [this](const net::TlsLookRequest& request) {
          asked = request.host + ":" + std::to_string(request.port);
          return look;
        },
        worker, wall);
    return findings_of(check).at(0);
  }
  base::SimulatedWallClock wall;
  Pool worker{"test", 1};
  Premises of = premises("https://latchkey.example:8443");
  net::TlsLook look;
  std::string asked;
};

TEST_F(CertificateTest, AGoodOneIsNamedWithItsEnd) {
  const auto finding = judged();
  EXPECT_EQ(asked, "latchkey.example:8443");
  EXPECT_EQ(finding.severity, Severity::ok) << finding.seen;
  EXPECT_THAT(finding.seen, HasSubstr("(60 days)"));
}

TEST_F(CertificateTest, TheEndCountsByTheCertificatesLife) {
  net::Certificate certificate{.not_before = wall.now() - days(80), .not_after = wall.now() + days(10)};
  EXPECT_EQ(severity_of_expiry(certificate, wall.now()), Severity::warning);
  certificate.not_after = wall.now() + days(3);
  EXPECT_EQ(severity_of_expiry(certificate, wall.now()), Severity::error);
  certificate.not_after = wall.now() - Seconds(1);
  EXPECT_EQ(severity_of_expiry(certificate, wall.now()), Severity::error);
  // One of six days is not in trouble for having three left.
  certificate = {.not_before = wall.now() - days(3), .not_after = wall.now() + days(3)};
  EXPECT_EQ(severity_of_expiry(certificate, wall.now()), Severity::ok);
  look.chain[0].not_after = wall.now() + days(5);
  EXPECT_EQ(judged().severity, Severity::error);
}

TEST_F(CertificateTest, EveryDistrustHasItsRemedy) {
  const auto with = [this](net::Trust trust) {
    look.trust = trust;
    return judged();
  };
  EXPECT_EQ(with(net::Trust::unknown_authority).severity, Severity::warning);
  EXPECT_EQ(with(net::Trust::self_signed).severity, Severity::warning);
  EXPECT_EQ(with(net::Trust::not_in_force).severity, Severity::error);
  EXPECT_THAT(with(net::Trust::wrong_name).seen, HasSubstr("None of these is latchkey.example"));
  EXPECT_EQ(with(net::Trust::other).severity, Severity::error);
  look.chain.pop_back();
  const auto alone = with(net::Trust::unknown_authority);
  EXPECT_EQ(alone.severity, Severity::error);
  EXPECT_THAT(alone.remedy, HasSubstr("fullchain.pem"));
}

TEST_F(CertificateTest, TheStageThatFailedIsToldApart) {
  const auto at = [this](net::TlsLook::Stage stage) {
    look = {.stage = stage, .why = "refused"};
    return judged();
  };
  EXPECT_EQ(at(net::TlsLook::Stage::name).severity, Severity::note);
  EXPECT_EQ(at(net::TlsLook::Stage::address).severity, Severity::note);
  EXPECT_EQ(at(net::TlsLook::Stage::connection).severity, Severity::warning);
  EXPECT_EQ(at(net::TlsLook::Stage::handshake).severity, Severity::error);
}

TEST(Doors, ClearOnesAreJudgedByWhoStandsBefore) {
  ScriptedTransport healthy([](const net::HttpCall&) { return reply_with(200, R"({"status":"ok"})"); });
  const auto door_of = [&](Premises of) {
    DoorCheck check(of, healthy);
    const auto findings = findings_of(check);
    EXPECT_EQ(findings.at(1).severity, Severity::ok) << findings.at(1).seen;
    return findings.at(0);
  };
  EXPECT_EQ(door_of(premises("https://latchkey.example")).severity, Severity::ok);
  auto of = premises("https://latchkey.example", false);
  EXPECT_THAT(door_of(of).remedy, HasSubstr("trusted_proxies"));
  EXPECT_EQ(door_of(of).severity, Severity::error);
  of.behind_proxy = true;
  EXPECT_EQ(door_of(of).severity, Severity::note) << "reached past the proxy";
  of.doors[0].loopback = true;
  EXPECT_EQ(door_of(of).severity, Severity::ok);
  EXPECT_EQ(door_of(premises("http://latchkey.example", false)).severity, Severity::error);
}

TEST(Doors, ThePublicAddressMustLeadHere) {
  const auto of = premises("https://latchkey.example");
  const auto way = [&](net::HttpOutcome outcome) {
    auto kept = std::make_shared<net::HttpOutcome>(std::move(outcome));
    ScriptedTransport transport([kept](const net::HttpCall&) { return std::move(*kept); });
    DoorCheck check(of, transport);
    auto finding = findings_of(check).at(1);
    EXPECT_THAT(transport.asked, testing::ElementsAre("GET https://latchkey.example/healthz"));
    return finding;
  };
  EXPECT_EQ(way(reply_with(200, R"({"status":"ok"})")).severity, Severity::ok);
  EXPECT_THAT(way(reply_with(200, "<html>router</html>")).seen, HasSubstr("Something else answers"));
  EXPECT_THAT(way(reply_with(421)).remedy, HasSubstr("Host"));
  EXPECT_THAT(way(reply_with(502)).seen, HasSubstr("does not reach this server"));
  EXPECT_EQ(way(unsent("connect_failed")).severity, Severity::warning);
  EXPECT_EQ(way(unsent("tls_untrusted")).severity, Severity::note);
}

}  // namespace
}  // namespace latchkey::doctor
