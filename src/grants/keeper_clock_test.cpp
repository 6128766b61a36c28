// The keeper after a clock that ran ahead (R24).
#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;

// Found by the simulation: an hour later the clock had caught up with the stamp, and the token, long dead, was handed out.
TEST_F(KeeperHouse, R24_WhatAClockThatRanAheadHasStampedIsMendedByTheNextStart) {
  const auto id = put_grant("acme-family").id;
  auto seen = view(id);
  auto grant = seen.grant;
  grant.issued_at = wall.now() + 1h;
  grant.access_expires_at = grant.due_at = wall.now() + 2h;
  auto generation = seen.generations.at(0);
  generation.issued_at = grant.issued_at;
  generation.access_expires_at = grant.access_expires_at;
  commit({store::UpdateGrant{grant}, store::PutGeneration{generation}});
  for (int time = 0; time < 100; ++time) transport.then(T::unsent());
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return view(id).grant.issued_at < wall.now(); });
  seen = view(id);
  EXPECT_EQ(usable_generation(seen, wall.now() + 61min), nullptr) << "when it ends is not known";
  EXPECT_LE(*seen.grant.due_at, wall.now() + 60s);
}

// Found by the simulation: what the crash had left of the same grant was settled a moment earlier.
TEST_F(KeeperHouse, R24_StampsAreMendedThoughSomethingElseOfTheGrantIsSettledAMomentBefore) {
  const auto id = put_grant("acme-family").id;
  auto grant = view(id).grant;
  grant.issued_at = wall.now() + 1h;
  grant.access_expires_at = grant.due_at = wall.now() + 2h;
  commit({store::UpdateGrant{grant}});
  bool faster = false;
  door->before = [&](const store::Batch& batch) {
    store::Batch first;
    for (const auto& mutation : batch) {
      const auto* update = std::get_if<store::UpdateGrant>(&mutation);
      if (update == nullptr || faster) continue;
      auto other = grant;
      other.version = update->grant.version;
      other.why = "settled";
      first.push_back(store::UpdateGrant{other});
      faster = true;
    }
    return first;
  };
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return view(id).grant.issued_at < wall.now(); });
  EXPECT_TRUE(faster);
}
// Found by the simulation: the grant had been looked at when the journal brought what such a clock had stamped.
TEST_F(KeeperHouse, R24_WhatTheJournalBringsByAClockThatRanAheadIsMendedToo) {
  const auto id = put_grant("acme-family").id;
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), id, 1, wall.now() + 1h,
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  for (int time = 0; time < 100; ++time) transport.then(T::unsent());
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] {
    keeper->nudge();
    return view(id).grant.generation == 2 && view(id).grant.issued_at < wall.now();
  });
  EXPECT_EQ(usable_generation(view(id), wall.now() + 61min), nullptr) << "when it ends is not known";
}

// Found by the simulation: the start that mended a stamp of three days ahead had a clock that was an hour ahead itself.
TEST_F(KeeperHouse, R24_AStartWhoseClockIsAheadItselfGivesAStampedTokenNoLongerLife) {
  const auto id = put_grant("acme-family").id;
  auto seen = view(id);
  auto grant = seen.grant;
  grant.issued_at = wall.now() + 72h;
  grant.access_expires_at = grant.due_at = wall.now() + 73h;
  auto generation = seen.generations.at(0);
  generation.issued_at = grant.issued_at;
  generation.access_expires_at = grant.access_expires_at;
  commit({store::UpdateGrant{grant}, store::PutGeneration{generation}});
  const auto truth = wall.now();
  wall.advance(1h);
  for (int time = 0; time < 100; ++time) transport.then(T::unsent());
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return view(id).grant.issued_at < wall.now(); });
  seen = view(id);
  EXPECT_LE(*seen.generations.at(0).access_expires_at, truth) << "it may have ended at any time";
  EXPECT_EQ(usable_generation(seen, truth), nullptr);
}

// Found by the simulation: the next attempt stood an hour off, by a clock that had been an hour ahead.
TEST_F(KeeperHouse, R24_ARefreshTokenThatCameAloneByAClockAheadIsUsedSoonByTheNextStart) {
  const auto id = put_grant("acme-harmless").id;
  const auto truth = wall.now();
  wall.advance(1h);
  transport.then(T::json(200, R"({"refresh_token":"rt2"})"));
  ASSERT_TRUE(refresh(id));
  ASSERT_EQ(refresh_token(view(id)), "rt2");
  ASSERT_GT(*view(id).grant.due_at, truth + 59min);
  wall.set(truth + 20s);
  begin_anew();
  base::drive_until(loop, [&] { return counters.in_flight == 0 && view(id).grant.state == store::GrantState::active; });
  EXPECT_EQ(refresh_token(view(id)), "rt2") << "used, and not rotated";
  EXPECT_GE(transport.bodies.size(), 2u);
}

// A machine without a battery for its clock starts in 1970, where the first hours look like the future of no token.
TEST_F(KeeperHouse, R24_AStartIn1970GivesAStampedTokenNoLife) {
  wall.set(base::from_unix_ms(0) + 10min);
  const auto id = put_grant("acme-family").id;
  auto seen = view(id);
  auto grant = seen.grant;
  grant.created_at = grant.issued_at = grant.last_refreshed_at = wall.now() + 72h;
  grant.access_expires_at = grant.due_at = wall.now() + 73h;
  auto generation = seen.generations.at(0);
  generation.issued_at = grant.issued_at;
  generation.access_expires_at = grant.access_expires_at;
  commit({store::UpdateGrant{grant}, store::PutGeneration{generation}});
  for (int time = 0; time < 100; ++time) transport.then(T::unsent());
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return view(id).grant.issued_at < wall.now(); });
  seen = view(id);
  EXPECT_EQ(usable_generation(seen, wall.now()), nullptr) << "it may have ended at any time";
  EXPECT_LT(seen.grant.last_refreshed_at, wall.now()) << "nobody is told that it has been refreshed a moment ago";
}

// The pause bore a stamp of three days ahead: without a failure counted, nothing else said that it waits for no reason.
TEST_F(KeeperHouse, R24_WhatWaitsForASecondLookByAClockAheadIsLookedAtByTheNextStart) {
  const auto id = put_grant("acme-harmless").id;
  auto grant = view(id).grant;
  grant.dead_seen = true;
  grant.due_at = wall.now() + 72h;
  store::Intent intent{.id = IntentId::make(wall.now(), entropy), .grant = id, .generation = 1, .node = node,
                       .opened_at = wall.now() + 72h, .state = store::IntentState::refused, .settled_at = wall.now() + 72h};
  commit({store::UpdateGrant{grant}, store::InsertIntent{intent}});
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return !transport.bodies.empty() && counters.in_flight == 0; });
  EXPECT_FALSE(view(id).grant.dead_seen) << "it has answered with a token";
}

// An operator mended the app, or switched the grant on again, while the clock ran ahead: "due now" meant an hour later.
TEST_F(KeeperHouse, R24_WhatWasWokenByAClockAheadIsNotLeftWaitingForIt) {
  const auto paused = put_grant("acme-harmless", 60s).id;
  const auto enabled = put_grant("acme-harmless", 60s).id;
  advance(120s);
  for (const auto& id : {paused, enabled}) {
    auto grant = view(id).grant;
    if (id == paused) grant.state = store::GrantState::paused;
    grant.due_at = wall.now() + 1h;
    commit({store::UpdateGrant{grant}});
  }
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.refreshed == 2 && counters.in_flight == 0; });
  EXPECT_EQ(view(paused).grant.state, store::GrantState::active);
  EXPECT_EQ(view(enabled).grant.generation, 2u);
}

// A clock that ran ahead has stamped the consent, a right one the answer to its first refresh: no older consent is answered there.
TEST_F(KeeperHouse, R24_AnAnswerToAKnownAttemptIsOfNoOlderConsentWhateverTheStampsSay) {
  const auto id = put_grant("acme-family").id;
  auto grant = view(id).grant;
  grant.created_at = wall.now() + 90s;  // within what counts as a clock's slack, or mended so
  const auto intent = IntentId::make(wall.now(), entropy);
  commit({store::UpdateGrant{grant}, store::InsertIntent{{.id = intent, .grant = id, .generation = 1, .node = node, .opened_at = wall.now()}}});
  const auto answered = wall.now() + 1s;
  advance(91s);
  journal.left_over.push_back(left_in_journal(
      intent, id, 1, answered, R"({"access_token":"at2","token_type":"Bearer","expires_in":3600,"refresh_token":"rt2"})"));
  begin_anew();
  EXPECT_EQ(refresh_token(view(id)), "rt2");
}

// The store could not take the mend, and the clock caught up with the stamp.
TEST_F(KeeperHouse, R24_StampsThatTheStoreCouldNotTakeAreMendedLater) {
  const auto id = put_grant("acme-family").id;
  auto seen = view(id);
  auto grant = seen.grant;
  grant.issued_at = wall.now() + 1h;
  grant.access_expires_at = grant.due_at = wall.now() + 2h;
  commit({store::UpdateGrant{grant}});
  bool full = true;
  int refused = 0;
  door->refuses = [&](const store::Batch&) { return full && ++refused > 0; };
  for (int time = 0; time < 100; ++time) transport.then(T::unsent());
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return logged("stamps_not_mended") > 0; });
  wall.advance(90min);
  full = false;
  base::drive_until(loop, [&] {
    steady.advance(1s);
    return view(id).grant.issued_at < grant.issued_at;
  });
  EXPECT_GT(refused, 0);
  EXPECT_EQ(usable_generation(view(id), wall.now()), nullptr) << "when it ends is not known";
}

// ---- a refusal that the journal brings -----------------------------------------------------------------------------------

// Found by the simulation: the first refusal bore a stamp of a clock that ran ahead, so it looked newer than what was
// settled after it.
TEST_F(KeeperHouse, R24_ARefusalFoundInTheJournalThatAClockAheadHasStampedDoesNotCount) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  const auto ahead = wall.now() + 1h;
  advance(10s);
  transport.then(T::unsent());
  ASSERT_TRUE(refresh(grant.id));
  journal.left_over.push_back(
      left_in_journal(view(grant.id).intent->id, grant.id, 1, ahead, R"({"error":"invalid_grant"})", 400));
  begin_anew();
  EXPECT_NE(view(grant.id).grant.state, store::GrantState::needs_authorization);
}

// Found by the simulation: the clock ran ahead when the refusal came, was right when the next attempt began, and ran ahead
// again when the server started after a crash in that attempt.
TEST_F(KeeperHouse, R24_ARefusalThatAnotherAttemptHasFollowedDoesNotCountAgainWhateverTheClockSays) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  auto second = *view(grant.id).intent;
  ASSERT_EQ(second.attempts, 1);
  second.attempts = 2;
  second.state = store::IntentState::open;
  commit({store::UpdateIntent{second}});
  const auto ahead = wall.now() + 1s;
  advance(10s);
  journal.left_over.push_back(left_in_journal(second.id, grant.id, 1, ahead, R"({"error":"invalid_grant"})", 400, 1));
  begin_anew();
  EXPECT_NE(view(grant.id).grant.state, store::GrantState::needs_authorization);
  const auto sent = transport.bodies.size();
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).intent->state, store::IntentState::open) << "of the second attempt nothing is known";
  EXPECT_EQ(transport.bodies.size(), sent);
}

// Found by the simulation (seed 7011205): an attempt that another server could not send gave its number to the next one, and was settled by a
// clock an hour behind.
TEST_F(KeeperHouse, R24_AnAnswerThatAnotherAttemptOfItsNumberHasFollowedSettlesNothing) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(401, "{}"));
  ASSERT_TRUE(refresh(grant.id));
  auto second = *view(grant.id).intent;
  ASSERT_EQ(second.attempts, 1);
  ASSERT_NE(second.state, store::IntentState::ambiguous);
  const auto first_turn = second.fence;
  second.state = store::IntentState::open;
  second.fence += 2;
  commit({store::UpdateIntent{second}});
  const auto ahead = wall.now() + 1s;
  advance(10s);
  journal.left_over.push_back(left_in_journal(second.id, grant.id, 1, ahead, "{}", 401, 1, "", first_turn));
  begin_anew();
  EXPECT_EQ(view(grant.id).intent->state, store::IntentState::open) << "of the second attempt nothing is known";
  const auto sent = transport.bodies.size();
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.bodies.size(), sent);
}

TEST_F(KeeperHouse, R24_ARefusalOfTheAttemptUnderWayCounts) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  auto second = *view(grant.id).intent;
  second.attempts = 2;
  second.state = store::IntentState::open;
  commit({store::UpdateIntent{second}});
  advance(10s);
  journal.left_over.push_back(left_in_journal(second.id, grant.id, 1, wall.now(), R"({"error":"invalid_grant"})", 400, 2));
  begin_anew();
  EXPECT_EQ(view(grant.id).grant.state, store::GrantState::needs_authorization);
}

}  // namespace
}  // namespace latchkey::grants
