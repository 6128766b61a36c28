#include "doors/question_pace.h"

#include <gtest/gtest.h>

namespace latchkey::doors {
namespace {

TEST(QuestionPace, AFloodAsksTwentyTimesASecond) {
  QuestionPace pace;
  const SteadyTime began{std::chrono::hours(1)};
  int asked = 0;
  for (int i = 0; i < 1000; ++i) asked += pace.may_ask(began + Milliseconds(i)) ? 1 : 0;
  EXPECT_EQ(asked, 20);
  EXPECT_TRUE(pace.may_ask(began + Seconds(1)));
}

}  // namespace
}  // namespace latchkey::doors
