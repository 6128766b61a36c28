// Another database server takes over, and lacks what was committed last (F5, F6): nothing that may have been spent is sent before the
// journals have said what they know.
#include "grants/fail_over_testing.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;
using store::GrantState;
using store::IntentState;

TEST_F(FailOverHouse, F5_NothingIsSentBeforeWhatTheJournalKnowsIsBroughtBackAndThenOthersSeeIt) {
  look();
  const auto grant = put_grant("acme-family");
  const auto untouched = put_grant("acme-family");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt2");
  take_over();
  commit(falling_back(view(grant.id), before));
  const auto refused = refresh(untouched.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "store_unavailable");
  EXPECT_EQ(transport.bodies.size(), 1U);

  look();
  EXPECT_EQ(remembered, "cluster/00000002") << "before anything is sent";
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2") << "in the store, for every node to see, though nobody has asked for it";
  EXPECT_FALSE(alerted()) << "the database knows no other node";
  ASSERT_TRUE(refresh(untouched.id));
  EXPECT_EQ(transport.bodies.size(), 1U) << "but one that it does not know may have been at work";
  pass_leases();
  look_until([this] { return !is_waiting(); });
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_TRUE(refresh(untouched.id));
}

TEST_F(FailOverHouse, F6_WhatMayBeSentOnceOnlyWaitsForTheOthersJournalsButNotBeyondItsEmergencyWindow) {
  put_other("cluster/00000001");
  look();
  const auto grant = put_grant("acme-family");
  const auto harmless = put_grant("acme-harmless");
  take_over();
  look();
  EXPECT_TRUE(alerted());
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.bodies.size(), 0U) << "the other node may have spent it";
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  ASSERT_TRUE(refresh(harmless.id));
  EXPECT_EQ(transport.bodies.size(), 0U) << "an exchange of which the database knows nothing may be on its way";
  pass_leases();
  ASSERT_TRUE(refresh(harmless.id));
  EXPECT_EQ(transport.bodies.size(), 1U) << "where a replay does no harm, nothing waits";
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.bodies.size(), 1U);
  advance(3500s);
  ASSERT_TRUE(run(nodes->begin()));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.bodies.size(), 2U) << "shortly before the token ends";
}

TEST_F(FailOverHouse, F5_TheWaitEndsWhenTheOtherHasToldOrWasForgottenOrHadStoppedInOrder) {
  look();
  int timeline = 1;
  for (const std::string_view how : {"told", "forgotten", "stopped"}) {
    put_other("cluster/0000000" + std::to_string(timeline));
    ASSERT_TRUE(lineage.note("cluster/0000000" + std::to_string(++timeline)));
    const auto grant = put_grant("acme-family");
    if (how == "stopped") commit({store::PutNode{{.id = other, .name = "office-2", .version = "1", .run = {}, .started_at = wall.now()}}});
    look();
    pass_leases();
    const auto sent = transport.bodies.size();
    EXPECT_EQ(alerted(), how != "stopped") << how;
    if (how != "stopped") {
      ASSERT_TRUE(refresh(grant.id));
      EXPECT_EQ(transport.bodies.size(), sent) << how;
    }
    if (how == "told") tell_for_other("cluster/0000000" + std::to_string(timeline));
    if (how == "forgotten") commit({store::DeleteNode{other}});
    look_until([this] { return !alerted() && !is_waiting(); });
    ASSERT_TRUE(refresh(grant.id));
    EXPECT_EQ(transport.bodies.size(), sent + 1) << how;
  }
}

TEST_F(FailOverHouse, F5_ANodeThatHasNotToldTheNewDatabaseDoesNotSayThatItStoppedInOrder) {
  look();
  const auto told_long_ago = run(store->meta("lineage:" + node.text())).value();
  const auto conditions = run(watch->conditions_of_stopping());
  ASSERT_TRUE(conditions);
  commit({store::PutMeta{"lineage:" + node.text(), told_long_ago}});  // a standby has taken over which knows that, and no more
  run(say_goodbye(*conditions));
  const auto known = run(store->nodes());
  ASSERT_TRUE(known);
  EXPECT_FALSE(known->front().run.empty()) << "it is waited for like one that has crashed";
  take_over();
  EXPECT_FALSE(run(watch->conditions_of_stopping())) << "nor one that knows of it";
  look();
  journal.recorded[IntentId::make(wall.now(), entropy)] = {};
  EXPECT_FALSE(run(watch->conditions_of_stopping())) << "nor one whose answers are in its journal only";
  journal.recorded.clear();
  look();
  run(say_goodbye(run(watch->conditions_of_stopping()).value()));
  EXPECT_TRUE(run(store->nodes())->front().run.empty());
}

TEST_F(FailOverHouse, F5_ADatabaseOfTheSameNameThatHasNotBeenToldIsAnotherOne) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  commit(falling_back(view(grant.id), before));
  commit({store::PutMeta{"lineage:" + node.text(), base::to_bytes("cluster/00000001 told long ago")}});
  lineage.lose();
  EXPECT_FALSE(watch->may_send()) << "whom a new connection reaches is looked at first";
  look();
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

// Found by the simulation: more was due than one look takes, and all of it was turned away at once, and looked for again at once.
TEST_F(FailOverHouse, F5_AFailOverInTheMidstOfASweepEndsIt) {
  const auto many = KeeperTuning{}.parallel * 2 + 100;
  store::Batch batch;
  for (std::size_t i = 0; i < many; ++i) add_grant(batch, "acme-harmless", 2s);
  commit(std::move(batch));
  advance(3s);
  look();
  door->sweeping = [this](const std::vector<std::string>&) {
    if (door->sweeps == 1) lineage.lose();
  };
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return door->sweeps >= 1; });
  loop.run_for(200ms);
  EXPECT_LE(door->sweeps, 2);
  EXPECT_TRUE(transport.bodies.empty()) << "nothing is sent before the journal has been asked";
}

TEST_F(FailOverHouse, F5_AFormerPrimaryIsNotTakenForTheSuccessor) {
  take_over();
  EXPECT_FALSE(lineage.note("cluster/00000001"));
  EXPECT_EQ(lineage.sight().name, "cluster/00000002");
  EXPECT_TRUE(lineage.note("another/00000001")) << "a dump put into a new cluster";
  store::Lineage later;
  later.remember("cluster/00000002");
  EXPECT_FALSE(later.note("cluster/00000001")) << "nor after a restart";
  EXPECT_TRUE(later.note("cluster/0000000A"));
}

TEST_F(FailOverHouse, F6_ANodeThatMayNotHaveFoundTheWayYetCannotBeForgotten) {
  put_other("cluster/00000001");
  look();
  take_over();
  look();
  wall.advance(40s);  // the other's last sign, as the standby knows it, is old
  const auto refused = run(nodes->forget(other, {.actor = "admin"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node_alive");
  advance(61s);
  EXPECT_TRUE(run(nodes->forget(other, {.actor = "admin"})));
}

// Found by the simulation: both branches bear the same numbers, and the older token took the newer one's place.
TEST_F(FailOverHouse, F2_WhatAnotherBranchBroughtIsKeptBesideTheNewerTokenInUse) {
  look();
  const auto grant = put_grant("acme-grace");
  const auto forgotten = IntentId::make(wall.now(), entropy);
  journal.kept.push_back(left_in_journal(forgotten, grant.id, 2, wall.now() + 1s, R"({"access_token":"at-old","refresh_token":"rt-old","expires_in":3600})"));
  advance(10s);
  ASSERT_TRUE(run(nodes->begin()));
  auto newer = view(grant.id).generations.front();
  newer.number = 2;
  newer.refresh_sealed = sealing.seal_refresh(grant, 2, {Secret("rt-new"), Secret()});
  newer.issued_at = wall.now();
  auto moved = view(grant.id).grant;
  moved.generation = 2;
  commit({store::PutGeneration{newer}, store::UpdateGrant{moved}});
  take_over();
  look();
  const auto seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt-new");
  const auto candidate = std::ranges::find(seen.generations, store::GenerationState::candidate, &store::Generation::state);
  ASSERT_NE(candidate, seen.generations.end());
  EXPECT_EQ(sealing.open_refresh(seen.grant, *candidate)->token.reveal_text(), "rt-old");
}

// Other nodes bring back what theirs hold at the same time, and their sweeps move due times meanwhile.
class BroughtBackTogether : public FailOverHouse, public testing::WithParamInterface<bool> {};

TEST_P(BroughtBackTogether, F5_NobodyHasToldBeforeWhatItKnowsIsInTheStore) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  auto others = view(grant.id);
  advance(5s);
  ASSERT_TRUE(run(nodes->begin()));
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt3");
  std::erase_if(journal.kept, [](const store::JournalEntry& entry) { return entry.generation == 1; });  // the other node has that one
  take_over();
  commit(falling_back(view(grant.id), before));

  const bool merges = GetParam();
  const auto version = view(grant.id).grant.version;
  door->before = [&, once = true](const store::Batch& batch) mutable -> store::Batch {
    const bool moves_a_grant = std::ranges::any_of(batch, [](const auto& each) { return std::holds_alternative<store::UpdateGrant>(each); });
    if (!moves_a_grant || !std::exchange(once, false)) return {};
    auto moved = before.grant;
    moved.version = version;
    if (!merges) return {store::UpdateGrant{moved}};
    others.grant.version = version;
    return {store::PutGeneration{*current_of(others)}, store::DeleteGeneration{grant.id, 1}, store::UpdateGrant{others.grant}};
  };
  look();
  EXPECT_EQ(refresh_token(view(grant.id)), "rt3");
  EXPECT_EQ(view(grant.id).grant.generation, 3);
  const auto current = alerts.current();
  EXPECT_EQ(std::ranges::find(current, "reply_unreadable", &Alert::cause), current.end());
}

INSTANTIATE_TEST_SUITE_P(Others, BroughtBackTogether, testing::Bool(), [](const auto& each) { return each.param ? "Merge" : "MoveADueTime"; });

TEST_F(FailOverHouse, F2_AnAnswerThatCannotBeReadKeepsTheTokenThatItShowsToBeSpentFromBeingSent) {
  look();
  const auto single = put_grant("acme-family");
  const auto harmless = put_grant("acme-harmless");
  std::map<GrantId, store::GrantView> before{{single.id, view(single.id)}, {harmless.id, view(harmless.id)}};
  for (const auto& [id, seen] : before) {
    ASSERT_TRUE(refresh(id));
    commit(falling_back(view(id), seen));
  }
  const auto sound = journal.kept;
  for (auto& entry : journal.kept) entry.reply_sealed = Bytes(100, 1);
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  transport.bodies.clear();
  EXPECT_FALSE(refresh(single.id));
  EXPECT_TRUE(transport.bodies.empty());
  const auto told = [&] {
    const auto current = alerts.current();
    return std::ranges::find(current, "reply_unreadable", &Alert::cause) != current.end();
  };
  EXPECT_TRUE(told());
  EXPECT_TRUE(refresh(harmless.id)) << "what may be sent twice is";
  journal.kept = sound;
  EXPECT_TRUE(refresh(single.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1) << "of the other grant";
  EXPECT_FALSE(told());
}

// The database that takes over lacks the commit by which another person has authorised the grant anew.
class FailOverBehindAConsent : public FailOverHouse {
 protected:
  // As the authorisation desk does.
  void authorise_anew(const GrantId& id, const std::string& account) {
    const auto old = view(id);
    auto grant = old.grant;
    grant.account_id = account;
    grant.generation += 1;
    grant.issued_at = grant.created_at = wall.now();
    grant.access_expires_at = grant.due_at = wall.now() + 3600s;
    grant.last_refreshed_at = {};
    sealing.vouch(grant);
    store::Generation generation{.grant = id, .number = grant.generation, .access_expires_at = grant.access_expires_at, .issued_at = wall.now()};
    generation.refresh_sealed = sealing.seal_refresh(grant, grant.generation, {Secret("theirs"), Secret()});
    generation.access_sealed = sealing.seal_access(grant, grant.generation, Secret("at-theirs"));
    commit({store::UpdateGrant{grant}, store::DeleteIntentsOf{id}, store::DeleteGeneration{id, old.grant.generation}, store::PutGeneration{generation}});
  }
  void pass(Seconds span) {
    advance(span);
    ASSERT_TRUE(run(nodes->begin()));
  }
  void expect_the_first_account(const GrantId& id) {
    const auto seen = view(id);
    EXPECT_EQ(seen.grant.generation, 1);
    EXPECT_EQ(seen.generations.size(), 1U) << "nothing is kept beside it";
    EXPECT_EQ(refresh_token(seen), "rt1");
    EXPECT_EQ(access_token(seen), "at1");
    EXPECT_TRUE(transport.revoked.empty());
    const auto current = alerts.current();
    EXPECT_EQ(std::ranges::find(current, "reply_unreadable", &Alert::cause), current.end());
  }
};

TEST_F(FailOverBehindAConsent, F10_WhatTheJournalHasOfAnotherAccountIsNotUsedAndTheOldTokenGoesByItsTypesRule) {
  look();
  const auto single = put_grant("acme-family");
  const auto harmless = put_grant("acme-harmless");
  const auto before = view(single.id);
  const auto before_harmless = view(harmless.id);
  pass(60s);
  for (const auto& id : {single.id, harmless.id}) authorise_anew(id, "somebody-else");
  pass(60s);
  ASSERT_TRUE(refresh(single.id));
  ASSERT_TRUE(refresh(harmless.id));
  ASSERT_EQ(transport.posts_with("theirs"), 2);
  take_over();
  commit(falling_back(view(single.id), before));
  commit(falling_back(view(harmless.id), before_harmless));
  look();
  for (const auto& id : {single.id, harmless.id}) expect_the_first_account(id);
  EXPECT_EQ(counters.replies_unowned, 2);
  pass_leases();
  ASSERT_TRUE(refresh(harmless.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1) << "where a replay does no harm, nothing waits";
  ASSERT_TRUE(refresh(single.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  ASSERT_TRUE(view(single.id).intent);
  EXPECT_EQ(view(single.id).intent->state, IntentState::ambiguous);
  expect_the_first_account(single.id);
  pass(3300s);
  ASSERT_TRUE(refresh(single.id));
  EXPECT_EQ(transport.posts_with("rt1"), 2) << "shortly before its access token ends";
  EXPECT_EQ(view(single.id).grant.generation, 2);
  pass(60s);
  ASSERT_TRUE(refresh(single.id));
  EXPECT_EQ(view(single.id).grant.generation, 3) << "and on, though the journal still has the other account's";
  EXPECT_EQ(transport.posts_with("theirs"), 2);
  EXPECT_EQ(counters.replies_unowned, 2) << "each once";
}

TEST_F(FailOverBehindAConsent, F10_AnAnswerThatComesToAnotherAccountAfterwardsIsNotKeptBesideTheOldToken) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  pass(60s);
  authorise_anew(grant.id, "somebody-else");
  pass(60s);
  fall_back_before_the_answer(before);
  static_cast<void>(refresh(grant.id));
  transport.before_answer = {};
  EXPECT_EQ(transport.posts_with("theirs"), 1);
  EXPECT_EQ(counters.replies_unowned, 1);
  expect_the_first_account(grant.id);
}

}  // namespace
}  // namespace latchkey::grants
