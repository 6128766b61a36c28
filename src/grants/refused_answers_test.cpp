#include "grants/refused_answers.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/fakes_testing.h"

namespace latchkey::grants {
namespace {

std::size_t lines(const base::MemoryLog& log) { return static_cast<std::size_t>(std::ranges::count(log.text(), '\n')); }

TEST(RefusedAnswers, AFloodHasAFewLinesAndTheNextSaysHowManyThereWere) {
  base::MemoryLog log;
  base::SimulatedSteadyClock steady;
  RefusedAnswers refused(log, steady);
  for (int n = 0; n < 1000; ++n) refused.note("state_unknown");
  EXPECT_EQ(lines(log), static_cast<std::size_t>(RefusedAnswers::kLinesMax));
  refused.note("ticket_used", "0199");
  EXPECT_EQ(lines(log), static_cast<std::size_t>(RefusedAnswers::kLinesMax) + 1) << "another reason has its own";
  steady.advance(RefusedAnswers::kLinesSpan);
  refused.note("state_unknown");
  EXPECT_EQ(lines(log), static_cast<std::size_t>(RefusedAnswers::kLinesMax) + 2);
  EXPECT_NE(log.text().find("980"), std::string::npos) << "how many were not said";
}

TEST(RefusedAnswers, ReasonsWithoutEndAreOne) {
  base::MemoryLog log;
  base::SimulatedSteadyClock steady;
  RefusedAnswers refused(log, steady);
  for (int n = 0; n < 10'000; ++n) refused.note("made_up_" + std::to_string(n));
  EXPECT_EQ(lines(log), RefusedAnswers::kReasonsMax + RefusedAnswers::kLinesMax);
}

}  // namespace
}  // namespace latchkey::grants
