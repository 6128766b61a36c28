#include "grants/circuit.h"

#include <gtest/gtest.h>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
const SteadyTime kStart{1000s};

TEST(Circuit, OpensAfterFiveFailuresAndLetsOneProbeThrough) {
  Circuit circuit;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(circuit.admits(kStart));
    circuit.failed(kStart);
  }
  EXPECT_FALSE(circuit.admits(kStart + 1s));
  EXPECT_TRUE(circuit.admits(kStart + 15s));
  EXPECT_FALSE(circuit.admits(kStart + 15s)) << "one probe at a time";
  circuit.failed(kStart + 16s);
  EXPECT_FALSE(circuit.admits(kStart + 40s)) << "the wait has doubled";
  EXPECT_TRUE(circuit.admits(kStart + 46s));
  circuit.succeeded();
  EXPECT_TRUE(circuit.admits(kStart + 46s));
  EXPECT_TRUE(circuit.admits(kStart + 46s));
}

TEST(Circuit, AProbeNeverHeardOfAgainDoesNotBlockTheNext) {
  Circuit circuit;
  for (int i = 0; i < 5; ++i) circuit.failed(kStart);
  EXPECT_TRUE(circuit.admits(kStart + 15s));
  EXPECT_FALSE(circuit.admits(kStart + 60s));
  EXPECT_TRUE(circuit.admits(kStart + 135s));
}

TEST(RateCap, ACapOfOneIsOneEverySpanNotOneForEver) {
  RateCap cap(RateCap::Limit{1, 72s});
  int taken = 0;
  for (int second = 0; second < 720; ++second) taken += cap.take(kStart + std::chrono::seconds(second)) ? 1 : 0;
  EXPECT_EQ(taken, 10);
}

TEST(RateCap, R25AnyMinuteHoldsTheCap) {
  RateCap cap(RateCap::Limit{600, 60s});
  int taken_in_first_minute = 0;
  for (int ms = 0; ms < 60'000; ms += 10) taken_in_first_minute += cap.take(kStart + std::chrono::milliseconds(ms)) ? 1 : 0;
  EXPECT_LE(taken_in_first_minute, 600);
  EXPECT_GE(taken_in_first_minute, 550);
  EXPECT_TRUE(RateCap(std::nullopt).take(kStart));
}

TEST(RateCap, R25WhoeverGoesInAnyCaseIsPaidForByThoseAfter) {
  RateCap cap(RateCap::Limit{10, 60s});
  EXPECT_TRUE(cap.take(kStart));
  for (int i = 0; i < 3; ++i) cap.take_anyway(kStart);
  int taken = 4;
  for (int ms = 0; ms < 60'000; ms += 100) taken += cap.take(kStart + std::chrono::milliseconds(ms)) ? 1 : 0;
  EXPECT_LE(taken, 10);
  EXPECT_GE(taken, 8);
}

TEST(RateCap, R25HoweverManyGoInAnyCaseTheOthersGoOnSoonAfterThem) {
  RateCap cap(RateCap::Limit{60, 60s});
  for (int i = 0; i < 3'000; ++i) cap.take_anyway(kStart);
  EXPECT_FALSE(cap.take(kStart + 30s));
  EXPECT_TRUE(cap.take(kStart + 40s));
}

}  // namespace
}  // namespace latchkey::grants
