// The keeper when things go wrong more than once, or in the wrong order.
#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;
using T = ScriptedTransport;

// ---- many answers lost (R1, F1) --------------------------------------------------------------------------------------

class ManyLost : public KeeperHouse, public ::testing::WithParamInterface<std::string> {};

TEST_P(ManyLost, R1_TenAnswersLostInARowAreNotTheEnd) {
  const auto grant = put_grant(GetParam());
  for (int lost = 0; lost < 10; ++lost) transport.then(T::lost());
  ASSERT_TRUE(run(keeper->start()));
  const auto healthy = [&] { return counters.in_flight == 0 && counters.refreshed > 0; };
  for (int minutes = 0; minutes < 36 * 60 && !healthy(); ++minutes) {
    advance(60s);
    sweep();
    base::drive_until(loop, [&] { return counters.in_flight == 0; });
  }
  EXPECT_EQ(counters.ambiguous, 10);
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::active) << seen.grant.why;
  EXPECT_EQ(refresh_token(seen), "rt2");
}

INSTANTIATE_TEST_SUITE_P(EveryPolicy, ManyLost, ::testing::Values("acme-harmless", "acme-grace", "acme-refused", "acme-family"),
                         [](const auto& instance) { return instance.param.substr(5); });

TEST_F(KeeperHouse, R1_APersonWhoInsistsIsHeardWhereAReplayDoesNoHarm) {
  const auto grant = put_grant("acme-harmless");
  for (int lost = 0; lost < 3; ++lost) transport.then(T::lost());
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::uncertain);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

TEST_F(KeeperHouse, F1_ABrokenOffServerCountsAsLostWhereTheTokenIsSingleUse) {
  const auto family = put_grant("acme-family");
  transport.then(T::json(504, "<html>gateway timeout</html>"));
  ASSERT_TRUE(refresh(family.id));
  EXPECT_EQ(view(family.id).grant.state, GrantState::uncertain);
  const auto harmless = put_grant("acme-harmless");
  transport.then(T::json(504, "<html>gateway timeout</html>"));
  ASSERT_TRUE(refresh(harmless.id));
  EXPECT_EQ(view(harmless.id).grant.state, GrantState::unreachable);
}

TEST_F(KeeperHouse, F1_WhatIsAmbiguousStaysSoWhenTheNextAttemptWasNotTaken) {
  const auto grant = put_grant("acme-family");
  transport.then(T::lost());
  ASSERT_TRUE(refresh(grant.id));
  advance(3400s);  // the emergency window: once more
  transport.then(T::json(503, "", "5"));
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  ASSERT_TRUE(seen.intent);
  EXPECT_EQ(seen.intent->state, store::IntentState::ambiguous);
  EXPECT_EQ(transport.posts_with("rt1"), 2);
}

// ---- the journal -----------------------------------------------------------------------------------------------------

TEST_F(KeeperHouse, F5_TheAnswerToTheSecondSecretHasAPlaceInTheJournalToo) {
  auto app = **run(store->app("acme"));
  app.secrets[1].sealed = sealing.seal_app_secret(app, 1, Secret("app-secret-1"));
  commit({store::PutApp{app}});
  const auto grant = put_grant("acme-family");
  transport.then(T::json(401, R"({"error":"invalid_client"})"));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.bodies.size(), 2u);
  EXPECT_EQ(logged("reply_not_journaled"), 0);
}

TEST_F(KeeperHouse, F8_ARefusalThatTookTooLongToTryTheOtherSecretPausesNobody) {
  auto app = **run(store->app("acme"));
  app.secrets[1].sealed = sealing.seal_app_secret(app, 1, Secret("app-secret-1"));
  commit({store::PutApp{app}});
  const auto grant = put_grant("acme-family");
  transport.then(T::json(401, R"({"error":"invalid_client"})"));
  transport.before_answer = [&] {
    steady.advance(80s);
    wall.advance(80s);
  };
  const auto slow = refresh(grant.id);
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->state, GrantState::unreachable);
  EXPECT_FALSE((*run(store->app("acme")))->paused) << "one of its secrets was never tried";
  advance(600s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  ASSERT_EQ(transport.bodies.size(), 2u);
  EXPECT_NE(transport.bodies[1].find("app-secret-1"), std::string::npos) << "the other one comes first now";
}

TEST_F(KeeperHouse, F5_AnExchangeWithoutAnswerGivesItsPlaceInTheJournalBack) {
  for (int i = 0; i < 3; ++i) {
    const auto grant = put_grant("acme-family");
    transport.then(i == 0 ? T::unsent() : T::lost());
    ASSERT_TRUE(refresh(grant.id));
  }
  EXPECT_TRUE(journal.reserved.empty());
}

TEST_F(KeeperHouse, F2_NothingIsPostedWhileAnAnswerInTheJournalIsNotMerged) {
  const auto grant = put_grant("acme-family");
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  auto entry = left_in_journal(claim.intent.id, grant.id, 1, wall.now(), R"({"access_token":"at9","refresh_token":"rt9","expires_in":3600})");
  auto damaged = entry;
  damaged.reply_sealed.back() ^= 1;  // cannot be read now; a later start may have the right key
  journal.left_over.push_back(damaged);
  ASSERT_TRUE(run(keeper->start()));
  advance(3500s);
  EXPECT_FALSE(run(keeper->refresh_now(grant.id)));
  EXPECT_FALSE(run(keeper->refresh_now(grant.id)));
  EXPECT_TRUE(transport.bodies.empty()) << "the token may be spent: the journal holds the answer";
  EXPECT_EQ(journal.left_over.size(), 1u) << "and it is not thrown away";
}

TEST_F(KeeperHouse, F2_AnAnswerThatCannotBeReadIsAnAlertUntilANewConsentTakesItsPlace) {
  const auto grant = put_grant("acme-family");
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  auto damaged = left_in_journal(claim.intent.id, grant.id, 1, wall.now(), R"({"access_token":"at9","refresh_token":"rt9","expires_in":3600})");
  damaged.reply_sealed.back() ^= 1;
  journal.left_over.push_back(damaged);
  const auto words = [&] {
    for (const auto& alert : alerts.current()) {
      if (alert.cause == "reply_unreadable") return alert.words;
    }
    return std::string();
  };
  ASSERT_TRUE(run(keeper->start()));
  EXPECT_FALSE(run(keeper->refresh_now(grant.id)));
  EXPECT_NE(words().find("1 account is not refreshed"), std::string::npos);
  EXPECT_NE(words().find(grant.id.text()), std::string::npos);
  EXPECT_NE(words().find("authorise the account again"), std::string::npos);

  auto renewed = view(grant.id).grant;
  renewed.generation = 2;
  sealing.vouch(renewed);
  store::Generation next{.grant = grant.id, .number = 2, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
  next.refresh_sealed = sealing.seal_refresh(renewed, 2, {Secret("rt-new"), Secret()});
  commit({store::UpdateGrant{renewed}, store::DeleteIntentsOf{grant.id}, store::DeleteGeneration{grant.id, 1}, store::PutGeneration{next}});
  advance(31s);
  base::drive_until(loop, [&] {
    keeper->nudge();
    return words().empty() && counters.in_flight == 0;
  });
  EXPECT_TRUE(journal.left_over.empty());
  ASSERT_TRUE(run(keeper->refresh_now(grant.id)));
  EXPECT_EQ(transport.posts_with("rt-new"), 1);
}

TEST_F(KeeperHouse, F4_AnExchangeThatThrowsGivesItsPlaceBack) {
  std::vector<store::Grant> thrown;
  for (int i = 0; i < 33; ++i) thrown.push_back(put_grant("acme-family"));
  const auto last = put_grant("acme-family");
  for (std::size_t i = 0; i < thrown.size(); ++i) {
    transport.script.push_back([](const std::string&) -> net::HttpOutcome { throw std::runtime_error("a fault of ours"); });
  }
  for (const auto& grant : thrown) EXPECT_FALSE(refresh(grant.id));
  ASSERT_TRUE(refresh(last.id)) << "33 faults have used up the 32 places";
}

TEST_F(KeeperHouse, R2_ALifetimeCountsFromTheAnswersArrivalNotFromTheRestart) {
  const auto grant = put_grant("acme-family", 60s);
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  const auto arrived = wall.now();
  journal.left_over.push_back(
      left_in_journal(claim.intent.id, grant.id, 1, arrived, R"({"access_token":"at9","refresh_token":"rt9","expires_in":3600})"));
  advance(3h);  // a power cut
  transport.hold = true;
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1; });
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
  const auto seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt9");
  EXPECT_EQ(seen.grant.access_expires_at, arrived + 1h);
  EXPECT_EQ(access_token(seen), "") << "a token that died hours ago is not handed out";
  EXPECT_EQ(transport.posts_with("rt9"), 1) << "but renewed at once";
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return counters.refreshed == 1 && counters.in_flight == 0; });
}

TEST_F(KeeperHouse, F10_AJournalNewerThanTheStoreWins) {
  const auto grant = put_grant("acme-family");  // the backup knows generation 1
  const auto intent = IntentId::make(wall.now(), entropy);
  journal.left_over.push_back(
      left_in_journal(intent, grant.id, 7, wall.now(), R"({"access_token":"at8","refresh_token":"rt8","expires_in":3600})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.generation, 8);
  EXPECT_EQ(refresh_token(seen), "rt8");
  EXPECT_EQ(access_token(seen), "at8");
  EXPECT_TRUE(transport.revoked.empty());
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(KeeperHouse, F10_AnAnswerWhoseIntentTheStoreLostIsApplied) {
  const auto grant = put_grant("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_TRUE(transport.revoked.empty());
}

// ---- people and the provider at the same time --------------------------------------------------------------------------

TEST_F(KeeperHouse, P4_WhatWasDisabledDuringARefreshStaysDisabled) {
  const auto grant = put_grant("acme-family");
  auto off = view(grant.id).grant;
  off.version += 1;  // the claim
  off.fence += 1;
  off.state = GrantState::disabled;
  off.why = "Switched off by admin.";
  off.due_at.reset();
  sealing.vouch(off);
  meanwhile({store::UpdateGrant{off}});
  transport.then(T::json(200, R"({"access_token":"at2","token_type":"Bearer","expires_in":3600,"refresh_token":"rt2","ext_expires_in":3600})"));
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::disabled);
  EXPECT_NE(seen.grant.extras_json, grant.extras_json) << "what is vouched for anew";
  EXPECT_FALSE(seen.grant.due_at);
  EXPECT_EQ(refresh_token(seen), "rt2") << "what the provider gave is kept all the same";
  EXPECT_TRUE(sealing.check(seen.grant));
}

TEST_F(KeeperHouse, GrantsOfAnUnknownTypeStandInNobodysWay) {
  store::Batch batch;
  const auto grant = add_grant(batch, "vanished", 600s);
  commit(std::move(batch));
  ASSERT_TRUE(run(keeper->start()));
  advance(600s);
  keeper->nudge();
  base::drive_until(loop, [&] { return *view(grant.id).grant.due_at > wall.now() + 30min; });
  EXPECT_NE(view(grant.id).grant.why.find("unknown"), std::string::npos);
}

TEST_F(KeeperHouse, P6_AWriterOfTheStoreCannotUnlockAGrant) {
  auto grant = put_grant("acme-family");
  grant.state = GrantState::disabled;
  sealing.vouch(grant);
  grant.state = GrantState::active;
  EXPECT_FALSE(sealing.check(grant));
}

TEST_F(KeeperHouse, F7_TheAnswerToAConsentThatWasReplacedIsGivenBackAndChangesNothing) {
  const auto grant = put_grant("acme-family");
  auto renewed = view(grant.id).grant;
  renewed.version += 1;
  renewed.fence += 2;
  renewed.generation = 2;
  renewed.account_id = "somebody-else";
  sealing.vouch(renewed);
  store::Generation next{.grant = grant.id, .number = 2, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
  next.refresh_sealed = sealing.seal_refresh(renewed, 2, {Secret("rt-new"), Secret()});
  meanwhile({store::UpdateGrant{renewed}, store::DeleteIntentsOf{grant.id}, store::DeleteGeneration{grant.id, 1}, store::PutGeneration{next}});
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.generations.size(), 1u) << "another account's token is no candidate";
  EXPECT_EQ(refresh_token(seen), "rt-new");
  base::drive_until(loop, [&] { return counters.given_back == 1; });
  EXPECT_NE(transport.revoked.at(0).find("token=rt2"), std::string::npos);
}

// ---- the answer to a commit is lost, or the journal does not hear of it ---------------------------------------------------------

// Found by the simulation: the second commit met a conflict for ever, or counted one refusal twice.
TEST_F(KeeperHouse, F7_ARefusalWhoseCommitWasDoneAndNotAnsweredCountsOnce) {
  const auto grant = put_grant("acme-family");
  int lost = 0;
  door->loses_answer = [&](const store::Batch& batch) { return holds<store::UpdateIntent>(batch) && lost++ == 0; };
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  const auto first = refresh(grant.id);
  ASSERT_TRUE(first);
  EXPECT_EQ(lost, 1 + 1) << "the commit, and the look that finds it done";
  EXPECT_NE(first->state, GrantState::needs_authorization);
  EXPECT_TRUE(view(grant.id).grant.dead_seen);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

TEST_F(KeeperHouse, F7_AnAmbiguousAttemptWhoseCommitWasDoneAndNotAnsweredIsOver) {
  const auto grant = put_grant("acme-family");
  int lost = 0;
  door->loses_answer = [&](const store::Batch& batch) { return holds<store::UpdateIntent>(batch) && lost++ == 0; };
  transport.then(T::lost());
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain);
  EXPECT_EQ(seen.intent->state, store::IntentState::ambiguous);
}

// Found by the simulation: the first refusal was stored, but the journal did not know; the second attempt was not taken, and after a
// crash the first refusal was read for the second.
TEST_F(KeeperHouse, R20_ARefusalFoundInTheJournalAfterItWasStoredDoesNotCountAgain) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  const auto refused_at = wall.now();
  advance(10s);
  transport.then(T::unsent());
  ASSERT_TRUE(refresh(grant.id));
  const auto before = view(grant.id);
  ASSERT_TRUE(before.grant.dead_seen);
  ASSERT_NE(before.intent->state, store::IntentState::refused);
  journal.left_over.push_back(left_in_journal(before.intent->id, grant.id, 1, refused_at, R"({"error":"invalid_grant"})", 400));
  begin_anew();
  EXPECT_NE(view(grant.id).grant.state, GrantState::needs_authorization);
}

TEST_F(KeeperHouse, F7_NothingIsGivenBackWhileAnotherGrantRestsOnTheSameConsent) {
  auto one = put_grant("acme-family");
  auto other = put_grant("acme-harmless");
  auto same = view(other.id).grant;
  same.account_id = one.account_id;
  sealing.vouch(same);
  commit({store::UpdateGrant{same}});
  meanwhile({store::DeleteGrant{one.id}});
  EXPECT_FALSE(refresh(one.id));
  base::drive_until(loop, [&] { return logged("not_given_back") > 0; });
  EXPECT_TRUE(transport.revoked.empty());
}

TEST_F(KeeperHouse, F9_ATokenThatDiesWithTheRefreshIsHeldBackDuringThePost) {
  const auto grant = put_grant("strict");
  transport.hold = true;
  const auto refreshing = base::start_on(loop, keeper->refresh_now(grant.id));
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
  const auto asking = base::start_on(loop, keeper->fresh(grant.id, 0s));
  for (int turn = 0; turn < 20; ++turn) loop.run_for(1ms);
  EXPECT_FALSE(asking->has_value()) << "the token in use may be dead already";
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return asking->has_value() && refreshing->has_value(); });
  ASSERT_TRUE(**asking);
  EXPECT_EQ(access_token(***asking), "at2");
}

TEST_F(KeeperHouse, F9_ATokenThatDiesWithTheRefreshIsLeftToTheDocumentsOnTheirWay) {
  const auto grant = put_grant("strict", 3600s);
  std::optional<TokenUses::Use> upload(keeper->uses().begin(grant.id));
  auto second = std::make_optional(keeper->uses().begin(grant.id));
  ASSERT_TRUE(run(keeper->start()));
  auto due = view(grant.id).grant;
  due.due_at = wall.now();
  commit({store::UpdateGrant{due}});
  keeper->nudge();
  base::drive_until(loop, [&] { return *view(grant.id).grant.due_at == wall.now() + 5s; });
  EXPECT_TRUE(transport.bodies.empty());
  second.reset();
  EXPECT_TRUE(keeper->uses().any(grant.id)) << "one has arrived, the other has not";
  upload.reset();
  advance(5s);
  keeper->nudge();
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
}

TEST_F(KeeperHouse, F9_DocumentsOnTheirWayAreNotWaitedForBeyondTheTokensEnd) {
  const auto grant = put_grant("strict", 3600s);
  const auto upload = keeper->uses().begin(grant.id);
  ASSERT_TRUE(run(keeper->start()));
  wall.advance(3600s - 119s);
  steady.advance(3600s - 119s);
  auto due = view(grant.id).grant;
  due.due_at = wall.now();
  commit({store::UpdateGrant{due}});
  keeper->nudge();
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
}

// ---- the app -----------------------------------------------------------------------------------------------------------

TEST_F(KeeperHouse, R21_OneGrantsRefusedRequestDoesNotPauseTheApp) {
  const auto odd = put_grant("acme-harmless");
  transport.then(T::json(400, R"({"error":"invalid_scope"})"));
  ASSERT_TRUE(refresh(odd.id));
  EXPECT_EQ(view(odd.id).grant.state, GrantState::paused);
  for (int turn = 0; turn < 20; ++turn) loop.run_for(1ms);
  EXPECT_FALSE((*run(store->app("acme")))->paused);
  // Three grants with the same trouble are the app's.
  for (int i = 0; i < 2; ++i) {
    transport.then(T::json(400, R"({"error":"invalid_scope"})"));
    ASSERT_TRUE(refresh(put_grant("acme-harmless").id));
  }
  base::drive_until(loop, [&] { return (*run(store->app("acme")))->paused; });
}

TEST_F(KeeperHouse, R21_AnyAnswerThatAcceptsTheClientResumesTheApp) {
  auto dead = put_grant("acme-harmless");
  const auto alive = put_grant("acme-harmless");
  transport.then(T::json(401, R"({"error":"invalid_client"})"));
  ASSERT_TRUE(refresh(alive.id));
  base::drive_until(loop, [&] { return (*run(store->app("acme")))->paused; });
  advance(2s);  // the store may say so a moment before the keeper has let go of what it kept of the app
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(dead.id));
  base::drive_until(loop, [&] { return !(*run(store->app("acme")))->paused; });
}

// Found by the simulation: whoever had asked for a token in vain made the grant rest.
TEST_F(KeeperHouse, R21_WhatWasAskedForWhileTheAppWasPausedIsRefreshedAtOnceWhenItIsMended) {
  const auto grant = put_grant("acme-family", 60s);
  const auto set_paused = [&](bool paused) {
    auto app = **run(store->app("acme"));
    app.paused = paused;
    commit({store::PutApp{app}});
    clients->forget("acme");
  };
  set_paused(true);
  ASSERT_TRUE(run(keeper->start()));
  advance(120s);
  ASSERT_FALSE(run(keeper->fresh(grant.id, 0s)));
  EXPECT_TRUE(transport.bodies.empty());
  set_paused(false);
  keeper->nudge();
  base::drive_until(loop, [&] { return transport.posts_with("rt1") == 1; });
}

TEST_F(KeeperHouse, R21_AnAppMendedAtAnotherServerIsNoAlertHereAnyMoreAndIsOneAgainWhenItIsRefusedAgain) {
  const auto set_paused = [&](bool paused) {
    auto app = **run(store->app("acme"));
    app.paused = paused;
    commit({store::PutApp{app}});
  };
  const auto is_alert = [&] {
    return std::ranges::any_of(alerts.current(), [](const Alert& alert) { return alert.cause == "app_misconfigured:acme"; });
  };
  ASSERT_TRUE(run(keeper->start()));
  for (int round = 0; round < 2; ++round) {
    set_paused(true);
    advance(60s);
    base::drive_until(loop, [&] { return is_alert(); });
    set_paused(false);
    advance(60s);
    base::drive_until(loop, [&] { return !is_alert(); });
  }
}

TEST_F(KeeperHouse, K6_AnEditedProviderFileDoesNotMoveTheSecret) {
  const auto grant = put_grant("acme-family");
  run(stop_keeper());
  keeper.reset();
  std::string edited(kAcme);
  const std::string before = R"("token": "https://acme.example/token")";
  edited.replace(edited.find(before), before.size(), R"("token": "https://evil.example/token")");
  const auto builtin = catalog::Catalog::load_builtin();
  const auto with_edited = (*builtin)->with_file("acme.json", edited);
  ASSERT_TRUE(with_edited) << with_edited.error().text;
  catalogue = *with_edited;
  start();
  const auto result = refresh(grant.id);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::misconfigured);
  EXPECT_TRUE(transport.bodies.empty());
}

// ---- crowds ------------------------------------------------------------------------------------------------------------

TEST_F(KeeperHouse, F4_AtMost32OneShotPostsAreOnTheirWay) {
  store::Batch batch;
  for (int i = 0; i < 200; ++i) add_grant(batch, "acme-family", 600s);
  commit(std::move(batch));
  transport.hold = true;
  ASSERT_TRUE(run(keeper->start()));
  advance(600s);
  keeper->nudge();
  base::drive_until(loop, [&] { return transport.at_once == 32; });
  for (int turn = 0; turn < 50; ++turn) loop.run_for(1ms);
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] {
    keeper->nudge();
    return counters.refreshed == 200 && counters.in_flight == 0;
  });
  EXPECT_EQ(transport.most_at_once, 32);
}

TEST_F(KeeperHouse, R25_TenThousandDueAtOnceKeepTheProvidersCap) {
  for (int block = 0; block < 20; ++block) {
    store::Batch batch;
    for (int i = 0; i < 500; ++i) add_grant(batch, "strict");
    commit(std::move(batch));
  }
  ASSERT_TRUE(run(keeper->start()));
  advance(3600s);
  std::deque<std::int64_t> sent_at_second;
  std::size_t most_in_a_minute = 0;
  for (int second = 0; second < 600 && counters.refreshed < 10'000; ++second) {
    sweep();
    base::drive_until(loop, [&] { return counters.in_flight == 0; });
    sent_at_second.push_back(counters.refreshed);
    const auto before = sent_at_second.size() > 60 ? sent_at_second[sent_at_second.size() - 61] : 0;
    most_in_a_minute = std::max(most_in_a_minute, static_cast<std::size_t>(counters.refreshed - before));
    advance(1s);
  }
  EXPECT_EQ(counters.refreshed, 10'000);
  EXPECT_LE(most_in_a_minute, 6'000u);
  EXPECT_GE(most_in_a_minute, 5'000u) << "and the cap is used";
}

TEST_F(KeeperHouse, AGrantThatCannotBeUsedIsNotTriedInALoop) {
  const auto grant = put_grant("acme-family", 600s);
  auto altered = view(grant.id).grant;
  altered.account_id = "somebody-else";
  commit({store::UpdateGrant{altered}});
  ASSERT_TRUE(run(keeper->start()));
  advance(600s);
  for (int turn = 0; turn < 100; ++turn) {
    keeper->nudge();
    loop.run_for(1ms);
  }
  EXPECT_EQ(logged("grant_not_used"), 1);
}

TEST_F(KeeperHouse, R27_GrantsThatNeedAPersonAreOneAlertThatEndsByItself) {
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(run(keeper->start()));
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_TRUE(refresh(grant.id));
  const auto raised = [&] {
    const auto current = alerts.current();
    return std::ranges::any_of(current, [](const Alert& alert) { return alert.cause == "needs_authorization"; });
  };
  base::drive_until(loop, [&] {
    keeper->nudge();
    return raised();
  });
  commit({store::DeleteGrant{grant.id}});
  advance(61s);
  base::drive_until(loop, [&] {
    keeper->nudge();
    return !raised();
  });
}

}  // namespace
}  // namespace latchkey::grants
