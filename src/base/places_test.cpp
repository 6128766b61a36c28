#include "base/places.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "base/fakes_testing.h"

namespace latchkey::base {
namespace {

using namespace std::chrono_literals;

class PlacesForTwo : public testing::Test {
 protected:
  using Taken = std::shared_ptr<std::optional<Places::Place>>;

  Taken take(std::chrono::nanoseconds span = 1h) {
    auto taken = start_on(loop, places->take(clock, span));
    settle();
    return taken;
  }
  void settle() {
    loop.restart();
    loop.poll();
  }

  boost::asio::io_context loop{1};
  SimulatedSteadyClock clock;
  std::optional<Places> places{std::in_place, 2U};
};

TEST_F(PlacesForTwo, TheNextInTurnHasTheOneThatIsGivenBack) {
  const auto first = take();
  const auto second = take();
  EXPECT_TRUE(first->has_value() && **first);
  EXPECT_TRUE(second->has_value() && **second);
  const auto third = take();
  const auto fourth = take();
  EXPECT_FALSE(third->has_value());
  second->reset();
  settle();
  ASSERT_TRUE(third->has_value());
  EXPECT_TRUE(static_cast<bool>(**third));
  EXPECT_FALSE(fourth->has_value());
  third->reset();
  first->reset();
  settle();
  EXPECT_TRUE(fourth->has_value());
  EXPECT_TRUE(take()->has_value());  // and one was left over
}

TEST_F(PlacesForTwo, WhoWaitedLongEnoughHasNoneAndStandsInNobodysWay) {
  const auto first = take();
  const auto second = take();
  const auto third = take(1ms);
  const auto fourth = take();
  drive_until(loop, [&] { return third->has_value(); });
  EXPECT_FALSE(static_cast<bool>(**third));
  first->reset();
  settle();
  ASSERT_TRUE(fourth->has_value());
  EXPECT_TRUE(static_cast<bool>(**fourth));
}

TEST_F(PlacesForTwo, WhoIsCancelledStandsInNobodysWay) {
  const auto first = take();
  const auto second = take();
  boost::asio::cancellation_signal stop;
  bool cancelled = false;
  boost::asio::co_spawn(loop, places->take(clock, 1h),
                        boost::asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr problem, Places::Place) {
                          cancelled = problem != nullptr;
                        }));
  settle();
  const auto fourth = take();
  stop.emit(boost::asio::cancellation_type::terminal);
  settle();
  EXPECT_TRUE(cancelled);
  second->reset();
  settle();
  EXPECT_TRUE(fourth->has_value());
}

TEST_F(PlacesForTwo, TheirEndIsNotTheirPlacesEnd) {
  const auto first = take();
  const auto second = take();
  const auto third = take();
  places.reset();
  first->reset();
  settle();
  EXPECT_TRUE(third->has_value());
}

}  // namespace
}  // namespace latchkey::base
