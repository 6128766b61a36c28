// Grants for which no request can be made: the provider does not describe itself, or the app must be mended.
#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;

class Unprepared : public KeeperHouse {
 protected:
  void pass(Seconds span, Seconds step = 30s) {
    for (Seconds passed{0}; passed < span; passed += step) {
      advance(step);
      keeper->nudge();
      for (int turn = 0; turn < 5; ++turn) loop.run_for(1ms);
      base::drive_until(loop, [&] { return counters.in_flight == 0; });
    }
  }
  int in_history(const std::string& action) { return static_cast<int>(run(store->audit({.action = action, .page = {.limit = 200}}))->items.size()); }
  void move_app(const std::string& origin) {
    auto app = **run(store->app("acme"));
    app.token_origin = origin;
    sealing.vouch(app);
    commit({store::PutApp{app}});
    clients->forget("acme");
  }
};

TEST_F(Unprepared, R21_AProviderThatCannotDescribeItselfIsUnreachableAndNobodyIsDead) {
  const auto grant = put_grant("selfmade", 600s);
  transport.described = false;
  ASSERT_TRUE(run(keeper->start()));
  pass(1h);
  auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::unreachable) << "past its expiry, and not fresh";
  EXPECT_THAT(seen.grant.why, testing::HasSubstr("description of itself could not be read"));
  EXPECT_GT(seen.grant.failures, 1);
  EXPECT_LT(transport.descriptions_asked, 120) << "and not asked for at every turn";
  EXPECT_EQ(in_history("grant.unreachable"), 1);
  EXPECT_TRUE(transport.bodies.empty());
  const auto asked_before = transport.descriptions_asked;
  for (int hurry = 0; hurry < 5; ++hurry) {
    const auto refused = run(keeper->fresh(grant.id, 0s));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
    EXPECT_TRUE(refused.error().retry_after);
  }
  EXPECT_LE(transport.descriptions_asked, asked_before + 1) << "back-off holds for programs in a hurry; the loop's own turn may come";

  transport.described = true;
  pass(15min);
  seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::active) << seen.grant.why;
  EXPECT_EQ(seen.grant.failures, 0);
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(in_history("grant.recovered"), 1);
  EXPECT_EQ(in_history("grant.needs_authorization"), 0);
}

TEST_F(Unprepared, K6_AMovedTokenEndpointPausesWithOneAlertAndRecoversByItself) {
  const auto first = put_grant("acme-family", 600s);
  const auto second = put_grant("acme-harmless", 600s);
  move_app("https://elsewhere.example");
  ASSERT_TRUE(run(keeper->start()));
  pass(20min);
  for (const auto& grant : {first, second}) {
    EXPECT_EQ(view(grant.id).grant.state, GrantState::paused);
    EXPECT_THAT(view(grant.id).grant.why, testing::HasSubstr("not where it was"));
  }
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_EQ(alerts.current().front().cause, "app_misconfigured:acme");
  EXPECT_EQ(in_history("grant.paused"), 2);
  EXPECT_TRUE(transport.bodies.empty());
  const auto refused = run(keeper->fresh(first.id, 0s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "app_misconfigured");

  move_app("https://acme.example");
  pass(3min);
  for (const auto& grant : {first, second}) EXPECT_EQ(view(grant.id).grant.state, GrantState::active) << view(grant.id).grant.why;
  EXPECT_TRUE(alerts.current().empty());
  EXPECT_EQ(in_history("grant.needs_authorization"), 0);
}

TEST_F(Unprepared, R21_TheAlertEndsWithTheLastGrantThatWaits) {
  const auto grant = put_grant("acme-family", 600s);
  move_app("https://elsewhere.example");
  ASSERT_TRUE(run(keeper->start()));
  pass(11min);
  ASSERT_EQ(alerts.current().size(), 1u);
  commit({store::DeleteGrant{grant.id}});
  pass(7min);
  EXPECT_TRUE(alerts.current().empty()) << "nobody asks for that app any more";
}

TEST_F(Unprepared, P6_AnAlteredAppIsNotMistakenForAnythingElse) {
  const auto grant = put_grant("acme-family");
  auto app = **run(store->app("acme"));
  app.client_id = "another";
  commit({store::PutApp{app}});
  clients->forget("acme");
  EXPECT_EQ(refresh(grant.id).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_EQ(alerts.current().front().cause, "record_altered:app:acme");
}

TEST_F(Unprepared, P4_WhatAPersonHasLockedStaysAsItIs) {
  auto grant = put_grant("acme-family");
  grant.state = GrantState::disabled;
  grant.due_at.reset();
  sealing.vouch(grant);
  commit({store::UpdateGrant{grant}});
  move_app("https://elsewhere.example");
  EXPECT_FALSE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::disabled);
  EXPECT_FALSE(view(grant.id).grant.due_at);
  EXPECT_TRUE(alerts.current().empty());
}

TEST_F(Unprepared, F3_AClaimThatTookTooLongSaysNothingAboutTheProvider) {
  door->before = [this](const store::Batch& batch) {
    if (holds<store::ClaimGrant>(batch)) steady.advance(30s);
    return store::Batch();
  };
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(refresh(put_grant("acme-family").id));
  EXPECT_TRUE(transport.bodies.empty());
  door->before = {};
  const auto grant = put_grant("acme-family", 1s);
  wall.advance(2s);
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.refreshed >= 1 && counters.in_flight == 0; });
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

}  // namespace
}  // namespace latchkey::grants
