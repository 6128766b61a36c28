#include "grants/grant_events.h"

#include <gtest/gtest.h>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using store::GrantEventKind;

const WallTime kNoon{std::chrono::floor<std::chrono::days>(WallTime(Milliseconds(1'795'000'000'000))) + 12h};

store::Grant active(store::GenerationNumber generation, WallTime refreshed) {
  store::Grant grant;
  grant.generation = generation;
  grant.last_refreshed_at = refreshed;
  return grant;
}

ExchangeOutcome replied(oauth::RefreshOutcome outcome, int status = 200, std::string error = {}, std::string description = {}) {
  Replied reply;
  reply.reply.status = status;
  reply.reply.error = std::move(error);
  reply.reply.error_description = std::move(description);
  reply.classified.outcome = outcome;
  reply.classified.why = "why";
  return reply;
}

TEST(GrantEvents, ARefreshIsALineOnlyOnceADayOrAfterSomethingElse) {
  const auto outcome = replied(oauth::RefreshOutcome::refreshed);
  const auto after = active(8, kNoon);
  EXPECT_FALSE(event_of(active(7, kNoon - 20min), after, &outcome, kNoon)) << "one of many";
  const auto first = event_of(active(7, kNoon - 13h), after, &outcome, kNoon);
  ASSERT_TRUE(first) << "the first of the day";
  EXPECT_EQ(first->event.kind, GrantEventKind::refreshed);
  EXPECT_EQ(first->event.generation, 8);
  EXPECT_FALSE(first->join);
  auto failing = active(7, kNoon - 20min);
  failing.failures = 2;
  EXPECT_TRUE(event_of(failing, after, &outcome, kNoon)) << "it works again";
  auto doubted = active(7, kNoon - 20min);
  doubted.dead_seen = true;
  EXPECT_TRUE(event_of(doubted, after, &outcome, kNoon));
  EXPECT_FALSE(event_of(active(8, kNoon - 13h), active(8, kNoon - 13h), &outcome, kNoon)) << "kept as a candidate: nothing has changed";
}

TEST(GrantEvents, FailuresCarryTheReplyAndJoinTheirLike) {
  const auto before = active(7, kNoon);
  auto outcome = replied(oauth::RefreshOutcome::transient, 503, "temporarily_unavailable", "Back soon");
  auto event = event_of(before, before, &outcome, kNoon);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->join);
  EXPECT_EQ(event->event.kind, GrantEventKind::failed);
  EXPECT_EQ(event->event.status, 503);
  EXPECT_EQ(event->event.error, "temporarily_unavailable");
  EXPECT_EQ(event->event.detail, "Back soon");
  outcome = replied(oauth::RefreshOutcome::dead_grant, 400, "invalid_grant");
  EXPECT_EQ(event_of(before, before, &outcome, kNoon)->event.kind, GrantEventKind::refused);
  auto dead = before;
  dead.state = store::GrantState::needs_authorization;
  EXPECT_EQ(event_of(before, dead, &outcome, kNoon)->event.kind, GrantEventKind::needs_authorization);
  outcome = ExchangeOutcome(NoReply{{.kind = ErrorKind::ambiguous, .reason = "reply_lost", .text = "It broke."}});
  EXPECT_EQ(event_of(before, before, &outcome, kNoon)->event.kind, GrantEventKind::ambiguous);
  outcome = ExchangeOutcome(NotSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "No line."}});
  EXPECT_EQ(event_of(before, before, &outcome, kNoon)->event.detail, "No line.");
  EXPECT_EQ(event_of(before, before, nullptr, kNoon)->event.kind, GrantEventKind::ambiguous);
  outcome = replied(oauth::RefreshOutcome::too_early, 400);
  EXPECT_FALSE(event_of(before, before, &outcome, kNoon));
}

}  // namespace
}  // namespace latchkey::grants
