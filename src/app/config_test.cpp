#include "app/config.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace latchkey::app {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

using Variables = std::vector<std::pair<std::string, std::string>>;

Result<Config> read(std::string_view text, const Variables& variables = {}, const Overrides& overrides = {}) {
  EnvironmentNames names;
  for (const auto& variable : variables) names.push_back(variable.first);
  const Environment environment = [&variables](std::string_view name) -> std::optional<std::string> {
    for (const auto& [key, value] : variables) {
      if (key == name) return value;
    }
    return std::nullopt;
  };
  return read_config(text, "latchkey.toml", overrides, environment, names);
}

std::string complaint(std::string_view text, const Variables& variables = {}) {
  const auto config = read(text, variables);
  return config ? "(accepted)" : config.error().text;
}

TEST(Config, HasWorkingDefaults) {
  const auto config = read("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->listen.text(), "127.0.0.1:8480");
  EXPECT_EQ(config->public_url, "http://localhost:8480");
  EXPECT_EQ(config->data, "/var/lib/latchkey");
  EXPECT_EQ(config->master_key_file, "/var/lib/latchkey/master.key");
  EXPECT_EQ(config->store, "sqlite");
}

TEST(Config, ReadsSectionsAndDottedKeysAlike) {
  const auto config = read(
      "listen = \"0.0.0.0:443\"\n[tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n[outbound]\nallow = [\"10.1.0.0/16\"]\n");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->tls_key, "/k.pem");
  EXPECT_EQ(config->public_url, "https://localhost");
  EXPECT_THAT(config->outbound_allow, ElementsAre("10.1.0.0/16"));
  EXPECT_EQ(read("tls.certificate = \"/c\"\ntls.key = \"/k\"\nlisten = \"[::1]:8443\"")->public_url, "https://localhost:8443");
}

TEST(Config, TheEnvironmentGoesOverTheFileAndTheCommandLineOverBoth) {
  const Variables variables{{"LATCHKEY_DATA", "/from/environment"}, {"LATCHKEY_OUTBOUND_ALLOW", "id.example:443, 10.0.0.0/8"}};
  const auto config = read("data = \"/from/file\"", variables);
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->data, "/from/environment");
  EXPECT_THAT(config->outbound_allow, ElementsAre("id.example:443", "10.0.0.0/8"));
  EXPECT_EQ(read("", variables, {.file = {}, .data = "/from/argument/"})->data, "/from/argument");
}

TEST(Config, NamesPlaceKeyAndRemedyOfEveryMistake) {
  EXPECT_THAT(complaint("\nlistne = \"x\""), AllOf(HasSubstr("latchkey.toml:2: listne"), HasSubstr("did you mean listen?")));
  EXPECT_THAT(complaint("listen = 8480"), HasSubstr("latchkey.toml:1: listen: must be a text in quotes"));
  EXPECT_THAT(complaint("listen = \"nowhere\""), HasSubstr("such as 127.0.0.1:8480"));
  EXPECT_THAT(complaint("listen = \"127.0.0.1:65536\""), HasSubstr("listen"));
  EXPECT_THAT(complaint("listen = \"::1:80\""), HasSubstr("[::1]:8480"));
  EXPECT_THAT(complaint("public_url = \"ftp://x\""), HasSubstr("public_url"));
  EXPECT_THAT(complaint("public_url = \"https://x/path\""), HasSubstr("without a path"));
  EXPECT_THAT(complaint("[log]\nlevel = \"loud\""), HasSubstr("latchkey.toml:2: log.level: must be error, warning, info or debug"));
  EXPECT_THAT(complaint("[log]\nlevl = \"info\""), HasSubstr("did you mean log.level?"));
  EXPECT_THAT(complaint("log = \"info\""), HasSubstr("latchkey.toml:1: log: is a section, no key; its keys are log.level"));
  EXPECT_THAT(complaint("[imap]\nlisten = \"x\""), HasSubstr("imap: there is no such key; packaging/latchkey.toml lists them all"));
  EXPECT_THAT(complaint("outbound.allow = \"x\""), HasSubstr("must be a list"));
  EXPECT_THAT(complaint("outbound.allow = [\"not a host!\"]"), HasSubstr("outbound.allow"));
  EXPECT_THAT(complaint("trusted_proxies = [\"300.1.1.1\"]"), HasSubstr("trusted_proxies"));
  EXPECT_THAT(complaint("proxy_header = \"x-real-ip\""), HasSubstr("latchkey.toml:1: proxy_header: must be \"x-forwarded-for\""));
  EXPECT_THAT(complaint("store = \"oracle://x\""), HasSubstr("store: must be \"sqlite\" or an address such as postgresql://"));
  EXPECT_THAT(complaint("store = \"postgresql://u:geheim@h/d\""), AllOf(HasSubstr("store_password_file"), Not(HasSubstr("geheim"))));
  EXPECT_THAT(complaint("tls.key = \"/k.pem\""), HasSubstr("tls.certificate: is missing"));
  EXPECT_THAT(complaint("master_key_file = \"relative\""), HasSubstr("absolute path"));
  EXPECT_THAT(complaint("this is not TOML"), HasSubstr("latchkey.toml:1: is not TOML"));
  EXPECT_THAT(complaint("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\""), AllOf(HasSubstr("latchkey.toml:2"), HasSubstr("'listen'"), HasSubstr("each key once")));
  EXPECT_THAT(complaint("", {{"LATCHKEY_LOG_LEVEL", "loud"}}), HasSubstr("LATCHKEY_LOG_LEVEL: log.level"));
  EXPECT_THAT(complaint("", {{"LATCHKEY_LISTNE", "x"}}), HasSubstr("LATCHKEY_LISTNE"));
  EXPECT_THAT(complaint("", {{"LATCHKEY_MASTER_KEY", "00"}}), HasSubstr("secrets are given as files only"));
}

TEST(Config, NoMistakeIsNamedTwice) {
  for (const std::string_view text :
       {"listen = 1", "listen = \"x\"", "[listen]\nport = 1", "public_url = \"x\"", "public_url = \"https://a/b\"", "trusted_proxies = [\"x\"]",
        "trusted_proxies = \"10.0.0.1\"", "trusted_proxies = [1]", "proxy_header = \"x\"", "data = \"\"", "store = \"x\"",
        "store = \"mysql://db/x\"", "master_key_file = \"x\"", "tls.certificate = \"/x\"", "tls.key = \"/x\"", "tls.key = \"x\"",
        "[tls]\nport = 1", "log.level = \"x\"", "log = \"x\"", "outbound.allow = [\"a b\"]", "outbound.allow = [\"::1\", \"fd00::/200\"]",
        "outbound.proxy = \"https://x\"", "outbound.ca_file = \"x\"", "smtp.submission = \"x\"", "listne = 1", "a = ", "listen = \"a\"\nlisten = \"b\""}) {
    const auto config = read(text);
    ASSERT_FALSE(config) << text;
    const std::string& words = config.error().text;
    const auto first = words.find(config.error().field + ":");
    EXPECT_TRUE(first == std::string::npos || words.find(config.error().field + ":", first + 1) == std::string::npos) << words;
    EXPECT_THAT(words, testing::Not(HasSubstr("\n"))) << text;
    EXPECT_FALSE(words.ends_with('.')) << words;
  }
}

TEST(Config, IgnoresVariablesOfTheClientVerbsAndEmptyOnes) {
  EXPECT_TRUE(read("", {{"LATCHKEY_PIN", "123456"}, {"LATCHKEY_SERVER", "http://x"}, {"LATCHKEY_LISTEN", ""}, {"HOME", "/"}}));
}

TEST(Config, ThePackagedFileNamesEveryKeyAndReadsAsDefaults) {
  std::ifstream file(LATCHKEY_SOURCE_DIR "/packaging/latchkey.toml");
  std::stringstream text;
  text << file.rdbuf();
  const auto config = read(text.str());
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->listen, (ListenAddress{"127.0.0.1", 8480}));
  // Every commented-out line, uncommented, is a key that is known.
  std::string uncommented;
  std::size_t keys = 0;
  std::stringstream again(text.str());
  for (std::string line; std::getline(again, line);) {
    if (line.starts_with('#') && !line.starts_with("# ")) {
      line.erase(0, 1);
      ++keys;
    }
    uncommented += line + "\n";
  }
  EXPECT_EQ(keys, config_keys().size());
  const auto all = read(uncommented);
  EXPECT_TRUE(all) << all.error().text;
}

}  // namespace
}  // namespace latchkey::app
