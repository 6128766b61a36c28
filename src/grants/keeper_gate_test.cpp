// A crowd of callers before a provider that is down, slow or capped, and before a server that stops.
#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;

class GateHouse : public KeeperHouse {
 protected:
  using Asking = std::future<Result<store::GrantView>>;
  // Grants whose access token has just ended.
  std::vector<store::Grant> put_crowd(const std::string& type, int many) {
    store::Batch batch;
    std::vector<store::Grant> crowd;
    for (int i = 0; i < many; ++i) crowd.push_back(add_grant(batch, type, 500s));
    commit(std::move(batch));
    advance(500s);
    return crowd;
  }
  Asking ask(const store::Grant& grant) {
    return boost::asio::co_spawn(loop, keeper->fresh(grant.id, 0s), boost::asio::use_future);
  }
  std::vector<Asking> ask_all(const std::vector<store::Grant>& crowd) {
    std::vector<Asking> asking;
    for (const auto& grant : crowd) asking.push_back(ask(grant));
    return asking;
  }
  static std::ptrdiff_t answered(const std::vector<Asking>& asking) {
    return std::ranges::count_if(asking, [](const Asking& one) { return one.wait_for(0s) == std::future_status::ready; });
  }
  void release() {
    transport.hold = false;
    released->notify_all();
  }
  std::ptrdiff_t claimed(const std::vector<store::Grant>& crowd) {
    return std::ranges::count_if(crowd, [&](const store::Grant& grant) { return !view(grant.id).grant.lease_owner.none(); });
  }
  void turn_a_while() {
    for (int turn = 0; turn < 200; ++turn) loop.run_one_for(1ms);
  }
};

TEST_F(GateHouse, R18_ACallerDoesNotAskAProviderThatIsDown) {
  const auto crowd = put_crowd("acme-harmless", 8);
  for (int i = 0; i < 5; ++i) {
    transport.then(T::unsent());
    EXPECT_FALSE(run(keeper->fresh(crowd[i].id, 0s)));
  }
  ASSERT_TRUE(keeper->circuits().front().open);
  const auto refused = run(keeper->fresh(crowd[5].id, 0s));
  EXPECT_EQ(transport.bodies.size(), 5u);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(refused.error().reason, "provider_unreachable");
  ASSERT_TRUE(refused.error().retry_after);
  EXPECT_LE(*refused.error().retry_after, 15s);
  EXPECT_EQ(view(crowd[5].id).grant.failures, 0) << "nothing was tried";

  advance(16s);
  transport.hold = true;
  auto probing = ask(crowd[5]);
  base::drive_until(loop, [&] { return transport.at_once == 1; });
  EXPECT_FALSE(run(keeper->fresh(crowd[6].id, 0s))) << "one probe at a time";
  EXPECT_EQ(transport.bodies.size(), 6u);
  release();
  base::drive_until(loop, [&] { return probing.wait_for(0s) == std::future_status::ready; });
  EXPECT_TRUE(probing.get());
  EXPECT_TRUE(run(keeper->fresh(crowd[6].id, 0s))) << "the provider is back";
  EXPECT_TRUE(run(keeper->fresh(crowd[7].id, 0s)));
}

TEST_F(GateHouse, R18_WhoStandsInLineWhenTheCircuitOpensIsSentAway) {
  const auto crowd = put_crowd("acme-harmless", 300);
  transport.hold = true;
  const auto asking = ask_all(crowd);
  base::drive_until(loop, [&] { return transport.at_once == 256; });
  for (int i = 0; i < 256; ++i) transport.then(T::unsent());
  release();
  base::drive_until(loop, [&] { return answered(asking) == 300 && counters.in_flight == 0; });
  EXPECT_EQ(transport.bodies.size(), 256u);
}

TEST_F(GateHouse, CallersKeepTheBoundOfAllRefreshesAndClaimNothingWhileTheyWait) {
  const auto crowd = put_crowd("acme-harmless", 300);
  transport.hold = true;
  auto asking = ask_all(crowd);
  base::drive_until(loop, [&] { return transport.at_once == 256; });
  turn_a_while();
  EXPECT_EQ(transport.at_once, 256);
  EXPECT_EQ(claimed(crowd), 256);
  release();
  base::drive_until(loop, [&] { return answered(asking) == 300; });
  EXPECT_EQ(transport.most_at_once, 256);
  for (auto& one : asking) EXPECT_TRUE(one.get());
}

TEST_F(GateHouse, F4_CallersWaitForAOneShotPlaceBeforeTheClaim) {
  const auto crowd = put_crowd("acme-family", 40);
  transport.hold = true;
  auto asking = ask_all(crowd);
  base::drive_until(loop, [&] { return transport.at_once == 32; });
  turn_a_while();
  EXPECT_EQ(claimed(crowd), 32);
  advance(25s);  // longer than a claim would have been good for
  release();
  base::drive_until(loop, [&] { return answered(asking) == 40; });
  for (auto& one : asking) EXPECT_TRUE(one.get());
  EXPECT_EQ(counters.not_sent, 0);
  EXPECT_EQ(transport.bodies.size(), 40u);
}

TEST_F(GateHouse, WhoHasWaitedForLongIsToldToComeAgainAndTheGrantIsAsDueAsBefore) {
  const auto crowd = put_crowd("acme-family", 33);
  transport.hold = true;
  auto asking = ask_all(crowd);
  base::drive_until(loop, [&] { return transport.at_once == 32; });
  base::drive_until(loop, [&] {
    if (loop.run_one_for(5ms) == 0) advance(1s);  // the last one may have to come to the gate yet
    return answered(asking) == 1;
  });
  const auto late =
      std::ranges::find_if(asking, [](const Asking& one) { return one.wait_for(0s) == std::future_status::ready; });
  const auto told = late->get();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(told.error().retry_after);
  asking.erase(late);
  release();
  base::drive_until(loop, [&] { return answered(asking) == 32 && counters.in_flight == 0; });
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.refreshed == 33; });  // by the sweep, without another half minute
}

TEST_F(GateHouse, R25_AStopSendsAwayWhoeverWaitsForTheCap) {
  const auto crowd = put_crowd("strict", 700);
  const auto asking = ask_all(crowd);
  base::drive_until(loop, [&] { return transport.bodies.size() == 600 && counters.refreshed == 600; });  // the burst
  EXPECT_TRUE(run(stop_keeper()));
  EXPECT_EQ(transport.bodies.size(), 600u) << "a stop starts nothing new";
  base::drive_until(loop, [&] { return answered(asking) == 700; });
}

// A line of callers for an app that may ask no more is not in anybody else's way.
TEST_F(GateHouse, R25_TheSweepGoesOnWhileCallersWaitForACap) {
  const auto capped = put_crowd("strict", 1000);
  const auto other = put_grant("acme-harmless", 500s);
  auto asking = ask_all(capped);
  base::drive_until(loop, [&] { return counters.refreshed == 600; });
  advance(1s);
  store::Batch due{store::UpdateGrant{[&] {
    auto grant = view(other.id).grant;
    grant.due_at = wall.now();
    return grant;
  }()}};
  commit(std::move(due));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return view(other.id).grant.generation == 2; });
  EXPECT_LT(answered(asking), 1000);
  ASSERT_TRUE(run(stop_keeper()));
  base::drive_until(loop, [&] { return answered(asking) == 1000; });  // nobody waits on beyond the keeper's end
}

}  // namespace
}  // namespace latchkey::grants
