// Whose turn it is when tokens are given back.
#include "grants/revocation_places.h"

#include <gtest/gtest.h>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

const WallTime kNoon = base::from_unix_ms(1'800'000'000'000);

TEST(RevocationPlacesTest, OneAppsPlacesAreNobodyElses) {
  RevocationPlaces places;
  for (std::size_t i = 0; i < RevocationPlaces::kPerApp; ++i) EXPECT_TRUE(places.take("slow", kNoon));
  EXPECT_FALSE(places.take("slow", kNoon));
  EXPECT_TRUE(places.take("quick", kNoon));
  places.leave("slow");
  EXPECT_TRUE(places.take("slow", kNoon));
}

TEST(RevocationPlacesTest, WhoCannotBeReachedIsHeldAsAWholeAndThenAskedByOne) {
  RevocationPlaces places;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(places.take("dead", kNoon));
  for (int i = 0; i < 3; ++i) {  // all that were on their way find out together: once
    places.unreachable("dead", kNoon, "away");
    places.leave("dead");
  }
  EXPECT_TRUE(places.held("dead", kNoon + 29s));
  EXPECT_FALSE(places.take("dead", kNoon + 29s));
  EXPECT_EQ(places.why("dead"), "away");
  EXPECT_GE(places.later("dead", kNoon), kNoon + 30s);
  EXPECT_FALSE(places.held("other", kNoon));
  ASSERT_TRUE(places.take("dead", kNoon + 30s));
  EXPECT_FALSE(places.take("dead", kNoon + 30s)) << "one finds out for all";
  places.unreachable("dead", kNoon + 30s, "still away");
  places.leave("dead");
  EXPECT_TRUE(places.held("dead", kNoon + 89s)) << "longer each time";
  auto now = kNoon;
  for (int i = 0; i < 20; ++i) places.unreachable("dead", now += 2h, "away");
  EXPECT_FALSE(places.held("dead", now + 1h)) << "but it is noticed soon when it is back";
  places.answered("dead", 100ms);
  EXPECT_TRUE(places.take("dead", now));
  EXPECT_TRUE(places.take("dead", now));
}

TEST(RevocationPlacesTest, WhatFindsNoPlaceIsLaidOutAtThePaceOfItsApp) {
  RevocationPlaces places;
  for (int i = 0; i < 100; ++i) places.answered("app", 160ms);
  auto last = kNoon;
  for (int i = 0; i < 1000; ++i) {
    const auto next = places.later("app", kNoon);
    EXPECT_GE(next, last);
    last = next;
  }
  // 16 at once at 160 ms are 100 a second; rather too early than too late.
  EXPECT_GE(last, kNoon + 4s);
  EXPECT_LE(last, kNoon + 11s);
}

}  // namespace
}  // namespace latchkey::grants
