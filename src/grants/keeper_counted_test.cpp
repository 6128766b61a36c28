// A node that the others may have declared lost: nothing is sealed under a master key that may have been changed since (F6).
#include "grants/common_clock.h"
#include "grants/keeper_testing.h"
#include "grants/key_rotation.h"
#include "grants/nodes.h"
#include "grants/restore_watch.h"

namespace latchkey::grants {
namespace {

class CountedHouse : public KeeperHouse {
 protected:
  CountedHouse() {
    auto parts = keeper_parts();
    parts.is_counted = [this] { return counted && (answers < 0 || answers-- > 0); };
    keeper = std::make_unique<Keeper>(std::move(parts));
  }
  bool counted = true;
  int answers = -1;  // how often it counts from now on; -1: always
};

TEST_F(CountedHouse, F6_AnAnswerInHandWaitsUntilTheNodeCountsAgain) {
  const auto grant = put_grant("acme-family");
  transport.before_answer = [&] { counted = false; };
  auto refreshing = boost::asio::co_spawn(loop, keeper->refresh_now(grant.id), boost::asio::use_future);
  base::drive_until(loop, [&] { return !journal.recorded.empty(); });
  for (int second = 0; second < 5; ++second) {
    advance(1s);
    for (int turn = 0; turn < 50; ++turn) loop.run_one_for(1ms);
  }
  EXPECT_EQ(view(grant.id).grant.generation, 1);
  EXPECT_EQ(journal.recorded.size(), 1u) << "the journal has it";
  counted = true;
  base::drive_until(loop, [&] {
    advance(1s);
    return refreshing.wait_for(0s) == std::future_status::ready;
  });
  EXPECT_TRUE(refreshing.get());
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

TEST_F(CountedHouse, F6_NothingIsSentMeanwhile) {
  const auto grant = put_grant("acme-family", 600s);
  advance(600s);
  counted = false;
  const auto refused = refresh(grant.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  ASSERT_TRUE(run(keeper->start()));
  for (int turn = 0; turn < 100; ++turn) loop.run_one_for(1ms);
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_TRUE(view(grant.id).grant.lease_owner.none());
  counted = true;
  keeper->nudge();
  base::drive_until(loop, [&] { return view(grant.id).grant.generation == 2; });
}

class NodesHouse : public CountedHouse {
 protected:
  NodesHouse() { commit({store::PutMeta{std::string(kMasterKeyMeta), vault.master_key_id()}}); }

  CommonClock common{wall, [this] { return steady.now().time_since_epoch(); }};
  Nodes nodes{{.store = *store,
               .keeper = *keeper,
               .vault = vault,
               .alerts = alerts,
               .wall = common,
               .steady = steady,
               .entropy = entropy,
               .log = log,
               .node = node,
               .version = "1"}};
};

// A server that nobody stopped has not read anew what its journal holds of what the store has forgotten.
TEST_F(NodesHouse, F10_ANodeThatRanWhileTheDatabaseWasPutBackRefreshesNothingAndIsWaitedFor) {
  const auto grant = put_grant("acme-family", 600s);
  ASSERT_TRUE(run(nodes.begin()));
  ASSERT_TRUE(run(keeper->start()));
  ASSERT_TRUE(keeper->has_merged());
  commit({store::PutMeta{std::string(kRestoredMeta), base::to_bytes(R"({"restored_at":2,"id":"restore-1"})")}});
  ASSERT_TRUE(run(nodes.begin())) << "as after an absence";
  const auto open = run(open_restore(*store));
  ASSERT_TRUE(open && *open);
  ASSERT_EQ((*open)->awaited.size(), 1U) << "it is waited for";
  const auto told = alerts.current();
  EXPECT_NE(std::ranges::find(told, "store_restored", &Alert::cause), told.end());
  advance(600s);
  const auto refused = refresh(grant.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(CountedHouse, F6_WhoHasStoodInLineMeanwhileSendsNothing) {
  const auto grant = put_grant("acme-family", 600s);
  advance(600s);
  answers = 1;  // at the beginning, and not when its turn has come
  const auto refused = refresh(grant.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "store_unavailable");
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_TRUE(view(grant.id).grant.lease_owner.none());
}

TEST_F(NodesHouse, F6_ANodeCountsForAsLongAsNobodyCanHaveForgottenIt) {
  ASSERT_TRUE(run(nodes.begin()));
  EXPECT_TRUE(nodes.is_counted());
  advance(24s);
  EXPECT_TRUE(nodes.is_counted());
  advance(1s);
  EXPECT_FALSE(nodes.is_counted()) << "well before it may be forgotten";
  ASSERT_TRUE(run(nodes.begin()));
  EXPECT_TRUE(nodes.is_counted());
  wall.advance(30s);
  EXPECT_FALSE(nodes.is_counted()) << "the machine has slept";
}

}  // namespace
}  // namespace latchkey::grants
