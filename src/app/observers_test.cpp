#include "app/observers.h"

#include <gmock/gmock.h>

#include "base/fakes_testing.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PeopleWatcherTest : public testing::Test {
 protected:
  PeopleWatcherTest() { watcher.set_alerts(alerts); }
  std::vector<std::string> titles() {
    std::vector<std::string> all;
    for (const auto& alert : board.current()) all.push_back(alert.title);
    return all;
  }
  void attack(std::string bucket = "*") { watcher.budget_reached(user, "scan", std::move(bucket)); }

  base::SimulatedWallClock wall;
  base::SystemEntropy entropy;
  base::MemoryLog log;
  grants::Alerts alerts{wall, log};
  console::AlertBoard board{[this] { return causes_of(alerts); }};
  PeopleWatcher watcher;
  const UserId user = UserId::make(wall.now(), entropy);
  static constexpr std::string_view kGuessing = "Somebody is guessing a PIN or password";
};

TEST_F(PeopleWatcherTest, P1_ResettingTheCountersEndsTheAlertAndANewAttackRaisesItAgain) {
  attack();
  EXPECT_THAT(titles(), ElementsAre(kGuessing));
  watcher.counters_forgotten(user);
  EXPECT_THAT(titles(), IsEmpty());
  attack();
  EXPECT_THAT(titles(), ElementsAre(kGuessing));
}

TEST_F(PeopleWatcherTest, ADismissedAlertComesBackWithTheNextAttack) {
  attack();
  ASSERT_TRUE(board.dismiss(board.current().front().id));
  EXPECT_THAT(titles(), IsEmpty());
  wall.advance(std::chrono::minutes(5));
  EXPECT_THAT(titles(), IsEmpty()) << "nothing new";
  attack("192.0.2.10");
  EXPECT_THAT(titles(), ElementsAre(kGuessing)) << "now from the device's own address";
  ASSERT_TRUE(board.dismiss(board.current().front().id));
  // Nobody looks at the board between the reset and the next attack.
  watcher.counters_forgotten(user);
  wall.advance(std::chrono::hours(24 * 30));
  attack();
  EXPECT_THAT(titles(), ElementsAre(kGuessing));
}

TEST_F(PeopleWatcherTest, WhatHappenedOnceDoesNotStandForEver) {
  watcher.source_limited("2001:db8::/64");
  wall.advance(std::chrono::hours(23));
  EXPECT_EQ(titles().size(), 1U);
  watcher.source_limited("2001:db8::/64");
  wall.advance(std::chrono::hours(23));
  EXPECT_EQ(titles().size(), 1U) << "it happened again meanwhile";
  wall.advance(std::chrono::hours(2));
  EXPECT_THAT(titles(), IsEmpty());
}

TEST_F(PeopleWatcherTest, ManyAddressesAreOneLineThatComesBackWithTheNext) {
  for (int n = 0; n < 100; ++n) watcher.source_limited("2001:db8::" + std::to_string(n));
  ASSERT_EQ(titles().size(), 1U);
  const auto line = board.current().front();
  EXPECT_THAT(line.detail, testing::HasSubstr("100 addresses"));
  ASSERT_TRUE(board.dismiss(line.id));
  EXPECT_THAT(titles(), IsEmpty());
  wall.advance(std::chrono::minutes(1));
  watcher.source_limited("192.0.2.1");
  EXPECT_EQ(titles().size(), 1U);
}

TEST_F(PeopleWatcherTest, K7_APinResetStandsForADayAndCannotBePutAway) {
  watcher.pin_reset({.id = user, .username = "scan"}, "berta");
  const auto alerts_now = board.current();
  ASSERT_EQ(alerts_now.size(), 1U);
  EXPECT_THAT(alerts_now.front().detail, testing::HasSubstr("berta set a new PIN for scan"));
  EXPECT_FALSE(board.dismiss(alerts_now.front().id)) << "one administrator must not hide it from the others";
  wall.advance(std::chrono::hours(25));
  EXPECT_THAT(titles(), IsEmpty());
}

TEST_F(PeopleWatcherTest, T7_ANewPinEndsTheAlertOfTheOneThatWasSeen) {
  watcher.pin_seen_in_clear("scan", "192.0.2.10");
  watcher.pin_replaced("other");
  EXPECT_EQ(titles().size(), 1U);
  watcher.pin_replaced("scan");
  EXPECT_THAT(titles(), IsEmpty());
}

TEST(NodeMetricsTest, TheNodesAreCountedAnewOnlyAfterAWhile) {
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::SystemEntropy entropy;
  base::MemoryLog log;
  const store::TemporaryDirectory folder;
  const auto store = store::open_sqlite_store({.path = folder.path() + "/latchkey.db"}, wall, log);
  ASSERT_TRUE(store);
  const auto add = [&](NodeId id, std::string name) {
    ASSERT_TRUE(store::wait_for((*store)->commit({store::PutNode{
        {.id = id, .name = std::move(name), .version = "1", .run = entropy.bytes(16), .started_at = wall.now(), .seen_at = wall.now()}}})));
  };
  const auto self = NodeId::make(wall.now(), entropy);
  NodeMetrics metrics(**store, self, steady);
  const auto running = [&] {
    for (const auto& metric : store::wait_for(metrics.collect())) {
      if (metric.labels == "state=\"running\"") return metric.value;
    }
    return -1.0;
  };
  add(self, "attic");
  EXPECT_EQ(running(), 1);
  add(NodeId::make(wall.now(), entropy), "cellar");
  steady.advance(std::chrono::seconds(4));
  EXPECT_EQ(running(), 1) << "however often somebody asks";
  steady.advance(std::chrono::seconds(1));
  EXPECT_EQ(running(), 2);
}

}  // namespace
}  // namespace latchkey::app
