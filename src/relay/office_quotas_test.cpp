#include "relay/office_quotas.h"

#include <gtest/gtest.h>

namespace latchkey::relay {
namespace {

constexpr SteadyTime kStart{std::chrono::hours(1)};

TEST(OfficeQuotas, S1_AMinutesWorthAtOnceThenEvenly) {
  OfficeQuotas quotas;
  for (int n = 0; n < 6; ++n) EXPECT_TRUE(quotas.take("north", 6, kStart)) << n;
  EXPECT_FALSE(quotas.take("north", 6, kStart));
  EXPECT_FALSE(quotas.take("north", 6, kStart + Seconds(9)));
  EXPECT_TRUE(quotas.take("north", 6, kStart + Seconds(11)));
  EXPECT_FALSE(quotas.take("north", 6, kStart + Seconds(11)));
}

TEST(OfficeQuotas, S1_AnHourOfRestGivesNoMoreThanAMinutesWorth) {
  OfficeQuotas quotas;
  EXPECT_TRUE(quotas.take("north", 2, kStart));
  const auto later = kStart + std::chrono::hours(1);
  EXPECT_TRUE(quotas.take("north", 2, later));
  EXPECT_TRUE(quotas.take("north", 2, later));
  EXPECT_FALSE(quotas.take("north", 2, later));
}

TEST(OfficeQuotas, S1_OneOfficesBudgetIsNotAnothersAndNoneIsNoLimit) {
  OfficeQuotas quotas;
  EXPECT_TRUE(quotas.take("north", 1, kStart));
  EXPECT_FALSE(quotas.take("north", 1, kStart));
  EXPECT_TRUE(quotas.take("south", 1, kStart));
  for (int n = 0; n < 1000; ++n) EXPECT_TRUE(quotas.take("free", 0, kStart));
}

TEST(OfficeQuotas, S1_WhoeverRepeatsAFlowTakesNothingFromTheOthers) {
  OfficeQuotas quotas;
  SteadyTime now{};
  EXPECT_TRUE(quotas.take_for("north", "flow-1", 2, now));
  for (int n = 0; n < 10; ++n) EXPECT_TRUE(quotas.take_for("north", "flow-1", 2, now));
  EXPECT_TRUE(quotas.take_for("north", "flow-2", 2, now)) << "one was counted";
  EXPECT_FALSE(quotas.take_for("north", "flow-3", 2, now));
  EXPECT_TRUE(quotas.take_for("north", "flow-1", 2, now)) << "it had been counted";
  now += std::chrono::minutes(16);
  EXPECT_TRUE(quotas.take_for("north", "flow-1", 2, now));
  EXPECT_TRUE(quotas.take_for("north", "flow-4", 2, now));
  EXPECT_FALSE(quotas.take_for("north", "flow-5", 2, now)) << "the first is counted anew after its time";
}

}  // namespace
}  // namespace latchkey::relay
