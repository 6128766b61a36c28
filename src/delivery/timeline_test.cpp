#include "delivery/timeline.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace latchkey::delivery {
namespace {

using std::chrono::days;
using std::chrono::hours;

TEST(Timeline, D5_ItIsTriedAnewFromWhenSomebodySaysSoOrWhatItWaitedForIsThere) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  store::Delivery delivery{.created_at = start};
  note(delivery, start, "accepted", "");
  note(delivery, start + hours(1), "retry", "");
  EXPECT_EQ(tried_since(delivery), start);
  note(delivery, start + days(1), "parked", "");
  note(delivery, start + days(5), "sending", "");
  EXPECT_EQ(tried_since(delivery), start + days(5));
  note(delivery, start + days(6), "failed", "");
  note(delivery, start + days(9), "retried", "By anna.");
  EXPECT_EQ(tried_since(delivery), start + days(9));
  // However often it fails after that: a long road keeps what counts.
  for (int n = 0; n < 200; ++n) {
    note(delivery, start + days(9) + hours(n), "sending", "");
    note(delivery, start + days(9) + hours(n), "retry", "");
  }
  EXPECT_EQ(tried_since(delivery), start + days(9));
  EXPECT_EQ(parse_json(delivery.timeline_json)->get_array().size(), kTimelineEntriesMax);
}

// However many entries there were before it was parked, and however often it is tried after that.
TEST(Timeline, D5_ALongRoadKeepsWhatItWaitedForAndFromWhen) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  for (const char* waits : {"parked", "waits"}) {
    for (int before = 0; before < 15; ++before) {
      store::Delivery delivery{.created_at = start};
      note(delivery, start, "accepted", "");
      for (int n = 0; n < before; ++n) note(delivery, start + hours(n), n % 2 == 0 ? "sending" : "retry", "");
      note(delivery, start + days(1), waits, "");
      note(delivery, start + days(5), "sending", "");
      for (int n = 0; n < 200; ++n) {
        note(delivery, start + days(5) + hours(n), n % 2 == 0 ? "retry" : "sending", "");
        ASSERT_EQ(tried_since(delivery), start + days(5)) << waits << " after " << before << ", then " << n;
      }
      EXPECT_EQ(parse_json(delivery.timeline_json)->get_array().size(), kTimelineEntriesMax);
      // Of several times the last one counts, and the road stays bounded.
      for (int again = 1; again < 100; ++again) {
        const auto then = start + days(10 * again);
        note(delivery, then, waits, "");
        EXPECT_EQ(last_noted(delivery, waits), then);
        note(delivery, then + days(2), "renamed", "");
        note(delivery, then + days(3), "sending", "");
        for (int n = 0; n < 2; ++n) note(delivery, then + days(4), "retry", "");
        ASSERT_EQ(tried_since(delivery), then + days(3));
      }
      EXPECT_EQ(parse_json(delivery.timeline_json)->get_array().size(), kTimelineEntriesMax);
    }
  }
}

TEST(Timeline, ALongRoadKeepsWhenItGotItsNameAndWhenItWasParked) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  store::Delivery delivery{.created_at = start};
  for (int n = 0; n < 20; ++n) note(delivery, start, "sending", "");
  note(delivery, start + hours(1), "renamed", "");
  note(delivery, start + hours(2), "parked", "");
  for (int n = 0; n < 200; ++n) note(delivery, start + days(1), "failed", "");
  EXPECT_EQ(last_noted(delivery, "renamed"), start + hours(1));
  EXPECT_EQ(last_noted(delivery, "parked"), start + hours(2));
  // A person who sends it again sixty times.
  for (int n = 0; n < 60; ++n) note(delivery, start + days(2) + hours(n), "retried", "");
  EXPECT_EQ(tried_since(delivery), start + days(2) + hours(59));
  EXPECT_EQ(parse_json(delivery.timeline_json)->get_array().size(), kTimelineEntriesMax);
}

TEST(Timeline, WhatWaitedForAnotherOfItsNameIsTriedFromItsTurnOn) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  store::Delivery delivery{.created_at = start};
  note(delivery, start, "accepted", "");
  note(delivery, start, "waits", "");
  note(delivery, start + days(3), "sending", "");
  note(delivery, start + days(4), "retry", "");
  EXPECT_EQ(tried_since(delivery), start + days(3));
  EXPECT_EQ(last_noted(delivery, "retry"), start + days(4));
  EXPECT_EQ(last_noted(delivery, "renamed"), std::nullopt);
}

TEST(Timeline, F10_ARestoreBeginsItsTriesAnew) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  store::Delivery delivery{.created_at = start};
  note(delivery, start, "accepted", "");
  EXPECT_FALSE(is_just_restored(delivery));
  note(delivery, start + days(4), "restored", "");
  EXPECT_TRUE(is_just_restored(delivery));
  note(delivery, start + days(4), "retry", "");
  EXPECT_FALSE(is_just_restored(delivery));
  EXPECT_EQ(tried_since(delivery), start + days(4)) << "a backup of last week is not given up at its first try";
}

TEST(Timeline, WhatIsParkedWaitsFromThenOn) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  store::Delivery delivery{.created_at = start};
  note(delivery, start, "accepted", "");
  EXPECT_EQ(parked_since(delivery), std::nullopt);
  note(delivery, start + days(2), "parked", "");
  EXPECT_EQ(parked_since(delivery), start + days(2));
  note(delivery, start + days(3), "renamed", "");
  EXPECT_EQ(parked_since(delivery), start + days(2));
  note(delivery, start + days(5), "sending", "");
  note(delivery, start + days(5), "parked", "");
  EXPECT_EQ(parked_since(delivery), start + days(5)) << "not since the first time";
  note(delivery, start + days(9), "restored", "");
  EXPECT_EQ(parked_since(delivery), start + days(9));
}

TEST(Timeline, WhatCannotBeReadCountsFromTheAcceptance) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  const store::Delivery delivery{.timeline_json = "{", .created_at = start};
  EXPECT_EQ(tried_since(delivery), start);
  EXPECT_EQ(parked_since(delivery), std::nullopt);
}

}  // namespace
}  // namespace latchkey::delivery
