// The authorisation desk: what races, what expires, what is taken back.
#include <gmock/gmock.h>

#include "grants/authorization_testing.h"

namespace latchkey::grants {
namespace {

// ---- undo ------------------------------------------------------------------------------------------------------------

TEST_F(DeskHouse, UndoTakesANewUserBackWithItsGrant) {
  const auto made = authorise(wish("scan"), "bob");
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  EXPECT_FALSE(exists("scan"));
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
}

TEST_F(DeskHouse, UndoLeavesWhatTheUserWasGivenSince) {
  const auto first = authorise(wish("scan"), "bob");
  auto second_wish = wish("", "acme-grace");
  second_wish.link_user = first.user;
  const auto second = authorise(std::move(second_wish), "carol");
  ASSERT_EQ(grants_of(first.user).size(), 2u);

  ASSERT_TRUE(run(desk->undo(first.id, {.actor = "anna"})));
  EXPECT_TRUE(exists("scan")) << "the second grant lives by this user";
  ASSERT_EQ(grants_of(first.user).size(), 1u);
  EXPECT_EQ(grants_of(first.user).front().id, second.grant);
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(was_revoked("rt-carol"));
  EXPECT_EQ(run(desk->undo(first.id, {.actor = "anna"})).error().reason, "nothing_to_undo");

  ASSERT_TRUE(run(desk->undo(second.id, {.actor = "anna"})));
  EXPECT_TRUE(exists("scan")) << "who was there before the linking stays";
  EXPECT_TRUE(grants_of(first.user).empty());
}

TEST_F(DeskHouse, UndoDoesNotTakeALaterConsentBack) {
  const auto made = authorise(wish("scan"), "bob");
  advance(1min);
  AuthorizationWish again;
  again.replace = made.grant;
  const auto later = authorise(std::move(again), "bob");
  ASSERT_EQ(later.state, store::AuthorizationState::completed);
  EXPECT_EQ(run(desk->undo(made.id, {.actor = "anna"})).error().reason, "nothing_to_undo");
  EXPECT_TRUE(exists("scan"));
}

// ---- whose word a consent by link rests on ---------------------------------------------------------------------------

class AskedFor : public DeskHouse {
 protected:
  AskedFor() {
    maud = {.id = UserId::make(wall.now(), entropy), .group = group.id, .username = "maud", .username_key = "maud", .created_at = wall.now()};
    maud.role = store::Role::administrator;
    enrolment.vouch(maud);
    commit({store::InsertUser{maud}});
  }
  AuthorizationView consented(bool dismissed) {
    auto wished = wish("scan");
    wished.way = AuthorizationWay::owner_link;
    wished.expected_account = "bob";
    const auto begun = begin(std::move(wished), {.actor = "maud", .user = maud.id, .session_hash = Bytes(32, 1)});
    if (dismissed) {
      auto off = **run(store->user(maud.id));
      off.role = store::Role::regular;
      commit({store::UpdateUser{off}});
    }
    const auto talk = open_start(begun);
    answer_as("bob");
    come_back(talk);
    return seen(begun.id);
  }
  store::User maud;
};

TEST_F(AskedFor, A4_AnAccountNamedBeforehandByItsIdNeedsNoApproval) {
  EXPECT_EQ(consented(false).state, store::AuthorizationState::completed);
}

TEST_F(AskedFor, Attack_WhatSomebodyTypedWhoIsNoAdministratorAnyMoreApprovesNothing) {
  const auto view = consented(true);
  EXPECT_EQ(view.state, store::AuthorizationState::held);
  EXPECT_THAT(view.problem_text, testing::HasSubstr("It was asked for by maud, who is no administrator now."));
  EXPECT_FALSE(exists("scan"));
}

TEST_F(DeskHouse, ALinkToAuthoriseAnewNamesTheAccountAsItsOwnerKnowsIt) {
  const auto made = authorise(wish("scan"), "4f1c-27");
  auto grant = grants_of(made.user).front();
  grant.account_name = "bob@example.com";
  sealing.vouch(grant);
  commit({store::UpdateGrant{grant}});
  AuthorizationWish again;
  again.replace = made.grant;
  again.way = AuthorizationWay::owner_link;
  const auto page = run(desk->start(ticket_of(begin(std::move(again))), {}, Confirmed::no, {}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->account, "bob@example.com");
}

// ---- places at the provider ------------------------------------------------------------------------------------------

TEST_F(DeskHouse, F4_ACodeTakesOneOfTheFewPlacesAndWaitsAFewSecondsForItAtMost) {
  keeper_knobs.one_shot_parallel = 1;
  const auto made = authorise(wish("scan"), "bob");
  transport.hold = true;
  const auto refreshing = base::start_on(loop, keeper->refresh_now(made.grant));
  base::drive_until(loop, [&] { return transport.at_once == 1; });
  const auto talk = open_start(begin(wish("print")));
  const auto asked = transport.bodies.size();
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  for (int turn = 0; turn < 100; ++turn) loop.run_one_for(1ms);
  EXPECT_EQ(transport.bodies.size(), asked) << "the only place is taken";
  EXPECT_EQ(journal.reserved.size(), 1u) << "nothing is kept for it yet";
  steady.advance(5s);
  base::drive_until(loop, [&] { return transport.bodies.size() == asked + 1; });
  EXPECT_EQ(transport.at_once, 2) << "a person's code must not die in line";
  transport.hold = false;
  answer_as("carol");
  answer_as("dora");
  released->notify_all();
  base::drive_until(loop, [&] { return page->has_value() && refreshing->has_value(); });
  EXPECT_TRUE((*page)->succeeded) << (*page)->text;
}

TEST_F(DeskHouse, F4_WhileACodeIsBeingSpentItsPlaceIsTaken) {
  keeper_knobs.one_shot_parallel = 1;
  const auto made = authorise(wish("scan"), "bob");
  transport.hold = true;
  const auto talk = open_start(begin(wish("print")));
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return transport.at_once == 1; });
  const auto refreshing = base::start_on(loop, keeper->refresh_now(made.grant));
  for (int turn = 0; turn < 100; ++turn) loop.run_one_for(1ms);
  EXPECT_EQ(transport.at_once, 1);
  transport.hold = false;
  answer_as("carol");
  released->notify_all();
  base::drive_until(loop, [&] { return page->has_value() && refreshing->has_value(); });
  EXPECT_TRUE(**refreshing);
}

// ---- import and stop -------------------------------------------------------------------------------------------------

TEST_F(DeskHouse, F4_AnImportUnderWayIsKeptThoughTheServerStops) {
  transport.hold = true;
  answer_as("bob");
  const auto imported = base::start_on(loop, desk->import_token(wish("scan"), Secret("rt-old"), {.actor = "cli"}));
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
  const auto stopped = base::start_on(loop, stop_desk());
  for (int turn = 0; turn < 20; ++turn) loop.run_for(1ms);
  EXPECT_FALSE(stopped->has_value()) << "the token is spent: its answer is waited for";
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return stopped->has_value() && imported->has_value(); });
  ASSERT_TRUE(**imported);
  EXPECT_EQ((**imported)->state, store::AuthorizationState::completed);
  const auto grant = view((**imported)->grant);
  EXPECT_EQ(refresh_token(grant), "rt-bob");
  EXPECT_TRUE(journal.recorded.empty());
}

TEST_F(DeskHouse, AnImportAfterTheStopSendsNothingAndLeavesNothing) {
  ASSERT_TRUE(run(stop_desk()));
  const auto imported = run(desk->import_token(wish("scan"), Secret("rt-old"), {.actor = "cli"}));
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.error().reason, "shutting_down");
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_TRUE(journal.reserved.empty());
  EXPECT_FALSE(exists("scan"));
  EXPECT_TRUE(run(store->open_intents(10))->empty());
  EXPECT_TRUE(run(store->pending_authorizations(10))->empty()) << "the username is not reserved until the attempt expires";
}

// ---- cancel against approval ------------------------------------------------------------------------------------------

TEST_F(DeskHouse, CancelAndApprovalOfOneMomentEndInOneOfTheTwo) {
  int approved = 0;
  int cancelled = 0;
  for (int round = 0; round < 8; ++round) {
    const auto name = "u" + std::to_string(round);
    const auto id = held(name, "account" + std::to_string(round));
    const auto refresh_token = "rt-account" + std::to_string(round);
    const auto question = seen(id).question;
    std::shared_ptr<std::optional<Result<void>>> cancel;
    std::shared_ptr<std::optional<Result<AuthorizationView>>> confirm;
    const auto begin_cancel = [&] { cancel = base::start_on(loop, desk->cancel(id, {.actor = "anna"})); };
    const auto begin_confirm = [&] { confirm = base::start_on(loop, desk->confirm(id, Answer::accept, question, {.actor = "berta"})); };
    if (round % 2 == 0) begin_cancel();
    if (round % 2 != 0) begin_confirm();
    for (int turn = 0; turn < round / 2; ++turn) loop.run_one_for(1ms);  // a little ahead
    if (round % 2 == 0) begin_confirm();
    if (round % 2 != 0) begin_cancel();
    base::drive_until(loop, [&] { return cancel->has_value() && confirm->has_value(); });
    const auto end = seen(id);
    if (end.state == store::AuthorizationState::completed) {
      ++approved;
      EXPECT_FALSE(**cancel) << "nobody is told that something was cancelled which is there";
      EXPECT_TRUE(exists(name));
      EXPECT_FALSE(was_revoked(refresh_token));
    } else {
      ++cancelled;
      ASSERT_EQ(end.state, store::AuthorizationState::cancelled) << round;
      EXPECT_TRUE(**cancel);
      EXPECT_FALSE(exists(name));
      base::drive_until(loop, [&] { return was_revoked(refresh_token); });
    }
  }
  EXPECT_EQ(approved + cancelled, 8);
}

// ---- what has expired by time ----------------------------------------------------------------------------------------

TEST_F(DeskHouse, A3_AStartAddressThatHasExpiredLeadsNowhere) {
  const auto of_console = begin(wish("scan"), {.actor = "anna", .session_hash = Bytes(32, 1)});
  const auto of_cli = begin(wish("print"));
  advance(61s);
  auto late = run(desk->start(ticket_of(of_console), Bytes(32, 1), Confirmed::no, {}));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "ticket_unknown");
  EXPECT_EQ(late.error().text, "This address has expired. Go back to the console and press Authorize again.");
  EXPECT_TRUE(run(desk->start(ticket_of(of_cli), {}, Confirmed::no, {}))) << "the command line's lives as long as the attempt";
  advance(10min);
  late = run(desk->start(ticket_of(of_cli), {}, Confirmed::yes, {}));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().text, "This address has expired. Go back to the console and press Authorize again.");
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(DeskHouse, C3_ACallbackThatComesAfterTheAttemptExpiredIsRefusedAndLeavesNothing) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  advance(10min + 1s);
  const auto page = come_back(talk);
  EXPECT_TRUE(page.cookie.starts_with(talk.cookies[0].first + "=;") && page.cookie.contains("Max-Age=0")) << page.cookie;
  EXPECT_FALSE(page.succeeded);
  EXPECT_EQ(page.title, "This authorisation has expired");
  EXPECT_NE(page.text.find("Nobody consented in time, so nothing was made."), std::string::npos);
  EXPECT_TRUE(transport.bodies.empty()) << "the code is not spent";
  EXPECT_FALSE(exists("scan"));
  EXPECT_EQ(seen(begun.id).state, store::AuthorizationState::expired);
  EXPECT_EQ(seen(begun.id).problem_code, "expired");
  EXPECT_EQ(come_back(talk).title, "This authorisation is over");
  EXPECT_EQ(authorise(wish("scan"), "bob").state, store::AuthorizationState::completed) << "the name is free again";
}

TEST_F(DeskHouse, A3_ThePendingRecordExpiresByItselfAndIsGoneAnHourLater) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  advance(10min + 1s);
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(begun.id).state == store::AuthorizationState::expired; });
  EXPECT_EQ(come_back(talk).title, "This authorisation is over");
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_FALSE(exists("scan"));
  advance(1h + 1s);
  const auto other = begin(wish("print"));
  ASSERT_TRUE(run(desk->cancel(other.id, {.actor = "anna"})));  // whatever changes wakes the sweep
  base::drive_until(loop, [&] { return !*run(store->authorization(begun.id)); });
}

// Replayed, forged, unknown, another browser's, used: a line each, and nothing in it of what was brought.
TEST_F(DeskHouse, A2_WhatIsNotUsedHasALineInTheLog) {
  const auto lines = [this] { return logged("answer_not_used"); };
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  EXPECT_FALSE(run(desk->start(ticket_of(begun), {}, Confirmed::yes, {})));
  EXPECT_EQ(lines(), 1) << "a ticket that was used";
  EXPECT_FALSE(run(desk->start("no-such-ticket", {}, Confirmed::yes, {})));
  EXPECT_EQ(lines(), 2);
  for (const auto& [query, cookies] : std::vector<std::pair<std::string, Parameters>>{{"code=c1&state=forged", talk.cookies}, {"code=c1", talk.cookies}, {talk.query, {}}}) {
    const auto before = lines();
    EXPECT_FALSE(run(desk->callback("acme", query, cookies)).succeeded);
    EXPECT_EQ(lines(), before + 1) << query;
  }
  answer_as("bob");
  EXPECT_TRUE(come_back(talk).succeeded);
  EXPECT_EQ(lines(), 5) << "that was the right one";
  EXPECT_FALSE(come_back(talk).succeeded);
  EXPECT_EQ(lines(), 6) << "replayed";
  EXPECT_FALSE(run(desk->relayed("nobody", "handle", {})).succeeded);
  EXPECT_EQ(lines(), 7);
}

TEST_F(DeskHouse, A4_AConsentHeldForTooLongIsGivenBack) {
  const auto id = held("scan", "bob");
  advance(std::chrono::days(7) - 1min);  // a Friday's is there on Monday, and a link's whole life later
  desk->start_sweeping();
  for (int turn = 0; turn < 50; ++turn) loop.run_for(1ms);
  EXPECT_EQ(seen(id).state, store::AuthorizationState::held);
  run(stop_desk());
  start_desk_anew();
  advance(1min + 1s);
  ASSERT_TRUE(run(keeper->start()));  // what an earlier process left is settled by it first
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(id).state == store::AuthorizationState::expired; });
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(exists("scan"));
  const auto ended = seen(id);
  EXPECT_EQ(ended.problem_code, "unapproved");
  EXPECT_NE(ended.problem_text.find("nobody approved"), std::string::npos) << ended.problem_text;
  EXPECT_EQ(run(store->audit({.action = "authorization.unapproved"}))->total, 1);
  EXPECT_EQ(run(store->audit({.action = "authorization.expired"}))->total, 0);
}

// ---- what rests on one consent ---------------------------------------------------------------------------------------

TEST_F(DeskHouse, F7_AConsentThatWaitsForApprovalCountsAsResting) {
  const auto made = authorise(wish("scan", "acme-grace"), "bob");
  const auto waiting = held("print", "bob");
  const auto stranger = held("copy", "carol");
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  settle_giving_back();
  EXPECT_TRUE(transport.revoked.empty()) << "several providers would end the consent that waits as well";
  ASSERT_TRUE(run(desk->confirm(waiting, Answer::reject, seen(waiting).question, {.actor = "anna"})));
  expected_givings = 2;
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(was_revoked("rt-carol"));
  EXPECT_EQ(seen(stranger).state, store::AuthorizationState::held);
}

}  // namespace
}  // namespace latchkey::grants
