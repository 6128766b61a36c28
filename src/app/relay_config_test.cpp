#include "app/relay_config.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace latchkey::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kWhole = R"(listen = "0.0.0.0:443"
public_url = "https://Relay.example/"
data = "/srv/relay/"
tls.certificate = "/etc/cert.pem"
tls.key = "/etc/key.pem"
log.level = "warning"

[apps.dropbox]
client_id = "abc"

[apps.our-op]
provider = "oidc"
client_id = "def"
redirect_path = "/back/op"
authorization_endpoint = "https://op.example/auth"
types = ["oidc"]
params = { issuer = "https://op.example" }
)";

std::shared_ptr<const catalog::Catalog> builtin() {
  auto loaded = catalog::Catalog::load_builtin();
  EXPECT_TRUE(loaded);
  return *loaded;
}

TEST(RelayConfiguration, IsReadWholeAndFitsTheCatalogue) {
  auto reading = read_relay_config(kWhole, "relay.toml");
  ASSERT_THAT(reading.mistakes, IsEmpty());
  EXPECT_EQ(reading.config.public_url, "https://relay.example");
  EXPECT_EQ(reading.config.data, "/srv/relay");
  EXPECT_EQ(reading.config.book_path(), "/srv/relay/relay.db");
  EXPECT_EQ(reading.config.listen.port, 443);
  const auto registrations = registrations_of(reading.config, builtin(), reading.mistakes);
  ASSERT_THAT(reading.mistakes, IsEmpty());
  const auto* app = registrations.at_path("/back/op");
  ASSERT_NE(app, nullptr);
  EXPECT_EQ(app->id, "our-op");
  EXPECT_NE(registrations.at_path("/callback/dropbox"), nullptr);
  EXPECT_EQ(registrations.at_path("/callback/our-op"), nullptr);
  const auto dropbox = registrations.find("dropbox", "dropbox", {});
  ASSERT_TRUE(dropbox) << dropbox.error().text;
  EXPECT_EQ(dropbox->expected.redirect_uri, "https://relay.example/callback/dropbox");
  EXPECT_EQ(dropbox->expected.endpoint, "https://www.dropbox.com/oauth2/authorize");
  const auto op = registrations.find("our-op", "oidc", {});
  ASSERT_TRUE(op) << op.error().text;
  EXPECT_EQ(op->expected.endpoint, "https://op.example/auth");
}

TEST(RelayConfiguration, AProxyOnTheWayOutIsAnHttpAddress) {
  const auto with = [](const std::string& proxy) {
    return read_relay_config("public_url = \"https://r.example\"\noutbound.proxy = \"" + proxy +
                                 "\"\n[apps.dropbox]\nclient_id = \"a\"\n",
                             "f");
  };
  const auto good = with("http://proxy.example:3128");
  EXPECT_THAT(good.mistakes, IsEmpty());
  EXPECT_EQ(good.config.outbound_proxy, "http://proxy.example:3128");
  for (const auto* bad : {"proxy.example:3128", "https://proxy.example", "http://proxy.example/x", "socks5://proxy.example"}) {
    EXPECT_THAT(with(bad).mistakes, ElementsAre(HasSubstr("f:2: outbound.proxy: must be http://HOST:PORT"))) << bad;
  }
}

TEST(RelayConfiguration, ADatabaseIsNamedWithoutItsPassword) {
  const auto with = [](std::string_view lines) {
    return read_relay_config(
        std::string(lines) + "\npublic_url = \"https://r.example\"\n[apps.dropbox]\nclient_id = \"a\"\n", "f");
  };
  const auto shared =
      with("store = \"postgresql://latchkey@db.example/relay\"\nstore_password_file = \"/etc/relay-db.password\"");
  EXPECT_THAT(shared.mistakes, IsEmpty());
  EXPECT_TRUE(shared.config.shares_store());
  EXPECT_EQ(shared.config.store, "postgresql://latchkey@db.example/relay");
  EXPECT_EQ(shared.config.store_password_file, "/etc/relay-db.password");
  EXPECT_FALSE(with("store = \"sqlite\"").config.shares_store());
  EXPECT_FALSE(with("").config.shares_store());
  EXPECT_THAT(with("store = \"oracle://x\"").mistakes,
              ElementsAre(HasSubstr("f:1: store: must be \"sqlite\" or an address such as postgresql://")));
  EXPECT_THAT(with("store = \"postgresql://u:geheim@h/d\"").mistakes,
              ElementsAre(testing::AllOf(HasSubstr("store_password_file"), testing::Not(HasSubstr("geheim")))));
  EXPECT_THAT(with("store_password_file = \"relative\"").mistakes,
              ElementsAre(HasSubstr("store_password_file: must be an absolute path")));
}

TEST(RelayConfiguration, WhoMayReadTheMetricsIsAListOfNetworks) {
  const auto with = [](const std::string& value) {
    return read_relay_config(
        "public_url = \"https://relay.example\"\nmetrics_from = " + value + "\n[apps.dropbox]\nclient_id = \"a\"\n",
        "relay.toml");
  };
  const auto good = with(R"(["10.1.0.0/16", "2001:db8::7"])");
  ASSERT_EQ(good.config.metrics_from.size(), 2U);
  EXPECT_TRUE(good.config.metrics_from[0].contains(*net::IpAddress::parse("10.1.2.3")));
  EXPECT_FALSE(good.config.metrics_from[1].contains(*net::IpAddress::parse("2001:db8::8")));
  EXPECT_THAT(with(R"(["10.1.0.1/16"])").mistakes,
              testing::Contains(HasSubstr("metrics_from: 10.1.0.1/16 is neither an address nor a network")));
}

TEST(RelayConfiguration, EveryMistakeIsToldAtOnceWithItsLine) {
  const auto reading = read_relay_config(R"(listen = "everywhere"
public_url = "http://relay.example"
data = "relative"
loopback_providers = "yes"
colour = "blue"
trusted_proxies = "10.0.0.1"
tls.certificate = "/etc/cert.pem"

[apps.dropbox]
client_id = 7
secret = "s"
)",
                                         "relay.toml");
  EXPECT_THAT(reading.mistakes,
              testing::UnorderedElementsAre(HasSubstr("relay.toml:1: listen: must be ADDRESS:PORT"),
                                            HasSubstr("relay.toml:2: public_url: must be an https address"),
                                            HasSubstr("relay.toml:3: data: must be an absolute path"),
                                            HasSubstr("relay.toml:4: loopback_providers: must be true or false"),
                                            HasSubstr("relay.toml:5: colour: there is no such key"),
                                            HasSubstr("relay.toml:6: trusted_proxies: must be a list"),
                                            HasSubstr("relay.toml: tls.key: is missing"),
                                            HasSubstr("relay.toml:10: apps.dropbox.client_id: must be a text"),
                                            HasSubstr("relay.toml:11: apps.dropbox.secret: there is no such key")));
}

TEST(RelayConfiguration, WhatIsMissingIsNamed) {
  EXPECT_THAT(read_relay_config("", "relay.toml").mistakes,
              ElementsAre(HasSubstr("public_url: is missing"), HasSubstr("apps: there is none")));
  EXPECT_THAT(read_relay_config(
                  "listen = \"0.0.0.0:80\"\npublic_url = \"https://r.example\"\n[apps.dropbox]\nclient_id = \"a\"\n", "f")
                  .mistakes,
              ElementsAre(HasSubstr("tls.certificate: is missing: serve https here")));
  EXPECT_THAT(read_relay_config("a = = 1", "f").mistakes, ElementsAre(HasSubstr("f:1: is not TOML")));
  EXPECT_THAT(load_relay_config("/nonexistent/relay.toml").mistakes, ElementsAre(HasSubstr("cannot be read")));
}

TEST(RelayConfiguration, WhatDoesNotFitTheCatalogueIsToldWithItsLine) {
  auto reading = read_relay_config(R"(public_url = "https://relay.example"
[apps.nobody]
client_id = "a"
[apps.xero]
client_id = "b"
types = ["dropbox"]
[apps.dropbox]
client_id = "c"
redirect_path = "/relay/v1/office"
[apps.box]
client_id = "d"
[apps.oidc]
client_id = "e"
params = { issuer = "https://op.example" }
)",
                                   "relay.toml");
  ASSERT_THAT(reading.mistakes, IsEmpty());
  static_cast<void>(registrations_of(reading.config, builtin(), reading.mistakes));
  EXPECT_THAT(reading.mistakes, testing::UnorderedElementsAre(
                                    HasSubstr("relay.toml:2: apps.nobody.provider: there is no provider named nobody"),
                                    HasSubstr("relay.toml:4: apps.xero.types: dropbox is no type of xero"),
                                    HasSubstr("relay.toml:7: apps.dropbox.redirect_path: must be a path of its own"),
                                    HasSubstr("relay.toml:10: apps.box.provider: Box wants a client secret"),
                                    HasSubstr("relay.toml:12: apps.oidc.authorization_endpoint: is missing")));
}

class AppsOfAMode : public testing::Test {
 protected:
  void SetUp() override {
    folder = (std::filesystem::temp_directory_path() / "latchkey-relay-apps-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    std::ofstream(folder + "/secret") << "s3cret\n";
    std::ofstream(folder + "/empty") << "\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  Mistakes mistakes_of(const std::string& apps) {
    auto reading = read_relay_config("public_url = \"https://relay.example\"\n" + apps, "relay.toml");
    registrations = registrations_of(reading.config, builtin(), reading.mistakes);
    return reading.mistakes;
  }
  std::string folder;
  std::optional<relay::CatalogRegistrations> registrations;
};

TEST_F(AppsOfAMode, S3_WhatAnAppHasIsItsMode) {
  ASSERT_THAT(mistakes_of("[apps.dropbox]\nclient_id = \"a\"\n[apps.box]\nclient_id = \"b\"\nclient_secret_file = \"" +
                          folder + "/secret\"\n"),
              IsEmpty());
  EXPECT_EQ(registrations->find("dropbox", "dropbox", {})->mode, relay::Mode::forward);
  const auto box = registrations->find("box", "box", {});
  ASSERT_TRUE(box) << box.error().text;
  EXPECT_EQ(box->mode, relay::Mode::exchange);
  EXPECT_FALSE(box->expected.pkce) << "as its provider file says";
  const auto side = registrations->token_side({.app = "box", .type = "box", .params = {}, .learned = {}});
  ASSERT_TRUE(side) << side.error().text;
  EXPECT_EQ(side->endpoint, "https://api.box.com/oauth2/token");
  EXPECT_EQ(side->secret->reveal_text(), "s3cret");
  EXPECT_EQ(side->authentication, oauth::ClientAuthentication::client_secret_post);
  for (const auto& app : registrations->for_types({}))
    EXPECT_EQ(app.mode, app.id == "box" ? relay::Mode::exchange : relay::Mode::forward);
  EXPECT_TRUE(registrations->any(relay::Mode::exchange));
  EXPECT_FALSE(registrations->any(relay::Mode::assertion));
}

TEST_F(AppsOfAMode, S3_WhatDoesNotFitTheProviderIsToldWithItsLine) {
  const auto app = [&](const std::string& id, const std::string& lines) {
    return mistakes_of("[apps." + id + "]\nclient_id = \"a\"\n" + lines + "\n");
  };
  const auto secret = "client_secret_file = \"" + folder + "/secret\"";
  EXPECT_THAT(app("box", ""), ElementsAre(HasSubstr("relay.toml:2: apps.box.provider: Box wants a client secret")));
  EXPECT_THAT(app("box", "client_secret_file = \"" + folder + "/empty\""),
              ElementsAre(HasSubstr("apps.box.client_secret_file:")));
  EXPECT_THAT(app("box", "client_secret_file = \"relative\""), testing::Contains(HasSubstr("must be an absolute path")));
  EXPECT_THAT(app("box", "assertion_key_file = \"" + folder + "/secret\""),
              ElementsAre(HasSubstr("apps.box.assertion_key_file: holds no private key")));
  EXPECT_THAT(app("box", secret + "\nsecond_" + secret), IsEmpty());
  EXPECT_THAT(app("dropbox", "second_" + secret),
              ElementsAre(HasSubstr("apps.dropbox.second_client_secret_file: stands beside")));
  EXPECT_THAT(app("box", secret + "\nsecond_client_secret_file = \"" + folder + "/empty\""),
              ElementsAre(HasSubstr("apps.box.second_client_secret_file:")));
  EXPECT_THAT(app("box", secret + "\nclient_authentication = \"client_secret_basic\""),
              ElementsAre(HasSubstr("Box does not take a secret in this way")));
  EXPECT_THAT(app("box", secret + "\ntoken_endpoint = \"https://x.example/t\""),
              ElementsAre(HasSubstr("apps.box.token_endpoint: is for apps")));
}

}  // namespace
}  // namespace latchkey::app
