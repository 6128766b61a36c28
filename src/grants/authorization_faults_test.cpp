// The authorisation desk when the store refuses, when somebody else is faster, and when what comes back is not what was sent for.
#include <gmock/gmock.h>

#include "grants/authorization_testing.h"
#include "grants/grant_care.h"
#include "grants/leaving.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

// ---- the store refuses -----------------------------------------------------------------------------------------------

TEST_F(DeskHouse, R4_AConsentFoundInTheJournalWaitsUntilTheStoreTakesIt) {
  const auto begun = begin(wish("scan"));
  open_start(begun);
  journal.left_over.push_back(left_in_journal(
      IntentId::make(wall.now(), entropy), exchange_id(begun.id), 0, wall.now(),
      R"({"access_token":"at-bob","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-bob","scope":"files","account":"bob"})"));
  door->refuses = holds<store::InsertUser>;
  ASSERT_TRUE(run(keeper->start()));
  const auto enough = wall.now() + 9min;
  base::drive_until(loop, [&] {
    if (wall.now() < enough) advance(1s);
    return logged("code_not_recovered") > 0;
  });
  EXPECT_EQ(journal.left_over.size(), 1u) << "what is not in the store stays in the journal";
  EXPECT_FALSE(exists("scan"));
  door->refuses = {};
  keeper->nudge();
  base::drive_until(loop, [&] { return seen(begun.id).state == AuthorizationState::completed; });
  base::drive_until(loop, [&] { return journal.left_over.empty(); });
  EXPECT_TRUE(exists("scan"));
  EXPECT_EQ(refresh_token(view(seen(begun.id).grant)), "rt-bob");
  EXPECT_EQ(counters.replies_unowned, 0);
}

TEST_F(DeskHouse, R4_AConsentTheStoreWillNotTakeIsTriedAgainWhileTheServerLives) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  answer_as("bob");
  door->refuses = holds<store::InsertUser>;
  desk->start_sweeping();
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  const auto enough = wall.now() + 9min;
  base::drive_until(loop, [&] {
    if (!journal.recorded.empty() && wall.now() < enough) advance(1s);
    return keeper->awaits_code(exchange_id(begun.id)) && page->has_value();
  });
  advance(11min);  // past the attempt's own time
  const auto other = begin(wish("print"));
  ASSERT_TRUE(run(desk->cancel(other.id, {.actor = "anna"})));  // whatever changes wakes the sweep
  for (int turn = 0; turn < 50; ++turn) loop.run_for(1ms);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::pending) << "its answer waits";
  door->refuses = {};
  base::drive_until(loop, [&] {
    keeper->nudge();
    return seen(begun.id).state == AuthorizationState::completed;
  });
  base::drive_until(loop, [&] { return journal.recorded.empty() && !keeper->awaits_code(exchange_id(begun.id)); });
  EXPECT_TRUE(exists("scan"));
  EXPECT_EQ(counters.replies_unowned, 0);
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(DeskHouse, A3_AnAttemptWhoseRecordCannotBeReadDoesNotHoldItsNameForEver) {
  const auto begun = begin(wish("scan"));
  auto row = **run(store->authorization(begun.id));
  row.record_sealed.back() ^= 1;
  commit({store::UpdateAuthorization{row}});
  advance(10min + 1s);
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(begun.id).state == AuthorizationState::expired; });
  EXPECT_EQ(logged("authorization_unreadable"), 1);
  // While somebody sweeps, run() moves time by that at every step, and a code counts for a minute.
  const auto stopping = base::start_on(loop, stop_desk());
  base::drive_until(loop, [&] { return stopping->has_value(); });
  start_desk_anew();
  EXPECT_EQ(authorise(wish("scan"), "bob").state, AuthorizationState::completed);
}

// ---- what is deleted is given back, and nothing else -------------------------------------------------------------------

class LeavingHouse : public DeskHouse {
 protected:
  Leaving leaving{*store, sealing, *giving_back, *this, wall, loop.get_executor()};
  people::LeavingListener::Departure departure_of(const UserId& id) {
    auto made = run(leaving.leaving(**run(store->user(id)), {.name = "anna"}));
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  Result<void> delete_user(const UserId& id, const people::LeavingListener::Departure& departure) {
    auto batch = departure.first;
    batch.push_back(store::DeleteUser{id});
    return run(store->commit(std::move(batch)));
  }
};

TEST_F(LeavingHouse, F7_ADeletionSeesWhatCameSinceAndGivesBackTheNewestTokens) {
  const auto made = authorise(wish("scan"), "bob");
  auto departure = departure_of(made.user);
  auto second = wish("", "acme-grace");
  second.link_user = made.user;
  authorise(std::move(second), "carol");
  auto refused = delete_user(made.user, departure);
  ASSERT_FALSE(refused) << "a grant was linked meanwhile: it would go unrevoked";
  EXPECT_EQ(refused.error().reason, "version");

  departure = departure_of(made.user);
  ASSERT_TRUE(refresh(made.grant));  // rt-bob is spent
  refused = delete_user(made.user, departure);
  ASSERT_FALSE(refused) << "the token taken is not the newest";
  EXPECT_EQ(refused.error().reason, "version");
  EXPECT_TRUE(transport.revoked.empty()) << "nothing is given back before the user is gone";

  departure = departure_of(made.user);
  const auto newest = refresh_token(view(made.grant));
  EXPECT_NE(newest, "rt-bob");
  ASSERT_TRUE(delete_user(made.user, departure));
  departure.gone();
  expected_givings = 2;
  settle_giving_back();
  EXPECT_TRUE(was_revoked(newest));
  EXPECT_TRUE(was_revoked("rt-carol"));
  EXPECT_FALSE(exists("scan"));
}

TEST_F(DeskHouse, F7_TheBadDayRejectsWhatWaitsForAnAnswerToo) {
  const auto waits = held("scan", "bob");
  const auto other = held("copier", "carol");
  GrantCare care(*store, sealing, *clients, *keeper, *giving_back, transport, *this, wall, log);
  care.set_ending([it = desk.get()](OpenAttempts which, Requester requester) { return it->end_open(std::move(which), std::move(requester)); });
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::only_count, {.actor = "anna"})));
  ASSERT_TRUE(run(care.revoke_page({.app = {}, .type = "acme-grace"}, {}, 10, OnRevoke::really, {.actor = "anna"})));
  EXPECT_EQ(seen(waits).state, store::AuthorizationState::held) << "of another type";
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "anna"})));
  expected_givings = 2;
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_TRUE(was_revoked("rt-carol"));
  for (const auto& id : {waits, other}) {
    EXPECT_EQ(seen(id).state, store::AuthorizationState::cancelled);
    EXPECT_FALSE(run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"}))) << "no click brings it back";
  }
  EXPECT_FALSE(exists("scan"));
}

TEST_F(DeskHouse, F7_ADeletedGrantGivesBackTheTokenThatCameAMomentBefore) {
  const auto made = authorise(wish("scan"), "bob");
  GrantCare care(*store, sealing, *clients, *keeper, *giving_back, transport, *this, wall, log);
  door->before = [&, once = true](const store::Batch& batch) mutable {
    store::Batch faster;
    if (!once || !holds<store::DeleteGrant>(batch)) return faster;
    once = false;
    auto done = std::get<store::UpdateGrant>(batch.front()).grant;
    done.generation += 1;
    sealing.vouch(done);
    store::Generation next{.grant = done.id, .number = done.generation, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
    next.refresh_sealed = sealing.seal_refresh(done, next.number, {Secret("rt-newest"), Secret()});
    faster.push_back(store::UpdateGrant{done});
    faster.push_back(store::PutGeneration{next});
    return faster;
  };
  ASSERT_TRUE(run(care.remove(made.grant, {.actor = "anna"})));
  expected_givings = 2;  // in whichever order
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob")) << "the one before, kept for a reply that never came";
  EXPECT_TRUE(was_revoked("rt-newest"));
}

TEST_F(DeskHouse, F7_AConsentBeingSpentCountsAsResting) {
  const auto made = authorise(wish("scan", "acme-grace"), "bob");
  const auto begun = begin(wish("print"));
  const auto talk = open_start(begun);
  answer_as("bob");
  transport.hold = true;
  const auto sent = transport.bodies.size();
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return transport.bodies.size() > sent; });
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  for (int turn = 0; turn < 20; ++turn) loop.run_for(1ms);
  EXPECT_TRUE(transport.revoked.empty()) << "whose consent is on its way is not known yet";
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return page->has_value(); });
  settle_giving_back();
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed);
  EXPECT_TRUE(transport.revoked.empty()) << "it would have ended the consent just given";
}

TEST_F(DeskHouse, F6_AConsentThatAnotherNodeSpendsNeitherExpiresNorLosesItsAccount) {
  const auto made = authorise(wish("scan", "acme-grace"), "bob");
  const auto begun = begin(wish("print"));
  store::Intent theirs{.id = IntentId::make(wall.now(), entropy), .grant = exchange_id(begun.id), .generation = 0,
                       .node = NodeId::make(wall.now(), entropy), .opened_at = wall.now()};
  commit({store::InsertIntent{theirs}});
  desk->start_sweeping();
  advance(11min);
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));  // whatever changes wakes the sweep
  for (int turn = 0; turn < 50; ++turn) loop.run_for(1ms);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::pending) << "its answer may lie in that node's journal";
  EXPECT_TRUE(transport.revoked.empty()) << "whose consent that is is not known";
  theirs.state = store::IntentState::refused;  // declared lost
  commit({store::UpdateIntent{theirs}});
  const auto other = begin(wish("third"));
  ASSERT_TRUE(run(desk->cancel(other.id, {.actor = "anna"})));
  base::drive_until(loop, [&] { return seen(begun.id).state == AuthorizationState::expired; });
}

TEST_F(DeskHouse, F7_WhatArrivesForTheAccountBeforeIsNoCandidateOfTheNewOne) {
  const auto made = authorise(wish("scan", "acme-grace"), "bob");
  AuthorizationWish again;
  again.replace = made.grant;
  const auto begun = begin(std::move(again));
  const auto talk = open_start(begun);
  answer_as("carol");
  come_back(talk);
  ASSERT_EQ(seen(begun.id).state, AuthorizationState::needs_confirmation);
  advance(600s);
  // A refresh of bob's is on its way when carol is confirmed.
  const auto question = seen(begun.id).question;
  transport.before_answer = [&] {
    auto confirmed = boost::asio::co_spawn(loop, desk->confirm(begun.id, Answer::accept, question, {.actor = "anna"}), boost::asio::use_future);
    while (confirmed.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    ASSERT_TRUE(confirmed.get());
  };
  transport.then(T::json(200, R"({"access_token":"at-bobs","refresh_token":"rt-bobs","expires_in":3600,"account":"bob"})"));
  [[maybe_unused]] const auto refreshed = refresh(made.grant);
  settle_giving_back();
  const auto held = view(made.grant);
  EXPECT_EQ(held.grant.account_id, "carol");
  EXPECT_EQ(held.generations.size(), 1u) << "nothing of bob's stands beside it";
  EXPECT_TRUE(was_revoked("rt-bobs"));
}

TEST_F(DeskHouse, F7_ARejectedImportLeavesTheOperatorsOwnToken) {
  auto imported = wish("scan");
  imported.expected_account = "carol";
  transport.then(T::json(200, R"({"access_token":"at-1","token_type":"Bearer","expires_in":3600,"scope":"files","account":"bob"})"));
  const auto asked = run(desk->import_token(std::move(imported), Secret("rt-mine"), {.actor = "cli"}));
  ASSERT_TRUE(asked);
  ASSERT_EQ(asked->state, AuthorizationState::needs_confirmation);
  ASSERT_TRUE(run(desk->confirm(asked->id, Answer::reject, seen(asked->id).question, {.actor = "anna"})));
  run(stop_desk());
  run(stop_keeper());  // what is given back has been
  EXPECT_TRUE(transport.revoked.empty()) << "this provider does not rotate: rt-mine is all the operator has";
}

// ---- undo ------------------------------------------------------------------------------------------------------------

TEST_F(DeskHouse, UndoLeavesAUserWhoSignsInSince) {
  const auto made = authorise(wish("scan"), "bob");
  auto user = **run(store->user(made.user));
  user.role = store::Role::administrator;
  user.password_sealed = Bytes(8, 1);
  commit({store::UpdateUser{user}});
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  EXPECT_TRUE(exists("scan")) << "the last administrator, too";
  EXPECT_TRUE(grants_of(made.user).empty());
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
}

TEST_F(DeskHouse, UndoLooksAgainWhenTheUserWasGivenMoreAMomentBefore) {
  const auto made = authorise(wish("scan"), "bob");
  door->before = [&, once = true](const store::Batch& batch) mutable {
    store::Batch faster;
    if (!once || !holds<store::DeleteUser>(batch)) return faster;
    once = false;
    auto user = std::get<store::UpdateUser>(batch.front()).user;
    user.password_sealed = Bytes(8, 1);
    faster.push_back(store::UpdateUser{user});
    return faster;
  };
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  EXPECT_TRUE(exists("scan"));
  EXPECT_TRUE(grants_of(made.user).empty());
}

// ---- authorising anew ------------------------------------------------------------------------------------------------

TEST_F(DeskHouse, P4_AuthorisingAnewGivesNoUseBackThatWasTakenAwayMeanwhile) {
  auto first = wish("scan");
  first.allow_token = true;
  const auto made = authorise(std::move(first), "bob");
  AuthorizationWish again;
  again.replace = made.grant;
  again.allow_token = true;  // as the dialog saw it
  const auto begun = begin(std::move(again));
  const auto talk = open_start(begun);
  auto user = **run(store->user(made.user));
  ASSERT_NE(user.uses & store::kUseToken, 0u);
  user.uses &= ~static_cast<std::uint32_t>(store::kUseToken);
  commit({store::UpdateUser{user}});
  answer_as("bob");
  ASSERT_TRUE(come_back(talk).succeeded);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed);
  EXPECT_EQ((**run(store->user(made.user))).uses & store::kUseToken, 0u);
}

TEST_F(DeskHouse, F8_AuthorisingAnewAsAnAccountSomebodyHoldsNamesTheDifferenceAndTheHolder) {
  const auto scan = authorise(wish("scan"), "bob");
  authorise(wish("print"), "carol");
  AuthorizationWish again;
  again.replace = scan.grant;
  const auto begun = begin(std::move(again));
  const auto talk = open_start(begun);
  answer_as("carol");
  come_back(talk);
  auto asked = seen(begun.id);
  EXPECT_EQ(asked.state, AuthorizationState::needs_confirmation);
  EXPECT_EQ(asked.problem_code, "account_differs");
  EXPECT_EQ(asked.before_id, "bob");
  EXPECT_EQ(asked.holder, "print");
  EXPECT_THAT(asked.problem_text, testing::HasSubstr("print"));
  ASSERT_TRUE(run(desk->confirm(begun.id, Answer::reject, seen(begun.id).question, {.actor = "anna"})));

  // The same when the new account was expected: the grant is another's.
  again = {};
  again.replace = scan.grant;
  again.expected_account = "carol";
  const auto expected = begin(std::move(again));
  const auto second = open_start(expected);
  answer_as("carol");
  come_back(second);
  asked = seen(expected.id);
  EXPECT_EQ(asked.state, AuthorizationState::needs_confirmation);
  EXPECT_EQ(asked.problem_code, "account_differs");
  EXPECT_EQ(asked.holder, "print");
}

Bytes octets_of(DeliveryId id) { return {id.bytes().begin(), id.bytes().end()}; }

// Documents that were accepted for bob's account wait for it to be authorised again.
TEST_F(DeskHouse, K4_WhatWaitsForOneAccountDoesNotGoToAnother) {
  const auto scan = authorise(wish("scan"), "bob");
  const auto holder = octets_of(DeliveryId::make(wall.now(), entropy));
  const auto delivered_meanwhile = octets_of(DeliveryId::make(wall.now(), entropy));
  for (const auto& each : {holder, delivered_meanwhile}) {
    commit({store::PutWrap{{.grant = scan.grant, .holder_kind = store::HolderKind::delivery, .holder = each,
                            .private_key_sealed = Bytes(48, 1), .created_at = wall.now()}}});
  }
  const auto waiting = [&] {
    const auto wraps = run(store->wraps(scan.grant));
    return std::ranges::count(*wraps, store::HolderKind::delivery, &store::Wrap::holder_kind);
  };
  const auto authorise_again = [&](const std::string& account) {
    AuthorizationWish again;
    again.replace = scan.grant;
    const auto begun = begin(std::move(again));
    const auto talk = open_start(begun);
    answer_as(account);
    come_back(talk);
    return begun.id;
  };
  EXPECT_EQ(seen(authorise_again("bob")).state, AuthorizationState::completed);
  EXPECT_EQ(waiting(), 2);

  bool once = true;
  door->before = [&](const store::Batch& batch) -> store::Batch {
    if (!holds<store::DeleteWrap>(batch) || !std::exchange(once, false)) return {};
    return {store::DeleteWrap{scan.grant, store::HolderKind::delivery, delivered_meanwhile}};
  };
  const auto other = authorise_again("carol");
  ASSERT_EQ(seen(other).state, AuthorizationState::needs_confirmation);
  EXPECT_EQ(waiting(), 2) << "nothing has changed yet";
  ASSERT_TRUE(run(desk->confirm(other, Answer::accept, seen(other).question, {.actor = "anna"})));
  EXPECT_EQ(seen(other).state, AuthorizationState::completed) << "though one was delivered in that moment";
  EXPECT_EQ(waiting(), 0);
  door->before = nullptr;
}

TEST_F(DeskHouse, StartingOverEndsWhatTheSameSessionHadBegunAndNothingElse) {
  const Requester anna{.actor = "anna", .session_hash = Bytes(32, 1)};
  const Requester ben{.actor = "ben", .session_hash = Bytes(32, 2)};
  const auto begin_as = [&](const Requester& who, std::string type = "acme-family") { return run(desk->begin(wish("scan", std::move(type)), who)); };
  const auto first = begin_as(anna);
  ASSERT_TRUE(first);
  EXPECT_FALSE(begin_as(anna, "no-such-type")) << "a wish that is refused leaves what there was";
  EXPECT_EQ(seen(first->id).state, AuthorizationState::pending);
  for (const auto& other : {ben, Requester{.actor = "cli"}}) {
    const auto refused = begin_as(other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "username_reserved");
    EXPECT_EQ(seen(first->id).state, AuthorizationState::pending);
  }
  const auto second = begin_as(anna);
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_EQ(seen(first->id).state, AuthorizationState::cancelled);
  EXPECT_EQ(seen(second->id).state, AuthorizationState::pending);
}

TEST_F(DeskHouse, A4_AHeldConsentIsNobodysToReplace) {
  const auto waiting = held("scan", "bob");
  ASSERT_TRUE(run(desk->begin(wish("scan"), {.actor = "anna", .session_hash = Bytes(32, 1)})));
  EXPECT_EQ(seen(waiting).state, AuthorizationState::held) << "a person has consented, and is answered";
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(DeskHouse, A4_AConsentWhoseCodeIsBeingSpentIsNobodysToReplace) {
  const Requester anna{.actor = "anna", .session_hash = Bytes(32, 1)};
  const auto first = begin(wish("scan"), anna);
  const auto talk = open_start(first, Bytes(32, 1));
  transport.hold = true;
  answer_as("bob");
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return transport.at_once == 1; });
  const auto again = run(desk->begin(wish("scan"), anna));
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return page->has_value(); });
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "username_reserved");
  EXPECT_EQ(seen(first.id).state, AuthorizationState::completed);
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(DeskHouse, ADeviceCodeThatIsNotToBeHadEndsNoAttempt) {
  const auto first = begin(wish("scan"), {.actor = "anna", .session_hash = Bytes(32, 1)});
  auto refused = wish("scan");
  device_code_types = {refused.type};
  refused.way = AuthorizationWay::device_code;
  const auto begun = run(desk->begin(std::move(refused), {.actor = "anna", .session_hash = Bytes(32, 1)}));
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().reason, "device_code_unsupported");
  EXPECT_EQ(seen(first.id).state, AuthorizationState::pending);
}

TEST_F(DeskHouse, WhoeverLooksAtAnAttemptSeesThatABrowserHasGoneOnWithIt) {
  const auto begun = begin(wish("scan"), {.actor = "anna", .session_hash = Bytes(32, 1)});
  EXPECT_FALSE(seen(begun.id).opened);
  EXPECT_EQ(seen(begun.id).redirect_uri, begun.redirect_uri);
  open_start(begun, Bytes(32, 1));
  EXPECT_TRUE(seen(begun.id).opened) << "whatever node is asked";
  ASSERT_TRUE(run(desk->cancel(begun.id, {.actor = "anna"})));
  EXPECT_EQ(seen(begun.id).redirect_uri, begun.redirect_uri) << "whoever is told what went wrong is told what to register";
}

// Kept with the attempt, so that any node knows it when the browser comes back.
TEST_F(DeskHouse, A1_TheBrowserThatComesBackIsTheConsolesOnlyWhereItsSessionBegan) {
  struct Case {
    std::string username;
    Bytes began;   // session
    Bytes opened;
    Presentation wished;
    Viewer viewer;
  };
  for (const auto& each : {Case{"one", Bytes(32, 1), Bytes(32, 1), Presentation::popup, Viewer::console},
                           Case{"two", Bytes(32, 1), Bytes(32, 1), Presentation::page, Viewer::console},
                           Case{"three", Bytes(32, 1), Bytes(32, 2), Presentation::page, Viewer::nobody},
                           Case{"four", {}, Bytes(32, 1), Presentation::popup, Viewer::nobody}}) {
    auto what = wish(each.username);
    what.presentation = each.wished;
    const auto begun = begin(std::move(what), {.actor = "anna", .session_hash = each.began});
    EXPECT_EQ(begun.presentation, each.wished);
    const auto talk = open_start(begun, each.opened);
    answer_as(each.username);
    const auto page = come_back(talk);
    EXPECT_EQ(page.viewer, each.viewer) << each.username;
    EXPECT_EQ(page.presentation, each.wished) << each.username;
    EXPECT_FALSE(page.owner_known);
  }
  const auto begun = begin(wish("five"), {.actor = "anna", .session_hash = Bytes(32, 1)});
  auto stolen = open_start(begun, Bytes(32, 1));
  stolen.cookies.clear();
  EXPECT_EQ(come_back(stolen).viewer, Viewer::nobody) << "another browser";
}

// Killed between the commit that takes an answer and the one that says where it is spent.
TEST_F(DeskHouse, R2_AnAnswerThatWasTakenAndNeverSpentEndsWithinMinutesAndSaysSo) {
  auto wished = wish("scan");
  wished.way = AuthorizationWay::owner_link;
  const auto begun = begin(std::move(wished));
  const auto talk = open_start(begun);
  transport.hold = true;
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return transport.at_once == 1; });
  const auto taken = **run(store->authorization(begun.id));
  EXPECT_TRUE(taken.state_hash.empty() && taken.ticket_hash.empty());
  EXPECT_LE(taken.expires_at, wall.now() + 5min) << "the days of a link are over with its answer";
  answer_as("bob");
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return page->has_value(); });

  const auto other = begin(wish("print"));
  auto cut_off = **run(store->authorization(other.id));
  cut_off.state_hash.clear();
  cut_off.ticket_hash.clear();
  commit({store::UpdateAuthorization{cut_off}});
  advance(11min);
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(other.id).state != AuthorizationState::pending; });
  EXPECT_EQ(seen(other.id).state, AuthorizationState::failed);
  EXPECT_EQ(seen(other.id).problem_code, "answer_lost");
}

// ---- identity tokens -------------------------------------------------------------------------------------------------

struct Claims {
  const char* issuer;
  bool nonce;
  const char* problem;  // empty: accepted
};

class IdToken : public DeskHouse, public ::testing::WithParamInterface<Claims> {};

TEST_P(IdToken, IsOfThisIssuerAndOfThisFlow) {
  auto what = wish("scan", "selfmade");
  what.app = "selfmade";
  const auto begun = begin(std::move(what));
  const auto talk = open_start(begun);
  const auto at = talk.location.find("nonce=");
  ASSERT_NE(at, std::string::npos);
  JsonObject claims{{"sub", "bob"}, {"aud", "client"}, {"iss", GetParam().issuer}};
  if (GetParam().nonce) claims["nonce"] = talk.location.substr(at + 6, talk.location.find('&', at) - at - 6);
  const auto text = boost::json::serialize(claims);
  const auto token = "e30." + base::to_base64url(base::as_bytes(text)) + ".c2ln";
  transport.then(T::json(200, R"({"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-bob","id_token":")" + token + "\"}"));
  run(desk->callback("selfmade", talk.query, talk.cookies));
  const auto end = seen(begun.id);
  if (*GetParam().problem == 0) {
    EXPECT_EQ(end.state, AuthorizationState::completed) << end.problem_text;
    EXPECT_EQ(end.account_id, "bob");
  } else {
    EXPECT_EQ(end.state, AuthorizationState::failed);
    EXPECT_EQ(end.problem_code, "id_token_rejected");
    EXPECT_NE(log.text().find(GetParam().problem), std::string::npos);
    EXPECT_FALSE(exists("scan"));
  }
}

INSTANTIATE_TEST_SUITE_P(Each, IdToken,
                         ::testing::Values(Claims{"https://selfmade.example", true, ""}, Claims{"https://selfmade.example/", true, ""},
                                           Claims{"selfmade.example", true, ""}, Claims{"https://selfmade.example", false, "nonce"},
                                           Claims{"https://elsewhere.example", true, "iss"}));

}  // namespace
}  // namespace latchkey::grants
