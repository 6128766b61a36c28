#include "grants/schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "base/entropy.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = base::from_unix_ms(1'700'000'000'000);

GrantId grant_of(std::uint64_t seed) {
  base::SeededEntropy entropy(seed);
  return GrantId::make(kNow, entropy);
}
Issue lasting(Seconds lifetime) { return {.issued_at = kNow, .expires_at = kNow + lifetime}; }

TEST(Schedule, MarginIsATenthBetween60And300AndAtMostHalf) {
  EXPECT_EQ(margin_of(3600s), 300s);
  EXPECT_EQ(margin_of(1800s), 180s);
  EXPECT_EQ(margin_of(600s), 60s);
  EXPECT_EQ(margin_of(300s), 60s);
  EXPECT_EQ(margin_of(100s), 50s);
  EXPECT_EQ(margin_of(1s), 0s);
}

TEST(Schedule, PollingTimeRulesForLongTokensAndTheMarginForShortOnes) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto hour = due_time(lasting(3600s), {}, grant_of(seed));
    EXPECT_LE(hour, kNow + 20min);
    EXPECT_GE(hour, kNow + 18min);
    const auto ten_minutes = due_time(lasting(600s), {}, grant_of(seed));
    EXPECT_LE(ten_minutes, kNow + 540s);
    EXPECT_GE(ten_minutes, kNow + 486s);
  }
}

TEST(Schedule, R14LifetimeShorterThanTheMarginCausesNoStorm) {
  for (const auto lifetime : {1s, 2s, 5s, 30s, 61s, 119s}) {
    const auto due = due_time(lasting(lifetime), {}, grant_of(3));
    EXPECT_GE(due - kNow, Milliseconds(lifetime) * 4 / 10) << lifetime.count();
    EXPECT_LE(due, kNow + lifetime);
  }
}

TEST(Schedule, UnknownLifetimeCountsAsAnHour) {
  EXPECT_EQ(lifetime_of({.issued_at = kNow, .expires_at = std::nullopt}), 3600s);
  EXPECT_LE(due_time({.issued_at = kNow, .expires_at = std::nullopt}, {}, grant_of(1)), kNow + 20min);
}

TEST(Schedule, R15EarlyRefreshRefusedIsObeyedAndNeverLate) {
  const Pace exact{.refused_until_before_expiry = 30s};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto due = due_time(lasting(600s), exact, grant_of(seed));
    EXPECT_GE(due, kNow + 570s);
    EXPECT_LE(due, kNow + 573s);
  }
}

TEST(Schedule, R25IssuesOfOneMinuteAreSpread) {
  std::set<std::int64_t> seconds;
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    seconds.insert((due_time(lasting(3600s), {}, grant_of(seed)) - kNow) / 1s);
  }
  EXPECT_GT(seconds.size(), 100u);  // over the two minutes of jitter
}

TEST(Schedule, R26IdleTokensAreUsedBeforeTheirIdleLimit) {
  const Pace idle{.polling_time = std::chrono::days(30), .idle_lifetime = std::chrono::days(20)};
  EXPECT_LE(due_time(lasting(std::chrono::days(90)), idle, grant_of(1)), kNow + std::chrono::days(10));
}

TEST(Schedule, R26_DiesAtTheNearerOfItsTwoLimits) {
  using std::chrono::days;
  EXPECT_EQ(dies_at({}, kNow, kNow), std::nullopt);
  EXPECT_EQ(dies_at({.idle = days(60), .absolute = {}}, kNow, kNow + days(5)), kNow + days(65));
  EXPECT_EQ(dies_at({.idle = {}, .absolute = days(90)}, kNow, kNow + days(5)), kNow + days(90));
  EXPECT_EQ(dies_at({.idle = days(60), .absolute = days(90)}, kNow, kNow + days(5)), kNow + days(65));
  EXPECT_EQ(dies_at({.idle = days(60), .absolute = days(90)}, kNow, kNow + days(31)), kNow + days(90));
}

TEST(Schedule, R26_AnEndIsNearFrom14DaysOrTheMiddleOfTheLifetime) {
  using std::chrono::days;
  const Lifespan both{.idle = days(20), .absolute = days(90)};
  EXPECT_EQ(end_near({}, kNow, kNow, kNow + days(10'000)), End::none);
  EXPECT_EQ(end_near(both, kNow, kNow, kNow + days(10)), End::none) << "the middle of 20 days";
  EXPECT_EQ(end_near(both, kNow, kNow, kNow + days(10) + 1s), End::idle);
  EXPECT_EQ(end_near(both, kNow, kNow, kNow + days(21)), End::idle) << "past it as well";
  EXPECT_EQ(end_near(both, kNow, kNow + days(76), kNow + days(76)), End::none);
  EXPECT_EQ(end_near(both, kNow, kNow + days(76), kNow + days(76) + 1s), End::absolute);
  EXPECT_EQ(end_near(both, kNow, kNow + days(65), kNow + days(80)), End::idle) << "the nearer of two";
  // Whoever refreshes when due never gets near the idle limit.
  for (const auto idle : {days(1), days(5), days(20), days(60), days(400)}) {
    const Pace pace{.polling_time = days(1000), .idle_lifetime = idle};
    EXPECT_EQ(end_near({.idle = idle, .absolute = {}}, kNow, kNow, due_time(lasting(days(900)), pace, grant_of(7))), End::none) << idle.count();
  }
}

TEST(Schedule, BackOffGrowsIsBoundedAndYieldsToTheEmergencyWindow) {
  const auto hour = lasting(3600s);
  Milliseconds previous{0};
  for (int failures = 1; failures < 8; ++failures) {
    const auto wait = retry_time(kNow, failures, std::nullopt, hour, {}, grant_of(5)) - kNow;
    EXPECT_GE(wait, Milliseconds(2500) * (1 << (failures - 1)) - 1ms);
    EXPECT_LE(wait, 600s);
    EXPECT_GT(wait, previous / 2);
    previous = wait;
  }
  const auto late = kNow + 3310s;
  EXPECT_LE(retry_time(late, 9, std::nullopt, hour, {}, grant_of(5)) - late, 30s);
  const auto before = kNow + 3299s;
  EXPECT_LE(retry_time(before, 9, std::nullopt, hour, {}, grant_of(5)), kNow + 3301s);
}

TEST(Schedule, R18RetryAfterIsHonouredAndBounded) {
  EXPECT_GE(retry_time(kNow, 1, 120s, lasting(3600s), {}, grant_of(5)), kNow + 120s);
  EXPECT_LE(retry_time(kNow, 1, std::chrono::days(400), lasting(3600s), {}, grant_of(5)), kNow + 24h);
}

}  // namespace
}  // namespace latchkey::grants
