// Others at the same store, a store that fell back, and providers that stand in each other's way.
#include "grants/common_clock.h"
#include "grants/falling_back_testing.h"
#include "grants/keeper_testing.h"
#include "grants/app_places.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;
using store::GrantState;

class ContentionHouse : public KeeperHouse {
 protected:
  void fall_back_to(const store::GrantView& before) { commit(falling_back(view(before.grant.id), before)); }
};

TEST_F(ContentionHouse, F5_WhatTheStoreForgotComesFromTheJournalBeforeAnythingIsSent) {
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt3");
  fall_back_to(before);
  ASSERT_EQ(refresh_token(view(grant.id)), "rt1");
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1) << "not sent again";
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_EQ(transport.posts_with("rt3"), 1);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt4");
}

// Found by the simulation: the node with the answer was away until the others had been refused and a person was asked.
TEST_F(ContentionHouse, F2_ATokenFoundInTheJournalRevivesAGrantThatWasRefusedMeanwhile) {
  const auto grant = put_grant("acme-family");
  for (int time = 0; time < 2; ++time) {
    transport.then(T::json(400, R"({"error":"invalid_grant"})"));
    static_cast<void>(refresh(grant.id));
    advance(3s);
  }
  const auto dead = view(grant.id);
  ASSERT_EQ(dead.grant.state, GrantState::needs_authorization);
  journal.left_over.push_back(left_in_journal(dead.intent->id, grant.id, 1, wall.now() - 3s, R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  run(stop_keeper());
  start();
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

TEST_F(ContentionHouse, F10_WhatTheJournalKeptOfAnOlderConsentDoesNotReplaceTheNewOne) {
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  advance(3600s);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_TRUE(refresh(grant.id));
  fall_back_to(before);
  // The owner consents anew: the next number, which the journal knows an answer to.
  advance(10s);
  auto anew = view(grant.id).grant;
  anew.generation = 2;
  anew.created_at = anew.issued_at = wall.now();
  anew.access_expires_at = wall.now() + 3600s;
  sealing.vouch(anew);
  store::Generation brought{.grant = grant.id, .number = 2, .access_expires_at = anew.access_expires_at, .issued_at = wall.now()};
  brought.refresh_sealed = sealing.seal_refresh(anew, 2, {Secret("rt-of-the-new-consent"), Secret()});
  brought.access_sealed = sealing.seal_access(anew, 2, Secret("at-new"));
  commit({store::UpdateGrant{anew}, store::DeleteIntentsOf{grant.id}, store::DeleteGeneration{grant.id, 1}, store::PutGeneration{brought}});
  advance(3600s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt-of-the-new-consent"), 1);
  EXPECT_EQ(transport.posts_with("rt3"), 0) << "that is the old consent's";
}

// A node that was killed with an answer, and started again when the account had been authorised anew at another.
TEST_F(ContentionHouse, F7_WhatACrashLeftOfAnOlderConsentIsCountedOnce) {
  const auto grant = put_grant("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 1, wall.now(), R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2"})"));
  advance(10s);
  auto anew = view(grant.id).grant;
  anew.created_at = wall.now();
  sealing.vouch(anew);
  commit({store::UpdateGrant{anew}});
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  EXPECT_EQ(counters.replies_unowned, 1);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
}

// Found by the simulation: the line broke in the midst of it, and the newest answer was kept as if it had come late.
TEST_F(ContentionHouse, F5_WhatTheStoreForgotIsBroughtBackThoughTheLineBreaksMeanwhile) {
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  int reads = 0;
  transport.before_answer = [&] {
    auto done = boost::asio::co_spawn(loop, fall_back(*store, before), boost::asio::use_future);
    while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    ASSERT_TRUE(done.get());
    door->hides_grant = [&](GrantId) { return ++reads == 2; };  // the second: when what the journal has is merged
  };
  ASSERT_TRUE(refresh(grant.id));
  door->hides_grant = {};
  EXPECT_GT(reads, 2);
  EXPECT_EQ(logged("reply_not_merged"), 1);
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.generation, 3);
  EXPECT_EQ(refresh_token(seen), "rt3");
  EXPECT_EQ(access_token(seen), "at3");
  EXPECT_EQ(std::ranges::count(seen.generations, store::GenerationState::candidate, &store::Generation::state), 0);
}

// Another account has consented, and the grant was kept fresh for the one before while a person was asked about it.
TEST_F(ContentionHouse, F7_WhatAnOlderConsentBroughtWhileTheNewOneWaitedIsNoCandidateOfTheNewOne) {
  const auto grant = put_grant("acme-family");
  advance(3600s);
  const auto consented_at = wall.now();
  advance(60s);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt2");
  advance(60s);
  auto anew = view(grant.id).grant;
  anew.generation = 3;
  anew.account_id = "somebody-else";
  anew.created_at = wall.now();
  anew.issued_at = consented_at;
  anew.access_expires_at = wall.now() + 3600s;
  sealing.vouch(anew);
  store::Generation brought{.grant = grant.id, .number = 3, .access_expires_at = anew.access_expires_at, .issued_at = consented_at};
  brought.refresh_sealed = sealing.seal_refresh(anew, 3, {Secret("rt-of-the-new-consent"), Secret()});
  brought.access_sealed = sealing.seal_access(anew, 3, Secret("at-new"));
  store::Batch batch{store::UpdateGrant{anew}, store::DeleteIntentsOf{grant.id}};
  for (const auto& generation : view(grant.id).generations) batch.push_back(store::DeleteGeneration{grant.id, generation.number});
  batch.push_back(store::PutGeneration{brought});
  commit(std::move(batch));
  journal.left_over = journal.kept;
  run(stop_keeper());
  start();
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  ASSERT_EQ(view(grant.id).generations.size(), 1U) << "one account's token never stands in for another's";
  EXPECT_EQ(refresh_token(view(grant.id)), "rt-of-the-new-consent");
}

// Found by the simulation: a node that stood still for long came back with a reply that brought nothing, while another one had the grant in hand.
TEST_F(ContentionHouse, F6_AnAnswerThatBringsNothingDoesNotSettleWhatAnotherNodeHasUnderWay) {
  const auto grant = put_grant("acme-refused");
  const auto other = NodeId::make(base::from_unix_ms(2), entropy);
  store::Intent theirs{.id = IntentId::make(wall.now(), entropy), .grant = grant.id, .generation = 1, .node = other, .fence = 1, .opened_at = wall.now()};
  commit({store::ClaimGrant{grant.id, view(grant.id).grant.version, other, 90s}, store::InsertIntent{theirs}});
  journal.left_over.push_back(left_in_journal(theirs.id, grant.id, 1, wall.now() + 1s, "cut"));
  advance(2s);
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.intent->state, store::IntentState::open);
  EXPECT_EQ(seen.grant.lease_owner, other);
}

// Found by the simulation: the lease was given back, and the grant claimed anew while the other's request was on its way.
TEST_F(ContentionHouse, F6_AnAnswerOutOfAJournalLeavesTheLeaseToWhoeverHasGoneOn) {
  const auto grant = put_grant("acme-harmless");
  const auto other = NodeId::make(base::from_unix_ms(2), entropy);
  store::Intent theirs{.id = IntentId::make(wall.now(), entropy), .grant = grant.id, .generation = 1, .attempts = 2, .node = other, .fence = 1, .opened_at = wall.now()};
  commit({store::ClaimGrant{grant.id, view(grant.id).grant.version, other, 90s}, store::InsertIntent{theirs}});
  journal.left_over.push_back(left_in_journal(theirs.id, grant.id, 1, wall.now() + 1s, R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2"})"));
  advance(2s);
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  const auto seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt2");
  EXPECT_EQ(seen.grant.lease_owner, other);
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(ContentionHouse, F5_AnAnswerTheStoreKnowsIsNotReadAgain) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(503, "{}"));
  static_cast<void>(refresh(grant.id));
  advance(3600s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 2);
  EXPECT_EQ(counters.replies_recovered, 0);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

// Found by the simulation: the journal held an answer to a generation that the store never reached again, so it was read before every
// refresh; each time an old answer that had been cut off made the grant wait anew, and nothing was ever sent.
TEST_F(ContentionHouse, F5_OldAnswersOfAJournalAheadDoNotCountAgainBeforeEveryRefresh) {
  for (const std::string_view old : {"200\napplication/json\n\ncut\n{\"access_token\":\"at8\",\"expires_in\":3600,",
                                     "400\napplication/json\n\nwhole\n{\"error\":\"invalid_grant\"}"}) {
    const auto grant = put_grant("acme-harmless");
    transport.then(T::json(503, "{}"));
    static_cast<void>(refresh(grant.id));
    const auto forgotten = IntentId::make(wall.now(), entropy);
    auto entry = left_in_journal(forgotten, grant.id, 1, wall.now() + 1s, "");
    entry.reply_sealed = sealing.seal_reply(forgotten, grant.id, 1, Secret(old));
    journal.kept.push_back(entry);
    journal.kept.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 2, wall.now() + 2s, "{}", 503));
    advance(3600s);
    ASSERT_TRUE(refresh(grant.id)) << old;
    EXPECT_EQ(view(grant.id).grant.state, GrantState::active) << old;
    EXPECT_EQ(view(grant.id).grant.generation, 2) << old;
  }
}

TEST_F(ContentionHouse, R5_WhatAnotherNodeHasRefreshedAMomentBeforeIsNotRefreshedAgain) {
  const auto grant = put_grant("acme-harmless");
  advance(3600s);
  bool done = false;
  door->before = [&](const store::Batch& batch) -> store::Batch {
    if (done || !std::holds_alternative<store::ClaimGrant>(batch.front())) return {};
    done = true;
    // The other node has claimed, sent and stored while this one waited for its place in the journal.
    auto fresh = grant;
    fresh.version = 1;
    fresh.generation = 2;
    fresh.issued_at = fresh.last_refreshed_at = wall.now();
    fresh.access_expires_at = wall.now() + 3600s;
    fresh.due_at = wall.now() + 1200s;
    sealing.vouch(fresh);
    store::Generation brought{.grant = grant.id, .number = 2, .access_expires_at = fresh.access_expires_at, .issued_at = wall.now()};
    brought.refresh_sealed = sealing.seal_refresh(fresh, 2, {Secret("rt1"), Secret()});
    brought.access_sealed = sealing.seal_access(fresh, 2, Secret("at-of-the-other"));
    return {store::UpdateGrant{fresh}, store::PutGeneration{brought}};
  };
  const auto got = run(keeper->fresh(grant.id, 0s));
  ASSERT_TRUE(got) << got.error().text;
  EXPECT_TRUE(done);
  EXPECT_EQ(access_token(*got), "at-of-the-other");
  EXPECT_TRUE(transport.bodies.empty()) << "it is fresh";
}

TEST_F(ContentionHouse, F4_ASlowProviderKeepsNoPlaceFromAnothersGrants) {
  store::Batch batch;
  for (int i = 0; i < 700; ++i) add_grant(batch, "acme-family", 500s);  // longer due, more than one look takes
  const auto harmless = add_grant(batch, "strict", 600s);
  const auto one_shot = add_grant(batch, "selfmade", 600s);
  commit(std::move(batch));
  transport.hold = true;
  ASSERT_TRUE(run(keeper->start()));
  advance(500s);
  keeper->nudge();
  base::drive_until(loop, [&] { return transport.at_once == 32; });  // all of the slow one's, nobody else is due
  advance(100s);
  keeper->nudge();
  base::drive_until(loop, [&] { return transport.at_once == 33; });
  // One answer comes, and the place it gives back is the other provider's.
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return view(harmless.id).grant.generation == 2 && view(one_shot.id).grant.generation == 2; });
  EXPECT_LT(counters.refreshed, 700) << "the slow one's are not done yet";
}

// With another app hanging on all other places, one whose provider answers at once is not held to a look a second: whoever has landed
// makes room for the next. The keeper's ticks go by the machine's own clock where a test's stands still.
class QuickBesideOneThatHangs : public ContentionHouse {
 protected:
  void refresh_beside(std::string_view hangs, int of_it, std::string_view quick, int of_the_quick) {
    store::Batch batch;
    add_grant(batch, std::string(quick), 499s);  // the first to want a place, so that some are left for it
    for (int i = 0; i < of_it; ++i) add_grant(batch, std::string(hangs), 500s);
    for (int i = 1; i < of_the_quick; ++i) add_grant(batch, std::string(quick), 501s);
    commit(std::move(batch));
    transport.holds_for = "acme.example";
    ASSERT_TRUE(run(keeper->start()));
    advance(501s);
    const auto begun = std::chrono::steady_clock::now();
    keeper->nudge();
    base::drive_until(loop, [&] { return counters.refreshed == of_the_quick; });
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s) << "a few in each second it were otherwise";
    transport.holds_for.clear();
    released->notify_all();
  }
};

TEST_F(QuickBesideOneThatHangs, F4_IsAskedAsFastAsItAnswers) { refresh_beside("acme-family", 700, "selfmade", 100); }

TEST_F(QuickBesideOneThatHangs, F4_AndSoWhereATokenMayBeSentTwice) { refresh_beside("acme-harmless", 1'500, "strict", 500); }  // its cap lets 600 through at once

// The database's clock is ahead of ours, or the lease was written by one that is: due by the one, in other hands by the other.
TEST_F(ContentionHouse, F3_WhatIsDueAndInOtherHandsIsNotLookedAtAgainAndAgain) {
  const auto grant = put_grant("acme-family");
  auto leased = view(grant.id).grant;
  leased.lease_owner = NodeId::make(wall.now(), entropy);
  leased.lease_until = wall.now() + 90s;
  commit({store::UpdateGrant{leased}});
  door->also_due = store::DueGrant{.id = grant.id, .due_at = wall.now(), .app = grant.app, .type = grant.type};
  int reads = 0;
  door->hides_grant = [&](GrantId) { return ++reads == 0; };
  ASSERT_TRUE(run(keeper->start()));
  for (int time = 0; time < 10; ++time) {
    sweep();
    advance(1s);
  }
  EXPECT_GE(reads, 2);
  EXPECT_LE(reads, 4) << "in ten seconds";
  EXPECT_TRUE(transport.bodies.empty());
}

// A provider that was down is asked by one grant, and that one waits for an answer: all its other grants, more than one look takes,
// must not stand in the way of those of providers that are well.
TEST_F(ContentionHouse, F4_AProbeThatHangsKeepsNobodyElsesGrantsFromBeingRefreshed) {
  store::Batch batch;
  for (int i = 0; i < 700; ++i) add_grant(batch, "acme-harmless", 500s);
  const auto other = add_grant(batch, "strict", 600s);
  commit(std::move(batch));
  ASSERT_TRUE(run(keeper->start()));
  for (int i = 0; i < 700; ++i) transport.then(ScriptedTransport::unsent());
  advance(500s);
  keeper->nudge();
  base::drive_until(loop, [&] { return counters.in_flight == 0 && !keeper->circuits().empty() && keeper->circuits().front().open; });
  transport.script.clear();
  const auto asked = transport.bodies.size();
  transport.holds_for = "acme.example";
  advance(100s);
  sweep();
  base::drive_until(loop, [&] { return transport.bodies.size() > asked; });
  base::drive_until(loop, [&] { return view(other.id).grant.generation == 2; });
  EXPECT_EQ(transport.at_once, 1) << "the probe alone";
  transport.holds_for.clear();
  released->notify_all();
}

// What waited for room to be merged was merged by a caller's flight: nothing waits for room any more.
TEST_F(ContentionHouse, F2_AMergeThatSomebodyElseHasDoneLeavesNothingToLookFor) {
  store::Batch batch;
  std::vector<store::Grant> crowd;
  for (int i = 0; i < 256; ++i) crowd.push_back(add_grant(batch, "acme-harmless"));
  const auto waiting = add_grant(batch, "acme-family");
  commit(std::move(batch));
  transport.hold = true;
  std::vector<std::future<Result<store::Grant>>> flights;
  for (const auto& one : crowd) flights.push_back(boost::asio::co_spawn(loop, keeper->refresh_now(one.id), boost::asio::use_future));
  base::drive_until(loop, [&] { return transport.at_once == 256; });  // all the room there is
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), waiting.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return door->listings_of_apps > 0; });  // the keeper has looked, and found no room
  flights.push_back(boost::asio::co_spawn(loop, keeper->refresh_now(waiting.id), boost::asio::use_future));
  base::drive_until(loop, [&] { return journal.left_over.empty(); });
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return counters.in_flight == 0; });
  sweep();
  const auto sweeps = door->sweeps;
  for (int turn = 0; turn < 200; ++turn) loop.run_one_for(1ms);
  EXPECT_LE(door->sweeps, sweeps + 2) << "the clock stands still, and nothing has ended";
  for (auto& flight : flights) EXPECT_TRUE(flight.get());
}

TEST_F(ContentionHouse, P6_AnAlteredGrantDoesNotStandFirstAmongThoseThatAreDue) {
  const auto grant = put_grant("acme-family", 600s);
  auto altered = view(grant.id).grant;
  altered.account_id = "somebody-else";
  commit({store::UpdateGrant{altered}});
  ASSERT_TRUE(run(keeper->start()));
  advance(600s);
  keeper->nudge();
  base::drive_until(loop, [&] { return view(grant.id).grant.due_at > wall.now() && counters.in_flight == 0; });
  EXPECT_EQ(view(grant.id).grant.due_at, wall.now() + 600s);
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(ContentionHouse, F8_ARefusedSecretFoundInTheJournalDoesNotSayWhatTheOtherOneBrought) {
  auto app = **run(store->app("acme"));
  app.secrets[1].sealed = sealing.seal_app_secret(app, 1, Secret("app-secret-1"));
  sealing.vouch(app);
  commit({store::PutApp{app}});
  clients->forget("acme");
  const auto grant = put_grant("acme-family");
  store::Intent intent{.id = IntentId::make(wall.now(), entropy), .grant = grant.id, .generation = 1, .node = node, .opened_at = wall.now()};
  commit({store::InsertIntent{intent}});
  journal.left_over.push_back(left_in_journal(intent.id, grant.id, 1, wall.now(), R"({"error":"invalid_client"})", 401));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  EXPECT_EQ(view(grant.id).grant.state, GrantState::uncertain);
  EXPECT_TRUE(transport.bodies.empty()) << "it may have been spent";
}

// ---- another node takes the intent over while the reply of this one is on its way (its process was stopped beyond the lease) -------

class TakenOverHouse : public KeeperHouse {
 protected:
  template <class T>
  T nested(Task<T> task) {
    auto done = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
    while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    return done.get();
  }
  store::GrantView nested_view(const GrantId& id) { return **nested(store->grant(id)); }
  // The other node's claim, while this node's POST is on its way.
  void take_over(const GrantId& id) {
    const auto seen = nested_view(id);
    auto grant = seen.grant;
    grant.fence += 1;
    grant.lease_owner = other;
    theirs = *seen.intent;
    theirs.node = other;
    theirs.fence = grant.fence;
    theirs.attempts += 1;
    ASSERT_TRUE(nested(store->commit({store::UpdateGrant{grant}, store::UpdateIntent{theirs}}, store::Urgency::ordinary)));
    theirs.version += 1;
  }
  void bring(const GrantId& id, std::string_view refresh) {
    const auto reply = oauth::parse_token_reply(200, "application/json",
                                                R"({"access_token":"at-other","expires_in":3600,"refresh_token":")" + std::string(refresh) + R"("})");
    const auto step = apply_reply(nested_view(id), theirs, reply, {Secret("rt1"), Secret()}, TypeRules{}, sealing, "{}", wall.now());
    ASSERT_TRUE(nested(store->commit(step.batch, store::Urgency::token_reply)));
  }
  std::int64_t candidates(const GrantId& id) {
    const auto seen = view(id);
    return std::ranges::count(seen.generations, store::GenerationState::candidate, &store::Generation::state);
  }

  NodeId other = NodeId::make(wall.now(), entropy);
  store::Intent theirs;
};

TEST_F(TakenOverHouse, R6_AnotherReplyToTheSameIntentIsKeptBesideTheOneApplied) {
  const auto grant = put_grant("acme-family");
  transport.before_answer = [&] {
    take_over(grant.id);
    bring(grant.id, "rt-other");
  };
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt-other") << "the newer token is not overwritten";
  EXPECT_EQ(candidates(grant.id), 1) << "and the late reply is not thrown away";
  EXPECT_TRUE(transport.revoked.empty());
  advance(120s);
  for (const std::string_view next : {"rt-other", "rt2"}) {
    transport.then(ScriptedTransport::json(400, R"({"error":"invalid_grant"})"));
    ASSERT_TRUE(refresh(grant.id));
    EXPECT_EQ(refresh_token(view(grant.id)), next) << "the late one is next when the other is refused twice";
  }
}

TEST_F(TakenOverHouse, R6_AReplyThatArrivesWhenTheOthersAreRefusedIsTriedBeforeAPersonIsAsked) {
  const auto grant = put_grant("acme-family");
  transport.before_answer = [&] {
    take_over(grant.id);
    bring(grant.id, "rt-other");
    auto refused = nested_view(grant.id).grant;
    refused.state = GrantState::needs_authorization;
    refused.dead_seen = true;
    refused.due_at.reset();
    ASSERT_TRUE(nested(store->commit({store::UpdateGrant{refused}}, store::Urgency::ordinary)));
  };
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  EXPECT_TRUE(seen.grant.due_at.has_value()) << "and by itself";
  EXPECT_FALSE(seen.grant.dead_seen) << "the others' refusals say nothing of it";
  EXPECT_EQ(refresh_token(seen), "rt2");
  advance(120s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

// Found by the simulation: the answer was taken for a late one, and its token thrown away when the older answers had been merged.
TEST_F(TakenOverHouse, F5_AnAnswerThatComesWhenTheStoreHasFallenBackIsTheNewest) {
  const auto grant = put_grant("acme-family");
  const auto first = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt2");
  transport.before_answer = [&] {
    ASSERT_TRUE(nested(store->commit(falling_back(nested_view(grant.id), first), store::Urgency::ordinary)));
  };
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt3");
  EXPECT_EQ(candidates(grant.id), 0);
  EXPECT_TRUE(transport.revoked.empty());
  advance(120s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1) << "no older one is sent again";
  EXPECT_EQ(transport.posts_with("rt2"), 1);
}

TEST_F(TakenOverHouse, F3_TheLeaseOfALostExchangeEndsThoughOthersHaveGoneOn) {
  const auto grant = put_grant("acme-family");
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 900s, wall.now());
  commit(claim.batch);
  auto moved = view(grant.id).grant;
  ASSERT_EQ(moved.lease_owner, node);
  moved.generation = 2;
  store::Generation next{.grant = grant.id, .number = 2, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
  next.refresh_sealed = sealing.seal_refresh(grant, 2, {Secret("rt-other"), Secret()});
  commit({store::UpdateGrant{moved}, store::PutGeneration{next}});
  begin_anew();  // the process that held it is gone
  base::drive_until(loop, [&] { return view(grant.id).grant.lease_owner.none(); });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt-other");
}

TEST_F(TakenOverHouse, R6_TheSameTokenTwiceIsKeptOnce) {
  const auto grant = put_grant("acme-family");
  transport.before_answer = [&] {
    take_over(grant.id);
    bring(grant.id, "rt2");
  };
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(candidates(grant.id), 0);
  EXPECT_EQ(view(grant.id).grant.generation, 2);
}

TEST_F(TakenOverHouse, R6_AReplyCountsWhileTheOtherNodeStillWaitsForItsOwn) {
  const auto grant = put_grant("acme-family");
  transport.before_answer = [&] {
    take_over(grant.id);
  };
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_EQ(view(grant.id).grant.generation, 2);
}

// Found by the simulation: a reply of another node was stored while this one waited to send.
TEST_F(TakenOverHouse, R6_WhatWasReadBeforeTheWaitIsNotSentWhenNewerTokensHaveCome) {
  store::Batch batch;
  std::vector<store::Grant> crowd;
  for (int i = 0; i < 32; ++i) crowd.push_back(add_grant(batch, "acme-family"));
  const auto grant = add_grant(batch, "acme-family");
  commit(std::move(batch));
  transport.hold = true;
  std::vector<std::future<Result<store::Grant>>> crowding;
  for (const auto& one : crowd) crowding.push_back(boost::asio::co_spawn(loop, keeper->refresh_now(one.id), boost::asio::use_future));
  base::drive_until(loop, [&] { return transport.at_once == 32; });
  auto waiting = boost::asio::co_spawn(loop, keeper->refresh_now(grant.id), boost::asio::use_future);
  base::drive_until(loop, [&] { return counters.in_flight == 33; });  // and no place is free
  advance(10s);
  EXPECT_FALSE(view(grant.id).intent) << "who only waits claims nothing";
  theirs = {.id = IntentId::make(wall.now(), entropy), .grant = grant.id, .generation = 1, .node = other, .fence = 1, .version = kIntentUntracked};
  bring(grant.id, "rt-other");
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return waiting.wait_for(0s) == std::future_status::ready && counters.in_flight == 0; });
  EXPECT_EQ(transport.bodies.size(), 32u) << "rt1 of that grant is spent";
  EXPECT_EQ(refresh_token(view(grant.id)), "rt-other");
}

TEST_F(TakenOverHouse, R6_ALostReplyDoesNotTouchWhatTheOtherNodeHasUnderWay) {
  const auto grant = put_grant("acme-family");
  transport.then(ScriptedTransport::lost());
  transport.before_answer = [&] {
    take_over(grant.id);
  };
  [[maybe_unused]] const auto result = refresh(grant.id);
  const auto seen = view(grant.id);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(*seen.intent, theirs);
  EXPECT_EQ(seen.grant.lease_owner, other);
  EXPECT_EQ(transport.bodies.size(), 1u);
}

TEST_F(TakenOverHouse, R5_WhoHasJoinedASweepThatGivesWayWaitsForTheOtherNode) {
  const auto grant = put_grant("acme-family");
  advance(3700s);  // due, and the token has expired
  std::future<Result<store::Grant>> insisting;
  std::future<Result<store::GrantView>> asking;
  door->before = [&, once = true](const store::Batch&) mutable -> store::Batch {
    if (!std::exchange(once, false)) return {};
    // The sweep is about to claim. People come and join it, and then the other node is faster.
    insisting = boost::asio::co_spawn(loop, keeper->refresh_now(grant.id), boost::asio::use_future);
    asking = boost::asio::co_spawn(loop, keeper->fresh(grant.id, 0s), boost::asio::use_future);
    while (counters.handouts_waited == 0) loop.run_one_for(1ms);
    return {store::ClaimGrant{grant.id, nested_view(grant.id).grant.version, other, 90s}};
  };
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.handouts_waited == 2; });
  EXPECT_NE(asking.wait_for(0s), std::future_status::ready) << "the other node has the grant in hand";
  EXPECT_NE(insisting.wait_for(0s), std::future_status::ready);

  theirs = {.id = IntentId::make(wall.now(), entropy), .grant = grant.id, .generation = 1, .node = other, .fence = 1, .version = kIntentUntracked};
  bring(grant.id, "rt-other");
  advance(1s);
  base::drive_until(loop, [&] { return asking.wait_for(0s) == std::future_status::ready && insisting.wait_for(0s) == std::future_status::ready; });
  const auto handed_out = asking.get();
  ASSERT_TRUE(handed_out) << handed_out.error().text;
  EXPECT_EQ(access_token(*handed_out), "at-other");
  const auto refreshed = insisting.get();
  ASSERT_TRUE(refreshed);
  EXPECT_EQ(refreshed->generation, 2);
  EXPECT_TRUE(transport.bodies.empty()) << "this node has asked for nothing";
}

// ---- places ----------------------------------------------------------------------------------------------------------

TEST(AppPlaces, OneAloneTakesThemAllAndNoMore) {
  AppPlaces places;
  for (int i = 0; i < 32; ++i) EXPECT_TRUE(places.take("a", 32, SteadyTime{})) << i;
  EXPECT_FALSE(places.take("a", 32, SteadyTime{}));
  places.give_back("a");
  EXPECT_TRUE(places.take("a", 32, SteadyTime{}));
}

TEST(AppPlaces, WhoeverWantsSomeIsSureOfAFewAsSoonAsOneIsGivenBack) {
  AppPlaces places;
  SteadyTime now{};
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(places.take("slow", 32, now));
  EXPECT_FALSE(places.take("other", 32, now));
  places.give_back("slow");
  EXPECT_FALSE(places.take("slow", 32, now)) << "it is owed to the other";
  EXPECT_TRUE(places.take("other", 32, now));
  for (int i = 0; i < 4; ++i) places.give_back("slow");
  EXPECT_TRUE(places.take("slow", 32, now)) << "three of four are owed";
  EXPECT_FALSE(places.take("slow", 32, now));
  now += 61s;  // the other wants none any more
  places.give_back("other");
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(places.take("slow", 32, now)) << i;
}

TEST(AppPlaces, TwoThatAreGreedyLeaveAThirdItsShare) {
  AppPlaces places;
  const SteadyTime now{};
  ASSERT_TRUE(places.take("third", 32, now));
  places.give_back("third");  // known to want some
  for (int i = 0; i < 40; ++i) {
    static_cast<void>(places.take("a", 32, now));
    static_cast<void>(places.take("b", 32, now));
  }
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(places.take("third", 32, now)) << "one as lately, and one more";
  EXPECT_FALSE(places.take("third", 32, now));
  for (int i = 0; i < 2; ++i) {
    places.give_back("a");
    EXPECT_FALSE(places.take("b", 32, now));
    EXPECT_FALSE(places.take("a", 32, now)) << "it is owed to the one that was refused";
    EXPECT_TRUE(places.take("third", 32, now)) << i;
  }
  EXPECT_FALSE(places.take("third", 32, now));
}

TEST(AppPlaces, ManyThatNeedOneNowAndThenKeepFewFromOneThatNeedsMany) {
  AppPlaces places;
  SteadyTime now{};
  const auto small_ones = [&](auto what) {
    for (const auto* name : {"b", "c", "d", "e", "f", "g", "h"}) what(name);
  };
  for (int minute = 0; minute < 3; ++minute) {
    now += 59s;
    small_ones([&](const char* name) {
      ASSERT_TRUE(places.take(name, 256, now));
      places.give_back(name);
    });
  }
  int taken = 0;
  while (places.take("big", 256, now)) ++taken;
  EXPECT_EQ(taken, 256 - 7 * 2);
  small_ones([&](const char* name) { EXPECT_TRUE(places.take(name, 256, now)) << name; });
}

// ---- clocks ------------------------------------------------------------------------------------------------------------

TEST_F(ContentionHouse, R24_ANodeGoesByTheClockOfTheStoreThatItShares) {
  CommonClock clock(wall, [this] { return steady.now().time_since_epoch(); });
  EXPECT_EQ(clock.now(), wall.now());
  door->clock_ahead = 30s;
  EXPECT_EQ(run(clock.compare(*store)), Milliseconds(30'000));
  EXPECT_EQ(clock.now(), wall.now() + 30s);
  door->clock_ahead = -30s;
  ASSERT_TRUE(run(clock.compare(*store)));
  EXPECT_EQ(clock.now(), wall.now() - 30s);
  // Far ahead for one look only: whoever had believed it would stamp ahead from then on.
  door->clock_ahead = 10min;
  EXPECT_EQ(run(clock.compare(*store)), Milliseconds(600'000)) << "it is told";
  EXPECT_EQ(clock.now(), wall.now() - 30s);
  door->clock_ahead = -30s;
  ASSERT_TRUE(run(clock.compare(*store)));
  door->clock_ahead = 10min;
  ASSERT_TRUE(run(clock.compare(*store)));
  EXPECT_EQ(clock.now(), wall.now() - 30s) << "two looks that do not follow each other";
  advance(5s);
  ASSERT_TRUE(run(clock.compare(*store)));
  EXPECT_EQ(clock.now(), wall.now() + 10min);
  door->clock_ahead = -30s;
  ASSERT_TRUE(run(clock.compare(*store)));
  door->clock_ahead = Milliseconds(-29'700);
  ASSERT_TRUE(run(clock.compare(*store)));
  EXPECT_EQ(clock.now(), wall.now() - 30s) << "that little is let be";
}

// Else what the machine said for seconds would stay with this node alone: nobody's clock goes back (PrudentClock).
TEST_F(ContentionHouse, R24_AMachineWhoseClockIsSetForSecondsDoesNotTakeItsNodeAlong) {
  CommonClock clock(wall, [this] { return steady.now().time_since_epoch(); });
  const PrudentClock prudent(clock, steady);
  ASSERT_TRUE(run(clock.compare(*store)));
  const auto before = prudent.now();
  wall.advance(1h);
  EXPECT_EQ(prudent.now(), before);
  door->clock_ahead = -1h;
  EXPECT_EQ(run(clock.compare(*store)), Milliseconds(-1h)) << "it is told";
  wall.advance(-1h);
  door->clock_ahead = 0ms;
  ASSERT_TRUE(run(clock.compare(*store)));
  EXPECT_EQ(prudent.now(), before);
  advance(7s);
  EXPECT_EQ(prudent.now(), before + 7s);
}

}  // namespace
}  // namespace latchkey::grants
