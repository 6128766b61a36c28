#include "grants/forecast.h"

#include <gmock/gmock.h>

#include "base/task_group.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::grants {
namespace {

using std::chrono::days;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kMortal = R"({
  "schema": 1, "id": "mortal", "name": "Mortal", "seen_on": "2026-11-23",
  "endpoints": {"issuer": "https://mortal.example", "authorization": "https://mortal.example/authorize", "token": "https://mortal.example/token"},
  "client_authentication": ["client_secret_post"], "pkce": true, "code_lifetime_s": 60,
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "reply", "id": ["account"], "name": ["account"]},
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "mortal-60", "name": "Idle", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://mortal.example", "rotation": "single_use", "replay": "revokes_family", "idle_lifetime_days": 60},
    {"id": "mortal-aged", "name": "Aged", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://mortal.example", "rotation": "none", "replay": "harmless", "absolute_lifetime_days": 90},
    {"id": "mortal-never", "name": "Never", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://mortal.example", "rotation": "none", "replay": "harmless"}
  ]})";

class ForecastTest : public testing::Test {
 protected:
  ForecastTest() {
    auto opened = store::open_sqlite_store({.path = folder.path() + "/latchkey.db"}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    const auto builtin = catalog::Catalog::load_builtin();
    EXPECT_TRUE(builtin) << builtin.error().text;
    const auto with_mortal = (*builtin)->with_file("mortal.json", kMortal);
    EXPECT_TRUE(with_mortal) << with_mortal.error().text;
    catalogue = *with_mortal;
    group = {.id = GroupId::make(wall.now(), entropy), .name = "G", .name_key = "g", .created_at = wall.now()};
    commit({store::InsertGroup{group}});
  }
  void commit(store::Batch batch) {
    const auto done = store::wait_for(store->commit(std::move(batch)));
    ASSERT_TRUE(done) << done.error().reason << " " << done.error().field;
  }
  store::Grant add(const std::string& type) {
    const auto name = "u" + std::to_string(++users);
    store::User user{.id = UserId::make(wall.now(), entropy), .group = group.id, .username = name, .username_key = name, .created_at = wall.now()};
    store::Grant grant{.id = GrantId::make(wall.now(), entropy), .user = user.id, .type = type, .app = "mortal", .generation = 1,
                       .issued_at = wall.now(), .last_refreshed_at = wall.now(), .created_at = wall.now()};
    commit({store::InsertUser{user}, store::InsertGrant{grant}});
    return grant;
  }
  void refresh(store::Grant& grant) {
    grant.issued_at = grant.last_refreshed_at = wall.now();
    commit({store::UpdateGrant{grant}});
    ++grant.version;
  }
  // The words of the one alert that stands; empty: none.
  std::string look() {
    auto looking = forecast();  // outlives its task
    std::vector<Task<void>> tasks;
    tasks.push_back(looking.look());
    store::wait_for_all(std::move(tasks));
    const auto all = alerts.current();
    EXPECT_LE(all.size(), 1U);
    return all.empty() ? "" : all.front().cause + " " + all.front().words;
  }
  static Task<void> foresee(Forecast& forecast, Forecast::Foreseen& out) {
    auto foreseen = co_await forecast.foresee();
    EXPECT_TRUE(foreseen);
    if (foreseen) out = std::move(*foreseen);
  }
  Forecast forecast() { return {*store, catalogue, wall, alerts, counters}; }

  store::TemporaryDirectory folder;
  base::SimulatedWallClock wall;
  base::SeededEntropy entropy{26};
  base::MemoryLog log;
  Alerts alerts{wall, log};
  Counters counters;
  std::unique_ptr<store::Store> store;
  std::shared_ptr<const catalog::Catalog> catalogue;
  store::Group group;
  int users = 0;
};

TEST_F(ForecastTest, R26_WarnsBeforeAnUnusedTokenIsForgottenUntilItIsRefreshed) {
  auto grant = add("mortal-60");
  add("mortal-never");
  const auto end = wall.now() + days(60);
  wall.advance(days(46));
  EXPECT_EQ(look(), "");
  wall.advance(Seconds(1));
  EXPECT_THAT(look(), AllOf(HasSubstr("dying_soon "), HasSubstr("1 account (1 mortal-60; the first on " + base::to_rfc3339(end).substr(0, 10) + ")"),
                            HasSubstr("states unreachable")));
  EXPECT_EQ(counters.dying_idle, 1);
  refresh(grant);
  EXPECT_EQ(look(), "");
  EXPECT_EQ(counters.dying_idle, 0);
}

TEST_F(ForecastTest, R26_ConstantRefreshingWarnsOfTheConsentsAgeAlone) {
  auto idle = add("mortal-60");
  auto aged = add("mortal-aged");
  for (int day = 0; day < 76; ++day) {
    EXPECT_EQ(look(), "") << day;
    wall.advance(days(1));
    refresh(idle);
    refresh(aged);
  }
  wall.advance(Seconds(1));
  EXPECT_THAT(look(), AllOf(HasSubstr("1 account (1 mortal-aged"), HasSubstr("however often"), Not(HasSubstr("mortal-60"))));
  EXPECT_EQ(counters.dying_of_age, 1);
  aged.created_at = wall.now();  // authorised anew
  refresh(aged);
  EXPECT_EQ(look(), "");
}

TEST_F(ForecastTest, R26_ManyGrantsAreOneAlertAndLockedOnesNone) {
  for (int i = 0; i < 502; ++i) add("mortal-60");  // more than a page
  auto off = add("mortal-60");
  off.state = store::GrantState::disabled;
  commit({store::UpdateGrant{off}});
  add("mortal-aged");
  wall.advance(days(80));
  EXPECT_THAT(look(), AllOf(HasSubstr("502 accounts (502 mortal-60"), HasSubstr("1 account (1 mortal-aged")));
  EXPECT_EQ(alerts.current().size(), 1U);
}

TEST_F(ForecastTest, R26_EveryEndIsInItsDayAndTheSoonestAreNamed) {
  add("mortal-60");
  wall.advance(days(3));
  for (int i = 0; i < 25; ++i) add("mortal-60");
  wall.advance(days(58));  // the first has been dead for a day, the others end in two
  auto looking = forecast();
  Forecast::Foreseen seen;
  std::vector<Task<void>> tasks;
  tasks.push_back(foresee(looking, seen));
  store::wait_for_all(std::move(tasks));
  EXPECT_EQ(seen.count, 26);
  EXPECT_EQ(seen.soonest.size(), kDyingNamed);
  EXPECT_EQ(seen.by_day[0], 1);
  EXPECT_EQ(seen.by_day[2], 25);
}

TEST(SoonestToDie, R26_ThoseNamedAreTheSoonestAndNoMoreAreHeldThanAreNamed) {
  SoonestToDie soonest;
  const auto start = base::from_unix_ms(1'700'000'000'000);
  for (int i = 0; i < 10'000; ++i) {
    soonest.add({.grant = {}, .type = "mortal-60", .ends_at = start + Seconds(i * 7919 % 10'000), .end = End::idle});
    ASSERT_LE(soonest.held(), kDyingNamed);
  }
  const auto named = std::move(soonest).in_order();
  ASSERT_EQ(named.size(), kDyingNamed);
  for (std::size_t i = 0; i < named.size(); ++i) EXPECT_EQ(named[i].ends_at, start + Seconds(i));
}

TEST_F(ForecastTest, TheFirstLookLeavesAServerTimeToRefreshWhatItFinds) {
  base::SimulatedSteadyClock steady;
  boost::asio::io_context loop;
  add("mortal-60");
  wall.advance(days(59));
  auto looking = forecast();
  TaskGroup background(loop.get_executor(), log);
  background.spawn("forecast", looking.keep_looking(steady));
  base::drive_until(loop, [&] { return steady.next_wake().has_value(); });
  EXPECT_GE(*steady.next_wake() - steady.now(), std::chrono::minutes(10));
  EXPECT_TRUE(alerts.current().empty());
  steady.advance(std::chrono::minutes(10));
  base::drive_until(loop, [&] { return !alerts.current().empty(); });
  base::run_on_loop(loop, steady, [](TaskGroup* tasks) -> Task<bool> {
    co_await tasks->cancel_and_wait();
    co_return true;
  }(&background));
}

}  // namespace
}  // namespace latchkey::grants
