// After a restore (F10): what is sent, what waits for other nodes, who must authorise again and when they hear of it.
#include "grants/restored_grants.h"

#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;

// The store as `latchkey restore` leaves it.
class RestoredHouse : public KeeperHouse {
 protected:
  // Whatever the journal says of it: a person is asked.
  void expect_that_nothing_is_sent(const GrantId& grant, store::JournalEntry entry) {
    journal.left_over.push_back(std::move(entry));
    ASSERT_TRUE(run(keeper->start()));
    base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
    EXPECT_FALSE(refresh(grant));
    EXPECT_TRUE(transport.bodies.empty());
    EXPECT_EQ(view(grant).grant.state, GrantState::needs_authorization);
  }
  store::Grant put_restored(const std::string& type) {
    const auto grant = put_grant(type);
    commit(mark_restored(view(grant.id), IntentId::make(wall.now(), entropy), wall.now(), wall.now()));
    return grant;
  }
};

TEST_F(RestoredHouse, F10_ASingleUseTokenOfABackupIsNotSentAndAPersonIsAsked) {
  for (const std::string type : {"acme-family", "acme-grace", "acme-refused"}) {
    const auto grant = put_restored(type);
    EXPECT_EQ(refresh(grant.id).error().reason, "authorization_needed") << type;
    const auto seen = view(grant.id);
    EXPECT_EQ(seen.grant.state, GrantState::needs_authorization) << type;
    EXPECT_THAT(seen.grant.why, testing::HasSubstr("restored from a backup of " + base::to_rfc3339(wall.now())));
    EXPECT_EQ(seen.grant.due_at, std::nullopt);
    EXPECT_EQ(access_token(seen), "at1") << "served while it is valid";
    EXPECT_TRUE(run(keeper->fresh(grant.id, 0s))) << type;
  }
  EXPECT_TRUE(transport.bodies.empty()) << "nothing was sent";
  EXPECT_EQ(counters.died, 0) << "nothing was refused";
}

TEST_F(RestoredHouse, F10_TheClockComesToItByItself) {
  const auto grant = put_restored("acme-family");
  ASSERT_TRUE(run(keeper->start()));
  advance(3600s);
  base::drive_until(loop, [&] { return view(grant.id).grant.state == GrantState::needs_authorization; });
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(RestoredHouse, F10_HarmlessTypesGoOnByThemselves) {
  const auto grant = put_restored("acme-harmless");
  const auto refreshed = refresh(grant.id);
  ASSERT_TRUE(refreshed);
  EXPECT_EQ(refreshed->state, GrantState::active);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_TRUE(refresh(grant.id)) << "and on";
}

// Found by the simulation: the backup's token was stamped by a clock that was ahead, the journal's by one that was right.
TEST_F(RestoredHouse, F10_WhatTheJournalHasOfABackupIsNewerWhateverTheStamps) {
  const auto grant = put_restored("acme-family");
  auto generation = view(grant.id).generations.at(0);
  generation.issued_at = wall.now() + Seconds(40);
  commit({store::PutGeneration{std::move(generation)}});
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 1, wall.now() + Seconds(20),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  advance(60s);
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  EXPECT_EQ(view(grant.id).grant.generation, 2);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2") << "and no candidate of another branch";
  advance(60s);
  EXPECT_TRUE(refresh(grant.id)) << "nobody needs to be asked";
}

TEST_F(RestoredHouse, R28_TheNewestGenerationComesFromTheJournalThatSurvived) {
  const auto grant = put_restored("acme-family");
  for (const auto generation : {2, 3}) {
    journal.left_over.push_back(left_in_journal(
        IntentId::make(wall.now(), entropy), grant.id, generation, wall.now() + Seconds(generation),
        R"({"access_token":"at)" + std::to_string(generation + 1) + R"(","refresh_token":"rt)" + std::to_string(generation + 1) + R"(","expires_in":3600})"));
  }
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 2 && counters.in_flight == 0; });
  EXPECT_EQ(view(grant.id).grant.generation, 4);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt4");
  advance(60s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1") + transport.posts_with("rt3"), 0);
  EXPECT_EQ(transport.posts_with("rt4"), 1);
}

// Authorised anew for another person after the backup: the journal's newest tokens are of an account that the backup does not know.
class ConsentAfterTheBackup : public RestoredHouse {
 protected:
  static std::string mark_of(store::Grant grant, std::string_view account) {
    grant.account_id = account;
    return mark_of_account(grant);
  }
  // Two answers of one journal, after the backup's own generation.
  void leave(const store::Grant& grant, const std::string& mark) {
    for (const auto generation : {2, 3}) {
      const auto number = std::to_string(generation + 1);
      journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, generation, wall.now() + Seconds(generation),
                                                  R"({"access_token":"at)" + number + R"(","refresh_token":"rt)" + number + R"(","expires_in":3600})", 200, 1, mark));
    }
    for (const auto& entry : journal.left_over) journal.kept.push_back(entry);
    advance(60s);
    ASSERT_TRUE(run(keeper->start()));
    base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  }
};

TEST_F(ConsentAfterTheBackup, F10_TheTokensOfAnotherAccountAreNotUsedForTheOneOfTheBackup) {
  const auto grant = put_restored("acme-family");
  leave(grant, mark_of(grant, "somebody-else"));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.generation, 1);
  EXPECT_EQ(seen.generations.size(), 1U) << "nor kept as a candidate";
  EXPECT_EQ(access_token(seen), "at1");
  EXPECT_EQ(counters.replies_recovered, 0);
  EXPECT_EQ(counters.replies_unowned, 2);
  for (int time = 0; time < 2; ++time) EXPECT_EQ(refresh(grant.id).error().reason, "authorization_needed");
  EXPECT_EQ(counters.replies_unowned, 2) << "each once";
  EXPECT_EQ(logged("reply_of_another_account"), 2);
  EXPECT_EQ(logged("somebody-else"), 0);
  EXPECT_TRUE(transport.bodies.empty()) << "the backup's own token is not sent either";
  EXPECT_TRUE(transport.revoked.empty()) << "it may be all that the other account has";
  const auto current = alerts.current();
  EXPECT_EQ(std::ranges::find(current, "reply_unreadable", &Alert::cause), current.end());
}

TEST_F(ConsentAfterTheBackup, F10_ARevokedGrantGivesNothingOfAnotherAccountBack) {
  const auto grant = put_restored("acme-family");
  auto revoked = view(grant.id).grant;
  revoked.state = GrantState::revoked;
  revoked.due_at.reset();
  sealing.vouch(revoked);
  commit({store::UpdateGrant{revoked}, store::DeleteGeneration{grant.id, 1}});
  leave(grant, mark_of(grant, "somebody-else"));
  EXPECT_EQ(counters.replies_unowned, 2);
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(ConsentAfterTheBackup, F10_TheTokensOfTheSameAccountAreUsedAndThoseOfWhichNobodyKnowsTheAccount) {
  const auto same = put_restored("acme-family");
  leave(same, mark_of(same, same.account_id));
  EXPECT_EQ(refresh_token(view(same.id)), "rt4");
  const auto unknown = put_restored("acme-family");
  leave(unknown, "");
  EXPECT_EQ(refresh_token(view(unknown.id)), "rt4") << "of an earlier version";
  auto unnamed = view(put_restored("acme-family").id).grant;
  unnamed.account_id.clear();
  sealing.vouch(unnamed);
  commit({store::UpdateGrant{unnamed}});
  leave(unnamed, mark_of(unnamed, "known-since"));
  EXPECT_EQ(refresh_token(view(unnamed.id)), "rt4");
  EXPECT_EQ(counters.replies_unowned, 0);
}

TEST_F(ConsentAfterTheBackup, F10_AnotherAppsTokenOfTheSameAccountIsAnotherAccounts) {
  auto grant = put_restored("acme-family");
  auto by_another = grant;
  by_another.app = "acme-2";
  leave(grant, mark_of_account(by_another));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
}

// Two nodes, each with a reply the other lacks: the one that starts first must not send what its own journal brings.
TEST_F(RestoredHouse, F10_WhatTheJournalBringsIsNotSentBeforeTheOtherNodesHaveMergedTheirs) {
  keeper->await_nodes("office-2");
  const auto grant = put_restored("acme-family");       // its newest reply is the answer to the backup's token
  const auto ahead = put_restored("acme-grace");        // ... to a later one
  const auto harmless = put_restored("acme-harmless");
  const auto left = [&](const store::Grant& whose, store::GenerationNumber generation, const std::string& token) {
    journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), whose.id, generation, wall.now(),
                                                R"({"access_token":"at2","refresh_token":")" + token + R"(","expires_in":3600})"));
  };
  left(grant, 1, "held-one");
  left(ahead, 4, "held-two");
  left(harmless, 1, "free");
  EXPECT_FALSE(keeper->has_merged());
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 3 && counters.in_flight == 0; });
  EXPECT_TRUE(keeper->has_merged());
  EXPECT_EQ(refresh_token(view(grant.id)), "held-one");
  EXPECT_EQ(view(ahead.id).grant.generation, 5);
  advance(120s);
  for (const auto& each : {grant, ahead}) {
    EXPECT_TRUE(refresh(each.id));
    EXPECT_EQ(view(each.id).grant.state, GrantState::active) << "nobody is asked";
    EXPECT_EQ(access_token(view(each.id)), "at2") << "served meanwhile";
  }
  EXPECT_TRUE(transport.bodies.empty()) << "another node may have spent it";
  EXPECT_TRUE(refresh(harmless.id));
  EXPECT_EQ(transport.bodies.size(), 1U) << "where a replay does no harm, nothing waits";
  advance(3600s);
  base::drive_until(loop, [&] { return view(grant.id).grant.why.find("office-2") != std::string::npos; });
  EXPECT_EQ(transport.posts_with("held-one") + transport.posts_with("held-two"), 0) << "not by the clock either";

  base::drive_until(loop, [&] { return counters.in_flight == 0; });  // none that has begun while they were awaited is joined
  keeper->await_nodes("");
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_TRUE(refresh(ahead.id));
  EXPECT_EQ(transport.posts_with("held-one") + transport.posts_with("held-two"), 2);
  EXPECT_EQ(view(grant.id).grant.generation, 3);
}

// The other node's newer reply finds the mark of the first one's, and the one that came last is what goes on.
TEST_F(RestoredHouse, F10_ANewerReplyOfTheOtherNodeTakesThePlaceOfTheOneThatWaits) {
  keeper->await_nodes("office-2");
  const auto grant = put_restored("acme-family");
  const auto left = [&](store::GenerationNumber generation, std::string_view body) {
    journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, generation, wall.now(), body));
  };
  left(1, R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})");
  left(2, R"({"access_token":"at3","refresh_token":"rt3","expires_in":3600})");
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 2 && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt3");
  EXPECT_TRUE(refresh(grant.id));
  EXPECT_TRUE(transport.bodies.empty());
  keeper->await_nodes("");
  advance(120s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt2"), 0);
  EXPECT_EQ(transport.posts_with("rt3"), 1);
}

TEST_F(RestoredHouse, R25_WhatAJournalBringsForManyIsMergedAndSentWithinTheBounds) {
  const KeeperTuning tuning;
  const auto many = tuning.parallel * 2 + 50;
  store::Batch batch;
  std::vector<GrantId> grants;
  for (std::size_t i = 0; i < many; ++i) grants.push_back(add_grant(batch, "acme-harmless").id);
  commit(std::move(batch));
  advance(1s);
  for (const auto& grant : grants) {
    journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant, 1, wall.now(),
                                                R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  }
  advance(86'400s);  // yesterday's: all of them are due
  transport.hold = true;
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && transport.at_once > 0; });
  EXPECT_EQ(counters.replies_recovered, static_cast<std::int64_t>(many));
  EXPECT_LE(transport.most_at_once, static_cast<int>(tuning.parallel));
  transport.hold = false;
  released->notify_all();
}

TEST_F(RestoredHouse, R2_ARefreshTokenAloneAheadOfTheStoreIsTakenFromTheJournal) {
  const auto grant = put_grant("acme-family");
  advance(1s);
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 3, wall.now(), R"({"refresh_token":"rt4"})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt4");
  advance(120s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 0);
  EXPECT_EQ(transport.posts_with("rt4"), 1);
}

TEST_F(RestoredHouse, F7_AnAnswerInTheJournalToAGrantThatWasRevokedMeanwhileIsGivenBack) {
  const auto grant = put_grant("acme-family");
  advance(1s);
  auto revoked = view(grant.id).grant;
  revoked.state = GrantState::revoked;
  revoked.due_at.reset();
  sealing.vouch(revoked);
  commit({store::UpdateGrant{revoked}, store::DeleteGeneration{grant.id, 1}});
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return !transport.revoked.empty(); });
  EXPECT_NE(transport.revoked[0].find("token=rt2"), std::string::npos);
  EXPECT_EQ(counters.replies_unowned, 1);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::revoked);
}

TEST_F(RestoredHouse, F10_AConsentGivenWhileANodeIsAwaitedIsNotReplacedByWhatThatNodeKept) {
  keeper->await_nodes("office-2");
  const auto grant = put_grant("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 7, grant.created_at - 60s,
                                              R"({"access_token":"at8","refresh_token":"rt8","expires_in":3600})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
}

TEST_F(RestoredHouse, R28_TheReplyToTheBackupsOwnTokenIsTakenFromTheJournal) {
  const auto grant = put_restored("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 0);
}

TEST_F(RestoredHouse, F10_ARefusalInTheJournalDoesNotOpenTheWayForTheOldToken) {
  const auto grant = put_restored("acme-family");
  expect_that_nothing_is_sent(grant.id, left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 1, wall.now(), "later", 503));
}

// Found by the simulation: the backup's own answer, stamped by a clock that ran ahead, made the marked token one that was never sent.
TEST_F(RestoredHouse, F10_TheBackupsOwnRefusalDoesNotOpenTheWayForTheOldToken) {
  const auto grant = put_restored("acme-family");
  expect_that_nothing_is_sent(grant.id, left_in_journal(view(grant.id).intent->id, grant.id, 1, wall.now() + 1s, "later", 503));
}

TEST_F(RestoredHouse, F10_WhereThereIsNothingToSpendNothingIsMarked) {
  const auto grant = put_grant("acme-family");
  auto seen = view(grant.id);
  seen.generations.front().refresh_sealed.clear();
  EXPECT_TRUE(mark_restored(seen, IntentId::make(wall.now(), entropy), wall.now(), wall.now()).empty());
}

// ---- who must authorise again hears of it soon ---------------------------------------------------------------------------

class RestoredGrantsHouse : public RestoredHouse {
 protected:
  void note(bool nothing_ran_since) {
    const std::string text = nothing_ran_since ? R"({"nothing_ran_since":true})" : R"({"nothing_ran_since":false})";
    commit({store::PutMeta{std::string(kRestoredMeta), base::to_bytes(text)}});
  }
  // To its end: the task's own wait passes at once.
  void ask() {
    RestoredGrants asking(*store, catalogue, *keeper, log);
    bool over = false;
    TaskGroup tasks(loop.get_executor(), log);
    tasks.spawn("ask", asked(asking, steady, over));
    const auto begun = steady.now();
    base::drive_until(loop, [&] {
      if (!over && steady.now() < begun + 10s) {
        if (const auto wake = steady.next_wake(); wake && *wake <= begun + 10s) steady.advance(*wake - steady.now());
      }
      return over;
    });
  }
  static Task<void> asked(RestoredGrants& asking, SteadyClock& steady, bool& over) {
    co_await asking.ask(steady);
    over = true;
  }
  GrantState state_of(const store::Grant& grant) { return view(grant.id).grant.state; }
};

TEST_F(RestoredGrantsHouse, F10_WhoMustAuthoriseAgainHearsOfItSoonAfterTheStart) {
  const auto single_use = put_restored("acme-family");
  const auto harmless = put_restored("acme-harmless");
  const auto recovered = put_restored("acme-grace");
  const auto unmarked = put_grant("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), recovered.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  note(false);
  ASSERT_TRUE(run(keeper->start()));
  ask();
  const auto seen = view(single_use.id);
  EXPECT_EQ(seen.grant.state, GrantState::needs_authorization) << "an hour before its access token ends";
  EXPECT_THAT(seen.grant.why, testing::AllOf(testing::HasSubstr("Authorise the account again"),
                                             testing::HasSubstr("served until " + base::to_rfc3339(*single_use.access_expires_at).substr(0, 16))));
  EXPECT_EQ(access_token(seen), "at1") << "served meanwhile";
  EXPECT_EQ(state_of(harmless), GrantState::active);
  EXPECT_EQ(state_of(recovered), GrantState::active);
  EXPECT_EQ(refresh_token(view(recovered.id)), "rt2");
  EXPECT_EQ(state_of(unmarked), GrantState::active);
  EXPECT_EQ(transport.posts_with("rt1"), 0);
  base::drive_until(loop, [&] {
    const auto current = alerts.current();
    keeper->nudge();
    return std::ranges::any_of(current, [](const Alert& alert) { return alert.cause == "needs_authorization" && alert.words.starts_with("1 account"); });
  });
}

TEST_F(RestoredGrantsHouse, F10_AskedForOnceAfterEachRestore) {
  note(false);
  ask();
  const auto later = put_restored("acme-family");
  ask();
  EXPECT_EQ(state_of(later), GrantState::active) << "the same restore: it was done";
  commit({store::PutMeta{std::string(kRestoredMeta), base::to_bytes(R"({"restored_at":2})")}});
  ask();
  EXPECT_EQ(state_of(later), GrantState::needs_authorization) << "another one";
}

TEST_F(RestoredGrantsHouse, F10_NobodyIsAskedWhereNothingRanSince) {
  const auto grant = put_restored("acme-family");
  note(true);
  ask();
  EXPECT_EQ(state_of(grant), GrantState::active);
}

}  // namespace
}  // namespace latchkey::grants
