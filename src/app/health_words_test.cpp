#include "app/health_words.h"

#include <gtest/gtest.h>

namespace latchkey::app {
namespace {

TEST(HealthWords, Attack_AnAlertMovesNoCursorAndIsOneLine) {
  const JsonObject alert{{"severity", "warning"}, {"title", "Grüße\u202e"}, {"detail", "the provider says \x1b[2J\u009b2J\ncritical: x"}};
  EXPECT_EQ(alert_line(alert, " (put away)"), "warning (put away): Grüße?. the provider says ?[2J?2J?critical: x\n");
}

}  // namespace
}  // namespace latchkey::app
