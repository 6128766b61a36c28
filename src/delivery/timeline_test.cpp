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

TEST(Timeline, WhatCannotBeReadCountsFromTheAcceptance) {
  const auto start = base::from_unix_ms(1'800'000'000'000);
  const store::Delivery delivery{.timeline_json = "{", .created_at = start};
  EXPECT_EQ(tried_since(delivery), start);
}

}  // namespace
}  // namespace latchkey::delivery
