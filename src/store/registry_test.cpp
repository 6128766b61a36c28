#include "store/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/fakes_testing.h"
#include "store/sqlite/sqlite_store.h"

namespace latchkey::store {
namespace {

using namespace std::chrono_literals;

TEST(RegistryKeys, EveryRowIsSound) {
  std::set<std::string_view> seen;
  for (const auto& info : registry_keys()) {
    EXPECT_TRUE(seen.insert(info.key).second) << info.key << " twice";
    EXPECT_TRUE(Registry::check(info.key, info.default_text)) << info.key;
    EXPECT_GT(info.explanation.size(), 20u) << info.key;
    if (info.type != SettingType::duration && info.type != SettingType::integer) continue;
    if (info.type == SettingType::duration) {
      // Values are shown in this form: a default written otherwise would look changed.
      EXPECT_EQ(duration_text(*parse_duration(info.default_text)), info.default_text) << info.key;
    }
    EXPECT_TRUE(Registry::check(info.key, info.minimum)) << info.key;
    EXPECT_TRUE(Registry::check(info.key, info.maximum)) << info.key;
  }
}

// packaging/latchkey.service gives a stop 75 s: an exchange in flight is waited for, and its commit for ten seconds more.
TEST(RegistryKeys, NoRefreshTakesLongerThanAStopIsGiven) {
  const auto keys = registry_keys();
  const auto total = std::ranges::find(keys, "oauth.refresh_total_timeout", &SettingInfo::key);
  ASSERT_NE(total, keys.end());
  EXPECT_LE(*parse_duration(total->maximum) + 10s, 75s);
}

TEST(Durations, WrittenAndReadBack) {
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("20m"), 20min);
  EXPECT_EQ(parse_duration("14d"), 14 * 24h);
  EXPECT_EQ(parse_duration("300ms"), 300ms);
  EXPECT_EQ(parse_duration("20", "minutes"), 20min);
  for (const auto* text : {"20", "", "m", "-1m", "1.5m", "1 m", "1M", "1m ", "99999999999999999999d", "9223372036854775807d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
  for (const auto span : {Milliseconds(0), Milliseconds(300), Milliseconds(90s), Milliseconds(20min), Milliseconds(72h)}) {
    EXPECT_EQ(parse_duration(duration_text(span)), span);
  }
  EXPECT_EQ(duration_text(20min), "20m");
  EXPECT_EQ(duration_text(72h), "3d");
}

TEST(RegistryCheck, WhereNoticesGoIsLookedAtWhenItIsSet) {
  const auto good = [](std::string_view key, std::string_view value) { EXPECT_TRUE(Registry::check(key, value)) << key << " " << value; };
  for (const auto* value : {"", "ops@example.com", "a@b.example, c@d.example; e@localhost", "anna.müller@büro.example"}) good("notices.mail_to", value);
  for (const auto* value : {"", "latchkey@example.com"}) good("notices.mail_from", value);
  for (const auto* value : {"", "mail.example.com", "localhost", "127.0.0.1", "::1", "[2001:db8::1]"}) good("notices.smtp_host", value);
  for (const auto* value : {"", "https://hooks.example.com", "https://hooks.example.com:8443/a?b=c", "http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:80/"}) {
    good("notices.webhook_url", value);
  }
  const std::pair<std::string_view, std::string_view> bad[] = {
      {"notices.mail_to", "abc"}, {"notices.mail_to", "bad address <x>"}, {"notices.mail_to", "a@b.example, c"}, {"notices.mail_to", "a@b..example"},
      {"notices.mail_from", "Latchkey <a@b.c>"}, {"notices.mail_from", "a@b.example, c@d.example"}, {"notices.mail_from", "@b.example"},
      {"notices.smtp_host", "mail.example.com:25"}, {"notices.smtp_host", "a b"}, {"notices.smtp_host", "smtp://mail.example.com"},
      {"notices.webhook_url", "ftp://x"}, {"notices.webhook_url", "not a url at all"}, {"notices.webhook_url", "http://example.com/x"},
      {"notices.webhook_url", "hooks.example.com"}, {"notices.webhook_url", "https://"}, {"notices.webhook_url", "https://u:p@h.example/"},
      {"notices.webhook_url", "https://["}};
  for (const auto& [key, value] : bad) {
    const auto refused = Registry::check(key, value);
    ASSERT_FALSE(refused) << key << " " << value;
    EXPECT_EQ(refused.error().reason, "invalid_setting");
    EXPECT_NE(refused.error().text.find(key), std::string::npos) << refused.error().text;
  }
  EXPECT_NE(Registry::check("notices.smtp_host", "mail.example.com:25").error().text.find("notices.smtp_port"), std::string::npos);
}

TEST(RegistryCheck, SaysWhatIsWrong) {
  EXPECT_EQ(*Registry::check("oauth.polling_time", "15"), "15m") << "a bare number is minutes";
  EXPECT_EQ(*Registry::check("oauth.polling_time", " 1200s "), "20m");
  const auto low = Registry::check("oauth.polling_time", "30s");
  ASSERT_FALSE(low);
  EXPECT_EQ(low.error().kind, ErrorKind::invalid);
  EXPECT_EQ(low.error().reason, "invalid_setting");
  EXPECT_EQ(low.error().field, "value");
  EXPECT_EQ(low.error().text, "30s is out of range: between 1m and 30d.");
  EXPECT_FALSE(Registry::check("oauth.polling_time", "31d"));
  EXPECT_FALSE(Registry::check("auth.refusal_delay", "300")) << "no bare number here";
  EXPECT_FALSE(Registry::check("auth.pin_min_length", "0"));
  EXPECT_FALSE(Registry::check("auth.pin_min_length", "6 "  "7"));
  EXPECT_FALSE(Registry::check("oauth.polling_time_by_type", "xero"));
  EXPECT_FALSE(Registry::check("oauth.polling_time_by_type", "xero=10s"));
  EXPECT_TRUE(Registry::check("oauth.polling_time_by_type", "xero=25m, box=40"));
  EXPECT_TRUE(Registry::check("authorize.device_code_types", "box, onedrive-business"));
  EXPECT_FALSE(Registry::check("authorize.device_code_types", "box; One Drive"));
  EXPECT_EQ(Registry::check("oauth.poling_time", "15").error().reason, "no_such_setting");
}

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-registry-XXXXXX").string();
    directory = mkdtemp(pattern.data());
    auto opened = open_sqlite_store({.path = (directory / "latchkey.db").string()}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    registry = std::make_unique<Registry>(*store, wall);
  }
  ~RegistryTest() override {
    store.reset();
    std::filesystem::remove_all(directory);
  }
  template <class T>
  T run(Task<T> task) {
    return base::run_on_loop(loop, steady, std::move(task));
  }

  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  boost::asio::io_context loop;
  std::filesystem::path directory;
  std::unique_ptr<Store> store;
  std::unique_ptr<Registry> registry;
  SettingAuthor anna{.actor = "anna", .source = "192.0.2.1"};
};

TEST_F(RegistryTest, DefaultsBeforeAnythingIsLoaded) {
  EXPECT_EQ(registry->get<std::chrono::minutes>("oauth.polling_time"), 20min);
  EXPECT_EQ(registry->get<Seconds>("oauth.refresh_lease"), 90s);
  EXPECT_EQ(registry->get<Milliseconds>("auth.refusal_delay"), 300ms);
  EXPECT_EQ(registry->get<std::size_t>("oauth.one_shot_parallel"), 32u);
  EXPECT_EQ(registry->get<std::string>("oauth.polling_time_by_type"), "");
}

TEST_F(RegistryTest, SetTakesEffectAtOnceAndSurvivesARestart) {
  const auto made = run(registry->set("oauth.polling_time", "15", anna));
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(made->value, "15m");
  EXPECT_EQ(registry->get<Seconds>("oauth.polling_time"), 15min);
  Registry again(*store, wall);
  EXPECT_EQ(again.get<Seconds>("oauth.polling_time"), 20min);
  ASSERT_TRUE(run(again.load()));
  EXPECT_EQ(again.get<Seconds>("oauth.polling_time"), 15min);
  EXPECT_EQ(again.entry("oauth.polling_time")->changed_by, "anna");
  EXPECT_EQ(again.entry("oauth.polling_time")->changed_at, wall.now());
  EXPECT_TRUE(again.ignored().empty());
}

TEST_F(RegistryTest, ResetReturnsToTheDefaultForGood) {
  ASSERT_TRUE(run(registry->set("oauth.polling_time", "15", anna)));
  ASSERT_TRUE(run(registry->reset("oauth.polling_time", anna)));
  EXPECT_EQ(registry->get<Seconds>("oauth.polling_time"), 20min);
  EXPECT_EQ(registry->entry("oauth.polling_time")->changed_at, std::nullopt);
  ASSERT_TRUE(run(registry->load()));
  EXPECT_EQ(registry->get<Seconds>("oauth.polling_time"), 20min);
  EXPECT_EQ(run(registry->reset("nonsense", anna)).error().reason, "no_such_setting");
}

TEST_F(RegistryTest, ARefusedValueChangesNothing) {
  EXPECT_FALSE(run(registry->set("oauth.polling_time", "0m", anna)));
  EXPECT_EQ(registry->get<Seconds>("oauth.polling_time"), 20min);
  EXPECT_TRUE(run(store->settings())->empty());
  EXPECT_TRUE(run(store->audit({}))->items.empty());
}

TEST_F(RegistryTest, EveryChangeIsAudited) {
  ASSERT_TRUE(run(registry->set("auth.pin_min_length", "8", anna)));
  const auto trail = run(store->audit({}));
  ASSERT_EQ(trail->items.size(), 1u);
  EXPECT_EQ(trail->items[0].action, "registry.changed");
  EXPECT_EQ(trail->items[0].actor, "anna");
  EXPECT_EQ(trail->items[0].detail, "from 6 to 8");
}

TEST_F(RegistryTest, OfAWebhooksAddressTheTrailKeepsTheOrigin) {
  ASSERT_TRUE(run(registry->set("notices.webhook_url", "https://hooks.example.com:8443/T0/secret-1?k=secret-2", anna)));
  ASSERT_TRUE(run(registry->set("notices.webhook_url", "https://other.example?k=secret-3", anna)));
  ASSERT_TRUE(run(registry->reset("notices.webhook_url", anna)));
  std::string all;
  for (const auto& entry : run(store->audit({}))->items) all += entry.detail + "\n";
  EXPECT_EQ(all.find("secret"), std::string::npos) << all;
  EXPECT_NE(all.find("from https://hooks.example.com:8443/\u2026 to https://other.example/\u2026"), std::string::npos) << all;
}

TEST_F(RegistryTest, A5_DeviceCodesAreOffForATypeUntilItIsNamed) {
  for (const std::string_view type : {"box", "onedrive", ""}) EXPECT_FALSE(registry->device_code_allowed(type)) << type;
  ASSERT_TRUE(run(registry->set("authorize.device_code_types", " box,, onedrive-business ", anna)));
  EXPECT_TRUE(registry->device_code_allowed("box"));
  EXPECT_TRUE(registry->device_code_allowed("onedrive-business"));
  EXPECT_FALSE(registry->device_code_allowed("onedrive")) << "whole names";
  EXPECT_FALSE(registry->device_code_allowed(""));
}

TEST_F(RegistryTest, PollingTimeByType) {
  ASSERT_TRUE(run(registry->set("oauth.polling_time_by_type", "xero=25m, box=40", anna)));
  EXPECT_EQ(registry->polling_time("xero"), 25min);
  EXPECT_EQ(registry->polling_time("box"), 40min);
  EXPECT_EQ(registry->polling_time("gmail"), 20min);
}

TEST_F(RegistryTest, StoredNonsenseIsNamedAndTheDefaultHolds) {
  Batch batch;
  batch.push_back(PutSetting{{.key = "oauth.polling_time", .value = "soon"}});
  batch.push_back(PutSetting{{.key = "of.another.version", .value = "1"}});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  ASSERT_TRUE(run(registry->load()));
  EXPECT_EQ(registry->get<Seconds>("oauth.polling_time"), 20min);
  EXPECT_EQ(registry->ignored().size(), 2u);
}

}  // namespace
}  // namespace latchkey::store
