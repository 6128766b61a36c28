#include "delivery/turns.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/entropy.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;

class TurnsTest : public ::testing::Test {
 protected:
  // So many deliveries to a connector wait, each due a moment after the one before.
  void add(const std::string& connector, int count) {
    for (int i = 0; i < count; ++i) turns.wait(DeliveryId::make(wall, entropy), connector, now - Milliseconds(count - i));
  }
  // Begins whatever may begin; the connectors in the order of their turns.
  std::string begin() {
    std::string order;
    while (auto turn = turns.next(now, pace)) {
      order += turn->connector;
      under_way.push_back(*turn);
    }
    return order;
  }
  void end(std::size_t which, Reached reached = Reached::yes) {
    turns.end(under_way[which], reached);
    under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(which));
  }

  base::SeededEntropy entropy{1};
  WallTime wall = base::from_unix_ms(1'000'000'000);
  SteadyTime now{1h};
  Pace pace{.parallel = 6, .parallel_per_connector = 4, .per_minute_per_connector = 0};
  Turns turns;
  std::vector<Turn> under_way;
};

TEST_F(TurnsTest, ALongBacklogHoldsUpNoOther) {
  add("a", 10'000);
  EXPECT_EQ(begin(), "aaaa") << "one connector never takes all places";
  add("b", 1);
  add("c", 100);
  EXPECT_EQ(begin(), "bc") << "who sends least comes first";
  end(0);
  EXPECT_EQ(begin(), "c") << "a place that is free goes to whoever has fewer, not to whoever has waited longer";
  add("d", 1);
  end(0);
  EXPECT_EQ(begin(), "d");
}

TEST_F(TurnsTest, D4_WhatAskedNobodyLeavesItsPlaceInTheMinute) {
  pace.per_minute_per_connector = 2;
  add("a", 4);
  EXPECT_EQ(begin(), "aa");
  end(0, Reached::not_asked);
  EXPECT_EQ(begin(), "a");
  end(0, Reached::yes);
  EXPECT_EQ(begin(), "") << "two have asked within this minute";
}

TEST_F(TurnsTest, EqualsTakeTurns) {
  pace = {.parallel = 1, .parallel_per_connector = 4, .per_minute_per_connector = 0};
  add("a", 3);
  add("b", 3);
  std::string order;
  for (int i = 0; i < 6; ++i) {
    order += begin();
    end(0);
  }
  EXPECT_EQ(order, "ababab");
}

TEST_F(TurnsTest, SoonestFirstAndNoneBeforeItIsDue) {
  const auto late = DeliveryId::make(wall, entropy);
  const auto soon = DeliveryId::make(wall, entropy);
  EXPECT_EQ(turns.next_due(now), std::nullopt);
  turns.wait(late, "a", now + 10s);
  turns.wait(soon, "b", now + 5s);
  EXPECT_EQ(turns.next_due(now), now + 5s);
  EXPECT_EQ(turns.next_due(now + 5s), now + 10s);
  EXPECT_EQ(begin(), "");
  now += 5s;
  EXPECT_EQ(begin(), "b");
  turns.wait(soon, "a", now);
  EXPECT_EQ(begin(), "") << "it is under way";
  turns.wait(late, "c", now);
  EXPECT_EQ(begin(), "c") << "somebody wants it sooner, and elsewhere";
  EXPECT_EQ(turns.next_due(now), std::nullopt);
}

TEST_F(TurnsTest, ADestinationThatDoesNotAnswerIsTriedByOneAtATime) {
  add("a", 10);
  EXPECT_EQ(begin(), "aaaa");
  for (int i = 0; i < 3; ++i) end(0, Reached::no);
  EXPECT_EQ(begin(), "") << "one is still at it";
  end(0, Reached::unknown);
  EXPECT_EQ(begin(), "a");
  end(0, Reached::no);
  EXPECT_EQ(begin(), "a");
  end(0, Reached::yes);
  EXPECT_EQ(begin(), "aaaa") << "it is there again";
}

TEST_F(TurnsTest, NoMoreAMinuteThanAllowed) {
  pace.per_minute_per_connector = 3;
  add("a", 10);
  add("b", 1);
  EXPECT_EQ(begin(), "abaa") << "b is another";
  while (!under_way.empty()) end(0);
  now += 59s;
  EXPECT_EQ(begin(), "");
  now += 1s;
  EXPECT_EQ(begin(), "aaa");
}

TEST_F(TurnsTest, KnowsWhatWaitsAndWhatIsUnderWay) {
  const auto one = DeliveryId::make(wall, entropy);
  EXPECT_FALSE(turns.knows(one));
  turns.wait(one, "a", now, wall);
  EXPECT_TRUE(turns.waits_by(one, wall));
  EXPECT_FALSE(turns.waits_by(one, wall + 1s));
  EXPECT_TRUE(turns.knows(one));
  EXPECT_FALSE(turns.is_under_way(one));
  EXPECT_EQ(begin(), "a");
  EXPECT_TRUE(turns.knows(one));
  EXPECT_TRUE(turns.is_under_way(one));
  end(0);
  EXPECT_FALSE(turns.knows(one));
}

}  // namespace
}  // namespace latchkey::delivery
