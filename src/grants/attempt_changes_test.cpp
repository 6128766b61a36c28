#include "grants/attempt_changes.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include "base/fakes_testing.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

class Changes : public testing::Test {
 protected:
  Changes() : changes(std::make_unique<AttemptChanges>(loop.get_executor())) {}

  AuthorizationId attempt() { return AuthorizationId::make(wall.now(), entropy); }
  // Waits once with a watch of its own, and counts.
  Task<void> wait(AuthorizationId id, int* ended) {
    AttemptChanges::Watch watch(*changes, id);
    co_await watch.wait_for(steady, 1h);
    ++*ended;
  }
  Task<void> wait_for_any(int* ended) {
    co_await changes->any().wait_for(steady, 1h);
    ++*ended;
  }
  Task<void> wait_with(AttemptChanges::Watch* watch, int* ended) {
    co_await watch->wait_for(steady, 1h);
    ++*ended;
  }
  Task<bool> wait_a_moment(AttemptChanges::Watch* watch) {
    co_await watch->wait_for(steady, 1ms);
    co_return true;
  }
  void start(Task<void> task) {
    asio::co_spawn(loop, std::move(task), asio::detached);
    settle();
  }
  void settle() {
    loop.restart();
    loop.poll();
  }

  asio::io_context loop{1};
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::SeededEntropy entropy{5};
  std::unique_ptr<AttemptChanges> changes;
};

TEST_F(Changes, WakeThoseWhoWaitForThatAttemptAlone) {
  const auto mine = attempt();
  const auto other = attempt();
  int mine_ended = 0;
  int others_ended = 0;
  start(wait(mine, &mine_ended));
  start(wait(mine, &mine_ended));
  start(wait(other, &others_ended));
  changes->changed(mine);
  settle();
  EXPECT_EQ(mine_ended, 2);
  EXPECT_EQ(others_ended, 0);
  changes->changed(attempt());  // nobody waits for that one
  settle();
  EXPECT_EQ(others_ended, 0);
  changes->wake_all();
  settle();
  EXPECT_EQ(others_ended, 1);
}

TEST_F(Changes, OneBetweenTheLookAndTheWaitIsNotMissed) {
  const auto id = attempt();
  int ended = 0;
  AttemptChanges::Watch watch(*changes, id);
  changes->changed(id);
  start(wait_with(&watch, &ended));
  EXPECT_EQ(ended, 1);
  // Once it has been told, the next wait is for the next change.
  start(wait_with(&watch, &ended));
  EXPECT_EQ(ended, 1);
  changes->changed(id);
  settle();
  EXPECT_EQ(ended, 2);
}

TEST_F(Changes, EachWakesWhoeverWaitsForAny) {
  int ended = 0;
  start(wait_for_any(&ended));
  changes->changed(attempt());
  settle();
  EXPECT_EQ(ended, 1);
}

TEST_F(Changes, AWatchMayOutliveThem) {
  std::optional<AttemptChanges::Watch> watch;
  watch.emplace(*changes, attempt());
  changes.reset();
  const auto ended = base::start_on(loop, wait_a_moment(&*watch));
  base::drive_until(loop, [&] { return ended->has_value(); });
  EXPECT_TRUE(**ended);
}

}  // namespace
}  // namespace latchkey::grants
