// A commit of the consent's road whose answer is lost: it may have happened, and nothing is ended or given back before that is known.
#include <gmock/gmock.h>

#include "grants/authorization_testing.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;
using Which = bool (*)(const store::Batch&);

// Of the attempt `id`, to that state.
bool moves_to(const store::Batch& batch, AuthorizationState state) {
  return std::ranges::any_of(batch, [&](const store::Mutation& each) {
    const auto* update = std::get_if<store::UpdateAuthorization>(&each);
    return update != nullptr && update->authorization.state == state;
  });
}
bool completes(const store::Batch& batch) { return moves_to(batch, AuthorizationState::completed); }
bool holds_back(const store::Batch& batch) { return moves_to(batch, AuthorizationState::held); }
bool cancels(const store::Batch& batch) { return moves_to(batch, AuthorizationState::cancelled); }

class DoubtHouse : public DeskHouse {
 public:
  // The next such commit happens, and its answer is lost;
  void lose_answer(Which which) {
    door->loses_answer = [this, which](const store::Batch& batch) { return once(which, batch); };
  }
  // or it does not happen, and nobody is told;
  void lose_commit(Which which) {
    door->loses_commit = [this, which](const store::Batch& batch) { return once(which, batch); };
  }
  // or it happens a moment before the next of its kind.
  void delay_commit(Which which) {
    door->loses_commit = [this, which](const store::Batch& batch) {
      if (!once(which, batch)) return false;
      late = batch;
      return true;
    };
    door->before = [this, which](const store::Batch& batch) { return which(batch) ? std::exchange(late, {}) : store::Batch{}; };
  }

 protected:
  bool once(Which which, const store::Batch& batch) { return which(batch) && lost++ == 0; }
  void assert_nothing_goes_back() {
    EXPECT_EQ(lost > 0, true) << "nothing was in doubt";
    EXPECT_TRUE(run(store->revocations(WallTime::max(), 10)).value().items.empty());
    run(stop_desk());
    run(stop_keeper());
    EXPECT_TRUE(transport.revoked.empty());
    EXPECT_TRUE(journal.recorded.empty()) << "and its answer is kept no longer";
  }
  // A consent whose commit meets that.
  AuthorizationView consent() {
    const auto begun = begin(wish("scan"));
    const auto talk = open_start(begun);
    answer_as("bob");
    come_back(talk);
    return seen(begun.id);
  }
  void assert_completed(const AuthorizationView& attempt) {
    ASSERT_EQ(attempt.state, AuthorizationState::completed) << attempt.problem_text;
    EXPECT_TRUE(exists("scan"));
    EXPECT_EQ(refresh_token(view(attempt.grant)), "rt-bob");
    assert_nothing_goes_back();
  }

  int lost = 0;
  store::Batch late;
};

// ---- the tokens ------------------------------------------------------------------------------------------------------

TEST_F(DoubtHouse, F7_AConsentThatWasCommittedThoughTheAnswerWasLostIsCompleted) {
  lose_answer(completes);
  assert_completed(consent());
}

TEST_F(DoubtHouse, F5_AConsentWhoseCommitWasLostIsCommittedAgain) {
  lose_commit(completes);
  assert_completed(consent());
}

TEST_F(DoubtHouse, F7_ACommitThatComesLateIsTheConsentsOwn) {
  delay_commit(completes);
  assert_completed(consent());
}

TEST_F(DoubtHouse, F7_ARenewedConsentThatWasCommittedKeepsItsTokens) {
  const auto made = authorise(wish("scan"), "bob");
  for (const bool committed : {true, false}) {
    lost = 0;
    door->loses_answer = door->loses_commit = {};
    committed ? lose_answer(completes) : lose_commit(completes);
    AuthorizationWish again;
    again.replace = made.grant;
    const auto begun = begin(std::move(again));
    const auto talk = open_start(begun);
    const auto before = view(made.grant).grant.generation;
    answer_as("bob");
    come_back(talk);
    ASSERT_EQ(seen(begun.id).state, AuthorizationState::completed) << seen(begun.id).problem_text;
    EXPECT_EQ(view(made.grant).grant.generation, before + 1);
  }
  assert_nothing_goes_back();
}

TEST_F(DoubtHouse, F5_WhileNobodyCanSayTheAnswerStaysInTheJournalAndTheAlertSaysWhy) {
  for (const bool committed : {true, false}) {
    lost = 0;
    door->loses_answer = door->loses_commit = {};
    const std::string name = committed ? "scan" : "print";
    const auto begun = begin(wish(name));
    const auto talk = open_start(begun);
    answer_as(name);
    committed ? lose_answer(completes) : lose_commit(completes);
    door->written = [this](const store::Batch& batch) { door->hides_authorizations |= completes(batch); };
    if (!committed) door->refuses = [this](const store::Batch&) { return door->hides_authorizations = door->hides_authorizations || lost > 0; };
    const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
    base::drive_until(loop, [&] {
      if (lost > 0) advance(1s);
      return page->has_value() && keeper->awaits_code(exchange_id(begun.id)) && !alerts.current().empty();
    });
    EXPECT_EQ(alerts.current().front().cause, "store_refuses");
    EXPECT_EQ(journal.recorded.size(), 1u) << committed;
    EXPECT_TRUE(transport.revoked.empty());
    door->refuses = {};
    door->written = {};
    door->hides_authorizations = false;
    base::drive_until(loop, [&] {
      keeper->nudge();
      return !keeper->awaits_code(exchange_id(begun.id));
    });
    ASSERT_EQ(seen(begun.id).state, AuthorizationState::completed) << seen(begun.id).problem_text;
    EXPECT_EQ(refresh_token(view(seen(begun.id).grant)), "rt-" + name);
    alerts.clear("store_refuses");
  }
  assert_nothing_goes_back();
}

TEST_F(DoubtHouse, C8_WhatLastsStillEndsAConsentAfterADoubt) {
  lose_commit(completes);
  door->before = [&, done = false](const store::Batch& batch) mutable {
    store::Batch faster;
    if (done || lost == 0 || !holds<store::InsertUser>(batch)) return faster;
    done = true;
    faster.push_back(store::InsertUser{{.id = UserId::make(wall.now(), entropy), .group = group.id, .username = "scan", .username_key = "scan",
                                        .created_at = wall.now()}});
    return faster;
  };
  const auto attempt = consent();
  EXPECT_EQ(attempt.state, AuthorizationState::failed);
  EXPECT_EQ(attempt.problem_code, "username_taken");
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
}

// ---- what a person decides -------------------------------------------------------------------------------------------

TEST_F(DoubtHouse, F7_AConsentThatWaitsForApprovalIsNotGivenBackForALostAnswer) {
  for (const auto lose : {&DoubtHouse::lose_answer, &DoubtHouse::lose_commit, &DoubtHouse::delay_commit}) {
    lost = 0;
    door->loses_answer = door->loses_commit = {};
    door->before = {};
    (this->*lose)(holds_back);
    const auto id = held("scan", "bob");
    EXPECT_EQ(lost > 0, true);
    EXPECT_TRUE(transport.revoked.empty());
    (this->*lose)(cancels);
    lost = 0;
    ASSERT_TRUE(run(desk->cancel(id, {.actor = "anna"})));
    EXPECT_EQ(seen(id).state, AuthorizationState::cancelled);
    base::drive_until(loop, [&] { return was_revoked("rt-bob"); });
    base::drive_until(loop, [&] { return run(store->revocations(WallTime::max(), 10)).value().items.empty(); });
    EXPECT_EQ(transport.revoked.size(), 1u) << "once";
    transport.revoked.clear();
  }
}

TEST_F(DoubtHouse, F7_AnApprovalWhoseAnswerWasLostIsOne) {
  for (const auto lose : {&DoubtHouse::lose_answer, &DoubtHouse::lose_commit, &DoubtHouse::delay_commit}) {
    const auto name = "scan" + std::to_string(expected_givings++);
    const auto id = held(name, name);
    lost = 0;
    door->loses_answer = door->loses_commit = {};
    door->before = {};
    (this->*lose)(completes);
    ASSERT_TRUE(run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"})));
    ASSERT_EQ(seen(id).state, AuthorizationState::completed);
    EXPECT_EQ(refresh_token(view(seen(id).grant)), "rt-" + name);
  }
  assert_nothing_goes_back();
}

TEST_F(DoubtHouse, F7_AnApprovalThatNobodyCanConfirmIsSaidAndStaysWaiting) {
  const auto id = held("scan", "bob");
  door->refuses = completes;
  const auto asked = base::start_on(loop, desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"}));
  base::drive_until(loop, [&] {
    steady.advance(1s);
    return asked->has_value();
  });
  ASSERT_FALSE(**asked);
  EXPECT_EQ((*asked)->error().kind, ErrorKind::unavailable);
  door->refuses = {};
  EXPECT_EQ(seen(id).state, AuthorizationState::held);
  ASSERT_TRUE(run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"})));
  EXPECT_EQ(refresh_token(view(seen(id).grant)), "rt-bob");
}

TEST_F(DoubtHouse, F7_WhatIsUndoneThoughTheAnswerWasLostIsGivenBackOnce) {
  for (const auto lose : {&DoubtHouse::lose_answer, &DoubtHouse::lose_commit, &DoubtHouse::delay_commit}) {
    door->loses_answer = door->loses_commit = {};
    door->before = {};
    const auto made = authorise(wish("scan"), "bob");
    lost = 0;
    (this->*lose)(cancels);
    const auto undone = run(desk->undo(made.id, {.actor = "anna"}));
    ASSERT_TRUE(undone) << undone.error().text;
    EXPECT_FALSE(exists("scan"));
    base::drive_until(loop, [&] {
      if (loop.run_one_for(1ms) == 0) steady.advance(1s);  // whoever gives back looks by itself when it has not heard of it
      return was_revoked("rt-bob");
    });
    base::drive_until(loop, [&] { return run(store->revocations(WallTime::max(), 10)).value().items.empty(); });
    EXPECT_EQ(transport.revoked.size(), 1u);
    transport.revoked.clear();
  }
}

// ---- on the way there ------------------------------------------------------------------------------------------------

TEST_F(DoubtHouse, C3_ALostAnswerOnTheWayToTheExchangeEndsNoConsent) {
  static int number;  // of the commits of a consent's road: each in its turn
  for (const bool committed : {true, false}) {
    for (int which = 0; which < 4; ++which) {
      number = -which;
      lost = 0;
      door->loses_answer = door->loses_commit = {};
      const auto name = "u" + std::to_string(which) + (committed ? "c" : "n");
      const auto begun = begin(wish(name));
      const auto nth = [](const store::Batch& batch) { return holds<store::UpdateAuthorization>(batch) && number++ == 0; };
      committed ? lose_answer(nth) : lose_commit(nth);
      const auto talk = open_start(begun);
      answer_as(name);
      EXPECT_TRUE(come_back(talk).succeeded) << name;
      EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed) << name << " " << seen(begun.id).problem_text;
      EXPECT_EQ(lost, 1) << name << ": there are so many";
    }
  }
  assert_nothing_goes_back();
}

}  // namespace
}  // namespace latchkey::grants
