// Tokens on their way back to the provider: RULES F7 and K5, docs/design/foresight.md. What is switched off: switching_off_test.cpp.
#include "grants/giving_back_testing.h"
#include "grants/nodes.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;

TEST_F(GivingBackHouse, F7_DeletingQueuesTheTokensInTheSameCommit) {
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  until_empty();
  ASSERT_EQ(transport.revoked.size(), 1u);
  EXPECT_NE(transport.revoked[0].find("token=rt1"), std::string::npos);
  EXPECT_EQ(counters.given_back, 1);
  EXPECT_EQ(run(store->audit({.action = "grant.revoked_at_provider"}))->total, 1);
}

TEST_F(GivingBackHouse, F7_WhatWasQueuedIsSealedAndOutlivesTheProcess) {
  const auto grant = put_grant("acme-family");
  transport.revoke_status = 503;
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  const auto left = after_attempt(1);
  EXPECT_EQ(base::as_text(left.record_sealed).find("rt1"), std::string_view::npos);
  auto moved = left;
  moved.id = RevocationId::make(wall.now(), entropy);
  EXPECT_FALSE(sealing.open_revocation(moved)) << "it opens in its own row only";
  run(stop_keeper());
  start();  // another process over the same store
  transport.revoke_status = 200;
  advance(6h);
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 2u);
}

TEST_F(GivingBackHouse, ItBacksOffAndGivesUpWithAWord) {
  const auto grant = put_grant("acme-family");
  transport.revoke_status = 503;
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  const auto first = after_attempt(1).due_at - wall.now();
  advance(std::chrono::ceil<Seconds>(first));
  giving_back->nudge();
  EXPECT_GT(after_attempt(2).due_at - wall.now(), first);
  advance(std::chrono::days(14));
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(counters.not_given_back, 1);
  EXPECT_EQ(run(store->audit({.action = "grant.not_revoked"}))->total, 1);
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_EQ(alerts.current()[0].cause, "not_revoked:acme");
}

TEST_F(GivingBackHouse, F7_AnotherLivingGrantOfTheSameConsentMakesItWait) {
  const auto grant = put_grant("acme-family");
  const auto other = put_sharer(grant);
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  base::drive_until(loop, [&] { return !waiting().empty() && waiting()[0].why.find("rests") != std::string::npos; });
  EXPECT_TRUE(transport.revoked.empty());
  ASSERT_TRUE(run(care.remove(other.id, {.actor = "admin"})));
  base::drive_until(loop, [&] { return transport.revoked.size() == 1; });
  advance(31s);  // looked at again soon at first
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 2u);
}

TEST_F(GivingBackHouse, F7_AGrantAuthorisedAnewMeanwhileIsNotTakenFromItsOwner) {
  const auto grant = put_grant("acme-family");
  transport.revoke_status = 503;
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"})));
  after_attempt(1);
  auto anew = view(grant.id).grant;
  anew.state = GrantState::active;  // the same account consented again
  sealing.vouch(anew);
  commit({store::UpdateGrant{anew}});
  transport.revoke_status = 200;
  advance(6h);
  giving_back->nudge();
  EXPECT_NE(after_attempt(2).why.find("rests"), std::string::npos);
  EXPECT_EQ(transport.revoked.size(), 1u) << "a second time would end the new consent, too";
  advance(std::chrono::days(15));
  giving_back->nudge();
  after_attempt(3);
  EXPECT_EQ(transport.revoked.size(), 1u);
  EXPECT_TRUE(alerts.current().empty()) << "as it must be";
}

// The app's first secret is refused; by the time of the second request the owner has consented again.
TEST_F(GivingBackHouse, F7_WhatIsNeededByTheTimeOfTheRequestIsNotEnded) {
  auto app = **run(store->app("acme"));
  app.secrets[1].sealed = sealing.seal_app_secret(app, 1, Secret("app-secret-1"));
  sealing.vouch(app);
  commit({store::PutApp{app}});
  clients->forget("acme");
  const auto grant = put_grant("acme-family");
  transport.revoke_status = 401;
  transport.revoke_body = R"({"error":"invalid_client"})";
  transport.before_revoked = [&] {
    auto anew = boost::asio::co_spawn(loop, store->grant(grant.id), boost::asio::use_future);
    while (anew.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    auto active = (**anew.get()).grant;
    active.state = GrantState::active;
    sealing.vouch(active);
    auto done = boost::asio::co_spawn(loop, store->commit({store::UpdateGrant{active}}), boost::asio::use_future);
    while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    ASSERT_TRUE(done.get());
    advance(2s);
  };
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"})));
  EXPECT_NE(after_attempt(1).why.find("rests"), std::string::npos);
  EXPECT_EQ(transport.revoked.size(), 1u) << "with the other secret";
}

TEST_F(GivingBackHouse, F7_WhatOnlyWaitsForAnotherGrantIsNeverForgotten) {
  const auto grant = put_grant("acme-family");
  const auto other = put_sharer(grant);
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  after_attempt(1);
  advance(std::chrono::days(60));
  giving_back->nudge();
  EXPECT_NE(after_attempt(2).why.find("rests"), std::string::npos);
  EXPECT_EQ(run(store->audit({.action = "grant.not_revoked"}))->total, 0);
  // The other one goes while the provider is away: now it has its 14 days.
  transport.revoke_status = 503;
  ASSERT_TRUE(run(care.remove(other.id, {.actor = "admin"})));
  advance(std::chrono::days(1));
  giving_back->nudge();
  base::drive_until(loop, [&] {
    const auto all = waiting();
    return all.size() == 2 && std::ranges::all_of(all, [](const store::Revocation& each) { return each.why.find("503") != std::string::npos; });
  });
  transport.revoke_status = 200;
  advance(std::chrono::days(1));
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(counters.given_back, 2);
  EXPECT_EQ(counters.not_given_back, 0);
}

TEST_F(GivingBackHouse, F7_AGrantThatNeedsANewConsentRestsOnNothing) {
  const auto grant = put_grant("acme-family");
  put_dead_sharer(grant);
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 1u);
}

// Its journal may hold the answer for which the others were refused, and a provider that revokes by account would end that.
TEST_F(GivingBackHouse, F2_AGrantThatNeedsANewConsentRestsOnItWhileANodeIsNotHeard) {
  const auto grant = put_grant("acme-family");
  put_dead_sharer(grant);
  const store::Node other{.id = NodeId::make(wall.now(), entropy), .name = "attic", .version = "1", .run = Bytes(16, 1), .started_at = wall.now()};
  commit({store::PutNode{other}});
  advance(Nodes::kAliveFor + 1s);
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  after_attempt(1);
  EXPECT_TRUE(transport.revoked.empty());
  commit({store::DeleteNode{other.id}});  // declared lost
  advance(6h);
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 1u);
}

// ---- accounts that the provider never named --------------------------------------------------------------------------

TEST_F(GivingBackHouse, F7_OfAnUnnamedAccountIsRevokedOnceNoOtherOfItsAppIsInUse) {
  const auto grant = put_unnamed("acme-family");
  const auto other = put_grant("acme-grace");  // of a name, and perhaps the same account
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  base::drive_until(loop, [&] { return !waiting().empty() && waiting()[0].why.find("never told") != std::string::npos; });
  EXPECT_TRUE(transport.revoked.empty());
  ASSERT_TRUE(run(care.remove(other.id, {.actor = "admin"})));
  base::drive_until(loop, [&] { return transport.revoked.size() == 1; });
  advance(31s);
  giving_back->nudge();
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 2u);
  EXPECT_EQ(counters.not_given_back, 0);
}

TEST_F(GivingBackHouse, F7_AnUnnamedAccountInUseMakesANamedOneWaitForAWhile) {
  const auto grant = put_grant("acme-family");
  put_unnamed("acme-grace");
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  after_attempt(1);
  advance(std::chrono::days(13));
  giving_back->nudge();
  after_attempt(2);
  EXPECT_TRUE(alerts.current().empty());
  advance(std::chrono::days(2));
  giving_back->nudge();
  until_empty();
  EXPECT_TRUE(transport.revoked.empty()) << "it could be the consent that the other one rests on";
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_NE(alerts.current()[0].words.find("never told"), std::string::npos);
}

TEST_F(GivingBackHouse, F7_OfAnUnnamedAccountAuthorisedAnewNobodyIsToldToTakeTheAppOut) {
  const auto grant = put_unnamed("acme-family");
  giving_back->later(grant, {.refresh = {Secret("rt-before"), Secret()}, .access = Secret()});  // the grant itself lives
  after_attempt(1);
  advance(std::chrono::days(15));
  giving_back->nudge();
  until_empty();
  EXPECT_TRUE(transport.revoked.empty());
  EXPECT_TRUE(alerts.current().empty()) << "it would end the new consent";
  EXPECT_EQ(run(store->audit({.action = "grant.not_revoked"}))->total, 1);
}

TEST_F(GivingBackHouse, F7_WhatAnotherAccountBroughtForALivingGrantIsToldOf) {
  auto whose = put_grant("acme-family");
  put_unnamed("acme-grace");
  whose.account_id = "somebody else";  // a consent in the grant's place that was refused
  giving_back->later(whose, {.refresh = {Secret("rt-other"), Secret()}, .access = Secret()});
  after_attempt(1);
  advance(std::chrono::days(15));
  giving_back->nudge();
  until_empty();
  EXPECT_TRUE(transport.revoked.empty());
  EXPECT_EQ(alerts.current().size(), 1u) << "the grant rests on another account";
}

TEST_F(GivingBackHouse, TheBadDayReachesUnnamedAccountsToo) {
  for (int i = 0; i < 3; ++i) put_unnamed("acme-family");
  auto page = run(care.revoke_page({}, {}, 10, OnRevoke::only_count, {.actor = "admin"}));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->perhaps.empty()) << "with all of them no other account is left";
  page = run(care.revoke_page({.app = {}, .type = "acme-family"}, {}, 10, OnRevoke::only_count, {.actor = "admin"}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->perhaps.at("Acme"), 3) << "others of the app may stay";
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"})));
  for (int look = 0; look < 3 && !waiting().empty(); ++look) {
    advance(31s);
    giving_back->nudge();
    base::drive_until(loop, [&] { return waiting().empty() || transport.revoked.size() + waiting().size() == 3; });
  }
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 3u);
}

// ---- a provider whose description of itself may name no way ----------------------------------------------------------

TEST_F(GivingBackHouse, ADescriptionWithoutARevocationEndpointIsSaid) {
  const auto grant = put_grant("selfmade");
  const auto page = run(care.revoke_page({}, {}, 10, OnRevoke::only_count, {.actor = "admin"}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->perhaps.at("Self-made"), 1);
  EXPECT_TRUE(page->by_hand.empty());
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"})));
  until_empty();
  EXPECT_EQ(run(store->audit({.action = "grant.not_revoked"}))->total, 1);
  ASSERT_EQ(alerts.current().size(), 1u) << "nobody could know beforehand";
  EXPECT_NE(alerts.current()[0].words.find("no way to revoke"), std::string::npos);
}

// Requests with such a token never end, and are cut off by the transport in the end.
class HangingTransport final : public net::HttpTransport {
 public:
  HangingTransport(ScriptedTransport& real, base::Broadcast& released) : real_(real), released_(released) {}
  Task<net::HttpOutcome> send(net::HttpCall call) override {
    if (call.body && call.body->reveal_text().find("token=hang") != std::string_view::npos) {
      ++asked;
      if (hold) co_await released_.wait();
      co_return ScriptedTransport::unsent();
    }
    co_return co_await real_.send(std::move(call));
  }
  bool hold = true;
  std::size_t asked = 0;

 private:
  ScriptedTransport& real_;
  base::Broadcast& released_;
};

TEST_F(GivingBackHouse, AProviderThatHangsDelaysNobodyElsesTokens) {
  put_app("dead", 1, "acme");
  HangingTransport hanging(transport, *released);
  GivingBack hands({.store = *store, .clients = *clients, .transport = hanging, .sealing = sealing, .alerts = alerts, .counters = counters,
                            .wall = wall, .steady = steady, .entropy = entropy, .log = log, .executor = loop.get_executor(),
                            .tuning = [] { return RevocationTuning{}; }, .grant_changed = [](UserId, GrantId) {}});
  run(stop_giving_back());
  constexpr int kHanging = 2000;
  const auto queue = [&](const std::string& app, const std::string& token, int number) {
    store::Batch batch;
    for (int i = 0; i < number; ++i) {
      const store::Grant whose{.id = GrantId::make(wall.now(), entropy), .type = "acme-family", .app = app, .account_id = token + std::to_string(i)};
      batch.push_back(*hands.entry(whose, {.refresh = {Secret(token + std::to_string(i)), Secret()}, .access = Secret()}));
    }
    commit(std::move(batch));
    wall.advance(1ms);
  };
  queue("dead", "hang", kHanging);  // all of them before
  queue("acme", "fine", 40);
  hands.start();
  base::drive_until(loop, [&] { return counters.given_back == 40; });
  EXPECT_EQ(hanging.asked, RevocationPlaces::kPerApp) << "they still hang";

  // They are cut off: the app is put off as a whole.
  hanging.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return run(store->revocations(wall.now(), 1))->items.empty(); });
  EXPECT_EQ(hanging.asked, RevocationPlaces::kPerApp) << "and asked by nobody else meanwhile";
  advance(35s);
  hands.nudge();
  base::drive_until(loop, [&] { return run(store->revocations(wall.now(), 1))->items.empty(); });
  EXPECT_EQ(hanging.asked, RevocationPlaces::kPerApp + 1) << "one finds out whether it is back";
  const auto left = run(store->revocations(WallTime::max(), kHanging + 1))->items;
  EXPECT_EQ(left.size(), static_cast<std::size_t>(kHanging));
  const auto told = std::ranges::count_if(left, [](const store::Revocation& each) { return each.why == "The provider cannot be reached."; });
  EXPECT_GT(told, static_cast<std::ptrdiff_t>(RevocationPlaces::kPerApp + 1)) << "those that were put off untried say why, too";

  // Two weeks later they are given up with it, untried.
  advance(std::chrono::days(15));
  for (int hours = 0; hours < 20 && counters.not_given_back < kHanging; ++hours) {
    hands.nudge();
    base::drive_until(loop, [&] { return run(store->revocations(wall.now(), 1))->items.empty(); });
    advance(1h);
  }
  EXPECT_EQ(counters.not_given_back, kHanging);
  EXPECT_LT(hanging.asked, RevocationPlaces::kPerApp + 40);
  EXPECT_EQ(run(store->audit({.action = "grant.not_revoked"}))->total, kHanging);
  ASSERT_EQ(alerts.current().size(), 1u);
  EXPECT_EQ(alerts.current()[0].cause, "not_revoked:dead");
  run(stopped(hands));
}

TEST_F(GivingBackHouse, R4_AStoreThatTakesNothingIsNotAskedWithoutEnd) {
  const auto grant = put_grant("acme-family");
  const auto other = put_sharer(grant);
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(11s);
  int refused = 0;
  door->refuses = [&](const store::Batch& batch) {
    const bool puts_off = std::ranges::any_of(batch, [](const auto& each) { return std::holds_alternative<store::PutRevocation>(each); });
    refused += puts_off ? 1 : 0;
    return puts_off;
  };
  for (int second = 1; second <= 3; ++second) {
    giving_back->nudge();
    base::drive_until(loop, [&] { return refused >= second; });
    loop.restart();
    loop.run_for(20ms);
    EXPECT_EQ(refused, second);
    advance(1s);
  }
  door->refuses = {};
  expect_revoked_when_it_goes(grant, other);
}

// Found by the simulation (seed 7006632): while one was in hand whose time had come, the store was asked twenty times a second.
TEST_F(GivingBackHouse, R4_WhatIsInHandIsNotLookedForWithoutEnd) {
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(run(care.set_enabled(grant.id, false, {.actor = "admin"})));
  advance(11s);
  int refused = 0;
  door->refuses = [&](const store::Batch&) { return ++refused > 0; };
  giving_back->nudge();
  base::drive_until(loop, [&] { return refused == 1; });
  const auto before = door->looks_at_revocations;
  for (int step = 0; step < 9; ++step) {
    wall.advance(100ms);
    steady.advance(100ms);
    loop.restart();
    loop.run_for(5ms);
  }
  EXPECT_LE(door->looks_at_revocations - before, 3);
  EXPECT_EQ(refused, 1) << "it rests for a second";
  door->refuses = {};
  advance(1s);
  until_empty();
  EXPECT_EQ(transport.revoked.size(), 1u);
}

TEST_F(GivingBackHouse, ACandidateKeptBesideTheTokenInUseIsGivenBackToo) {
  const auto grant = put_grant("acme-family");
  store::Generation late{.grant = grant.id, .number = -1, .state = store::GenerationState::candidate, .issued_at = wall.now()};
  late.refresh_sealed = sealing.seal_refresh(grant, -1, {Secret("rt-late"), Secret()});
  commit({store::PutGeneration{late}});
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"})));
  base::drive_until(loop, [&] { return transport.revoked.size() == 2; });
  EXPECT_NE((transport.revoked[0] + transport.revoked[1]).find("token=rt-late"), std::string::npos);
}

TEST_F(GivingBackHouse, ARefreshInFlightDoesNotBringARevokedGrantBack) {
  const auto grant = put_grant("acme-family");
  advance(1s);  // the consent is older than the refresh
  transport.before_answer = [&] {
    auto revoking = boost::asio::co_spawn(loop, care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"}), boost::asio::use_future);
    while (revoking.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
    ASSERT_TRUE(revoking.get());
  };
  [[maybe_unused]] const auto refreshed = refresh(grant.id);
  base::drive_until(loop, [&] { return transport.revoked.size() == 2; });
  EXPECT_EQ(view(grant.id).grant.state, GrantState::revoked);
  EXPECT_TRUE(view(grant.id).generations.empty());
  std::string all;
  for (const auto& body : transport.revoked) all += body + "\n";
  EXPECT_NE(all.find("token=rt1"), std::string::npos);
  EXPECT_NE(all.find("token=rt2"), std::string::npos) << "what the refresh brought is given back, too";
}

TEST_F(GivingBackHouse, AGrantAlteredFromOutsideIsRevokedHereAndSentNowhere) {
  auto grant = put_grant("acme-family");
  grant.app = "elsewhere";  // by a writer of the store who lacks the master key
  commit({store::UpdateGrant{grant}});
  ASSERT_TRUE(run(care.revoke_page({}, {}, 10, OnRevoke::really, {.actor = "admin"})));
  EXPECT_EQ(unrevoked(), 0);
  EXPECT_TRUE(waiting().empty()) << "its token is sent nowhere";
  EXPECT_FALSE(sealing.check(view(grant.id).grant)) << "it does not become good by being revoked";
}

TEST_F(GivingBackHouse, TheBadDayCountsFirstAndGoesPageByPage) {
  for (int i = 0; i < 5; ++i) put_grant(i == 4 ? "strict" : "acme-harmless");
  auto page = run(care.revoke_page({}, {}, 3, OnRevoke::only_count, {.actor = "admin"}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->grants, 3);
  EXPECT_TRUE(page->more);
  EXPECT_EQ(unrevoked(), 5) << "only counted";
  page = run(care.revoke_page({.app = "strict", .type = {}}, {}, 10, OnRevoke::only_count, {.actor = "admin"}));
  EXPECT_EQ(page->by_hand.at("Strict"), 1) << "this one cannot be asked";
  page = run(care.revoke_page({}, {}, 10, OnRevoke::only_count, {.actor = "admin"}));
  EXPECT_EQ(page->by_type, (std::map<std::string, std::int64_t>{{"acme-harmless", 4}, {"strict", 1}}));
  page = run(care.revoke_page({.app = {}, .type = "acme-harmless"}, {}, 10, OnRevoke::only_count, {.actor = "admin"}));
  EXPECT_EQ(page->grants, 4) << "of this type only";
  page = run(care.revoke_page({.app = "typo", .type = {}}, {}, 10, OnRevoke::really, {.actor = "admin"}));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().reason, "no_such_app");
  page = run(care.revoke_page({.app = {}, .type = "typo"}, {}, 10, OnRevoke::really, {.actor = "admin"}));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().reason, "no_such_type");
  GrantId after;
  for (int pages = 0; pages < 3; ++pages) {
    page = run(care.revoke_page({}, after, 3, OnRevoke::really, {.actor = "admin"}));
    ASSERT_TRUE(page);
    after = page->last;
    if (!page->more) break;
  }
  EXPECT_EQ(unrevoked(), 0);
  base::drive_until(loop, [&] { return transport.revoked.size() == 4; });
  EXPECT_EQ(run(store->audit({.action = "grant.revoked"}))->total, 5);
}

}  // namespace
}  // namespace latchkey::grants
