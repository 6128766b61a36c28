#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;
using T = ScriptedTransport;

TEST_F(KeeperHouse, RotatedTokenIsKeptAndThePreviousOneUntilItHasWorked) {
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(refresh(grant.id));
  auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.generation, 2);
  EXPECT_EQ(refresh_token(seen), "rt2");
  EXPECT_EQ(access_token(seen), "at2");
  EXPECT_EQ(seen.generations.size(), 2u) << "rt1 stays until rt2 has worked";
  ASSERT_TRUE(refresh(grant.id));
  seen = view(grant.id);
  ASSERT_EQ(seen.generations.size(), 2u);
  EXPECT_EQ(seen.generations.front().number, 2);
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_EQ(seen.grant.state, GrantState::active);
  ASSERT_TRUE(seen.grant.due_at);
  EXPECT_GT(*seen.grant.due_at, wall.now());
  EXPECT_TRUE(seen.grant.lease_owner.none());
  EXPECT_TRUE(journal.recorded.empty()) << "confirmed once the store had it";
}

TEST_F(KeeperHouse, TheTimeOfEachStepIsCounted) {
  const auto grant = put_grant("acme-harmless");
  transport.before_answer = [this] { steady.advance(2s); };
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(counters.steps.exchange, std::chrono::nanoseconds(2s).count()) << "on its way";
  EXPECT_LT(counters.steps.claim + counters.steps.journal + counters.steps.merge, std::chrono::nanoseconds(2s).count());
}

TEST_F(KeeperHouse, F4OneShotTypesGetAFreshConnectionAndHarmlessOnesDoNot) {
  ASSERT_TRUE(refresh(put_grant("acme-family").id));
  ASSERT_TRUE(refresh(put_grant("acme-harmless").id));
  EXPECT_EQ(transport.reuse[0], net::Reuse::fresh_connection);
  EXPECT_EQ(transport.reuse[1], net::Reuse::may_reuse);
}

TEST_F(KeeperHouse, R1LostReplyOfASingleUseTokenIsUncertainServedAndNotSpentAgain) {
  const auto grant = put_grant("acme-family");
  transport.then(T::lost());
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->state, GrantState::uncertain);
  EXPECT_EQ(transport.bodies.size(), 1u) << "no second POST before the emergency window";
  EXPECT_EQ(access_token(view(grant.id)), "at1") << "the token in use is served";
  const auto served = run(keeper->fresh(grant.id, 0s));
  EXPECT_TRUE(served);
  // At the emergency window nothing is left to lose: once.
  wall.set(*grant.access_expires_at - 200s);
  steady.advance(3400s);
  transport.then(T::lost());
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 2);
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::uncertain) << "ambiguous is never dead";
  ASSERT_TRUE(seen.grant.due_at);
  EXPECT_GT(*seen.grant.due_at, *grant.access_expires_at);
}

TEST_F(KeeperHouse, R1LostReplyWithinTheGraceIsAskedAgainAtOnce) {
  const auto grant = put_grant("acme-grace");
  transport.then(T::lost());
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->state, GrantState::active);
  EXPECT_EQ(transport.posts_with("rt1"), 2);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

// However far apart the tries have come to be: a token that is still taken is tried before it is taken no more.
TEST_F(KeeperHouse, R1TheLastTryOfAGraceComesBeforeItsEnd) {
  const auto grant = put_grant("acme-grace");
  for (int lost = 0; lost < 40; ++lost) transport.then(T::lost());
  const auto begun = wall.now();
  ASSERT_TRUE(run(keeper->start()));
  ASSERT_TRUE(refresh(grant.id));
  WallTime last_within = begun;
  while (wall.now() < begun + 1900s) {
    const auto before = transport.bodies.size();
    advance(1s);
    sweep();
    base::drive_until(loop, [&] { return counters.in_flight == 0; });
    if (transport.bodies.size() > before && wall.now() <= begun + 1800s) last_within = wall.now();
  }
  EXPECT_GE(last_within, begun + 1790s);
  EXPECT_LT(transport.bodies.size(), 20u) << "nor in a loop";
}

TEST_F(KeeperHouse, F5ACutReplyThatHoldsTheWholeRefreshTokenIsNotLost) {
  const auto grant = put_grant("acme-family");
  transport.then(T::lost(R"({"refresh_token":"rt2","access_token":"at)"));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_EQ(access_token(view(grant.id)), "at1") << "the old access token is served meanwhile";
}

TEST_F(KeeperHouse, R2AReplyLeftInTheJournalIsMergedAndNothingIsPostedAgain) {
  const auto grant = put_grant("acme-family");
  // What a kill -9 between reply and commit leaves: an open intent and a journaled reply.
  auto seen = view(grant.id);
  const auto claim = claim_for(seen, node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  const std::string packed = "200\napplication/json\n\nwhole\n{\"access_token\":\"at9\",\"refresh_token\":\"rt9\",\"expires_in\":3600}";
  journal.left_over.push_back({.intent = claim.intent.id, .grant = grant.id, .generation = 1, .recorded_at = wall.now(),
                               .reply_sealed = sealing.seal_reply(claim.intent.id, grant.id, 1, Secret(std::string_view(packed)))});
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt9");
  EXPECT_EQ(access_token(seen), "at9");
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_EQ(counters.replies_recovered, 1);
}

TEST_F(KeeperHouse, R2AnIntentWithoutReplyIsAmbiguousAfterARestart) {
  const auto grant = put_grant("acme-family");
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.ambiguous == 1; });
  base::drive_until(loop, [&] { return view(grant.id).grant.state == GrantState::uncertain; });
  EXPECT_TRUE(transport.bodies.empty()) << "a token that may be spent is not sent again";
}

TEST_F(KeeperHouse, R2_AnExchangeOfWhichTheStoreDoesNotSayWhatBecameOfItIsNotTakenForUnspent) {
  const auto grant = put_grant("acme-family");
  commit(claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now()).batch);
  door->hides_grant = [left = 1](GrantId) mutable { return left-- > 0; };
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return logged("intent_not_settled") == 1; });
  EXPECT_EQ(view(grant.id).intent->state, store::IntentState::open);
  EXPECT_FALSE(keeper->has_settled_lost());
  advance(6s);
  keeper->nudge();
  base::drive_until(loop, [&] { return keeper->has_settled_lost(); });
  EXPECT_EQ(view(grant.id).grant.state, GrantState::uncertain);
  EXPECT_EQ(view(grant.id).intent->state, store::IntentState::ambiguous);
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(KeeperHouse, R4AFullDiskRefusesBeforeTheTokenIsSpent) {
  const auto grant = put_grant("acme-family");
  journal.full = true;
  EXPECT_FALSE(refresh(grant.id));
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_EQ(alerts.current().size(), 1u);
  journal.full = false;
  EXPECT_TRUE(refresh(grant.id));
  EXPECT_TRUE(alerts.current().empty());
}

TEST_F(KeeperHouse, R4AStoreThatTakesNoClaimSpendsNothingAndIsSaid) {
  const auto grant = put_grant("acme-family");
  door->refuses = [](const store::Batch&) { return true; };
  EXPECT_FALSE(refresh(grant.id));
  EXPECT_TRUE(transport.bodies.empty());
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_EQ(alerts.current().front().cause, "store_refuses");
  door->refuses = {};
  EXPECT_TRUE(refresh(grant.id));
  EXPECT_TRUE(alerts.current().empty());
}

TEST_F(KeeperHouse, F5NothingIsRefreshedAfterAFailedJournalSync) {
  auto grant = put_grant("acme-family");
  wall.advance(3600s);
  steady.advance(3600s);
  journal.broken = true;
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return !alerts.current().empty(); });
  EXPECT_EQ(alerts.current().front().cause, "journal_failed");
  EXPECT_TRUE(transport.bodies.empty());
}

Task<int> ask_many(Keeper& keeper, GrantId grant, boost::asio::io_context& loop, int callers) {
  auto served = std::make_shared<int>(0);
  std::vector<std::shared_ptr<std::optional<bool>>> outcomes;
  struct Caller {
    static Task<bool> ask(Keeper& which, GrantId id) { co_return (co_await which.fresh(id, Seconds(0))).has_value(); }
  };
  for (int i = 0; i < callers; ++i) outcomes.push_back(base::start_on(loop, Caller::ask(keeper, grant)));
  for (const auto& outcome : outcomes) {
    while (!outcome->has_value()) co_await base::SystemSteadyClock().sleep_for(1ms);
    *served += **outcome ? 1 : 0;
  }
  co_return *served;
}

TEST_F(KeeperHouse, R9TwoHundredCallersAndAnExpiredTokenMakeOnePost) {
  const auto grant = put_grant("acme-family");
  wall.advance(3700s);
  steady.advance(3700s);
  transport.hold = true;
  const auto asking = base::start_on(loop, ask_many(*keeper, grant.id, loop, 200));
  base::drive_until(loop, [&] { return transport.bodies.size() == 1 && counters.handouts_waited == 200; });
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return asking->has_value(); });
  EXPECT_EQ(**asking, 200);
  EXPECT_EQ(transport.bodies.size(), 1u);
}

TEST_F(KeeperHouse, R7AStillValidTokenIsServedWhileTheProviderThinks) {
  const auto grant = put_grant("acme-family");
  transport.hold = true;
  const auto slow = base::start_on(loop, keeper->refresh_now(grant.id));
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
  const auto before = std::chrono::steady_clock::now();
  const auto served = run(keeper->fresh(grant.id, 0s));
  EXPECT_TRUE(served);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 50ms);
  EXPECT_EQ(transport.bodies.size(), 1u);
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return slow->has_value(); });
}

TEST_F(KeeperHouse, R10OmittedEmptyOrNullRefreshTokenKeepsTheOld) {
  const auto grant = put_grant("acme-harmless");
  for (const auto* member : {"", R"(,"refresh_token":"")", R"(,"refresh_token":null)"}) {
    transport.then(T::json(200, std::string(R"({"access_token":"x","expires_in":3600)") + member + "}"));
    ASSERT_TRUE(refresh(grant.id));
    EXPECT_EQ(refresh_token(view(grant.id)), "rt1") << member;
  }
}

TEST_F(KeeperHouse, R11AnEqualRefreshTokenLeavesOneCopy) {
  const auto grant = put_grant("acme-harmless");
  transport.then(T::json(200, R"({"access_token":"x","expires_in":3600,"refresh_token":"rt1"})"));
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.generations.size(), 1u);
  EXPECT_EQ(seen.grant.generation, 2) << "one token set more, no second one besides";
  EXPECT_EQ(refresh_token(seen), "rt1");
}

TEST_F(KeeperHouse, R12ARefreshTokenWithoutAccessTokenIsStoredAnyway) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(200, R"({"refresh_token":"rt2"})"));
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_EQ(result->state, GrantState::unreachable);
  EXPECT_FALSE(result->why.empty());
  EXPECT_EQ(access_token(view(grant.id)), "at1");
}

TEST_F(KeeperHouse, R13StrangeLifetimesGiveASaneDueTime) {
  const auto grant = put_grant("acme-harmless");
  for (const auto* lifetime : {R"("3600")", "0", "-1", "1e12", "3600.5", "null", R"("soon")"}) {
    transport.then(T::json(200, std::string(R"({"access_token":"x","expires_in":)") + lifetime + "}"));
    const auto result = refresh(grant.id);
    ASSERT_TRUE(result) << lifetime;
    ASSERT_TRUE(result->due_at) << lifetime;
    EXPECT_GE(*result->due_at - wall.now(), 10min) << lifetime;
    EXPECT_LE(*result->due_at - wall.now(), 20min) << lifetime;
  }
}

TEST_F(KeeperHouse, R16R17R18R19NothingButADefiniteRefusalHurtsAGrant) {
  const auto grant = put_grant("acme-family");
  const std::vector<net::HttpOutcome (*)()> hurts = {
      [] { return T::json(502, "<html>Bad gateway</html>"); },
      [] { return T::json(503, "{}", "30"); },
      [] { return T::json(429, ""); },
      [] { return T::json(400, R"({"error":"temporarily_unavailable"})"); },
      [] { return T::json(401, ""); },
      [] { return T::json(403, "<html>Blocked by the firewall</html>"); },
      [] { return T::json(200, R"({"error":"server_error"})"); },
  };
  for (std::size_t i = 0; i < hurts.size(); ++i) {
    transport.then(hurts[i]());
    const auto result = refresh(grant.id);
    ASSERT_TRUE(result) << i;
    EXPECT_EQ(result->state, GrantState::unreachable) << i << " " << result->why;
    EXPECT_FALSE(result->why.empty());
    ASSERT_TRUE(result->due_at);
    EXPECT_GT(*result->due_at, wall.now());
    EXPECT_LE(*result->due_at, wall.now() + 24h);
    EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
  }
}

TEST_F(KeeperHouse, R18RetryAfterIsHonoured) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(503, "{}", "120"));
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result && result->due_at);
  EXPECT_GE(*result->due_at - wall.now(), 120s);
}

TEST_F(KeeperHouse, R20OneInvalidGrantThenSuccessDoesNotLoseTheUser) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  const auto first = refresh(grant.id);
  ASSERT_TRUE(first);
  EXPECT_NE(first->state, GrantState::needs_authorization);
  ASSERT_TRUE(first->due_at);
  EXPECT_LE(*first->due_at - wall.now(), 5s) << "looked at again at once";
  const auto second = refresh(grant.id);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->state, GrantState::active);
  EXPECT_FALSE(second->dead_seen);
}

TEST_F(KeeperHouse, R27ARefusalSeenTwiceAsksForAPersonAndServesWhatIsLeft) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  const auto second = refresh(grant.id);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->state, GrantState::needs_authorization);
  EXPECT_FALSE(second->due_at) << "no hot loop on the dead";
  EXPECT_EQ(counters.died, 1);
  EXPECT_TRUE(run(keeper->fresh(grant.id, 0s)));
  wall.advance(3700s);
  steady.advance(3700s);
  const auto expired = run(keeper->fresh(grant.id, 0s));
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().reason, "authorization_needed");
  EXPECT_EQ(transport.bodies.size(), 2u);
}

TEST_F(KeeperHouse, R21AnExpiredAppSecretPausesTheAppAndKillsNobody) {
  const auto first = put_grant("acme-family");
  const auto second = put_grant("acme-family");
  transport.then(T::json(401, R"({"error":"invalid_client"})"));
  const auto result = refresh(first.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->state, GrantState::paused);
  base::drive_until(loop, [&] { return (*run(store->app("acme")))->paused; });  // beside the refresh, not within it
  EXPECT_EQ(alerts.current().size(), 1u);
  EXPECT_EQ(view(second.id).grant.state, GrantState::active) << "nobody is marked dead";
  wall.advance(3700s);
  steady.advance(3700s);
  const auto asked = run(keeper->fresh(second.id, 0s));
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().reason, "app_misconfigured");
  EXPECT_EQ(transport.bodies.size(), 1u) << "a paused app is not asked for by every caller";
  // The secret is mended at the provider: one probe succeeds, and everybody goes on.
  ASSERT_TRUE(refresh(first.id));
  base::drive_until(loop, [&] { return !(*run(store->app("acme")))->paused && alerts.current().empty(); });
  EXPECT_TRUE(run(keeper->fresh(second.id, 0s)));
}

TEST_F(KeeperHouse, R21_ASecretMendedDuringTheRefusalPausesNobody) {
  const auto grant = put_grant("acme-harmless");
  auto app = **run(store->app("acme"));
  app.secrets[0].sealed = sealing.seal_app_secret(app, 0, Secret("mended"));
  sealing.vouch(app);
  meanwhile({store::PutApp{app}});
  transport.then(T::json(401, R"({"error":"invalid_client"})"));
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->state, GrantState::active) << "not only a minute later: " << result->why;
  ASSERT_EQ(transport.bodies.size(), 2u);
  EXPECT_THAT(transport.bodies[1], testing::HasSubstr("mended"));
  run(stop_keeper());  // whatever the refusal has set going is over
  EXPECT_FALSE((**run(store->app("acme"))).paused);
  EXPECT_TRUE(alerts.current().empty());
}

TEST_F(KeeperHouse, AnAppChangedElsewhereIsNoticedWithinASecond) {
  const auto first = put_grant("acme-harmless");
  const auto second = put_grant("acme-harmless");
  ASSERT_TRUE(refresh(first.id));
  auto app = **run(store->app("acme"));
  app.secrets[0].sealed = sealing.seal_app_secret(app, 0, Secret("another-secret"));
  sealing.vouch(app);
  commit({store::PutApp{app}});  // by another node: nobody here is told
  advance(1s);
  ASSERT_TRUE(refresh(second.id));
  ASSERT_EQ(transport.bodies.size(), 2u);
  EXPECT_THAT(transport.bodies[0], testing::HasSubstr("app-secret-0"));
  EXPECT_THAT(transport.bodies[1], testing::HasSubstr("another-secret"));
}

TEST_F(KeeperHouse, F8TheSecondSecretIsTriedBeforeTheAppIsPaused) {
  auto app = **run(store->app("acme"));
  app.secrets[1].sealed = sealing.seal_app_secret(app, 1, Secret("app-secret-1"));
  commit({store::PutApp{app}});
  const auto grant = put_grant("acme-family");
  transport.then(T::json(401, R"({"error":"invalid_client"})"));
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->state, GrantState::active);
  ASSERT_EQ(transport.bodies.size(), 2u);
  EXPECT_NE(transport.bodies[0].find("app-secret-0"), std::string::npos);
  EXPECT_NE(transport.bodies[1].find("app-secret-1"), std::string::npos);
  EXPECT_FALSE((*run(store->app("acme")))->paused);
}

TEST_F(KeeperHouse, R22ARefusalOfATokenNoLongerInUseIsIgnored) {
  const auto grant = put_grant("acme-family");
  // While the POST is on its way, another node commits the next generation.
  transport.before_answer = [&] {
    auto seen = boost::asio::co_spawn(loop, store->grant(grant.id), boost::asio::use_future);
    while (seen.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    auto other = **seen.get();
    other.grant.generation = 2;
    other.grant.fence += 1;
    store::Generation next{.grant = grant.id, .number = 2, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
    next.refresh_sealed = sealing.seal_refresh(grant, 2, {Secret("rt-of-the-other"), Secret()});
    next.access_sealed = sealing.seal_access(grant, 2, Secret("at-of-the-other"));
    auto done = boost::asio::co_spawn(loop, store->commit({store::UpdateGrant{other.grant}, store::PutGeneration{next}}), boost::asio::use_future);
    while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    ASSERT_TRUE(done.get());
  };
  transport.then(T::json(400, R"({"error":"invalid_grant"})"));
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(seen.grant.state, GrantState::active);
  EXPECT_EQ(refresh_token(seen), "rt-of-the-other");
  EXPECT_FALSE(seen.grant.dead_seen);
}

TEST_F(KeeperHouse, R6ALateReplyOverwritesNothingAndIsKeptAsACandidateThatCanWin) {
  const auto grant = put_grant("acme-family");
  auto seen = view(grant.id);
  const auto claim = claim_for(seen, node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  seen = view(grant.id);
  // Another node has moved the grant on to generation 2 while this one slept.
  auto moved = seen;
  moved.grant.generation = 2;
  store::Generation next{.grant = grant.id, .number = 2, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
  next.refresh_sealed = sealing.seal_refresh(grant, 2, {Secret("rt2"), Secret()});
  next.access_sealed = sealing.seal_access(grant, 2, Secret("at2"));
  commit({store::UpdateGrant{moved.grant}, store::PutGeneration{next}});
  oauth::TokenReply late = oauth::parse_token_reply(200, "application/json", R"({"access_token":"late","refresh_token":"rt-late","expires_in":60})");
  const auto step = apply_reply(view(grant.id), claim.intent, late, {Secret("rt1"), Secret()}, TypeRules{}, sealing, "{}", wall.now());
  commit(step.batch);
  seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt2") << "the newer token is not overwritten";
  EXPECT_EQ(seen.generations.size(), 3u) << "and the late reply is not thrown away";
  // The provider refuses rt2, and refuses it again: the candidate is tried before anybody is asked.
  for (const std::string_view next : {"rt2", "rt-late"}) {
    transport.then(T::json(400, R"({"error":"invalid_grant"})"));
    ASSERT_TRUE(refresh(grant.id));
    EXPECT_EQ(refresh_token(view(grant.id)), next);
  }
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

TEST_F(KeeperHouse, R23ReducedScopesAreNamed) {
  const auto grant = put_grant("acme-harmless");
  transport.then(T::json(200, R"({"access_token":"x","expires_in":3600,"scope":"files"})"));
  const auto result = refresh(grant.id);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->missing_scopes, "mail");
  EXPECT_NE(result->why.find("mail"), std::string::npos);
}

TEST_F(KeeperHouse, F7AReplyForADeletedGrantIsNotAnError) {
  const auto grant = put_grant("acme-family");
  meanwhile({store::DeleteGrant{grant.id}});
  const auto result = refresh(grant.id);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "no_such_grant");
  EXPECT_EQ(counters.replies_unowned, 1);
  base::drive_until(loop, [&] { return counters.given_back == 1; });
  ASSERT_EQ(transport.revoked.size(), 1u) << "the provider is told that nobody wants it";
  EXPECT_NE(transport.revoked[0].find("token=rt2"), std::string::npos);
}

TEST_F(KeeperHouse, F7_WhatCameForNobodyStaysInTheJournalUntilItWaitsToGoBack) {
  const auto grant = put_grant("acme-family");
  meanwhile({store::DeleteGrant{grant.id}});
  int refused = 0;
  std::vector<std::size_t> waiting;
  door->refuses = [&](const store::Batch& batch) {
    const bool is_entry = std::ranges::any_of(batch, [](const auto& one) { return std::holds_alternative<store::PutRevocation>(one); });
    if (is_entry) waiting.push_back(journal.recorded.size());
    return is_entry && ++refused < 4;
  };
  ASSERT_FALSE(refresh(grant.id));
  EXPECT_EQ(refused, 4);
  EXPECT_EQ(waiting, std::vector<std::size_t>(4, 1)) << "a process that ends now finds it again";
  EXPECT_TRUE(journal.recorded.empty());
  EXPECT_EQ(counters.replies_unowned, 1);
  base::drive_until(loop, [&] { return counters.given_back == 1; });
}

TEST_F(KeeperHouse, P6AGrantWhoseAppOrAccountWasAlteredIsNotUsed) {
  const auto grant = put_grant("acme-family");
  auto altered = view(grant.id).grant;
  altered.account_id = "somebody-else";
  commit({store::UpdateGrant{altered}});
  const auto result = refresh(grant.id);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "record_altered");
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(KeeperHouse, TheLoopRefreshesWhatIsDueByItself) {
  const auto grant = put_grant("acme-family", 600s);
  ASSERT_TRUE(run(keeper->start()));
  wall.advance(600s);
  steady.advance(600s);
  keeper->nudge();
  base::drive_until(loop, [&] { return counters.refreshed == 1 && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_GE(changes, 1);
}

// A due time is kept with its grant; the registry's change must reach those that wait for the longer time.
TEST_F(KeeperHouse, AShorterPollingTimeBringsWaitingGrantsForward) {
  const auto waiting = put_grant("acme-harmless", 36'000s);
  const auto of_another_type = put_grant("acme-family", 36'000s);
  const auto broken = put_grant("acme-harmless", 36'000s);
  transport.then(T::json(200, R"({"access_token":"at2","expires_in":36000})"));
  transport.then(T::json(200, R"({"access_token":"at3","refresh_token":"rt3","expires_in":36000})"));
  transport.then(T::json(503, "", "7200"));
  ASSERT_TRUE(refresh(waiting.id));
  ASSERT_TRUE(refresh(of_another_type.id));
  ASSERT_TRUE(refresh(broken.id));
  const auto due_in = [&](const GrantId& id) { return *view(id).grant.due_at - wall.now(); };
  const auto before = due_in(of_another_type.id);
  ASSERT_GT(due_in(waiting.id), 15min);
  ASSERT_TRUE(run(keeper->start()));
  polling = [](std::string_view type) { return type == "acme-harmless" ? Seconds(3min) : Seconds(20min); };
  keeper->nudge();
  base::drive_until(loop, [&] { return due_in(waiting.id) <= 3min; });
  EXPECT_GT(due_in(waiting.id), 2min);
  EXPECT_EQ(due_in(of_another_type.id), before);
  EXPECT_GE(due_in(broken.id), 1h) << "Retry-After holds";
  EXPECT_EQ(transport.bodies.size(), 3u);
}

TEST(PrudentClockTest, R24AClockSetBackDoesNotReviveTokens) {
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  const PrudentClock clock(wall, steady);
  const auto start = clock.now();
  wall.set(base::from_unix_ms(0));
  steady.advance(10s);
  EXPECT_EQ(clock.now(), start + 10s);
  wall.set(start + 72h);
  EXPECT_EQ(clock.now(), start + 72h) << "a resume after three days is believed";
  wall.set(start);
  steady.advance(60s);
  EXPECT_EQ(clock.now(), start + 72h + 60s) << "tokens stamped after a jump must not live longer when it is taken back";
}

TEST_F(KeeperHouse, StaleMetadataServesWhileItsServerAnswersSomethingElse) {
  store::App app{.id = "oidc", .provider = "oidc", .client_id = "client", .token_origin = "https://id.example",
                 .params_json = R"({"issuer":"https://id.example"})", .created_at = wall.now(), .version = 0};
  app.secrets[0].sealed = sealing.seal_app_secret(app, 0, Secret("app-secret-0"));
  sealing.vouch(app);
  commit({store::PutApp{app}});
  const auto token_endpoint = [&] {
    const auto client = run(clients->client_for("oidc", "oidc", "{}", "{}"));
    return client ? client->endpoints.token : client.error().reason;
  };
  transport.then(ScriptedTransport::json(200, "<html>We are back soon.</html>"));
  EXPECT_NE(token_endpoint(), "https://id.example/token") << "never read yet";
  advance(ProviderDescriptions::kRestWithout);
  transport.then(ScriptedTransport::json(200, R"({"issuer":"https://id.example","authorization_endpoint":"https://id.example/authorize",
    "token_endpoint":"https://id.example/token","response_types_supported":["code"]})"));
  EXPECT_EQ(token_endpoint(), "https://id.example/token");
  advance(2h);
  transport.then(ScriptedTransport::json(200, "<html>We are back soon.</html>"));
  EXPECT_EQ(token_endpoint(), "https://id.example/token");
  base::drive_until(loop, [&] { return transport.script.empty(); });  // it is asked beside
  EXPECT_EQ(token_endpoint(), "https://id.example/token");
}

// What the provider says of the refresh token's own life counts, however long the access token lives.
TEST_F(KeeperHouse, ARefreshTokenThatEndsSoonIsUsedBeforeHalfOfItsLife) {
  const auto grant = put_grant("acme-harmless");
  const auto due_after = [&](std::string_view stated) {
    transport.then(T::json(200, R"({"access_token":"at2","expires_in":36000,"refresh_token":"rt2")" + std::string(stated) + "}"));
    EXPECT_TRUE(refresh(grant.id));
    const auto seen = view(grant.id).grant;
    advance(61s);
    return std::chrono::duration_cast<Seconds>(*seen.due_at - seen.issued_at);
  };
  const auto usual = due_after("");
  EXPECT_GT(usual, 600s);
  EXPECT_LE(due_after(R"(,"refresh_expires_in":600)"), 300s);
  EXPECT_LE(due_after(R"(,"refresh_token_expires_in":600)"), 300s);
  EXPECT_GT(due_after(R"(,"refresh_expires_in":0)"), 600s) << "an offline token says 0: it does not end";
  EXPECT_GE(due_after(R"(,"refresh_expires_in":5)"), 50s) << "never more than a refresh a minute or so";
}

}  // namespace
}  // namespace latchkey::grants
