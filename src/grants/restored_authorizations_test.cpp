// Consents that waited in a backup (F10): each may have been answered since, so nothing is made of it any more.
#include "grants/restored_authorizations.h"

#include <gmock/gmock.h>

#include "grants/authorization_testing.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

class RestoredAuthorizations : public DeskHouse {
 protected:
  std::int64_t end_all() {
    const auto ended = run(end_restored_authorizations(*store, vault, wall.now(), wall.now()));
    EXPECT_TRUE(ended) << (ended ? "" : ended.error().text);
    return ended.value_or(-1);
  }
  void expect_ended(const AuthorizationId& id) {
    const auto view = seen(id);
    EXPECT_EQ(view.state, AuthorizationState::expired);
    EXPECT_EQ(view.problem_code, "restored");
    EXPECT_THAT(view.problem_text, testing::AllOf(testing::HasSubstr("backup of " + base::to_rfc3339(wall.now())), testing::HasSubstr("Authorize again")));
  }
  std::int64_t told_of() {
    store::AuditQuery query;
    query.action = "authorization.outdated";
    return run(store->audit(std::move(query)))->total;
  }
  void expect_nothing_given_back() {
    run(stop_desk());
    run(stop_keeper());
    EXPECT_TRUE(transport.revoked.empty());
    EXPECT_EQ(run(store->revocations(wall.now() + std::chrono::hours(1000), 10))->total, 0);
  }
};

TEST_F(RestoredAuthorizations, F10_AConsentThatWaitedIsNeitherAcceptedNorGivenBack) {
  const auto id = held("scan", "bob");
  EXPECT_EQ(end_all(), 1);
  expect_ended(id);
  EXPECT_EQ(seen(id).username, "scan");
  EXPECT_EQ(seen(id).type, "acme-family");
  for (const auto answer : {Answer::accept, Answer::reject}) {
    EXPECT_EQ(run(desk->confirm(id, answer, seen(id).question, {.actor = "anna"})).error().reason, "nothing_to_confirm");
  }
  EXPECT_FALSE(run(desk->cancel(id, {.actor = "anna"})));
  EXPECT_TRUE(run(desk->end_open({}, {.actor = "anna"})));
  EXPECT_FALSE(exists("scan"));
  const auto row = **run(store->authorization(id));
  const auto record = FlowRecord::from_plain(*vault.open(flow_context(id), row.record_sealed));
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->harvest) << "its tokens are in no record any more";
  expect_nothing_given_back();
}

TEST_F(RestoredAuthorizations, F10_WhatWasBegunEndsTooAndItsNameIsFree) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  EXPECT_EQ(end_all(), 1);
  expect_ended(begun.id);
  EXPECT_FALSE(come_back(talk).succeeded);
  EXPECT_TRUE(transport.bodies.empty()) << "no code is spent for it";
  EXPECT_EQ(authorise(wish("scan"), "bob").state, AuthorizationState::completed);
  expect_nothing_given_back();
}

// It may be as old as the consent: what came of that has been refreshed since, perhaps by another server.
TEST_F(RestoredAuthorizations, F10_AnAnswerThatAJournalBringsLaterIsNotGivenBack) {
  const auto begun = begin(wish("scan"));
  open_start(begun);
  EXPECT_EQ(end_all(), 1);
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), exchange_id(begun.id), 0, wall.now(),
                                              R"({"access_token":"at-bob","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-bob"})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return journal.left_over.empty(); });
  EXPECT_EQ(counters.replies_unowned, 1);
  EXPECT_FALSE(exists("scan"));
  expect_nothing_given_back();
}

TEST_F(RestoredAuthorizations, F10_HoweverManyTheyAreEachEndsOnceAndWhatWasOverStaysAsItWas) {
  const auto made = authorise(wish("scan"), "bob");
  ASSERT_EQ(made.state, AuthorizationState::completed);
  const auto before = **run(store->authorization(made.id));
  for (int round = 0; round < 3; ++round) {
    store::Batch batch;
    for (int i = 0; i < 90; ++i) {
      store::Authorization row{.id = AuthorizationId::make(wall.now(), entropy), .created_at = wall.now(), .expires_at = wall.now() + 600s};
      row.username_key = "many-" + std::to_string(round) + "-" + std::to_string(i);
      FlowRecord record;
      record.user.username = row.username_key;
      row.record_sealed = vault.seal(flow_context(row.id), record.to_plain());
      batch.push_back(store::InsertAuthorization{std::move(row)});
    }
    commit(std::move(batch));
  }
  EXPECT_EQ(end_all(), 270);
  EXPECT_EQ(told_of(), 270);
  EXPECT_TRUE(run(store->pending_authorizations(10))->empty());
  EXPECT_EQ(**run(store->authorization(before.id)), before);
  EXPECT_EQ(end_all(), 0) << "run again";
  EXPECT_EQ(told_of(), 270);
}

TEST_F(RestoredAuthorizations, F10_OneThatCannotBeReadEndsAsWell) {
  const auto id = held("scan", "bob");
  auto row = **run(store->authorization(id));
  row.record_sealed.back() ^= 1;
  commit({store::UpdateAuthorization{row}});
  EXPECT_EQ(end_all(), 1);
  expect_ended(id);
  EXPECT_EQ(seen(id).username, "scan") << "which is in clear";
  EXPECT_EQ(told_of(), 1);
  expect_nothing_given_back();
}

}  // namespace
}  // namespace latchkey::grants
