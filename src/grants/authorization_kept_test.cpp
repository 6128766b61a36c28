// What a consent has brought is neither lost, nor kept unseen, nor thrown away.
#include <gmock/gmock.h>

#include "grants/authorization_testing.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

class KeptHouse : public DeskHouse {
 protected:
  // While something else is under way on the loop.
  template <class T>
  T meanwhile_run(Task<T> task) {
    auto done = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
    while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    return done.get();
  }
  // As a rotation of the master key does: other octets, another version, nothing else.
  store::Authorization sealed_anew(store::Authorization row) {
    row.record_sealed = vault.seal(flow_context(row.id), *vault.open(flow_context(row.id), row.record_sealed));
    return row;
  }
  void rotation_comes_by(const AuthorizationId& id) {
    auto row = meanwhile_run(store->authorization(id));
    ASSERT_TRUE(row && *row);
    ASSERT_TRUE(meanwhile_run(store->commit({store::UpdateAuthorization{sealed_anew(**row)}}, store::Urgency::ordinary)));
  }
  std::string answer_of(const std::string& account) {
    return R"({"access_token":"at-)" + account + R"(","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-)" + account +
           R"(","scope":"files","account":")" + account + R"("})";
  }
};

// ---- a rotation of the master key meanwhile --------------------------------------------------------------------------

TEST_F(KeptHouse, K1_ARotationDuringTheExchangeCancelsNothing) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  answer_as("bob");
  transport.before_answer = [&] { rotation_comes_by(begun.id); };
  EXPECT_TRUE(come_back(talk).succeeded);
  ASSERT_EQ(seen(begun.id).state, AuthorizationState::completed);
  EXPECT_EQ(refresh_token(view(seen(begun.id).grant)), "rt-bob");
  run(stop_desk());
  run(stop_keeper());
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(KeptHouse, K1_ARotationDuringTheExchangeLosesNoConsentThatMustBeHeld) {
  const auto begun = begin(wish("scan"), {.actor = "anna", .session_hash = Bytes(32, 1)});
  const auto talk = open_start(begun, Bytes(32, 2));
  answer_as("bob");
  transport.before_answer = [&] { rotation_comes_by(begun.id); };
  come_back(talk);
  ASSERT_EQ(seen(begun.id).state, AuthorizationState::held);
  ASSERT_TRUE(run(desk->confirm(begun.id, Answer::accept, seen(begun.id).question, {.actor = "anna"})));
  EXPECT_EQ(refresh_token(view(seen(begun.id).grant)), "rt-bob");
}

TEST_F(KeptHouse, K1_ARotationDuringTheApprovalGivesNothingBack) {
  const auto id = held("scan", "bob");
  const auto row = **run(store->authorization(id));
  door->before = [&, once = true](const store::Batch& batch) mutable {
    store::Batch faster;
    if (!once || !holds<store::InsertUser>(batch)) return faster;
    once = false;
    faster.push_back(store::UpdateAuthorization{sealed_anew(row)});
    return faster;
  };
  ASSERT_TRUE(run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"})));
  EXPECT_EQ(seen(id).state, AuthorizationState::completed);
  run(stop_desk());
  run(stop_keeper());
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(KeptHouse, K1_ARotationDuringAnImportCancelsNothing) {
  answer_as("bob");
  transport.before_answer = [&] { rotation_comes_by(meanwhile_run(store->pending_authorizations(10))->front().id); };
  const auto imported = run(desk->import_token(wish("scan"), Secret("rt-old"), {.actor = "cli"}));
  ASSERT_TRUE(imported) << imported.error().text;
  EXPECT_EQ(imported->state, AuthorizationState::completed) << imported->problem_text;
}

TEST_F(KeptHouse, C8_WhatWasCancelledDuringTheExchangeStaysCancelledThoughARotationCameByAsWell) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  answer_as("bob");
  transport.before_answer = [&] {
    rotation_comes_by(begun.id);
    ASSERT_TRUE(meanwhile_run(desk->cancel(begun.id, {.actor = "anna"})));
  };
  come_back(talk);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::cancelled);
  EXPECT_FALSE(exists("scan"));
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
}

TEST_F(KeptHouse, AGroupNamedWithTheUserIsMadeThoughTheFirstCommitWasRefused) {
  auto what = wish("scan");
  what.group = {};
  what.new_group = "Yard";
  const auto begun = begin(std::move(what));
  const auto talk = open_start(begun);
  answer_as("bob");
  transport.before_answer = [&] { rotation_comes_by(begun.id); };
  EXPECT_TRUE(come_back(talk).succeeded);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed) << seen(begun.id).problem_text;
  EXPECT_TRUE(*run(store->group_by_name_key("Yard")));
}

// ---- who asks ---------------------------------------------------------------------------------------------------------

TEST_F(KeptHouse, A4_WhoeverAsksWithoutAnAdministratorsSessionIsHeldButForTheGrantsOwnAccount) {
  const auto made = authorise(wish("scan"), "bob");
  const Requester owner{.actor = "scan", .user = made.user, .source = "192.0.2.7"};
  AuthorizationWish again;
  again.replace = made.grant;
  const auto same = begin(std::move(again), owner);
  auto talk = open_start(same);
  answer_as("bob");
  come_back(talk);
  EXPECT_EQ(seen(same.id).state, AuthorizationState::completed) << "the account it was, by its id";

  auto grant = view(made.grant).grant;
  grant.account_id.clear();
  grant.account_name.clear();
  sealing.vouch(grant);
  commit({store::UpdateGrant{grant}});
  again = {};
  again.replace = made.grant;
  const auto unknown = begin(std::move(again), owner);
  talk = open_start(unknown);
  answer_as("mallory");
  come_back(talk);
  EXPECT_EQ(seen(unknown.id).state, AuthorizationState::held);
  EXPECT_EQ(view(made.grant).grant.account_id, "");
}

// Found by the simulation: a backup put back had begun to count again, and answers to the numbers of the consent before held the new one back.
TEST_F(KeptHouse, F10_ANewConsentsNumberIsBeyondWhatTheJournalHas) {
  const auto made = authorise(wish("scan"), "bob");
  journal.kept.push_back(left_in_journal(IntentId::make(wall.now(), entropy), made.grant, 7, wall.now() + Seconds(3600), answer_of("before")));
  AuthorizationWish again;
  again.replace = made.grant;
  const auto begun = begin(std::move(again));
  const auto talk = open_start(begun);
  answer_as("bob");
  come_back(talk);
  ASSERT_EQ(seen(begun.id).state, AuthorizationState::completed);
  EXPECT_EQ(view(made.grant).grant.generation, 8);
  EXPECT_EQ(refresh_token(view(made.grant)), "rt-bob");
  EXPECT_FALSE(view(made.grant).generations.at(0).access_sealed.empty()) << "served at once: some providers refuse a refresh that soon";
  EXPECT_EQ(run(store->grant_events(made.grant)).value().front().generation, 8);
  const auto refreshed = refresh(made.grant);
  ASSERT_TRUE(refreshed) << "and nothing of before stands in its way";
  EXPECT_EQ(refreshed->generation, 9);
}

TEST_F(KeptHouse, AnOwnerHasOneAttemptForAGrantHoweverOftenItIsBegun) {
  const auto made = authorise(wish("scan"), "bob");
  const auto other = authorise(wish("print"), "carol");
  const auto ask = [&](const AuthorizationView& whose, Requester who) {
    AuthorizationWish again;
    again.replace = whose.grant;
    return begin(std::move(again), std::move(who)).id;
  };
  const Requester owner{.actor = "scan", .user = made.user};
  const auto of_office = ask(made, {.actor = "anna", .user = made.user, .session_hash = Bytes(32, 1)});
  const auto first = ask(made, owner);
  EXPECT_EQ(seen(of_office).state, AuthorizationState::cancelled) << "the same person's";
  const auto by_cli = ask(made, {.actor = "cli"});
  const auto elsewhere = ask(other, {.actor = "print", .user = other.user});
  const auto second = ask(made, owner);
  EXPECT_EQ(seen(first).state, AuthorizationState::cancelled);
  EXPECT_EQ(seen(second).state, AuthorizationState::pending);
  EXPECT_EQ(seen(by_cli).state, AuthorizationState::pending) << "somebody else's";
  EXPECT_EQ(seen(elsewhere).state, AuthorizationState::pending);
}

// ---- tokens that nobody keeps ----------------------------------------------------------------------------------------

TEST_F(KeptHouse, F7_TokensFoundInTheJournalForAnAttemptThatIsOverAreGivenBack) {
  const auto begun = begin(wish("scan"));
  open_start(begun);
  ASSERT_TRUE(run(desk->cancel(begun.id, {.actor = "anna"})));
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), exchange_id(begun.id), 0, wall.now(), answer_of("bob")));
  ASSERT_TRUE(run(keeper->start()));
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  base::drive_until(loop, [&] { return journal.left_over.empty(); });
  EXPECT_EQ(counters.replies_unowned, 0);
  EXPECT_FALSE(exists("scan"));
}

TEST_F(KeptHouse, F7_TokensOfAnAnswerThatIsNotAcceptedAreGivenBack) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  const std::string_view claims = R"({"aud":"somebody-else","iss":"https://acme.example"})";
  const auto id_token = "e30." + base::to_base64url(base::as_bytes(claims)) + ".c2ln";
  transport.then(T::json(200, R"({"access_token":"at-bob","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-bob","account":"bob","id_token":")" +
                                  id_token + "\"}"));
  come_back(talk);
  EXPECT_EQ(seen(begun.id).problem_code, "id_token_rejected");
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_TRUE(journal.recorded.empty());
}

// ---- whose it is cannot be told --------------------------------------------------------------------------------------

TEST_F(KeptHouse, AConsentWhoseAccountIsNotToldWaitsForAPerson) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  transport.then(T::json(200, R"({"access_token":"at-1","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-1","scope":"files"})"));
  come_back(talk);
  const auto asked = seen(begun.id);
  EXPECT_EQ(asked.state, AuthorizationState::needs_confirmation);
  EXPECT_EQ(asked.problem_code, "account_unknown");
  EXPECT_FALSE(exists("scan"));
  ASSERT_TRUE(run(desk->confirm(begun.id, Answer::accept, seen(begun.id).question, {.actor = "anna"})));
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed);
  EXPECT_TRUE(exists("scan"));
}

// ---- what was shown is what is approved ------------------------------------------------------------------------------

TEST_F(KeptHouse, F8_AnAccountThatSomebodyWasGivenMeanwhileIsAskedAboutAgain) {
  const auto id = held("scan", "bob");
  authorise(wish("print"), "bob");
  auto asked = run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"}));
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->state, AuthorizationState::needs_confirmation);
  EXPECT_EQ(asked->problem_code, "account_held");
  EXPECT_EQ(asked->holder, "print");
  EXPECT_FALSE(exists("scan"));
  asked = run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"}));
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->state, AuthorizationState::completed);
  EXPECT_TRUE(exists("scan"));
}

TEST_F(KeptHouse, F8_AnAnswerToAnEarlierQuestionChangesNothing) {
  const auto id = held("scan", "bob");
  const auto read_first = seen(id).question;
  authorise(wish("print"), "bob");
  ASSERT_TRUE(run(desk->confirm(id, Answer::accept, read_first, {.actor = "anna"})));
  ASSERT_EQ(seen(id).holder, "print") << "it asks about print now";
  for (const auto answer : {Answer::accept, Answer::reject}) {
    for (const auto& old : {read_first, std::string(), std::string("x")}) {
      const auto late = run(desk->confirm(id, answer, old, {.actor = "berta"}));
      ASSERT_FALSE(late) << "berta has never seen print's name";
      EXPECT_EQ(late.error().reason, "question_changed");
      EXPECT_EQ(late.error().kind, ErrorKind::conflict);
      EXPECT_THAT(late.error().text, testing::HasSubstr("already for print"));
    }
  }
  EXPECT_EQ(seen(id).state, AuthorizationState::needs_confirmation);
  EXPECT_FALSE(exists("scan"));
}

TEST_F(KeptHouse, K1_ARotationAsksNothingElse) {
  const auto id = held("scan", "bob");
  const auto question = seen(id).question;
  ASSERT_FALSE(question.empty());
  EXPECT_NE(question, seen(held("print", "carol")).question);
  rotation_comes_by(id);
  EXPECT_EQ(seen(id).question, question);
  ASSERT_TRUE(run(desk->confirm(id, Answer::accept, question, {.actor = "anna"})));
  EXPECT_EQ(seen(id).question, "") << "nothing is asked any more";
}

}  // namespace
}  // namespace latchkey::grants
