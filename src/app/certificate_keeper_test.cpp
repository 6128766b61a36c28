#include "app/certificate_keeper.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/fakes_testing.h"
#include "store/store_testing.h"

namespace latchkey::app {
namespace {

using console::CertificateSource;
using std::chrono::days;
using store::wait_for;
using testing::HasSubstr;

class CertificateKeeperTest : public testing::Test {
 protected:
  CertificateKeeperTest() { wall.set(std::chrono::floor<Seconds>(base::SystemWallClock().now())); }

  void put(const net::KeyedCertificate& pair, const std::string& name = "given") {
    std::ofstream(file(name + ".pem")) << pair.certificate;
    std::ofstream(file(name + "-key.pem")) << pair.key.reveal_text();
  }
  std::string file(const std::string& name) const { return directory.path() + "/" + name; }
  net::KeyedCertificate made(const std::string& name, days life = days(90), days age = days(0)) const {
    return net::make_self_signed({name}, {wall.now() - age, wall.now() - age + life}).value();
  }
  // Of the configuration's files.
  CertificateKeeper configured() { return build(file("given.pem"), file("given-key.pem")); }
  CertificateKeeper unconfigured() { return build({}, {}); }
  CertificateKeeper build(std::string certificate, std::string key) {
    if (!certificate.empty()) context = net::TlsServerContext::load(certificate, key).value();
    return CertificateKeeper({.certificate_file = std::move(certificate),
                              .key_file = std::move(key),
                              .folder = TlsFolder(directory.path()),
                              .names = {"latchkey.example"},
                              .context = context.get(),
                              .alerts = alerts,
                              .wall = wall,
                              .log = log});
  }
  static Task<bool> looked(CertificateKeeper* keeper) {
    co_await keeper->look_again();
    co_return true;
  }
  void look(CertificateKeeper& keeper) { wait_for(looked(&keeper)); }
  bool alert(std::string_view cause) const {
    for (const auto& each : alerts.current()) {
      if (each.cause == cause) return true;
    }
    return false;
  }

  store::TemporaryDirectory directory;
  base::SimulatedWallClock wall;
  base::MemoryLog log;
  grants::Alerts alerts{wall, log};
  std::unique_ptr<net::TlsServerContext> context;
};

TEST_F(CertificateKeeperTest, ANewPairInTheSameFilesIsTakenUp) {
  put(made("old.example"));
  auto keeper = configured();
  EXPECT_EQ(keeper.status().source, CertificateSource::configured);
  EXPECT_TRUE(keeper.status().served);
  put(made("new.example"));
  look(keeper);
  EXPECT_EQ(keeper.status().chain.front().subject, "new.example");
  EXPECT_THAT(log.text(), HasSubstr("certificate_in_use"));
}

TEST_F(CertificateKeeperTest, WhatCannotBeUsedKeepsTheOldOneAndRaisesAnAlert) {
  put(made("old.example"));
  auto keeper = configured();
  const auto refused = [&](const std::string& words) {
    look(keeper);
    EXPECT_EQ(keeper.status().chain.front().subject, "old.example") << words;
    EXPECT_THAT(keeper.status().problem, HasSubstr(words));
    EXPECT_TRUE(alert("certificate_refused")) << words;
  };
  std::ofstream(file("given.pem")) << "broken";
  refused("no PEM certificate");
  put(made("other.example"));
  std::ofstream(file("given-key.pem")) << made("third.example").key.reveal_text();
  refused("does not belong");
  std::filesystem::remove(file("given-key.pem"));
  refused("no PEM private key");
  put(made("late.example", days(10), days(20)));
  refused("ended on");
  put(made("good.example"));
  look(keeper);
  EXPECT_EQ(keeper.status().chain.front().subject, "good.example");
  EXPECT_FALSE(alert("certificate_refused"));
  EXPECT_EQ(keeper.status().problem, "");
}

TEST_F(CertificateKeeperTest, TheEndIsWarnedOfInTime) {
  put(made("old.example", days(90)));
  auto keeper = configured();
  look(keeper);
  EXPECT_FALSE(alert("certificate_expires"));
  wall.advance(days(75));
  look(keeper);
  EXPECT_TRUE(alert("certificate_expires"));
  put(made("new.example"));
  look(keeper);
  EXPECT_FALSE(alert("certificate_expires"));
  const auto metrics = wait_for(keeper.collect());
  ASSERT_EQ(metrics.size(), 2U);
  EXPECT_NEAR(metrics[0].value, 90, 0.1);
}

TEST_F(CertificateKeeperTest, ItsOwnAuthorityIsMadeOnceAndItsCertificatesRenewThemselves) {
  auto keeper = unconfigured();
  EXPECT_EQ(keeper.status().source, CertificateSource::none);
  const auto first = wait_for(keeper.own_authority({}));
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(first->source, CertificateSource::own_authority);
  EXPECT_FALSE(first->served) << "this listener was started in clear";
  EXPECT_THAT(first->chain.front().names, testing::ElementsAre("latchkey.example"));
  ASSERT_TRUE(first->root);
  const auto root = first->root->fingerprint;
  EXPECT_EQ(TlsFolder(directory.path()).choice().source, CertificateSource::own_authority);
  using std::filesystem::perms;
  for (const auto* name : {"tls/key.pem", "tls/root-key.pem"}) {
    EXPECT_EQ(std::filesystem::status(file(name)).permissions(), perms::owner_read | perms::owner_write) << name;
  }
  wall.advance(days(50));
  look(keeper);
  EXPECT_EQ(keeper.status().chain.front().fingerprint, first->chain.front().fingerprint) << "two thirds are not over";
  wall.advance(days(15));
  look(keeper);
  const auto renewed = keeper.status();
  EXPECT_NE(renewed.chain.front().fingerprint, first->chain.front().fingerprint);
  EXPECT_GT(renewed.chain.front().not_after, first->chain.front().not_after);
  EXPECT_EQ(renewed.root->fingerprint, root) << "what devices have imported stays";
  EXPECT_FALSE(alert("certificate_expires"));
}

TEST_F(CertificateKeeperTest, TheRootOutlivesRestartsAndOtherChoicesButNotOtherNames) {
  std::string root;
  {
    auto keeper = unconfigured();
    root = wait_for(keeper.own_authority({})).value().root->fingerprint;
    ASSERT_TRUE(wait_for(keeper.self_signed({})));
    EXPECT_FALSE(keeper.status().root);
    EXPECT_EQ(keeper.root(), "");
  }
  auto again = unconfigured();
  EXPECT_EQ(again.status().source, CertificateSource::self_signed);
  EXPECT_EQ(wait_for(again.own_authority({})).value().root->fingerprint, root);
  EXPECT_NE(wait_for(again.own_authority({"latchkey.example", "192.0.2.7"})).value().root->fingerprint, root);
}

TEST_F(CertificateKeeperTest, APairHandedOverIsCheckedBeforeItReplacesWhatIsThere) {
  auto keeper = unconfigured();
  auto first = made("first.example");
  ASSERT_TRUE(wait_for(keeper.use(first.certificate, std::move(first.key))));
  auto other = made("other.example");
  EXPECT_EQ(wait_for(keeper.use(other.certificate, made("third.example").key.clone())).error().reason, "key_mismatch");
  EXPECT_EQ(wait_for(keeper.use("nonsense", std::move(other.key))).error().reason, "no_certificate");
  auto ended = made("ended.example", days(10), days(20));
  EXPECT_EQ(wait_for(keeper.use(ended.certificate, std::move(ended.key))).error().reason, "certificate_expired");
  EXPECT_EQ(keeper.status().chain.front().subject, "first.example");
  EXPECT_EQ(wait_for(keeper.own_authority({"no name"})).error().reason, "bad_name");
}

TEST_F(CertificateKeeperTest, WhatTheConfigurationNamesIsChangedThere) {
  put(made("old.example"));
  auto keeper = configured();
  EXPECT_EQ(wait_for(keeper.own_authority({})).error().reason, "certificate_configured");
  EXPECT_EQ(wait_for(keeper.self_signed({})).error().reason, "certificate_configured");
  auto other = made("other.example");
  EXPECT_EQ(wait_for(keeper.use(other.certificate, std::move(other.key))).error().reason, "certificate_configured");
  EXPECT_EQ(TlsFolder(directory.path()).choice().source, CertificateSource::none);
}

TEST_F(CertificateKeeperTest, TheStartMakesWhatItIsAskedForAndKeepsItAfterwards) {
  Config config;
  config.data = directory.path();
  config.public_url = "http://localhost:8480";
  ASSERT_FALSE(settle_tls(config, wall.now()).value()) << "in clear, unless asked";
  config.tls_source = "self-signed";
  const auto files = settle_tls(config, wall.now()).value();
  ASSERT_TRUE(files);
  EXPECT_EQ(config.public_url, "https://localhost:8480") << "an address that was not given follows";
  const auto first = std::string(read_small_file(files->certificate).reveal_text());
  EXPECT_THAT(net::read_certificates(first).value().front().names, testing::ElementsAre("localhost", "127.0.0.1"));
  config.tls_source = "own-authority";
  (void)settle_tls(config, wall.now()).value();
  EXPECT_EQ(read_small_file(files->certificate).reveal_text(), first) << "what was chosen stays";
  // Killed between the two files of a renewal.
  std::ofstream(files->key) << made("other.example").key.reveal_text();
  (void)settle_tls(config, wall.now()).value();
  EXPECT_TRUE(net::check_pair(read_small_file(files->certificate).reveal_text(), read_small_file(files->key)));
  EXPECT_NE(read_small_file(files->certificate).reveal_text(), first);
  config.tls_certificate = "/etc/own.pem";
  config.tls_key = "/etc/own-key.pem";
  EXPECT_EQ(settle_tls(config, wall.now()).value()->certificate, "/etc/own.pem") << "the configuration's files go first";
}

}  // namespace
}  // namespace latchkey::app
