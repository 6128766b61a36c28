#include "console/owner_pace.h"

#include <gtest/gtest.h>

#include "base/entropy.h"
#include "base/fakes_testing.h"

namespace latchkey::console {
namespace {

using namespace std::chrono_literals;

class OwnerPaceTest : public testing::Test {
 protected:
  UserId somebody() { return UserId::make(wall.now(), entropy); }

  base::SystemEntropy entropy;
  base::SimulatedWallClock wall;
  SteadyTime now = SteadyTime() + 24h;
  OwnerPace pace;
};

TEST_F(OwnerPaceTest, FiveAMinuteAndThenOneForEachThatIsAMinuteOld) {
  const auto user = somebody();
  for (int n = 0; n < 5; ++n) EXPECT_EQ(pace.take(user, now + Seconds(n)), 0s) << n;
  EXPECT_EQ(pace.take(user, now + 10s), 50s);
  EXPECT_EQ(pace.take(user, now + 59s), 1s) << "a refusal is not counted";
  EXPECT_EQ(pace.take(user, now + 60s), 0s);
  EXPECT_EQ(pace.take(user, now + 60s), 1s);
  EXPECT_EQ(pace.take(user, now + 10min), 0s);
}

TEST_F(OwnerPaceTest, OneDoesNotSlowAnotherDown) {
  const auto user = somebody();
  for (int n = 0; n < 6; ++n) [[maybe_unused]]
    const auto wait = pace.take(user, now);
  EXPECT_EQ(pace.take(somebody(), now), 0s);
}

TEST_F(OwnerPaceTest, IsBounded) {
  for (std::size_t n = 0; n < OwnerPace::kUsersMost; ++n) ASSERT_EQ(pace.take(somebody(), now), 0s);
  EXPECT_GT(pace.take(somebody(), now), 0s);
  EXPECT_EQ(pace.take(somebody(), now + 60s), 0s) << "what is over is forgotten";
}

}  // namespace
}  // namespace latchkey::console
