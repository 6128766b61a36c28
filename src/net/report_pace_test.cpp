#include "net/report_pace.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

TEST(ReportPace, TellsOfTheFirstAndThenOfAllSinceOnceInTenSeconds) {
  ReportPace pace;
  SteadyTime now{};
  EXPECT_EQ(pace.happened(now), 1U) << "whatever the clock says";
  for (int tenths = 1; tenths < 100; ++tenths) EXPECT_EQ(pace.happened(now + Milliseconds(tenths * 100)), std::nullopt);
  EXPECT_EQ(pace.happened(now + Seconds(10)), 100U);
  EXPECT_EQ(pace.happened(now + Seconds(11)), std::nullopt);
  EXPECT_EQ(pace.happened(now + Seconds(3600)), 2U);
}

}  // namespace
}  // namespace latchkey::net
