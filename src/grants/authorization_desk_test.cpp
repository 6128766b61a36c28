// The authorisation desk: what races, what expires, what is taken back.
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
    std::shared_ptr<std::optional<Result<void>>> cancel;
    std::shared_ptr<std::optional<Result<AuthorizationView>>> confirm;
    const auto begin_cancel = [&] { cancel = base::start_on(loop, desk->cancel(id, {.actor = "anna"})); };
    const auto begin_confirm = [&] { confirm = base::start_on(loop, desk->confirm(id, Answer::accept, {.actor = "berta"})); };
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

TEST_F(DeskHouse, A4_AConsentHeldForTooLongIsGivenBack) {
  const auto id = held("scan", "bob");
  advance(std::chrono::hours(24) + 1s);
  ASSERT_TRUE(run(keeper->start()));  // what an earlier process left is settled by it first
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(id).state == store::AuthorizationState::expired; });
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(exists("scan"));
}

// ---- what rests on one consent ---------------------------------------------------------------------------------------

TEST_F(DeskHouse, F7_AConsentThatWaitsForApprovalCountsAsResting) {
  const auto made = authorise(wish("scan", "acme-grace"), "bob");
  const auto waiting = held("print", "bob");
  const auto stranger = held("copy", "carol");
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  settle_giving_back();
  EXPECT_TRUE(transport.revoked.empty()) << "several providers would end the consent that waits as well";
  ASSERT_TRUE(run(desk->confirm(waiting, Answer::reject, {.actor = "anna"})));
  expected_givings = 2;
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(was_revoked("rt-carol"));
  EXPECT_EQ(seen(stranger).state, store::AuthorizationState::held);
}

}  // namespace
}  // namespace latchkey::grants
