#include "grants/device_pace.h"

#include <gtest/gtest.h>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

TEST(DevicePace, KeepsToTheInterval) {
  DevicePace pace(7s);
  EXPECT_EQ(pace.wait(), 7s);
  pace.pending();
  EXPECT_EQ(pace.wait(), 7s);
}

TEST(DevicePace, EachSlowDownAddsFiveSecondsForGood) {
  DevicePace pace(5s);
  pace.slow_down();
  EXPECT_EQ(pace.wait(), 10s);
  pace.slow_down();
  EXPECT_EQ(pace.wait(), 15s);
  pace.pending();
  EXPECT_EQ(pace.wait(), 15s) << "not for one question alone";
  EXPECT_EQ(DevicePace(pace.interval()).wait(), 15s) << "nor until the next restart alone";
}

TEST(DevicePace, WithoutAnAnswerTheWaitDoublesUpToAMinute) {
  DevicePace pace(5s);
  for (const auto expected : {10s, 20s, 40s, 60s, 60s}) {
    pace.unanswered();
    EXPECT_EQ(pace.wait(), expected);
  }
  pace.pending();
  EXPECT_EQ(pace.wait(), 5s) << "the provider answers again";
}

TEST(DevicePace, NeverFasterThanTheIntervalNorThanRetryAfter) {
  DevicePace slow(90s);
  slow.unanswered();
  EXPECT_EQ(slow.wait(), 90s) << "the interval is longer than the longest back-off";
  DevicePace pace(5s);
  pace.unanswered(120s);
  EXPECT_EQ(pace.wait(), 120s);
}

}  // namespace
}  // namespace latchkey::grants
