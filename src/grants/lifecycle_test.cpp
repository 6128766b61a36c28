// The state machine by itself: what to write next, from what the store holds and what happened.
#include "grants/lifecycle.h"

#include <gtest/gtest.h>

#include "base/entropy.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using store::GrantState;

const WallTime kNow{Milliseconds(1'800'000'000'000)};

struct Case {
  store::GrantView view;
  store::Intent intent;
  TypeRules rules;
};

// A grant whose access token has `left` yet, and an exchange of its generation.
Case a_grant(Seconds left, Seconds lifetime = 3600s) {
  base::SystemEntropy entropy;
  Case made;
  auto& grant = made.view.grant;
  grant = {.id = GrantId::make(kNow, entropy), .generation = 1, .issued_at = kNow + left - lifetime, .access_expires_at = kNow + left, .version = 1};
  made.intent = {.id = IntentId::make(kNow, entropy), .grant = grant.id, .generation = 1, .state = store::IntentState::open, .opened_at = kNow, .attempts = 1, .version = 1};
  made.view.intent = made.intent;
  return made;
}

// The provider says "too early" again and again: how often it is asked within an hour.
int asked_within_an_hour(Case at, WallTime& now) {
  const oauth::Classified too_early{.outcome = oauth::RefreshOutcome::too_early, .why = "access_token_not_expired"};
  const auto end = now + 1h;
  int asked = 0;
  for (; now < end; ++asked) {
    const auto step = settle_transient(at.view, at.intent, at.rules, too_early, now);
    EXPECT_EQ(step.grant.state, GrantState::active);
    at.view.grant = step.grant;
    EXPECT_TRUE(step.grant.due_at);
    now = std::max(now + 1ms, *step.grant.due_at);
  }
  return asked;
}

// Found by the simulation: a reply was lost, and the provider counts from the token in it, not from ours.
TEST(Lifecycle, R15_AProviderThatSaysTooEarlyForLongIsNotAskedEverySecond) {
  auto at = a_grant(-10s);
  at.rules.pace.refused_until_before_expiry = 30s;
  auto now = kNow;
  EXPECT_LE(asked_within_an_hour(at, now), 200);
}

// Found by the simulation: stamped by a clock an hour ahead, the token was waited for until the clock got there, long after its end.
TEST(Lifecycle, R24_ATokenFromTheFutureIsNotWaitedForWhereItIsTooEarly) {
  auto at = a_grant(65min, 5min);
  at.view.generations.push_back({.grant = at.view.grant.id, .number = 1, .refresh_sealed = {1}});
  at.rules.pace.refused_until_before_expiry = 30s;
  const auto step = settle_transient(at.view, at.intent, at.rules, {.outcome = oauth::RefreshOutcome::too_early, .why = "not yet"}, kNow);
  ASSERT_TRUE(step.grant.due_at);
  EXPECT_LE(*step.grant.due_at, kNow + 2s);
  at.view.grant = step.grant;
  at.view.intent->state = store::IntentState::not_sent;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::scheduled, NodeId{}, *step.grant.due_at).kind, PostDecision::Kind::post);
}

TEST(Lifecycle, R15_TheMomentItselfIsMetWithinASecond) {
  auto at = a_grant(28s);
  at.rules.pace.refused_until_before_expiry = 30s;
  const oauth::Classified too_early{.outcome = oauth::RefreshOutcome::too_early, .why = "access_token_not_expired"};
  for (int time = 0; time < 10; ++time) {
    const auto now = kNow + Seconds(time);
    const auto step = settle_transient(at.view, at.intent, at.rules, too_early, now);
    ASSERT_TRUE(step.grant.due_at);
    EXPECT_EQ(*step.grant.due_at, now + 1s);
    EXPECT_TRUE(step.grant.why.empty());
    at.view.grant = step.grant;
  }
}

// Found by the simulation: the clock ran three days ahead while the provider was out of reach, and whoever asked for a token after
// it was mended was sent away for three days.
TEST(Lifecycle, R24_BackOffReckonedByAClockThatRanAheadDoesNotHoldWhoeverAsks) {
  auto at = a_grant(-60s);
  at.view.generations.push_back({.grant = at.view.grant.id, .number = 1, .refresh_sealed = {1}});
  at.rules.replay = catalog::ReplayPolicy::grace;
  at.rules.grace = 1800s;
  const auto ahead = kNow + 72h;
  auto step = settle_not_sent(at.view, at.intent, at.rules, "No connection", std::nullopt, ahead);
  at.view.grant = step.grant;
  at.view.intent->state = store::IntentState::not_sent;
  at.view.intent->settled_at = ahead;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::demanded, NodeId{}, ahead).kind, PostDecision::Kind::wait);
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::demanded, NodeId{}, kNow).kind, PostDecision::Kind::post);

  step = settle_ambiguous(at.view, at.intent, at.rules, "No answer", ahead);
  at.view.grant = step.grant;
  at.view.intent->state = store::IntentState::ambiguous;
  at.view.intent->opened_at = ahead;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::demanded, NodeId{}, kNow).kind, PostDecision::Kind::post) << "nothing is left to lose";
  // By the hour alone it could be a long back-off: who set it stands in the intent.
  at.view.intent->opened_at = at.view.intent->settled_at = kNow - 1min;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::demanded, NodeId{}, kNow).kind, PostDecision::Kind::post) << "nothing backs off for three days";
}

// Found by the simulation: what the one before had tried last, a moment before it died, stood nowhere.
TEST(Lifecycle, F1_AnAttemptOfANodeThatIsGoneEndedWithItsLease) {
  auto at = a_grant(-1000s);
  base::SystemEntropy entropy;
  at.rules.replay = catalog::ReplayPolicy::revokes_family;
  at.view.generations.push_back({.grant = at.view.grant.id, .number = 1, .refresh_sealed = {1}});
  at.view.intent->node = NodeId::make(kNow, entropy);
  at.view.intent->attempts = 3;
  at.view.intent->opened_at = at.view.intent->settled_at = kNow - 900s;
  at.view.grant.lease_until = kNow - 5s;
  const auto decided = decide_post(at.view, at.rules, Urge::demanded, NodeId{}, kNow);
  EXPECT_EQ(decided.kind, PostDecision::Kind::wait);
  EXPECT_EQ(decided.at, kNow - 5s + 600s);
}

// Found by the simulation: stopped between its claim and its request, it tried a third time when the grace was over.
TEST(Lifecycle, F1_BeyondItsGraceATokenIsTriedOnceAtTheEnd) {
  auto at = a_grant(10s);
  at.rules.replay = catalog::ReplayPolicy::grace;
  at.rules.grace = 60s;
  at.intent.opened_at = at.intent.settled_at = kNow - 50s;
  for (const int attempts : {1, 2, 3}) {
    at.intent.attempts = attempts;
    EXPECT_TRUE(is_within_its_grace(at.view.grant, at.intent, at.rules, kNow));
    EXPECT_EQ(is_within_its_grace(at.view.grant, at.intent, at.rules, kNow + 20s), attempts < 3) << attempts;
    EXPECT_TRUE(is_within_its_grace(at.view.grant, at.intent, at.rules, kNow + 620s)) << "nothing is left to lose, and it has rested";
  }
  at.view.grant.dead_seen = true;
  EXPECT_TRUE(is_within_its_grace(at.view.grant, at.intent, at.rules, kNow + 20s)) << "a refusal is looked at again";
}

// Found by the simulation: an older generation, stamped by a clock that was an hour ahead, was handed out when that hour had passed.
TEST(Lifecycle, R24_WhenTheNewestAccessTokenHasEndedNoOlderOneIsHandedOut) {
  auto at = a_grant(-10s);
  at.view.grant.generation = 3;
  at.view.generations = {{.grant = at.view.grant.id, .number = 2, .access_sealed = {1}, .access_expires_at = kNow + 300s, .issued_at = kNow - 60s},
                         {.grant = at.view.grant.id, .number = 3, .access_sealed = {1}, .access_expires_at = kNow - 3000s, .issued_at = kNow - 3300s}};
  EXPECT_EQ(usable_generation(at.view, kNow), nullptr);
  ASSERT_NE(usable_generation(at.view, kNow - 3100s), nullptr);
  at.view.generations.back().access_sealed.clear();  // a refresh token alone came: what there was before is served
  EXPECT_EQ(usable_generation(at.view, kNow), &at.view.generations.front());
}

// Found by the simulation: the newest token lay in a journal that could not be read for a while, and the one before it was sent.
TEST(Lifecycle, F6_WhatAJournalCannotTellYetIsNoReasonToAskAgainBeforeTheEnd) {
  auto at = a_grant(1800s);
  base::SystemEntropy entropy;
  const auto node = NodeId::make(kNow, entropy);
  at.rules.replay = catalog::ReplayPolicy::refused;
  at.view.generations.push_back({.grant = at.view.grant.id, .number = 1, .refresh_sealed = {1}});
  at.view.intent.reset();
  const auto marked = std::get<store::InsertIntent>(mark_unread(at.view, IntentId::make(kNow, entropy), node, kNow)).intent;
  at.view.intent = marked;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::insisted, node, kNow).kind, PostDecision::Kind::wait);
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::insisted, node, kNow + 1799s).kind, PostDecision::Kind::post);
  at.view.intent->settled_at = kNow - 10s;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::insisted, node, kNow).kind, PostDecision::Kind::post) << "an answer that was lost: a replay is merely refused";
}

// Found by the simulation (seed 7037567): the grace was counted from the moment at which somebody had tried to read the answer.
TEST(Lifecycle, F1_TheGraceOfAnAnswerThatCannotBeReadBeganWhenItCame) {
  auto at = a_grant(1800s);
  base::SystemEntropy entropy;
  const auto node = NodeId::make(kNow, entropy);
  at.rules.replay = catalog::ReplayPolicy::grace;
  at.rules.grace = 60s;
  at.view.generations.push_back({.grant = at.view.grant.id, .number = 1, .refresh_sealed = {1}});
  const auto decided_at = [&](WallTime now) { return decide_post(at.view, at.rules, Urge::insisted, node, now).kind; };
  at.view.intent.reset();
  const auto fresh = std::get<store::InsertIntent>(mark_unread(at.view, IntentId::make(kNow, entropy), node, kNow - 50s)).intent;
  at.view.intent = fresh;
  at.view.intent->opened_at = kNow;
  at.view.intent->state = store::IntentState::not_sent;
  const auto marked = std::get<store::UpdateIntent>(mark_unread(at.view, IntentId::make(kNow, entropy), node, kNow - 50s)).intent;
  for (const auto& intent : {fresh, marked}) {
    at.view.intent = intent;
    EXPECT_EQ(decided_at(kNow), PostDecision::Kind::post);
    EXPECT_EQ(decided_at(kNow + 20s), PostDecision::Kind::wait);
  }
}

// RULES F10: what waits for other nodes' journals asks nobody, and what has waited is as good as never sent.
TEST(Lifecycle, F10_WhatAwaitsJournalsWaitsThenGoesOnAndABackupOfItAsksAPerson) {
  base::SystemEntropy entropy;
  auto at = a_grant(-10s);
  at.view.generations.push_back({.grant = at.view.grant.id, .number = 1, .refresh_sealed = {1}});
  at.view.intent = mark_awaiting(at.view.grant, IntentId::make(kNow, entropy), "office-2", kNow);
  for (const auto urge : {Urge::scheduled, Urge::demanded, Urge::insisted}) {
    const auto decision = decide_post(at.view, at.rules, urge, NodeId{}, kNow);
    EXPECT_EQ(decision.kind, PostDecision::Kind::wait);
    EXPECT_GT(decision.at, kNow);
    EXPECT_NE(decision.why.find("office-2"), std::string::npos);
  }
  auto harmless = at.rules;
  harmless.replay = catalog::ReplayPolicy::harmless;
  EXPECT_EQ(decide_post(at.view, harmless, Urge::scheduled, NodeId{}, kNow).kind, PostDecision::Kind::post);

  auto lifted = at.view;
  lift_awaiting(lifted);
  EXPECT_EQ(decide_post(lifted, at.rules, Urge::scheduled, NodeId{}, kNow).kind, PostDecision::Kind::post);
  const auto claim = claim_for(lifted, NodeId{}, IntentId::make(kNow, entropy), 90s, kNow + 1h);
  EXPECT_EQ(claim.intent.attempts, 1);
  EXPECT_EQ(claim.intent.opened_at, kNow + 1h) << "a grace begins with the POST";

  // Put back from a backup that was made while it waited: it may have been sent since.
  const auto marks = mark_restored(at.view, IntentId::make(kNow, entropy), kNow, kNow);
  ASSERT_EQ(marks.size(), 1U);
  at.view.intent = std::get<store::UpdateIntent>(marks.front()).intent;
  EXPECT_EQ(decide_post(at.view, at.rules, Urge::scheduled, NodeId{}, kNow).kind, PostDecision::Kind::ask_person);
  lift_awaiting(at.view);
  EXPECT_EQ(at.view.intent->state, store::IntentState::restored) << "a backup's own generation is nobody's to lift";
}

}  // namespace
}  // namespace latchkey::grants
