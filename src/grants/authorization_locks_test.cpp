// Consents that were begun before somebody locked what they are for: they unlock nothing.
#include <gmock/gmock.h>

#include "grants/authorization_testing.h"
#include "grants/grant_care.h"
#include "grants/leaving.h"
#include "grants/switch_off.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;
using store::GrantState;

class LocksHouse : public DeskHouse {
 protected:
  const Requester anna{.actor = "anna", .session_hash = Bytes(32, 1)};

  AuthorizationView made = authorise(wish("scan"), "bob");
  GrantCare care{*store, sealing, *clients, *keeper, *giving_back, transport, *this, wall, log};

  AuthorizationWish again(AuthorizationWay way = AuthorizationWay::browser) {
    AuthorizationWish wished;
    wished.replace = made.grant;
    wished.way = way;
    return wished;
  }
  AuthorizationWish second_type(AuthorizationWay way) {
    auto wished = wish("", "acme-grace");
    wished.link_user = made.user;
    wished.way = way;
    return wished;
  }
  AuthorizationWish new_user_by_link(std::string username, std::string type) {
    auto wished = wish(std::move(username), std::move(type));
    wished.way = AuthorizationWay::owner_link;
    return wished;
  }
  Begun link() { return begin(again(AuthorizationWay::owner_link), anna); }
  // bob, who consents once more, is known by the provider's id: no approval is asked.
  void consent(const Conversation& talk, const std::string& refresh_token = "rt-late") {
    transport.then(T::json(200, R"({"access_token":"at-late","token_type":"Bearer","expires_in":3600,"refresh_token":")" + refresh_token +
                                    R"(","scope":"files","account":"bob"})"));
    come_back(talk);
  }
  void switch_user(bool enabled) {
    auto user = **run(store->user(made.user));
    user.enabled = enabled;
    commit({store::UpdateUser{user}});
  }
  void revoke_all() { ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, anna))); }
  void set_ending() {
    care.set_ending([it = desk.get()](OpenAttempts which, Requester requester) { return it->end_open(std::move(which), std::move(requester)); });
  }
  void expect_failed(const AuthorizationId& id, const std::string& code) {
    EXPECT_EQ(seen(id).state, AuthorizationState::failed);
    EXPECT_EQ(seen(id).problem_code, code);
  }
  // What its code would have brought could only have been given back.
  void expect_unspent(const AuthorizationId& id, const std::string& code) {
    expect_failed(id, code);
    EXPECT_EQ(transport.script.size(), 1u) << "the code was spent";
    transport.script.clear();
  }
  void expect_given_back(const AuthorizationId& id, const std::string& code) {
    expect_failed(id, code);
    base::drive_until(loop, [&] { return was_revoked("rt-late"); });
  }
  template <class V>
  static std::string reason(const Result<V>& result) { return result ? "done" : result.error().reason; }
};

// ---- what completes ---------------------------------------------------------------------------------------------------

TEST_F(LocksHouse, Attack_AnOpenLinkDoesNotBringBackAUserWhoWasSwitchedOff) {
  const auto talk = open_start(link());
  switch_user(false);
  consent(talk);
  expect_unspent(talk.id, "user_disabled");
  EXPECT_EQ(refresh_token(view(made.grant)), "rt-bob") << "the grant is as it was";
}

TEST_F(LocksHouse, Attack_AnOpenLinkDoesNotEnableAGrantThatWasSwitchedOff) {
  const auto talk = open_start(link());
  ASSERT_TRUE(run(care.set_enabled(made.grant, false, anna)));
  consent(talk);
  expect_unspent(talk.id, "grant_disabled");
  EXPECT_EQ(view(made.grant).grant.state, GrantState::disabled);
}

TEST_F(LocksHouse, Attack_AnOpenLinkDoesNotBringBackAGrantThatWasRevoked) {
  const auto talk = open_start(link());
  revoke_all();
  consent(talk);
  expect_unspent(talk.id, "grant_revoked");
  EXPECT_EQ(view(made.grant).grant.state, GrantState::revoked);
}

TEST_F(LocksHouse, AnAdministratorWhoBeginsAfterTheRevocationMeansIt) {
  revoke_all();
  const auto talk = open_start(link());
  consent(talk);
  EXPECT_EQ(seen(talk.id).state, AuthorizationState::completed) << seen(talk.id).problem_text;
  EXPECT_EQ(view(made.grant).grant.state, GrantState::active);
}

TEST_F(LocksHouse, Attack_WhatWasBegunOnARevokedGrantDoesNotOutliveTheNextRevocation) {
  revoke_all();
  const auto talk = open_start(link());
  const auto other = open_start(begin(again()));
  consent(other, "rt-between");
  ASSERT_EQ(view(made.grant).grant.state, GrantState::active);
  revoke_all();
  consent(talk);
  expect_unspent(talk.id, "grant_revoked");
}

TEST_F(LocksHouse, Attack_AnotherAccountOfAUserWhoWasSwitchedOffIsNotMade) {
  const auto talk = open_start(begin(second_type(AuthorizationWay::browser)));
  switch_user(false);
  consent(talk);
  expect_unspent(talk.id, "user_disabled");
  EXPECT_EQ(grants_of(made.user).size(), 1u);
}

TEST_F(LocksHouse, Attack_AnApprovalDoesNotUnlockEither) {
  const auto talk = open_start(begin(again(), anna), Bytes(32, 1));
  transport.then(T::json(200, R"({"access_token":"at-late","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-late","scope":"files","account":"carol"})"));
  come_back(talk);
  ASSERT_EQ(seen(talk.id).state, AuthorizationState::needs_confirmation);
  ASSERT_TRUE(run(care.set_enabled(made.grant, false, anna)));
  ASSERT_TRUE(run(desk->confirm(talk.id, Answer::accept, seen(talk.id).question, anna)));
  expect_given_back(talk.id, "grant_disabled");
}

TEST_F(LocksHouse, Attack_AUserIsSwitchedOffInTheMomentOfTheCommit) {
  revoke_all();
  const auto meant = open_start(begin(again(), anna), Bytes(32, 1));
  auto off = **run(store->user(made.user));
  off.enabled = false;
  door->before = [&, once = true](const store::Batch& batch) mutable {
    store::Batch faster;
    const bool completes = std::ranges::any_of(batch, [](const auto& each) { return std::holds_alternative<store::PutGeneration>(each); });
    if (!once || !completes) return faster;
    once = false;
    faster.push_back(store::UpdateUser{off});
    return faster;
  };
  consent(meant);
  door->before = nullptr;
  expect_given_back(meant.id, "user_disabled");
  EXPECT_EQ(view(made.grant).grant.state, GrantState::revoked) << "nobody would ever take its tokens back";
}

// Two administrators at one grant: what one has agreed to was an account in place of bob's, not of the one that the other has just put there.
TEST_F(LocksHouse, C5_AnAnswerIsForTheAccountThatTheGrantHadWhenItWasAsked) {
  const auto talk = open_start(begin(again(), anna), Bytes(32, 1));
  transport.then(T::json(200, R"({"access_token":"at-late","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-late","scope":"files","account":"carol"})"));
  come_back(talk);
  ASSERT_EQ(seen(talk.id).state, AuthorizationState::needs_confirmation);
  ASSERT_EQ(seen(talk.id).before_id, "bob");
  auto dave = view(made.grant).grant;
  dave.account_id = "dave";
  sealing.vouch(dave);
  door->before = [&, once = true](const store::Batch& batch) mutable {
    store::Batch faster;
    const bool completes = std::ranges::any_of(batch, [](const auto& each) { return std::holds_alternative<store::PutGeneration>(each); });
    if (!once || !completes) return faster;
    once = false;
    faster.push_back(store::UpdateGrant{dave});
    return faster;
  };
  ASSERT_TRUE(run(desk->confirm(talk.id, Answer::accept, seen(talk.id).question, anna)));
  door->before = nullptr;
  EXPECT_EQ(view(made.grant).grant.account_id, "dave");
  ASSERT_EQ(seen(talk.id).state, AuthorizationState::needs_confirmation);
  EXPECT_EQ(seen(talk.id).before_id, "dave");
  ASSERT_TRUE(run(desk->confirm(talk.id, Answer::accept, seen(talk.id).question, anna)));
  EXPECT_EQ(view(made.grant).grant.account_id, "carol");
}

// ---- what begins, and goes on -----------------------------------------------------------------------------------------

TEST_F(LocksHouse, NothingBeginsForWhatIsSwitchedOff) {
  ASSERT_TRUE(run(care.set_enabled(made.grant, false, anna)));
  EXPECT_EQ(reason(run(desk->begin(again(), anna))), "grant_disabled");
  EXPECT_EQ(reason(run(desk->import_token(again(), Secret("rt-own"), {.actor = "cli"}))), "grant_disabled");
  ASSERT_TRUE(run(care.set_enabled(made.grant, true, anna)));
  switch_user(false);
  EXPECT_EQ(reason(run(desk->begin(again(), anna))), "user_disabled");
  EXPECT_EQ(reason(run(desk->begin(second_type(AuthorizationWay::browser), anna))), "user_disabled");
  switch_user(true);
  EXPECT_EQ(reason(run(desk->begin(again(), anna))), "done");
}

TEST_F(LocksHouse, Attack_AnOwnerDoesNotBeginOnAGrantThatWasRevoked) {
  const Requester owner{.actor = "scan", .user = made.user};
  revoke_all();
  EXPECT_EQ(reason(run(desk->begin(again(), owner))), "grant_revoked");
  EXPECT_EQ(reason(run(desk->begin(again(), {.actor = "cli"}))), "done");
}

TEST_F(LocksHouse, ALinkSaysBeforehandThatAConsentWouldBeForNothing) {
  const auto begun = link();
  switch_user(false);
  for (const auto confirmed : {Confirmed::no, Confirmed::yes}) EXPECT_EQ(reason(run(desk->start(ticket_of(begun), {}, confirmed, {}))), "user_disabled");
  switch_user(true);
  EXPECT_EQ(reason(run(desk->start(ticket_of(begun), {}, Confirmed::yes, {}))), "done");
}

// ---- what is open ends with it ----------------------------------------------------------------------------------------

TEST_F(LocksHouse, SwitchingAGrantOffEndsWhatIsOpenForIt) {
  set_ending();
  const auto ours = link();
  open_start(ours);
  const auto theirs = begin(second_type(AuthorizationWay::owner_link), anna);
  const auto others = begin(wish("print"), anna);
  ASSERT_TRUE(run(care.set_enabled(made.grant, false, anna)));
  EXPECT_EQ(seen(ours.id).state, AuthorizationState::cancelled);
  EXPECT_EQ(seen(ours.id).problem_code, "switched_off");
  EXPECT_EQ(reason(run(desk->start(ticket_of(ours), {}, Confirmed::yes, {}))), "ticket_unknown");
  EXPECT_EQ(seen(theirs.id).state, AuthorizationState::pending) << "another account of the user";
  EXPECT_EQ(seen(others.id).state, AuthorizationState::pending);
}

TEST_F(LocksHouse, SwitchingAUserOffEndsWhatIsOpenForTheUser) {
  const auto first = link();
  const auto second = begin(second_type(AuthorizationWay::owner_link), anna);
  const auto others = begin(wish("print"), anna);
  SwitchOff switch_off(*store, *giving_back, loop.get_executor());
  switch_off.set_ending([it = desk.get()](OpenAttempts which, Requester requester) { it->end_open_later(std::move(which), std::move(requester)); });
  switch_off.switched_off_done(made.user, {.name = "anna"});
  base::drive_until(loop, [&] { return seen(second.id).state != AuthorizationState::pending; });
  base::drive_until(loop, [&] { return seen(first.id).state != AuthorizationState::pending; });
  EXPECT_THAT(seen(first.id).problem_text, testing::HasSubstr("The user was switched off"));
  EXPECT_EQ(seen(others.id).state, AuthorizationState::pending);
  const auto trail = run(store->audit({.action = "authorization.cancelled"}));
  ASSERT_EQ(trail->total, 2);
  EXPECT_EQ(trail->items.front().actor, "anna");
}

TEST_F(LocksHouse, ManySwitchedOffAtOnceReadWhatIsOpenOnceOrTwice) {
  const auto first = link();
  const auto second = begin(second_type(AuthorizationWay::owner_link), anna);
  const auto before = door->listings_of_authorizations;
  for (int i = 0; i < 50; ++i) desk->end_open_later({.user = UserId::make(wall.now(), entropy)}, anna);
  desk->end_open_later({.user = made.user}, anna);
  base::drive_until(loop, [&] { return seen(first.id).state == AuthorizationState::cancelled && seen(second.id).state == AuthorizationState::cancelled; });
  EXPECT_LE(door->listings_of_authorizations - before, 2);
}

TEST_F(LocksHouse, F7_TheBadDayEndsLinksAndDialogsToo) {
  set_ending();
  const auto replaced = link();
  const auto fresh = begin(new_user_by_link("print", "acme-family"), anna);
  const auto other_type = begin(new_user_by_link("copier", "acme-grace"), anna);
  const auto talk = open_start(begin(again()));
  ASSERT_TRUE(run(care.revoke_page({.app = {}, .type = "acme-family"}, {}, 10, OnRevoke::really, anna)));
  for (const auto& id : {replaced.id, fresh.id, talk.id}) EXPECT_EQ(seen(id).state, AuthorizationState::cancelled);
  EXPECT_EQ(seen(other_type.id).state, AuthorizationState::pending);
  come_back(talk);
  EXPECT_EQ(transport.bodies.size(), 1u) << "its code is not spent";
}

TEST_F(LocksHouse, F7_WhatIsBeingSpentWhenAGrantIsSwitchedOffIsGivenBack) {
  set_ending();
  const auto talk = open_start(link());
  transport.before_answer = [&] {
    auto off = boost::asio::co_spawn(loop, care.set_enabled(made.grant, false, anna), boost::asio::use_future);
    while (off.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    ASSERT_TRUE(off.get());
  };
  consent(talk);
  EXPECT_EQ(seen(talk.id).state, AuthorizationState::cancelled);
  // Not at once: one account's consent is one at many a provider, and the grant is to be as it was when it is switched on again.
  const auto late = [&] { return run(store->revocations(WallTime::max(), 10))->items; };
  base::drive_until(loop, [&] { return std::ranges::any_of(late(), [](const auto& each) { return each.why.find("rests on the same consent") != std::string::npos; }); });
  EXPECT_TRUE(transport.revoked.empty());
  advance(11s);
  giving_back->nudge();
  base::drive_until(loop, [&] { return view(made.grant).grant.state == GrantState::revoked; });
  advance(6h);
  giving_back->nudge();
  base::drive_until(loop, [&] { return was_revoked("rt-late") && was_revoked("rt-bob"); });
}

TEST_F(LocksHouse, DeletingEndsWhatIsOpen) {
  set_ending();
  const auto ours = link();
  ASSERT_TRUE(run(care.remove(made.grant, anna)));
  EXPECT_EQ(seen(ours.id).state, AuthorizationState::cancelled);
  const auto theirs = begin(second_type(AuthorizationWay::owner_link), anna);
  Leaving leaving(*store, sealing, *giving_back, *this, wall, loop.get_executor());
  leaving.set_ending([it = desk.get()](OpenAttempts which, Requester requester) { it->end_open_later(std::move(which), std::move(requester)); });
  const auto departing = run(leaving.leaving(**run(store->user(made.user)), {.name = "anna"}));
  ASSERT_TRUE(departing);
  departing->gone();
  base::drive_until(loop, [&] { return seen(theirs.id).state == AuthorizationState::cancelled; });
}

TEST_F(LocksHouse, ALinkOfWhatIsGoneSaysSoBeforehand) {
  const auto ours = link();
  ASSERT_TRUE(run(care.remove(made.grant, anna)));
  EXPECT_EQ(reason(run(desk->start(ticket_of(ours), {}, Confirmed::no, {}))), "no_such_grant");
  const auto theirs = begin(second_type(AuthorizationWay::owner_link), anna);
  commit({store::DeleteUser{made.user}});
  EXPECT_EQ(reason(run(desk->start(ticket_of(theirs), {}, Confirmed::no, {}))), "no_such_user");
}

TEST_F(LocksHouse, ALinkThatABrowserGoesOnWithInThisMomentEndsAllTheSame) {
  set_ending();
  const auto begun = link();
  door->before = [&, once = true](const store::Batch& batch) mutable {
    store::Batch faster;
    const auto* row = batch.empty() ? nullptr : std::get_if<store::UpdateAuthorization>(&batch.front());
    if (!once || row == nullptr) return faster;
    once = false;
    auto begun_meanwhile = row->authorization;
    begun_meanwhile.state = AuthorizationState::pending;
    begun_meanwhile.state_hash = Bytes(32, 9);
    begun_meanwhile.expires_at += 1s;
    faster.push_back(store::UpdateAuthorization{std::move(begun_meanwhile)});
    return faster;
  };
  ASSERT_TRUE(run(care.set_enabled(made.grant, false, anna)));
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::cancelled);
}

}  // namespace
}  // namespace latchkey::grants
