// Some thousands of worlds in every test run, each canary found, and what the simulation itself rests on.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>

#include "canary.h"
#include "world.h"

namespace latchkey::simulation {
namespace {

std::string repeat_with(std::uint64_t seed, const std::string& canary = {}) {
  return "repeat with: sim --seed " + std::to_string(seed) + (canary.empty() ? "" : " --canary " + canary);
}

// As many of the seeds as a quarter of a minute allows, never fewer than the first hundred.
void run_range(std::uint64_t from, std::uint64_t to) {
  switch_canary("none");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(12);
  std::uint64_t ran = 0;
  std::uint64_t refreshed = 0;
  for (auto seed = from; seed < to && (ran < 100 || std::chrono::steady_clock::now() < end); ++seed, ++ran) {
    const auto outcome = run_world({.seed = seed});
    refreshed += outcome.refreshed;
    ASSERT_TRUE(outcome.violations.empty()) << outcome.shape << ": " << outcome.violations.front() << "; " << repeat_with(seed);
  }
  ::testing::Test::RecordProperty("worlds", std::to_string(ran));
  ::testing::Test::RecordProperty("refreshes", std::to_string(refreshed));
  EXPECT_GT(refreshed, 0u);
}

TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_SeedsFrom1) { run_range(1, 1'000); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_SeedsFrom1000) { run_range(1'000, 2'000); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_SeedsFrom2000) { run_range(2'000, 3'000); }

TEST(Simulation, ASeedIsRepeatedToTheByte) {
  switch_canary("none");
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const auto once = run_world({.seed = seed});
    const auto again = run_world({.seed = seed});
    ASSERT_EQ(once.trace, again.trace) << repeat_with(seed);
    ASSERT_EQ(once.taken, again.taken) << repeat_with(seed);
    ASSERT_EQ(once.steps, again.steps) << repeat_with(seed);
  }
}

// Each deliberate bug is found within this many seeds.
constexpr std::uint64_t kSeedsForCanary = 200;

class CanaryIsFound : public ::testing::TestWithParam<std::string_view> {};
TEST_P(CanaryIsFound, WithinTwoHundredSeeds) {
  ASSERT_TRUE(switch_canary(GetParam()));
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= kSeedsForCanary && found == 0; ++seed) {
    if (!run_world({.seed = seed}).violations.empty()) found = seed;
  }
  switch_canary("none");
  EXPECT_NE(found, 0u) << "the bug " << GetParam() << " was not found: the alarm does not work";
  ::testing::Test::RecordProperty("found_with_seed", std::to_string(found));
}
INSTANTIATE_TEST_SUITE_P(Simulation, CanaryIsFound, ::testing::ValuesIn(canary_names()), [](const auto& name) {
  std::string word(name.param);
  std::ranges::replace(word, '-', '_');
  return word;
});

}  // namespace
}  // namespace latchkey::simulation
