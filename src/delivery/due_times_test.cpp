#include "delivery/due_times.h"

#include <gtest/gtest.h>

#include "delivery/timeline.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = base::from_unix_ms(1'800'000'000'000);
constexpr SteadyTime kSteady{10h};

TEST(DueTimes, AreByTheSteadyClockWhereTheWallClockJumps) {
  DueTimes times;
  EXPECT_EQ(times.steady_of(kNow + 5s, kNow, kSteady), kSteady + 5s);
  EXPECT_EQ(times.steady_of(kNow - 720h + 5s, kNow - 720h, kSteady), kSteady + 5s) << "set back";
  EXPECT_EQ(times.steady_of(kNow + 720h + 5s, kNow + 720h, kSteady + 1s), kSteady + 6s) << "and ahead";
}

TEST(DueTimes, EqualMomentsStayEqualWhileClocksAreRead) {
  DueTimes times;
  const auto before = times.steady_of(kNow + 5s, kNow, kSteady);
  EXPECT_EQ(times.steady_of(kNow + 5s, kNow + 3ms, kSteady + 900us), before);
}

store::Delivery noted(WallTime at, WallTime due_at, store::DeliveryState state = store::DeliveryState::queued) {
  store::Delivery one{.state = state, .due_at = due_at, .created_at = at};
  note(one, at, "accepted", "");
  return one;
}

TEST(DueOf, IsAsItSaysWhereNoClockWasAhead) {
  EXPECT_EQ(due_of(noted(kNow - 60s, kNow + 840s), kNow), kNow + 840s);
  EXPECT_EQ(due_of(noted(kNow - 60s, kNow - 30s), kNow), kNow - 30s);
  EXPECT_EQ(due_of(noted(kNow + 10s, kNow + 20s), kNow), kNow + 20s) << "another server's clock, a little ahead";
}

TEST(DueOf, WhatAClockThatWasAheadPutOffIsPutOffFromNowOn) {
  EXPECT_EQ(due_of(noted(kNow + 720h, kNow + 720h + 900s), kNow), kNow + 900s);
  EXPECT_EQ(due_of(noted(kNow + 720h, kNow + 10s), kNow), kNow);
  EXPECT_EQ(due_of(noted(kNow + 1h, kNow + 8760h), kNow), kNow + kPutOffMax);
}

TEST(DueOf, NothingIsPutOffForLongerThanADayAndWhatIsParkedForAnHour) {
  EXPECT_EQ(due_of(noted(kNow - 1h, kNow + 8760h), kNow), kNow + kPutOffMax);
  EXPECT_EQ(due_of(noted(kNow - 1h, kNow + 12h, store::DeliveryState::parked), kNow), kNow + 1h);
}

TEST(AgeClock, D2_AClockThatIsAheadMakesNothingOld) {
  AgeClock clock(kNow, kNow + 720h, kSteady);
  EXPECT_EQ(clock.now(kNow + 720h, kSteady), kNow);
  EXPECT_EQ(clock.now(kNow + 721h, kSteady + 1h), kNow + 2h) << "it comes closer by the time that passes";
  EXPECT_EQ(clock.now(kNow + 2h, kSteady + 2h), kNow + 2h) << "the clock was set right";
  EXPECT_EQ(clock.now(kNow + 1440h, kSteady + 2h), kNow + 2h) << "a jump meanwhile";
}

TEST(AgeClock, IsNeverLaterThanTheWallClock) {
  AgeClock clock(kNow + 720h, kNow, kSteady);
  EXPECT_EQ(clock.now(kNow, kSteady), kNow);
  EXPECT_EQ(clock.now(kNow + 360h, kSteady + 360h), kNow + 360h);
  EXPECT_EQ(clock.at(), kNow + 720h) << "by then half of it is made up for";
}

TEST(AgeClock, AgreesOnceItHasRunForAsLongAsItWasOff) {
  AgeClock clock(kNow, kNow + 48h, kSteady);
  for (int hour = 1; hour <= 48; ++hour) (void)clock.now(kNow + 48h + std::chrono::hours(hour), kSteady + std::chrono::hours(hour));
  EXPECT_EQ(clock.at(), kNow + 96h);
}

TEST(AgeClock, OfAFirstStartIsTheWallClock) {
  AgeClock clock(std::nullopt, kNow, kSteady);
  EXPECT_EQ(clock.now(kNow + 1h, kSteady + 1h), kNow + 1h);
}

}  // namespace
}  // namespace latchkey::delivery
