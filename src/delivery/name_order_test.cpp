#include "delivery/name_order.h"

#include <gtest/gtest.h>

#include "base/entropy.h"
#include "delivery/timeline.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;

class NameOrderTest : public ::testing::Test {
 protected:
  DeliveryId enter(Target target, Milliseconds after = 0ms) {
    const auto id = DeliveryId::make(wall, entropy);
    order.enter(id, "scans", target, wall + after);
    return id;
  }
  // For whom it waits; none(): for nobody.
  DeliveryId waits_for(DeliveryId id) const {
    const auto ahead = order.ahead_of(id);
    return ahead ? ahead->delivery : DeliveryId();
  }
  // Held behind whoever is ahead.
  void hold(DeliveryId id) { ASSERT_TRUE(order.hold(id)); }
  std::vector<DeliveryId> released() {
    std::vector<DeliveryId> all;
    for (const auto& turn : order.take_released()) all.push_back(turn.delivery);
    return all;
  }
  using Ids = std::vector<DeliveryId>;

  base::SeededEntropy entropy{1};
  WallTime wall = base::from_unix_ms(1'800'000'000'000);
  NameOrder order;
};

TEST_F(NameOrderTest, EachWaitsForTheNextOlderOneOfItsName) {
  const auto first = enter(1), second = enter(1), other = enter(2), third = enter(1);
  EXPECT_TRUE(waits_for(first).none());
  EXPECT_EQ(waits_for(second), first) << "in one millisecond: the one heard of first";
  EXPECT_EQ(waits_for(third), second);
  EXPECT_TRUE(waits_for(other).none());
  hold(second);
  hold(third);
  EXPECT_FALSE(order.hold(first));
  order.leave(first);
  EXPECT_EQ(released(), Ids{second}) << "one by one";
  order.leave(second);
  EXPECT_EQ(released(), Ids{third});
  order.leave(third);
  EXPECT_TRUE(released().empty());
  EXPECT_EQ(order.held(), 0U);
}

// After a start they are heard of in another order than they came in.
TEST_F(NameOrderTest, TheTimeOfAcceptanceCountsAndNotWhenItWasHeardOf) {
  const auto newer = enter(1, 5ms), older = enter(1);
  EXPECT_EQ(waits_for(newer), older);
  EXPECT_TRUE(waits_for(older).none());
}

TEST_F(NameOrderTest, AnOlderOneThatComesLateWaitsForTheOneBeingSent) {
  const auto newer = enter(1, 5ms);
  order.begin(newer);
  const auto older = enter(1);
  EXPECT_EQ(waits_for(older), newer);
  EXPECT_TRUE(order.ahead_of(older)->begun);
  hold(older);
  order.end(newer);
  EXPECT_EQ(released(), Ids{older});
  EXPECT_EQ(waits_for(newer), older) << "from now on the newer one waits";
}

TEST_F(NameOrderTest, WhoeverWaitsIsLookedAtAgainWhenWhatItWaitsForHasBeenTried) {
  const auto first = enter(1), second = enter(1), third = enter(1);
  hold(second);
  hold(third);
  order.begin(first);
  order.end(first);
  EXPECT_EQ(released(), Ids{second});
  hold(second);
  order.tell_next(second);
  EXPECT_EQ(released(), Ids{third});
}

TEST_F(NameOrderTest, AnotherNameIsAnotherPlace) {
  const auto first = enter(1), second = enter(1);
  hold(second);
  order.enter(first, "scans", 2, wall + 1s);
  EXPECT_EQ(released(), Ids{second});
  hold(enter(1));
  order.enter(second, "scans", 2, wall + 2s);
  EXPECT_EQ(released().size(), 1U);
  EXPECT_EQ(waits_for(second), first);
}

TEST_F(NameOrderTest, WhatEndsWithoutAWordIsFoundByLookingAgain) {
  enter(1);
  enter(2);
  const auto second = enter(1), third = enter(1), fifth = enter(2);
  for (const auto& each : {second, third, fifth}) hold(each);
  order.look_again();
  auto all = released();
  EXPECT_EQ(std::set(all.begin(), all.end()), (std::set{second, fifth})) << "of each name the first one";
  EXPECT_TRUE(order.is_held(third));
}

// D2: ten thousand of one name behind a destination that is away: each is looked at once, and once more at its turn.
TEST_F(NameOrderTest, ALongLineMovesOneByOne) {
  Ids all;
  for (int n = 0; n < 10'000; ++n) all.push_back(enter(1));
  for (std::size_t n = 1; n < all.size(); ++n) hold(all[n]);
  std::size_t looked_at = 0;
  for (const auto& each : all) {
    EXPECT_TRUE(waits_for(each).none());
    order.begin(each);
    order.leave(each);
    looked_at += released().size();
  }
  EXPECT_EQ(looked_at, all.size() - 1);
}

TEST_F(NameOrderTest, AMoveGivesADocumentItsTime) {
  store::Delivery one{.connector = "scans", .name = "In/a.pdf", .created_at = wall};
  note(one, wall, "accepted", "");
  EXPECT_EQ(named_since(one), wall);
  note(one, wall + 2s, "retried", "By anna.");
  EXPECT_EQ(named_since(one), wall) << "tried again it is as old as it was";
  note(one, wall + 3s, "renamed", "To a.pdf.");
  EXPECT_EQ(named_since(one), wall + 3s);
  auto other = one;
  other.id = DeliveryId::make(wall, entropy);
  EXPECT_EQ(target_of(other), target_of(one));
  other.name = "In/b.pdf";
  EXPECT_NE(target_of(other), target_of(one));
  other = one;
  other.grant = GrantId::make(wall, entropy);
  EXPECT_NE(target_of(other), target_of(one)) << "another account";
}

}  // namespace
}  // namespace latchkey::delivery
