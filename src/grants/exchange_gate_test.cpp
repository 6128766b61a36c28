#include "grants/exchange_gate.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <vector>

#include "base/fakes_testing.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

class Gate : public ::testing::Test {
 protected:
  using Entering = std::future<std::optional<ExchangeGate::Place>>;
  Entering enter(const std::string& app, bool one_shot = false) {
    return boost::asio::co_spawn(
        loop,
        gate.enter({.app = app, .one_shot = one_shot, .cap = cap}, [this] { return wanted; }, 30s), boost::asio::use_future);
  }
  Task<std::optional<ExchangeGate::Place>> in_haste(std::string app) {
    co_return co_await gate.enter_in_haste({.app = std::move(app), .one_shot = true, .cap = cap}, 5s);
  }
  Entering enter_in_haste(const std::string& app) { return boost::asio::co_spawn(loop, in_haste(app), boost::asio::use_future); }
  static bool ready(Entering& one) { return one.wait_for(0s) == std::future_status::ready; }
  void until(Entering& one) {
    base::drive_until(loop, [&] { return ready(one); });
  }
  void turn() {
    for (int i = 0; i < 20; ++i) loop.poll();
    if (loop.stopped()) loop.restart();
  }

  boost::asio::io_context loop;
  base::SimulatedSteadyClock steady;
  RateCap cap{std::nullopt};
  ExchangeGate::Bounds bounds{.parallel = 2, .one_shot = 1};
  bool wanted = true;
  ExchangeGate gate{loop.get_executor(), steady, [this] { return bounds; }};
};

TEST_F(Gate, FirstComeFirstServedAndNobodyPassesALine) {
  auto one = gate.try_enter({.app = "a", .cap = cap});
  auto two = gate.try_enter({.app = "a", .cap = cap});
  ASSERT_TRUE(one && two);
  EXPECT_EQ(gate.try_enter({.app = "a", .cap = cap}).error(), ExchangeGate::Full::places);
  auto third = enter("a");
  auto fourth = enter("a");
  turn();
  {
    const auto gone = *std::move(one);
  }
  until(third);
  EXPECT_FALSE(ready(fourth));
  EXPECT_FALSE(gate.try_enter({.app = "a", .cap = cap})) << "the fourth stands in line";
  const auto held = third.get();
  {
    const auto gone = *std::move(two);
  }
  until(fourth);
  EXPECT_TRUE(fourth.get());
  EXPECT_TRUE(held);
  EXPECT_EQ(gate.in_flight(), 1u);
}

TEST_F(Gate, WhoStandsInLineForAPlaceThatIsFreeIsWaitedForAndWhoLacksMoreIsNot) {
  auto one = gate.try_enter({.app = "a", .one_shot = true, .cap = cap});
  auto two = gate.try_enter({.app = "b", .cap = cap});
  ASSERT_TRUE(one && two);
  auto shot = enter("b", true);
  turn();
  EXPECT_FALSE(gate.is_waited_for()) << "nothing is free";
  {
    const auto gone = *std::move(two);
  }
  EXPECT_FALSE(gate.is_waited_for()) << "not of its kind";
  {
    const auto gone = *std::move(one);
  }
  EXPECT_TRUE(gate.is_waited_for());
  until(shot);
  EXPECT_FALSE(gate.is_waited_for()) << "it has come";
  RateCap spent{RateCap::Limit{.requests = 1, .per = 60s}};
  while (spent.take(steady.now())) {
  }
  auto capped = boost::asio::co_spawn(loop, gate.enter({.app = "c", .cap = spent}, [] { return true; }, 30s), boost::asio::use_future);
  turn();
  EXPECT_FALSE(gate.is_waited_for()) << "it may not go yet";
  gate.close();
  until(capped);
}

TEST_F(Gate, F4_OneShotPlacesAreFewer) {
  const auto first = gate.try_enter({.app = "a", .one_shot = true, .cap = cap});
  ASSERT_TRUE(first);
  EXPECT_EQ(gate.try_enter({.app = "a", .one_shot = true, .cap = cap}).error(), ExchangeGate::Full::one_shots);
  EXPECT_EQ(gate.in_flight(), 1u) << "what was taken for it is given back";
  EXPECT_TRUE(gate.try_enter({.app = "a", .cap = cap}));
}

TEST_F(Gate, R25_TheCapIsPaidWhenThePlaceIsThereAndNotBefore) {
  cap = RateCap(RateCap::Limit{.requests = 1, .per = 60s});
  bounds.parallel = 1;
  auto first = gate.try_enter({.app = "a", .cap = cap});
  ASSERT_TRUE(first);
  auto second = enter("a");
  turn();
  steady.advance(20s);
  {
    const auto gone = *std::move(first);
  }
  turn();
  EXPECT_FALSE(ready(second)) << "a place, and the cap says no";
  EXPECT_EQ(gate.in_flight(), 0u) << "which is not held meanwhile";
  steady.advance(11s);  // its patience is over
  until(second);
  EXPECT_FALSE(second.get());
  steady.advance(60s);
  auto third = enter("a");
  until(third);
  EXPECT_TRUE(third.get());
}

TEST_F(Gate, WhoIsNotWantedAnyMoreLeavesAndTheNextOneIsAsked) {
  bounds.parallel = 1;
  auto first = gate.try_enter({.app = "a", .cap = cap});
  ASSERT_TRUE(first);
  auto second = enter("a");
  auto third = enter("a");
  turn();
  wanted = false;
  {
    const auto gone = *std::move(first);
  }
  until(third);
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  EXPECT_EQ(gate.in_flight(), 0u);
}

TEST_F(Gate, F4_WhoIsInHastePassesTheLineAndNobodyElseInHaste) {
  bounds.parallel = 1;
  auto first = gate.try_enter({.app = "a", .cap = cap});
  ASSERT_TRUE(first);
  auto second = enter("a");
  auto hasty = enter_in_haste("a");
  auto hasty_too = enter_in_haste("a");
  turn();
  EXPECT_FALSE(ready(hasty));
  {
    const auto gone = *std::move(first);
  }
  until(hasty);
  EXPECT_FALSE(ready(hasty_too));
  EXPECT_FALSE(ready(second));
  {
    const auto gone = *hasty.get();
  }
  until(hasty_too);
  EXPECT_FALSE(ready(second));
  {
    const auto gone = *hasty_too.get();
  }
  until(second);
  EXPECT_TRUE(second.get());
}

TEST_F(Gate, F4_WhoIsInHasteGoesInAnyCaseAndIsCounted) {
  bounds.parallel = 1;
  cap = RateCap(RateCap::Limit{.requests = 10, .per = 60s});
  auto first = gate.try_enter({.app = "a", .one_shot = true, .cap = cap});
  ASSERT_TRUE(first);
  auto hasty = enter_in_haste("a");
  turn();
  steady.advance(4s);
  turn();
  EXPECT_FALSE(ready(hasty));
  steady.advance(1s);
  until(hasty);
  EXPECT_EQ(gate.in_flight(), 2u) << "one too many";
  EXPECT_TRUE(gate.is_full());
  {
    const auto held = hasty.get();
    {
      const auto gone = *std::move(first);
    }
    EXPECT_TRUE(gate.is_full()) << "it counts as long as it holds its place";
  }
  auto next = enter("a");
  for (int second = 0; second < 5; ++second) {
    steady.advance(1s);
    turn();
  }
  EXPECT_FALSE(ready(next)) << "it has paid, and whoever comes after waits the longer";
  steady.advance(5s);
  until(next);
  EXPECT_TRUE(next.get());
  gate.close();
  auto late = enter_in_haste("a");
  until(late);
  EXPECT_TRUE(late.get()) << "a code dies with the server, and is spent before it stops";
}

// A sweep that was refused something must not be followed by another before that has changed.
TEST_F(Gate, RoomIsThereAgainWhenEnoughHasComeBack) {
  bounds.parallel = 4;
  std::vector<ExchangeGate::Place> held;
  for (int i = 0; i < 4; ++i) held.push_back(*gate.try_enter({.app = "a", .cap = cap}));
  EXPECT_FALSE(gate.has_refused());
  EXPECT_TRUE(gate.is_full());
  EXPECT_TRUE(gate.has_refused());
  EXPECT_FALSE(gate.has_room_again());
  held.pop_back();
  EXPECT_FALSE(gate.has_room_again());
  held.pop_back();
  EXPECT_TRUE(gate.has_room_again()) << "half of them";
  gate.begin_sweep();
  EXPECT_FALSE(gate.has_room_again());
  cap = RateCap(RateCap::Limit{.requests = 1, .per = 60s});
  const auto paid = gate.try_enter({.app = "a", .cap = cap});
  EXPECT_EQ(gate.try_enter({.app = "a", .cap = cap}).error(), ExchangeGate::Full::cap);
  EXPECT_FALSE(gate.has_refused()) << "no place given back changes what the cap says";
}

TEST_F(Gate, ClosingTurnsEverybodyAway) {
  bounds.parallel = 1;
  const auto first = gate.try_enter({.app = "a", .cap = cap});
  ASSERT_TRUE(first);
  auto second = enter("a");
  auto third = enter("a");
  turn();
  gate.close();
  until(third);
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  EXPECT_FALSE(gate.try_enter({.app = "b", .cap = cap}));
}

}  // namespace
}  // namespace latchkey::grants
