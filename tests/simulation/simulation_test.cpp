// Some thousands of worlds in every test run, each canary found, and what the simulation itself rests on.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>

#include "canary.h"
#include "world.h"

namespace latchkey::simulation {
namespace {

std::string repeat_with(std::uint64_t seed, const std::string& canary = {}) {
  return "repeat with: sim --seed " + std::to_string(seed) + (canary.empty() ? "" : " --canary " + canary);
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

#ifdef LATCHKEY_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// All of these seeds; under a sanitizer as many as fit, since a case has its time.
void run_range(std::uint64_t from, std::uint64_t to) {
  constexpr double kCpuSecondsMax = 60;
  constexpr std::uint64_t kNeverFewer = 50;
  switch_canary("none");
  const auto begun = cpu_seconds();
  std::uint64_t ran = 0;
  std::uint64_t refreshed = 0;
  for (auto seed = from; seed < to && (!kSanitized || ran < kNeverFewer || cpu_seconds() - begun < kCpuSecondsMax); ++seed, ++ran) {
    const auto outcome = run_world({.seed = seed});
    refreshed += outcome.figures.refreshed;
    ASSERT_TRUE(outcome.violations.empty()) << outcome.shape << ": " << outcome.violations.front() << "; " << repeat_with(seed);
  }
  ::testing::Test::RecordProperty("worlds", std::to_string(ran));
  ::testing::Test::RecordProperty("refreshes", std::to_string(refreshed));
  EXPECT_GT(refreshed, 0u);
}

TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1To100) { run_range(1, 101); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds101To200) { run_range(101, 201); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds201To300) { run_range(201, 301); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds301To400) { run_range(301, 401); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds401To500) { run_range(401, 501); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds501To600) { run_range(501, 601); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds601To700) { run_range(601, 701); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds701To800) { run_range(701, 801); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds801To900) { run_range(801, 901); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds901To1000) { run_range(901, 1001); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1001To1100) { run_range(1001, 1101); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1101To1200) { run_range(1101, 1201); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1201To1300) { run_range(1201, 1301); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1301To1400) { run_range(1301, 1401); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1401To1500) { run_range(1401, 1501); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1501To1600) { run_range(1501, 1601); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1601To1700) { run_range(1601, 1701); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1701To1800) { run_range(1701, 1801); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1801To1900) { run_range(1801, 1901); }
TEST(Simulation, R3_R5_R6_R22_NoGrantIsLost_Seeds1901To2000) { run_range(1901, 2001); }

TEST(Simulation, ASeedIsRepeatedToTheByte) {
  switch_canary("none");
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const auto once = run_world({.seed = seed});
    const auto again = run_world({.seed = seed});
    ASSERT_EQ(once.trace, again.trace) << repeat_with(seed);
    ASSERT_EQ(once.taken, again.taken) << repeat_with(seed);
    ASSERT_EQ(once.figures, again.figures) << repeat_with(seed);
  }
}

// Each deliberate bug is found within this many seeds (docs/reliability.md says with which).
constexpr std::uint64_t kSeedsForCanary = 1000;

class CanaryIsFound : public ::testing::TestWithParam<std::string_view> {};
TEST_P(CanaryIsFound, WithinAThousandSeeds) {
  ASSERT_TRUE(switch_canary(GetParam()));
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= kSeedsForCanary && found == 0; ++seed) {
    if (seed % 100 == 0) std::cout << "seed " << seed << std::endl;  // whoever watches knows that it goes on
    if (!run_world({.seed = seed}).violations.empty()) found = seed;
  }
  switch_canary("none");
  ASSERT_NE(found, 0u) << "the bug " << GetParam() << " was not found: the alarm does not work";
  EXPECT_TRUE(run_world({.seed = found}).violations.empty()) << "it was not the deliberate bug that was found; " << repeat_with(found);
  ::testing::Test::RecordProperty("found_with_seed", std::to_string(found));
}
INSTANTIATE_TEST_SUITE_P(Simulation, CanaryIsFound, ::testing::ValuesIn(canary_names()), [](const auto& name) {
  std::string word(name.param);
  std::ranges::replace(word, '-', '_');
  return word;
});

}  // namespace
}  // namespace latchkey::simulation
