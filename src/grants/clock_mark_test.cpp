#include "grants/clock_mark.h"

#include <gmock/gmock.h>

#include "grants/prudent_clock.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

class ClockMarkTest : public testing::Test {
 protected:
  ClockMarkTest() {
    auto opened = store::open_sqlite_store({.path = folder.path() + "/latchkey.db"}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    start();
  }
  WallTime mark() {
    const auto kept = store::wait_for(ClockMark::read(*store));
    EXPECT_TRUE(kept);
    return kept.value_or(WallTime{});
  }
  // As a process that begins now.
  void start() {
    steady = std::make_unique<base::SimulatedSteadyClock>();
    alerts = std::make_unique<Alerts>(wall, log);
    const auto known = mark();
    prudent = std::make_unique<PrudentClock>(wall, *steady, known);
    marks = std::make_unique<ClockMark>(*store, wall, *prudent, *steady, *alerts, log, known);
    look();
  }
  void look() {
    std::vector<Task<void>> tasks;
    tasks.push_back(marks->look());
    store::wait_for_all(std::move(tasks));
  }
  void pass(Seconds span) {
    wall.advance(span);
    steady->advance(span);
    look();
  }
  [[nodiscard]] bool warned() const { return !alerts->current().empty() && alerts->current().front().cause == "clock_behind"; }

  store::TemporaryDirectory folder;
  base::SimulatedWallClock wall;
  base::MemoryLog log;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<base::SimulatedSteadyClock> steady;
  std::unique_ptr<Alerts> alerts;
  std::unique_ptr<PrudentClock> prudent;
  std::unique_ptr<ClockMark> marks;
};

TEST_F(ClockMarkTest, R24_AStartWithTheClockBehindGoesByTheMarkAndWarns) {
  pass(10min);
  const auto reached = wall.now();
  EXPECT_EQ(mark(), reached);
  EXPECT_FALSE(warned());

  for (const auto wrong : {reached - 3h, base::from_unix_ms(0)}) {
    const auto before = mark();
    wall.set(wrong);
    start();
    EXPECT_TRUE(warned());
    EXPECT_EQ(prudent->now(), before);
    pass(10min);
    EXPECT_EQ(prudent->now(), before + 10min) << "what passes, passes";
    EXPECT_EQ(mark(), before + 10min);
    EXPECT_TRUE(warned());
  }
  wall.set(mark() + 1min);  // somebody has set it
  look();
  EXPECT_FALSE(warned());
  EXPECT_EQ(prudent->now(), wall.now());
}

TEST_F(ClockMarkTest, R24_AStartAfterDaysIsNoTrouble) {
  pass(10min);
  wall.advance(std::chrono::days(3));
  start();
  EXPECT_FALSE(warned());
  EXPECT_EQ(prudent->now(), wall.now());
}

TEST_F(ClockMarkTest, R24_AClockThatJumpsForwardForAMomentLeavesNoMarkBehind) {
  pass(10min);
  wall.advance(1h);
  pass(1s);
  wall.advance(-1h);
  pass(10min);
  EXPECT_TRUE(warned()) << "this process goes on by the later time";
  EXPECT_LE(mark(), wall.now());
  start();
  EXPECT_FALSE(warned());
  EXPECT_EQ(prudent->now(), wall.now());
}

TEST_F(ClockMarkTest, AMarkMadeByAClockThatWasAheadIsForgottenOnDemand) {
  const auto truth = wall.now();
  wall.set(truth + std::chrono::days(9000));
  start();
  pass(10min);
  wall.set(truth);
  start();
  EXPECT_TRUE(warned());
  ASSERT_TRUE(store::wait_for(ClockMark::forget(*store)));
  start();
  EXPECT_FALSE(warned());
  EXPECT_EQ(prudent->now(), truth);
}

}  // namespace
}  // namespace latchkey::grants
