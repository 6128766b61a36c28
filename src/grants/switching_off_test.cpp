// What is switched off keeps its tokens for a while, and gives them back then: RULES F7, docs/design/foresight.md.
#include "grants/giving_back_testing.h"

namespace latchkey::grants {
namespace {

TEST_F(GivingBackHouse, SwitchingOffRevokesALittleLaterAndNotIfItIsTakenBack) {
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  ASSERT_EQ(waiting().size(), 1u);
  EXPECT_TRUE(waiting()[0].record_sealed.empty()) << "the tokens are still with the grant";
  ASSERT_TRUE(run(care.set_enabled(grant.id, true, {.actor = "admin"})));
  advance(11s);
  giving_back->nudge();
  until_empty();
  EXPECT_TRUE(transport.revoked.empty());
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");

  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(11s);
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 1u);
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::revoked);
  EXPECT_TRUE(seen.generations.empty()) << "nothing of it is kept";
  EXPECT_TRUE(sealing.check(seen.grant));
  const auto enabled = run(care.set_enabled(grant.id, true, {.actor = "admin"}));
  ASSERT_FALSE(enabled);
  EXPECT_EQ(enabled.error().reason, "authorization_needed");
}

TEST_F(GivingBackHouse, F7_SwitchedOffAnewItIsKeptForTheWholeTimeAgain) {
  revocation_knobs.disabled_after = 1h;
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(10min);
  ASSERT_TRUE(run(care.set_enabled(grant.id, true, {.actor = "admin"})));
  EXPECT_TRUE(waiting().empty());
  advance(40min);
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  ASSERT_EQ(waiting().size(), 1u);
  EXPECT_EQ(waiting()[0].due_at, wall.now() + 1h);
  advance(30min);
  ASSERT_TRUE(run(care.set_enabled(grant.id, true, {.actor = "admin"}))) << "taken back in time";
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
}

TEST_F(GivingBackHouse, F7_AUserSwitchedOffAnewKeepsAllForTheWholeTimeAgain) {
  revocation_knobs.disabled_after = 1h;
  SwitchOff switching(*store, *giving_back, loop.get_executor());
  const auto grant = put_grant("acme-family");
  const auto switch_user = [&](bool on) {
    auto user = **run(store->user(grant.user));
    user.enabled = on;
    auto batch = *run(on ? switching.switched_on(grant.user) : switching.switched_off(grant.user));
    batch.push_back(store::UpdateUser{user});
    commit(std::move(batch));
  };
  switch_user(false);
  advance(10min);
  switch_user(true);
  EXPECT_TRUE(waiting().empty());
  switch_user(false);
  ASSERT_EQ(waiting().size(), 1u);
  EXPECT_EQ(waiting()[0].due_at, wall.now() + 1h);
  advance(10min);
  // Of one that is off by itself as well, that alone counts when the user is switched on again; and the other way round.
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  EXPECT_EQ(waiting()[0].due_at, wall.now() + 1h);
  advance(10min);
  switch_user(true);
  ASSERT_EQ(waiting().size(), 1u) << "it is off still";
  EXPECT_EQ(waiting()[0].due_at, wall.now() + 50min);
  switch_user(false);
  EXPECT_EQ(waiting()[0].due_at, wall.now() + 50min);
  ASSERT_TRUE(run(care.set_enabled(grant.id, true, {.actor = "admin"})));
  ASSERT_EQ(waiting().size(), 1u) << "its user is off still";
  EXPECT_EQ(waiting()[0].due_at, wall.now() + 1h);
  switch_user(true);
  EXPECT_TRUE(waiting().empty());
}

TEST_F(GivingBackHouse, F7_WhatIsKeptForAWhileIsNotEndedByWhatGoesBackBeside) {
  revocation_knobs.disabled_after = std::chrono::days(30);
  const auto kept = put_grant("acme-family");
  const auto other = put_sharer(kept);
  ASSERT_TRUE(run(care.set_enabled(kept.id, false, {.actor = "admin"})));
  ASSERT_TRUE(run(care.remove(other.id, {.actor = "admin"})));
  const auto sealed = [&] {
    const auto all = waiting();
    return *std::ranges::find_if(all, [](const store::Revocation& each) { return !each.record_sealed.empty(); });
  };
  base::drive_until(loop, [&] { return sealed().version == 3; });
  EXPECT_NE(sealed().why.find("rests on the same consent"), std::string::npos) << sealed().why;
  EXPECT_TRUE(transport.revoked.empty()) << "one account's consent is one, and switching on again was to lose nothing";
  advance(std::chrono::days(30) + 1s);
  giving_back->nudge();
  base::drive_until(loop, [&] { return view(kept.id).grant.state == GrantState::revoked; });
  advance(6h);
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 2u);
}

TEST_F(GivingBackHouse, F7_TwoThatAreKeptDoNotWaitForEachOtherForEver) {
  revocation_knobs.disabled_after = 1h;
  const auto one = put_grant("acme-family");
  const auto other = put_sharer(one);
  for (const auto& grant : {one, other}) ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(1h + 1s);
  giving_back->nudge();
  base::drive_until(loop, [&] { return view(one.id).grant.state == GrantState::revoked && view(other.id).grant.state == GrantState::revoked; });
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 2u);
}

// Found by the simulation (seeds 766 and 1099): on a full disk what was to be put off fell due again at once, thousands of times a minute.

// ---- beside others of the same consent ---------------------------------------------------------------------------------

TEST_F(GivingBackHouse, ASwitchedOffGrantWaitsForTheOtherWithoutEnd) {
  const auto grant = put_grant("acme-family");
  const auto other = put_sharer(grant);
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(std::chrono::days(20));
  giving_back->nudge();
  base::drive_until(loop, [&] { return !waiting().empty() && waiting()[0].why.find("rests") != std::string::npos; });
  expect_revoked_when_it_goes(grant, other);
}

// ---- accounts that the provider never named --------------------------------------------------------------------------

TEST_F(GivingBackHouse, ASwitchedOffUnnamedAccountKeepsItsTokenUntilNoOtherOfItsAppIsInUse) {
  const auto grant = put_unnamed("acme-family");
  const auto other = put_grant("acme-grace");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(11s);
  giving_back->nudge();
  base::drive_until(loop, [&] { return !waiting().empty() && waiting()[0].why.find("never told") != std::string::npos; });
  EXPECT_EQ(view(grant.id).grant.state, GrantState::disabled);
  expect_revoked_when_it_goes(grant, other);
}

TEST_F(GivingBackHouse, AnOfficeThatIsSwitchedOffAsAWholeHoldsItselfUpInNothing) {
  std::vector<store::Grant> office;
  for (int i = 0; i < 103; ++i) office.push_back(put_unnamed("acme-family"));
  for (const auto& grant : office) {
    auto user = **run(store->user(grant.user));
    user.enabled = false;
    commit({store::UpdateUser{user}});
  }
  EXPECT_TRUE(run(store->sharers({.app = "acme", .now = wall.now(), .limit = 10}))->empty());
}

TEST_F(GivingBackHouse, ASwitchedOffUnnamedAccountIsGivenUpWithAWord) {
  const auto grant = put_unnamed("acme-family");
  put_grant("acme-grace");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(std::chrono::days(15));
  giving_back->nudge();
  until_empty();
  EXPECT_TRUE(transport.revoked.empty());
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_NE(alerts.current()[0].words.find("never told"), std::string::npos);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::disabled) << "fit to be switched on again";
}

TEST_F(GivingBackHouse, F7_TheTimeToBeGivenUpBeginsWhenItMayGoAndNotWhenItWasSwitchedOff) {
  revocation_knobs.disabled_after = std::chrono::days(20);
  transport.described = false;  // there is no client for it
  const auto grant = put_grant("selfmade");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(std::chrono::days(20) + 1s);
  expect_tried_and_not_given_up();
  EXPECT_TRUE(alerts.current().empty());
  transport.described = true;
  advance(1h);
  giving_back->nudge();
  until_empty();
  EXPECT_TRUE(alerts.current().empty());
}

TEST_F(GivingBackHouse, F7_ASwitchedOffUnnamedAccountIsTriedAsLongAsAnyOther) {
  revocation_knobs.disabled_after = std::chrono::days(20);
  const auto grant = put_unnamed("acme-family");
  const auto other = put_grant("acme-grace");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(std::chrono::days(20) + 1s);
  expect_tried_and_not_given_up();
  expect_revoked_when_it_goes(grant, other);
}

TEST_F(GivingBackHouse, F7_WhatWaitedForAnotherWithoutEndIsNotGivenUpWhenItMayGo) {
  const auto grant = put_grant("acme-family");
  auto other = put_sharer(grant);
  auto unnamed = put_unnamed("acme-refused");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(std::chrono::days(20));
  giving_back->nudge();
  base::drive_until(loop, [&] { return waiting()[0].attempts == 1; });
  other.state = GrantState::needs_authorization;
  sealing.vouch(other);
  commit({store::UpdateGrant{other}});
  advance(6h);
  giving_back->nudge();
  base::drive_until(loop, [&] { return waiting().empty() || waiting()[0].attempts == 2; });
  ASSERT_EQ(waiting().size(), 1u);
  EXPECT_NE(waiting()[0].why.find("never told"), std::string::npos);
  expect_revoked_when_it_goes(grant, unnamed);
}

}  // namespace
}  // namespace latchkey::grants
