// What journals have of answers that a database server which took over does not know: none is lost, and none settles more than it says.
#include "grants/fail_over_testing.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;
using store::GrantState;
using store::IntentState;

TEST_F(FailOverHouse, F2_AnOlderAnswerThatCannotBeReadHidesNoNewerOne) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  for (int n = 0; n < 2; ++n) {
    advance(60s);
    ASSERT_TRUE(run(nodes->begin()));
    ASSERT_TRUE(refresh(grant.id));
  }
  ASSERT_EQ(refresh_token(view(grant.id)), "rt3");
  ASSERT_EQ(journal.kept.size(), 2U);
  commit(falling_back(view(grant.id), before));
  journal.kept.front().reply_sealed = Bytes(100, 1);
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_EQ(alerts.current().size(), 0U);
}

// Found by the simulation: the other node's older answer, settled when it was brought back, hid this one's newer one.
TEST_F(FailOverHouse, F5_AnOlderAnswerThatAnotherJournalBringsBackHidesNoNewerOne) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  advance(1s);
  transport.then(T::json(503, "{}"));
  static_cast<void>(refresh(grant.id));
  const auto old = journal.kept.back();
  advance(30s);
  ASSERT_TRUE(run(nodes->begin()));
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt2");
  const auto newest = journal.kept.back();
  take_over();
  commit(falling_back(view(grant.id), before));
  journal.kept = {old};  // as the other node's
  advance(5s);
  look();
  ASSERT_TRUE(view(grant.id).intent);
  EXPECT_EQ(view(grant.id).intent->settled_at, old.recorded_at);
  EXPECT_TRUE(is_behind(view(grant.id), {.generation = 1, .recorded_at = newest.recorded_at}));
}

// The claim, too, is among what the standby had not heard of.
TEST_F(FailOverHouse, F1_AnAnswerLostDuringTheFailOverLeavesItsTokenInDoubtAllTheSame) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  advance(1s);
  transport.then(T::lost());
  fall_back_before_the_answer(before);
  static_cast<void>(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  advance(120s);
  ASSERT_TRUE(run(nodes->begin()));
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1) << "its type ends the whole grant at a second time";
}

// The database that took over knows an earlier try of the same attempt, which was not taken.
TEST_F(FailOverHouse, F1_WhatBecameOfARepetitionIsWrittenDownThoughTheDatabaseKnowsOnlyTheTryBefore) {
  look();
  const auto grant = put_grant("acme-family");
  transport.then(T::json(503, "{}"));
  static_cast<void>(refresh(grant.id));
  const auto before = view(grant.id);
  ASSERT_TRUE(before.intent);
  ASSERT_EQ(before.intent->state, IntentState::not_sent);
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  transport.then(T::lost());
  fall_back_before_the_answer(before);
  static_cast<void>(refresh(grant.id));
  transport.before_answer = {};
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  advance(120s);
  ASSERT_TRUE(run(nodes->begin()));
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 2) << "its type ends the whole grant at a second time";
}

// Found by the simulation (seed 4005932): the newest answer of the two says that nothing was spent, and so did the database from then on.
TEST_F(FailOverHouse, F1_AnAnswerThatSpentNothingLeavesTheOneBeforeItInDoubt) {
  look();
  const auto grant = put_grant("acme-grace");
  const auto forgotten = IntentId::make(wall.now(), entropy);
  const auto first_at = wall.now() + 1s;
  for (const auto& [after, answer] : {std::pair(1s, "500\napplication/json\n\nwhole 1\n{}"), std::pair(40s, "503\napplication/json\n\nwhole 2\n{}")}) {
    auto entry = left_in_journal(forgotten, grant.id, 1, wall.now() + after, "");
    entry.reply_sealed = sealing.seal_reply(forgotten, grant.id, 1, Secret(answer));
    journal.kept.push_back(std::move(entry));
  }
  advance(45s);
  ASSERT_TRUE(run(nodes->begin()));
  take_over();
  advance(5s);
  look();
  const auto seen = view(grant.id);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  EXPECT_EQ(seen.intent->opened_at, first_at) << "its grace began there";
}

// Found by the simulation (seed 2118463): catching up had brought the refusal out of the journal already.
TEST_F(FailOverHouse, F2_ARefusalThatCameWhileTheStoreFellBackCountsOnce) {
  look();
  const auto grant = put_grant("acme-refused");
  const auto before = view(grant.id);
  advance(1s);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt2");
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  fall_back_before_the_answer(before);
  static_cast<void>(refresh(grant.id));
  transport.before_answer = {};
  const auto seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt2");
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_TRUE(seen.grant.dead_seen);
  EXPECT_NE(seen.grant.state, GrantState::needs_authorization) << "a person is asked after a second look";
}

TEST_F(FailOverHouse, F1_AnAnswerThatMayHaveSpentTheTokenIsNoOldNewsToADatabaseThatTakesItForUnsent) {
  look();
  const auto grant = put_grant("acme-family");
  transport.then(T::json(503, "{}"));
  static_cast<void>(refresh(grant.id));
  const auto before = view(grant.id);
  ASSERT_EQ(before.intent->state, IntentState::not_sent);
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  transport.then(T::json(500, "{}"));
  static_cast<void>(refresh(grant.id));
  ASSERT_EQ(view(grant.id).intent->state, IntentState::ambiguous);
  take_over();
  commit(falling_back(view(grant.id), before));
  advance(5s);
  look();
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  pass_leases();
  look_until([this] { return !is_waiting(); });
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 2);
}

// Found by the simulation (seed 8001871): the other node brought its own earlier attempt back first, which had spent nothing.
class BroughtByAnother : public FailOverHouse, public testing::WithParamInterface<bool> {};

TEST_P(BroughtByAnother, F1_AnAnswerThatMayHaveSpentTheTokenIsNoOldNewsThoughAnEarlierOneWasBroughtFirst) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  const auto earlier = wall.now();
  advance(9s);
  transport.then(T::json(500, "{}"));
  static_cast<void>(refresh(grant.id));
  ASSERT_EQ(view(grant.id).intent->state, IntentState::ambiguous);
  const auto under = GetParam() ? view(grant.id).intent->id : IntentId::make(earlier, entropy);
  take_over();
  commit(falling_back(view(grant.id), before));
  commit({store::InsertIntent{{.id = under, .grant = grant.id, .generation = 1, .node = other, .state = IntentState::not_sent, .opened_at = earlier,
                               .settled_at = earlier}}});
  advance(5s);
  look();
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  pass_leases();
  look_until([this] { return !is_waiting(); });
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
}

INSTANTIATE_TEST_SUITE_P(Under, BroughtByAnother, testing::Bool(), [](const auto& param) { return std::string(param.param ? "the_same_intent" : "its_own"); });

// Found by the simulation (seed 2106797): both had gone on from the same generation, what came first was brought back first, and the other
// node's newer token lay in its journal while a person was asked.
TEST_F(FailOverHouse, F6_ANewerAnswerToTheSameGenerationIsKeptBesideTheOneThatWasBroughtFirst) {
  put_other("cluster/00000001");
  look();
  const auto grant = put_grant("acme-grace");
  const auto before = view(grant.id);
  advance(1s);
  ASSERT_TRUE(refresh(grant.id));
  const auto others = view(grant.id);
  ASSERT_EQ(refresh_token(others), "rt2");
  commit(falling_back(others, before));
  journal.kept.clear();  // the other node's
  advance(30s);
  ASSERT_TRUE(run(nodes->begin()));
  ASSERT_TRUE(refresh(grant.id));
  const auto own = refresh_token(view(grant.id));
  ASSERT_NE(own, "rt2");
  ASSERT_NE(own, "rt1");
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  take_over();
  commit(falling_back(view(grant.id), others));
  look();
  look();
  const auto held = view(grant.id);
  EXPECT_EQ(refresh_token(held), "rt2");
  EXPECT_EQ(held.generations.size(), others.generations.size() + 1) << "once";
  tell_for_other("cluster/00000002");
  pass_leases();
  look_until([this] { return !is_waiting(); });
  for (int n = 0; n < 2; ++n) transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  for (int n = 0; n < 4 && transport.posts_with(own) == 0; ++n) {
    static_cast<void>(refresh(grant.id));
    advance(3s);
    ASSERT_TRUE(run(nodes->begin()));
  }
  EXPECT_EQ(transport.posts_with(own), 1);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

// Found by the simulation: it was kept beside the older token, and let go when the journal brought back what came in between.
TEST_F(FailOverHouse, F5_AnAnswerThatCameWhileTheStoreFellBackIsTheNewestThoughTheJournalCannotBeRead) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  fall_back_before_the_answer(before);
  journal.unreadable = true;
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt3");
  EXPECT_EQ(view(grant.id).grant.generation, 3);
  journal.unreadable = false;
  take_over();
  look();
  EXPECT_EQ(refresh_token(view(grant.id)), "rt3") << "what the journal has of the one before is older";
  EXPECT_EQ(transport.posts_with("rt1"), 1);
}

TEST_F(FailOverHouse, F2_WhatTheJournalBringsBackLetsNothingGoThatHasComeSince) {
  look();
  const auto grant = put_grant("acme-grace");
  const auto before = view(grant.id);
  ASSERT_TRUE(refresh(grant.id));
  commit(falling_back(view(grant.id), before));
  const auto candidates = [&] {
    std::vector<std::string> tokens;
    const auto now = view(grant.id);
    for (const auto& generation : now.generations) {
      if (generation.state == store::GenerationState::candidate) tokens.emplace_back(sealing.open_refresh(now.grant, generation)->token.reveal_text());
    }
    return tokens;
  };
  for (const auto* token : {"rt-of-another-branch", "rt2"}) {
    const store::Intent theirs{.id = IntentId::make(wall.now(), entropy), .grant = grant.id, .generation = 1, .version = kIntentUntracked};
    commit(keep_as_candidate(view(grant.id), theirs, Secret(token), {}, sealing, wall.now()).batch);
  }
  ASSERT_EQ(candidates().size(), 2U);
  take_over();
  look();
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_EQ(candidates(), std::vector<std::string>{"rt-of-another-branch"}) << "the other one is in use";
}

// What the journal has of a later token brings none: only that there was one.
TEST_F(FailOverHouse, F5_ATokenThatTheJournalShowsToBeSpentIsNotSentAndTheAlertEndsWhenItMattersNoMore) {
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  advance(1s);
  ASSERT_TRUE(refresh(grant.id));
  const auto after = view(grant.id);
  ASSERT_EQ(refresh_token(after), "rt2");
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  transport.then(T::json(503, "{}"));
  static_cast<void>(refresh(grant.id));
  journal.kept.erase(journal.kept.begin());  // another node's
  ASSERT_EQ(journal.kept.size(), 1U);
  commit(falling_back(view(grant.id), before));
  advance(60s);
  ASSERT_TRUE(run(nodes->begin()));
  const auto refused = refresh(grant.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "refresh_token_spent");
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  ASSERT_EQ(alerts.current().size(), 1U);
  EXPECT_EQ(alerts.current()[0].cause, "reply_unreadable");

  commit(falling_back(view(grant.id), after));  // the other node is back, and has brought it
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return alerts.current().empty(); });
  EXPECT_EQ(transport.posts_with("rt1"), 1);
}

TEST_F(FailOverHouse, F2_WhoCannotReadWhatItKeptLeavesTheTokenInDoubtForAllNodesBeforeItSaysThatItHasTold) {
  put_other("cluster/00000001");
  look();
  const auto grant = put_grant("acme-family");
  const auto before = view(grant.id);
  advance(1s);
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(refresh_token(view(grant.id)), "rt2");
  const auto sound = journal.kept;
  take_over();
  commit(falling_back(view(grant.id), before));
  journal.kept.back().reply_sealed = Bytes(100, 1);
  advance(5s);
  look();
  const auto seen = view(grant.id);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  EXPECT_EQ(seen.intent->generation, 1);
  EXPECT_EQ(seen.intent->node, node);
  EXPECT_EQ(decide_post(seen, keeper->rules_for(*run(clients->type_for(seen.grant.type, seen.grant.app, seen.grant.params_json, seen.grant.extras_json))), Urge::scheduled, other, wall.now()).kind,
            PostDecision::Kind::wait)
      << "the other node";
  EXPECT_TRUE(std::ranges::any_of(alerts.current(), [](const Alert& alert) { return alert.cause == "reply_unreadable"; }));
  // Put back, it is read without a restart.
  journal.kept = sound;
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return view(grant.id).grant.generation == 2; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  base::drive_until(loop, [&] { return std::ranges::none_of(alerts.current(), [](const Alert& alert) { return alert.cause == "reply_unreadable"; }); });
}

// Found by the simulation (seed 1006666): the older answer made the grant active, and the token in doubt was sent at the usual time.
TEST_F(FailOverHouse, F1_AnOlderAnswerWithoutARefreshTokenDoesNotSettleWhatALaterAttemptLeftInDoubt) {
  look();
  const auto grant = put_grant("acme-family", 600s);
  transport.then(T::lost());
  static_cast<void>(refresh(grant.id));
  auto seen = view(grant.id);
  ASSERT_EQ(seen.intent->state, IntentState::ambiguous);
  auto later = *seen.intent;
  later.attempts = 2;
  commit({store::UpdateIntent{later}});
  journal.left_over.push_back(left_in_journal(later.id, grant.id, 1, wall.now() + 1s, R"({"access_token":"at2","expires_in":3600})", 200, 1));
  advance(2s);
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  seen = view(grant.id);
  EXPECT_EQ(access_token(seen), "at2") << "what it brought is served";
  EXPECT_EQ(seen.grant.generation, 1);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  EXPECT_EQ(seen.intent->state, IntentState::ambiguous);
  EXPECT_EQ(seen.intent->attempts, 2);
  ASSERT_TRUE(seen.grant.due_at && seen.grant.access_expires_at);
  EXPECT_GT(*seen.grant.due_at, *seen.grant.access_expires_at) << "not before nothing is left to lose";
  EXPECT_EQ(transport.posts_with("rt1"), 1);
}

}  // namespace
}  // namespace latchkey::grants
