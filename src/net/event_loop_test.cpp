#include "net/event_loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "base/run_on.h"
#include "net/net_testing.h"

namespace latchkey::net {
namespace {

Task<std::thread::id> where_am_i() { co_return std::this_thread::get_id(); }

Task<std::set<std::thread::id>> visit_all(EventLoop* loop) {
  std::set<std::thread::id> seen;
  for (std::size_t i = 0; i < loop->worker_count(); ++i) {
    seen.insert(co_await run_on(loop->worker(i), where_am_i()));
    EXPECT_EQ(co_await run_on(loop->main(), where_am_i()), std::this_thread::get_id());
  }
  co_return seen;
}

TEST(EventLoop, EveryWorkerIsAThreadOfItsOwn) {
  LoopThread thread(3);
  EXPECT_EQ(thread.run(visit_all(&thread.loop)).size(), 3U);
}

Task<std::vector<int>> two_signals(EventLoop* loop) {
  auto first = loop->next_signal();
  std::vector<int> signals;
  // The first call takes the signals over; raised before it, they would end the test.
  signals.push_back(co_await std::move(first));
  signals.push_back(co_await loop->next_signal());
  co_return signals;
}

TEST(EventLoop, SignalsAreAwaited) {
  LoopThread thread(1);
  auto future = boost::asio::co_spawn(thread.loop.main(), two_signals(&thread.loop), boost::asio::use_future);
  // Until the handler is in place, SIGHUP and SIGTERM have their default action.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  struct sigaction action{};
  do {
    ::sigaction(SIGTERM, nullptr, &action);
  } while (action.sa_handler == SIG_DFL && std::chrono::steady_clock::now() < deadline);
  ASSERT_NE(action.sa_handler, SIG_DFL);
  do {
    ::sigaction(SIGHUP, nullptr, &action);
  } while (action.sa_handler == SIG_DFL && std::chrono::steady_clock::now() < deadline);
  ASSERT_NE(action.sa_handler, SIG_DFL);
  ::kill(::getpid(), SIGHUP);
  ::kill(::getpid(), SIGTERM);
  ASSERT_EQ(future.wait_for(kPatience), std::future_status::ready);
  const auto signals = future.get();
  EXPECT_EQ(std::set<int>(signals.begin(), signals.end()), (std::set<int>{SIGHUP, SIGTERM}));
}

}  // namespace
}  // namespace latchkey::net
