#include "people/pin_hasher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/fakes_testing.h"

namespace latchkey::people {
namespace {

SlowCheck right() { return {.verdict = SlowCheck::Verdict::right, .key = nullptr, .error = {}}; }

class PinHasherTest : public ::testing::Test {
 protected:
  using Outcome = std::shared_ptr<std::optional<std::optional<SlowCheck>>>;
  Outcome begin(PinHasher& hasher, Lane lane, std::string flight, std::function<SlowCheck()> work = right) {
    auto outcome = base::start_on(loop, hasher.check(lane, std::move(flight), std::move(work)));
    loop.restart();
    loop.poll();
    return outcome;
  }
  std::function<SlowCheck()> held() {
    return [this] {
      const std::lock_guard wait(gate);
      return right();
    };
  }
  boost::asio::io_context loop;
  base::SimulatedSteadyClock steady;
  std::mutex gate;
};

TEST_F(PinHasherTest, T6_AFloodOfUnknownSourcesCannotFillThePool) {
  PinHasher hasher({.threads = 2, .queue_max = 8}, steady);
  gate.lock();
  std::vector<Outcome> flood;
  flood.push_back(begin(hasher, Lane::unknown_source, "first", held()));
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1; });
  for (int i = 0; i < 20; ++i) flood.push_back(begin(hasher, Lane::unknown_source, "u" + std::to_string(i), held()));
  // One runs, six wait, the others have found no place.
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1 && hasher.waiting() == 6; });
  const auto landed = [&] { return std::ranges::count_if(flood, [](const auto& one) { return one->has_value(); }); };
  base::drive_until(loop, [&] { return landed() == 14; });
  const auto refused = std::ranges::count_if(flood, [](const auto& one) { return one->has_value() && !**one; });
  EXPECT_EQ(refused, 14);
  const auto device = begin(hasher, Lane::known_source, "k");
  base::drive_until(loop, [&] { return device->has_value(); });
  ASSERT_TRUE(**device) << "the second thread was free for it";
  EXPECT_EQ((**device)->verdict, SlowCheck::Verdict::right);
  gate.unlock();
  base::drive_until(loop, [&] { return std::ranges::all_of(flood, [](const auto& one) { return one->has_value(); }); });
}

TEST_F(PinHasherTest, T6_WithOneThreadKnownSourcesGoFirst) {
  PinHasher hasher({.threads = 1, .queue_max = 8}, steady);
  gate.lock();
  std::mutex order_mutex;
  std::string order;
  const auto note = [&](char c) {
    return [&, c] {
      const std::lock_guard lock(order_mutex);
      order += c;
      return right();
    };
  };
  const auto running = begin(hasher, Lane::unknown_source, "first", held());
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1; });
  const auto stranger = begin(hasher, Lane::unknown_source, "u", note('u'));
  const auto device = begin(hasher, Lane::known_source, "k", note('k'));
  gate.unlock();
  base::drive_until(loop, [&] { return stranger->has_value() && device->has_value(); });
  EXPECT_EQ(order, "ku");
}

TEST_F(PinHasherTest, EqualFlightsShareARunAndItsOutcome) {
  PinHasher hasher({.threads = 2, .queue_max = 8}, steady);
  gate.lock();
  std::vector<Outcome> same;
  for (int i = 0; i < 50; ++i) same.push_back(begin(hasher, Lane::known_source, "one", held()));
  gate.unlock();
  base::drive_until(loop, [&] { return std::ranges::all_of(same, [](const auto& one) { return one->has_value(); }); });
  EXPECT_EQ(hasher.hashes_begun(), 1u);
  const auto later = begin(hasher, Lane::known_source, "one");
  base::drive_until(loop, [&] { return later->has_value(); });
  EXPECT_EQ(hasher.hashes_begun(), 2u) << "a landed flight is not joined";
}

TEST_F(PinHasherTest, T5_AGhostWaitsItsTurnAndRunsNothing) {
  PinHasher hasher({.threads = 2, .queue_max = 8}, steady);
  gate.lock();
  const auto running = begin(hasher, Lane::unknown_source, "real", held());
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1; });
  auto ghost = base::start_on(loop, hasher.pretend(Lane::unknown_source, "ghost"));
  base::drive_until(loop, [&] { return hasher.waiting() == 1; });
  EXPECT_FALSE(ghost->has_value()) << "behind the real one";
  gate.unlock();
  base::drive_until(loop, [&] { return ghost->has_value() && running->has_value(); });
  ASSERT_TRUE(**ghost);
  EXPECT_GT(***ghost, steady.now()) << "as if a hash had been run";
  EXPECT_EQ(hasher.hashes_begun(), 1u);
}

TEST_F(PinHasherTest, T5_GhostsFindNoPlaceWhereRealChecksFindNone) {
  PinHasher hasher({.threads = 2, .queue_max = 8}, steady);
  gate.lock();
  std::vector<Outcome> flood;
  for (int i = 0; i < 7; ++i) flood.push_back(begin(hasher, Lane::unknown_source, "u" + std::to_string(i), held()));
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1; });
  flood.push_back(begin(hasher, Lane::unknown_source, "last", held()));
  base::drive_until(loop, [&] { return hasher.waiting() == 6; });
  auto ghost = base::start_on(loop, hasher.pretend(Lane::unknown_source, "ghost"));
  base::drive_until(loop, [&] { return ghost->has_value(); });
  EXPECT_FALSE(**ghost);
  gate.unlock();
  base::drive_until(loop, [&] { return std::ranges::all_of(flood, [](const auto& one) { return one->has_value(); }); });
}

TEST_F(PinHasherTest, T5_EqualGhostsShareAPlaceAsEqualChecksDo) {
  PinHasher hasher({.threads = 2, .queue_max = 8}, steady);
  gate.lock();
  const auto running = begin(hasher, Lane::unknown_source, "real", held());
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1; });
  std::vector<std::shared_ptr<std::optional<std::optional<SteadyTime>>>> ghosts;
  for (int i = 0; i < 60; ++i) ghosts.push_back(base::start_on(loop, hasher.pretend(Lane::unknown_source, "the same")));
  base::drive_until(loop, [&] { return hasher.waiting() == 1; });
  gate.unlock();
  base::drive_until(loop, [&] { return running->has_value() && std::ranges::all_of(ghosts, [](const auto& one) { return one->has_value(); }); });
  for (const auto& ghost : ghosts) EXPECT_TRUE(**ghost) << "60 equal tries need one place of six";
}

TEST_F(PinHasherTest, T5_ARealCheckIsOwedTheSameTimeAsAGhostHoweverLongItTook) {
  PinHasher hasher({.threads = 1, .queue_max = 8}, steady);
  const auto owed = [&](std::chrono::nanoseconds took) {
    const auto from = steady.now();
    const auto real = begin(hasher, Lane::unknown_source, "real", [&] {
      steady.advance(took);
      return right();
    });
    base::drive_until(loop, [&] { return real->has_value(); });
    return (**real)->ready - from;
  };
  const auto ghost = [&] {
    const auto from = steady.now();
    auto outcome = base::start_on(loop, hasher.pretend(Lane::unknown_source, "ghost"));
    base::drive_until(loop, [&] { return outcome->has_value(); });
    return ***outcome - from;
  };
  const auto before = ghost();
  EXPECT_EQ(owed(std::chrono::milliseconds(310)), before) << "its own length does not tell";
  EXPECT_EQ(ghost(), std::chrono::milliseconds(465)) << "the next ones are owed more, real or not";
  EXPECT_EQ(owed(std::chrono::nanoseconds(0)), std::chrono::milliseconds(465));
  EXPECT_LT(ghost(), std::chrono::milliseconds(465)) << "and less again by and by";
}

TEST_F(PinHasherTest, LimitsChangeWhileItRuns) {
  std::atomic<std::size_t> threads = 1;
  std::atomic<std::size_t> queue_max = 8;
  PinHasher hasher([&] { return PinHasher::Options{.threads = threads, .queue_max = queue_max}; }, steady);
  gate.lock();
  std::vector<Outcome> devices;
  const auto ask = [&] { devices.push_back(begin(hasher, Lane::known_source, "k" + std::to_string(devices.size()), held())); };
  ask();
  ask();
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 1 && hasher.waiting() == 1; });
  threads = 3;
  ask();
  base::drive_until(loop, [&] { return hasher.hashes_begun() == 3; });
  threads = 1;
  queue_max = 1;
  ask();
  EXPECT_EQ(hasher.waiting(), 1u);
  ask();
  base::drive_until(loop, [&] { return devices.back()->has_value(); });
  EXPECT_FALSE(**devices.back()) << "the one place of the queue is taken";
  EXPECT_EQ(hasher.hashes_begun(), 3u) << "what runs goes on, and nothing more begins";
  gate.unlock();
  base::drive_until(loop, [&] { return std::ranges::all_of(devices, [](const auto& one) { return one->has_value(); }); });
  EXPECT_EQ(hasher.hashes_begun(), 4u);
}

}  // namespace
}  // namespace latchkey::people
