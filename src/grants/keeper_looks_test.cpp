// What the keeper looks at again before it sends what it has claimed, and how it rests when nothing comes of a look.
#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;
using T = ScriptedTransport;

// This process is stopped for two seconds, by both clocks, between its claim and the request.
class StoppedHouse : public KeeperHouse {
 protected:
  // ... and meanwhile somebody does this to the grant.
  void stopped_after_claim(GrantId id, std::function<void(store::Grant&)> deed = {}) {
    door->written = [this, id, deed = std::move(deed), stopped = false](const store::Batch& batch) mutable {
      if (!holds<store::ClaimGrant>(batch) || std::exchange(stopped, true)) return;
      advance(2s);
      if (!deed) return;
      auto grant = (**nested(store->grant(id))).grant;
      deed(grant);
      sealing.vouch(grant);
      ASSERT_TRUE(nested(store->commit({store::UpdateGrant{grant}}, store::Urgency::ordinary)));
    };
  }
  // Waits without leaving: other work of the loop goes on meanwhile.
  template <class T>
  T nested(Task<T> task) {
    auto done = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
    while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    return done.get();
  }
};

TEST_F(StoppedHouse, R6_WhatIsStillClaimedIsSent) {
  const auto grant = put_grant("acme-family");
  stopped_after_claim(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

TEST_F(StoppedHouse, R6_WhatAnotherNodeHasClaimedMeanwhileIsNotSent) {
  const auto grant = put_grant("acme-family");
  const auto other = NodeId::make(wall.now(), entropy);
  stopped_after_claim(grant.id, [&](store::Grant& claimed) {
    claimed.fence += 1;
    claimed.lease_owner = other;
    claimed.lease_until = wall.now() + 60s;
  });
  auto waiting = boost::asio::co_spawn(loop, keeper->refresh_now(grant.id), boost::asio::use_future);
  base::drive_until(loop, [&] { return counters.not_sent == 1; });
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_EQ(view(grant.id).grant.lease_owner, other) << "it is the other's";
  base::drive_until(loop, [&] {  // whoever insists waits for the other, in vain here
    steady.advance(1s);
    return waiting.wait_for(0s) == std::future_status::ready;
  });
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(StoppedHouse, P4_WhatWasDisabledMeanwhileIsNotSent) {
  const auto grant = put_grant("acme-family");
  stopped_after_claim(grant.id, [](store::Grant& claimed) { claimed.state = GrantState::disabled; });
  [[maybe_unused]] const auto result = refresh(grant.id);
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_EQ(view(grant.id).grant.state, GrantState::disabled);
}

// Each look takes longer than its news is good for: a slow store must not keep every token from being refreshed.
TEST_F(StoppedHouse, R6_AStoreThatIsAlwaysSlowIsBelieved) {
  const auto grant = put_grant("acme-family");
  stopped_after_claim(grant.id);
  int reads = 0;
  door->reading_grant = [&] {
    ++reads;
    advance(2s);
  };
  ASSERT_TRUE(refresh(grant.id));
  door->reading_grant = {};
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_GE(reads, 3);
}

// The one probe of a provider that was down could not be claimed: the next grant may ask, and not only two minutes later.
TEST_F(KeeperHouse, F4_AProbeThatAskedNobodyLetsAnotherGo) {
  store::Batch batch;
  for (int i = 0; i < 20; ++i) add_grant(batch, "acme-harmless", 600s);
  commit(std::move(batch));
  ASSERT_TRUE(run(keeper->start()));
  for (int i = 0; i < 20; ++i) transport.then(T::unsent());
  advance(600s);
  sweep();
  base::drive_until(loop, [&] { return counters.in_flight == 0 && !keeper->circuits().empty() && keeper->circuits().front().open; });
  transport.script.clear();
  const auto asked = transport.bodies.size();
  int refused = 0;
  door->refuses = [&](const store::Batch& claim) { return holds<store::ClaimGrant>(claim) && refused++ == 0; };
  const auto begun = steady.now();
  base::drive_until(loop, [&] {
    advance(1s);
    keeper->nudge();
    loop.run_for(5ms);
    return counters.refreshed > 0;
  });
  EXPECT_GT(refused, 0);
  EXPECT_GT(transport.bodies.size(), asked);
  EXPECT_LT(steady.now() - begun, 110s) << "a probe that is never heard of again blocks the next for two minutes";
  door->refuses = nullptr;  // the keeper's last commits come after this function's variables
}

// What cannot be asked for, nor written down as such, is as due as before; it must not be begun again at once.
TEST_F(KeeperHouse, R4_AStoreThatRefusesIsNotAskedInALoop) {
  auto app = **run(store->app("acme"));
  app.secrets[0] = {};
  sealing.vouch(app);
  commit({store::PutApp{app}});
  clients->forget("acme");
  constexpr int kGrants = 700;
  store::Batch batch;
  for (int i = 0; i < kGrants; ++i) add_grant(batch, "acme-harmless", 600s);
  commit(std::move(batch));
  ASSERT_TRUE(run(keeper->start()));
  door->refuses = [](const store::Batch& written) { return holds<store::UpdateGrant>(written); };
  int sweeps = 0;
  door->sweeping = [&](const std::vector<std::string>&) { ++sweeps; };
  advance(600s);
  keeper->nudge();
  base::drive_until(loop, [&] { return sweeps > 0; });
  const auto until = std::chrono::steady_clock::now() + 1s;
  while (std::chrono::steady_clock::now() < until) loop.run_for(1ms);  // the keeper's clock stands still
  EXPECT_LE(sweeps, 3);
}

}  // namespace
}  // namespace latchkey::grants
