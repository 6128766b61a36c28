#include "grants/secret_expiry.h"

#include <gmock/gmock.h>

#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::grants {
namespace {

using testing::HasSubstr;

class SecretExpiryTest : public testing::Test {
 protected:
  SecretExpiryTest() {
    auto opened = store::open_sqlite_store({.path = folder.path() + "/latchkey.db"}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    app = {.id = "microsoft", .provider = "microsoft", .client_id = "c", .created_at = wall.now(), .version = 0};
  }
  void save(std::optional<WallTime> first, std::optional<WallTime> second = {}) {
    app.secrets[0] = {.sealed = first ? Bytes(8, 1) : Bytes(), .expires_at = first};
    app.secrets[1] = {.sealed = second ? Bytes(8, 1) : Bytes(), .expires_at = second};
    ASSERT_TRUE(store::wait_for(store->commit({store::PutApp{app}})));
    ++app.version;
  }
  // The words of the one alert that stands; empty: none.
  std::string look() {
    SecretExpiry expiry(*store, wall, alerts);
    store::wait_for_all(one(expiry.look()));
    const auto all = alerts.current();
    EXPECT_LE(all.size(), 1U);
    return all.empty() ? "" : all.front().cause + " " + all.front().words;
  }
  static std::vector<Task<void>> one(Task<void> task) {
    std::vector<Task<void>> tasks;
    tasks.push_back(std::move(task));
    return tasks;
  }
  WallTime in_days(int days) const { return wall.now() + std::chrono::days(days); }

  store::TemporaryDirectory folder;
  base::SimulatedWallClock wall;
  base::MemoryLog log;
  Alerts alerts{wall, log};
  std::unique_ptr<store::Store> store;
  store::App app;
};

TEST_F(SecretExpiryTest, WarnsFrom30DaysBeforeWithTheDayAndTheRemedyUntilReplaced) {
  const auto end = in_days(31);
  save(end);
  EXPECT_EQ(look(), "");
  wall.advance(std::chrono::days(1));
  EXPECT_THAT(look(), testing::AllOf(HasSubstr("app_secret_expires:microsoft"), HasSubstr(base::to_rfc3339(end).substr(0, 10)), HasSubstr("runs out"), HasSubstr("OAuth settings")));
  wall.advance(std::chrono::days(31));
  EXPECT_THAT(look(), HasSubstr("ran out"));
  save(in_days(730));
  EXPECT_EQ(look(), "");
}

TEST_F(SecretExpiryTest, OnlyWhenTheLastSecretRunsOut) {
  save(in_days(3), in_days(400));
  EXPECT_EQ(look(), "") << "the second one is used by itself";
  save(in_days(3), in_days(20));
  EXPECT_THAT(look(), HasSubstr(base::to_rfc3339(in_days(20)).substr(0, 10)));
  SecretExpiry(*store, wall, alerts).forget("microsoft");
  EXPECT_TRUE(alerts.current().empty());
}

TEST_F(SecretExpiryTest, WhatWasDeletedAtAnotherServerIsOver) {
  save(in_days(3));
  EXPECT_NE(look(), "");
  ASSERT_TRUE(store::wait_for(store->commit({store::DeleteApp{app.id}})));
  EXPECT_EQ(look(), "");
}

}  // namespace
}  // namespace latchkey::grants
