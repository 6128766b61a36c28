// Answers that are neither a plain success nor a plain refusal: tokens beside errors, errors that repeat what was sent, other things in
// a token's place, a gateway's own codes.
#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;
using T = ScriptedTransport;

// ---- a new refresh token in an answer that is no success (F2, R12) ----------------------------------------------------

struct BesideAToken {
  std::string_view name;
  int status;
  std::string_view rest;  // of the answer's members
};

class TokenBeside : public KeeperHouse, public ::testing::WithParamInterface<BesideAToken> {
 protected:
  static std::string answer() { return R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2")" + std::string(GetParam().rest) + "}"; }
};

TEST_P(TokenBeside, F2_TheNewTokenIsKeptAndTheSpentOneNeverSentAgain) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(GetParam().status, answer(), "120"));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
  EXPECT_EQ(access_token(view(grant.id)), "at1") << "what stands beside an error is not handed out";
  EXPECT_FALSE(view(grant.id).grant.why.empty()) << "and the error is told";
  transport.issued = 2;
  advance(600s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

TEST_P(TokenBeside, F2_ALateOneIsKeptBesideWhatHasOvertakenIt) {
  const auto grant = put_grant("acme-family");
  auto moved = view(grant.id).grant;
  moved.version += 1;  // by the claim
  moved.fence = 1;
  moved.generation = 2;
  store::Generation next{.grant = grant.id, .number = 2, .access_expires_at = wall.now() + 1h, .issued_at = wall.now()};
  next.refresh_sealed = sealing.seal_refresh(grant, 2, {Secret("rt-other"), Secret()});
  transport.then(T::json(GetParam().status, answer()));
  meanwhile({store::UpdateGrant{moved}, store::PutGeneration{next}});
  ASSERT_TRUE(refresh(grant.id));
  const auto seen = view(grant.id);
  EXPECT_EQ(refresh_token(seen), "rt-other");
  EXPECT_EQ(std::ranges::count(seen.generations, store::GenerationState::candidate, &store::Generation::state), 1);
}

TEST_P(TokenBeside, F5_TheJournalBringsItBackToAStoreThatFellBehind) {
  const auto grant = put_grant("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), grant.id, 4, wall.now() + 1s, answer(), GetParam().status));
  begin_anew();
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

TEST_P(TokenBeside, R2_TheJournalBringsItAfterACrash) {
  const auto grant = put_grant("acme-family");
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  journal.left_over.push_back(left_in_journal(claim.intent.id, grant.id, 1, wall.now(), answer(), GetParam().status));
  begin_anew();
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

INSTANTIATE_TEST_SUITE_P(EveryError, TokenBeside,
                         ::testing::Values(BesideAToken{"a_word_at_200", 200, R"(,"error":"partial_scope")"}, BesideAToken{"an_object_at_200", 200, R"(,"error":{"code":"x"})"},
                                           BesideAToken{"a_flag_at_200", 200, R"(,"error":true)"}, BesideAToken{"a_definite_refusal", 400, R"(,"error":"invalid_grant")"},
                                           BesideAToken{"a_refused_app", 401, R"(,"error":"invalid_scope")"}, BesideAToken{"a_plain_400", 400, ""},
                                           BesideAToken{"a_plain_500", 500, ""}, BesideAToken{"a_plain_502", 502, ""},
                                           BesideAToken{"a_busy_503", 503, R"(,"error":"temporarily_unavailable")"}),
                         [](const auto& instance) { return std::string(instance.param.name); });

// An error that repeats, in a shape of its own, what was sent: nothing was spent, and what stands there is no token.
class EchoBesideAnError : public KeeperHouse, public ::testing::WithParamInterface<std::string_view> {
 protected:
  static constexpr std::string_view kRefusal = R"({"error":"invalid_grant"})";
  void echo() { transport.then(T::json(400, R"({"refresh_token":"is invalid or malformed"})")); }
  // Until the grant works or asks for a person.
  void refresh_until_settled(GrantId id) {
    for (int turn = 0; turn < 12; ++turn) {
      const auto grant = view(id).grant;
      if (grant.state == GrantState::needs_authorization || (grant.state == GrantState::active && !grant.dead_seen)) return;
      advance(700s);
      static_cast<void>(refresh(id));
    }
  }
};

TEST_P(EchoBesideAnError, F2_TheTokenInWhosePlaceItWasStoredIsUsedAgain) {
  const auto grant = put_grant(std::string(GetParam()));
  echo();
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(refresh_token(view(grant.id)), "is invalid or malformed") << "it might have been one";
  transport.then(T::json(400, std::string(kRefusal)));
  transport.then(T::json(400, std::string(kRefusal)));
  refresh_until_settled(grant.id);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  EXPECT_EQ(transport.posts_with("rt1"), 2) << "once with the echo, once when that had been refused";
  EXPECT_EQ(view(grant.id).generations.size(), 2u) << "nothing of it is kept once a newer one works";
}

// Found by the simulation: its grace had passed, and the access token was good for long.
TEST_P(EchoBesideAnError, F1_WhatMayBeBeyondItsGraceIsTriedWhenTheEndIsNear) {
  const auto grant = put_grant(std::string(GetParam()));
  echo();
  for (int turn = 0; turn < 2; ++turn) transport.then(T::json(400, std::string(kRefusal)));
  for (int turn = 0; turn < 3; ++turn) {
    static_cast<void>(refresh(grant.id));
    advance(10s);
  }
  const auto seen = view(grant.id).grant;
  ASSERT_EQ(refresh_token(view(grant.id)), "rt1");
  ASSERT_EQ(transport.bodies.size(), 3u);
  ASSERT_TRUE(seen.due_at && seen.access_expires_at);
  const auto until_then = *seen.access_expires_at - *seen.due_at;
  const bool waits = GetParam() == "acme-grace" || GetParam() == "acme-family";
  if (waits) EXPECT_LE(until_then, 400s);
  else EXPECT_GE(until_then, 3000s) << "a replay does no harm, or is merely refused";
  advance(10s);
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(transport.bodies.size(), waits ? 3U : 4U) << "whoever asks for it";
}

// Nothing but a token that nobody gave stood beside an answer that may have spent the one sent.
TEST_P(EchoBesideAnError, F1_WhatMayHaveBeenSpentBesideJunkIsTriedWhenTheEndIsNear) {
  const auto grant = put_grant(std::string(GetParam()));
  transport.then(T::json(500, R"({"error":"server_error","refresh_token":"no token at all, whoever reads it"})"));
  for (int turn = 0; turn < 2; ++turn) transport.then(T::json(400, std::string(kRefusal)));
  for (int turn = 0; turn < 6; ++turn) {
    static_cast<void>(refresh(grant.id));
    advance(10s);
  }
  const bool waits = GetParam() == "acme-grace" || GetParam() == "acme-family";
  EXPECT_EQ(transport.posts_with("rt1"), waits ? 1 : 2);
}

TEST_P(EchoBesideAnError, F2_APersonIsAskedWhenThatIsRefusedToo) {
  const auto grant = put_grant(std::string(GetParam()));
  echo();
  ASSERT_TRUE(refresh(grant.id));
  for (int turn = 0; turn < 8; ++turn) transport.then(T::json(400, std::string(kRefusal)));
  refresh_until_settled(grant.id);
  EXPECT_EQ(view(grant.id).grant.state, GrantState::needs_authorization);
  EXPECT_EQ(transport.posts_with("rt1"), 3) << "with the echo, and refused twice: providers refuse falsely";
  EXPECT_EQ(transport.bodies.size(), 5u);
}

TEST_P(EchoBesideAnError, F2_WhatHasBeenSpentForANewerOneIsTriedOnlyWhereThatIsHarmless) {
  const auto grant = put_grant(std::string(GetParam()));
  transport.then(T::json(200, R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2"})"));
  ASSERT_TRUE(refresh(grant.id));
  transport.then(T::json(400, std::string(kRefusal)));
  transport.then(T::json(400, std::string(kRefusal)));
  advance(3000s);
  static_cast<void>(refresh(grant.id));
  refresh_until_settled(grant.id);
  const bool harmless = GetParam() == "acme-harmless";
  EXPECT_EQ(transport.posts_with("rt1"), harmless ? 2 : 1);
  EXPECT_EQ(view(grant.id).grant.state, harmless ? GrantState::active : GrantState::needs_authorization);
}

INSTANTIATE_TEST_SUITE_P(EveryPolicy, EchoBesideAnError, ::testing::Values("acme-harmless", "acme-grace", "acme-refused", "acme-family"),
                         [](const auto& instance) { return std::string(instance.param.substr(instance.param.find('-') + 1)); });

TEST_F(KeeperHouse, F2_AMaskInATokensPlaceIsNone) {
  for (const std::string_view body : {R"({"error":"temporarily_unavailable","refresh_token":"[REDACTED]"})", R"({"seen":{"refresh_token":"***"})",
                                      "Bad request: x=1&refresh_token=********&client_id=x", R"({"refresh_token":"null"})"}) {
    const auto grant = put_grant("acme-harmless");
    transport.then(T::json(400, std::string(body)));
    static_cast<void>(refresh(grant.id));
    EXPECT_EQ(refresh_token(view(grant.id)), "rt1") << body;
  }
}

TEST_F(KeeperHouse, P7_WhatWasSentStandsNowhereWhenTheProviderRepeatsIt) {
  auto grant = put_grant("acme-harmless");
  auto held = view(grant.id).generations.front();
  held.refresh_sealed = sealing.seal_refresh(grant, held.number, {Secret("1000:short:one"), Secret()});
  commit({store::PutGeneration{held}});
  for (const auto& description : {"Token 1000:short:one is busy", "app-secret-0 is wrong for 1000%3Ashort%3Aone"}) {
    transport.then(T::json(503, R"({"error":"1000:short:one","error_description":")" + std::string(description) + R"("})"));
    static_cast<void>(refresh(grant.id));
    advance(700s);
  }
  const auto events = *run(store->grant_events(grant.id));
  ASSERT_FALSE(events.empty());
  for (const auto& event : events) {
    for (const auto* words : {&event.error, &event.detail}) {
      EXPECT_EQ(words->find("short"), std::string::npos) << *words;
      EXPECT_EQ(words->find("app-secret"), std::string::npos) << *words;
    }
  }
  EXPECT_EQ(view(grant.id).grant.why.find("short"), std::string::npos) << view(grant.id).grant.why;
}

TEST_F(KeeperHouse, F1_AGatewaysOwnCodeSaysNoMoreThanThatItBrokeOff) {
  for (const int status : {408, 501, 505, 520, 522, 524, 527, 598, 599}) {
    const auto family = put_grant("acme-family");
    const auto sent = transport.bodies.size();
    transport.then(T::json(status, "<html>gateway</html>"));
    ASSERT_TRUE(refresh(family.id));
    EXPECT_EQ(view(family.id).grant.state, GrantState::uncertain) << status;
    advance(1200s);
    static_cast<void>(refresh(family.id));
    EXPECT_EQ(transport.bodies.size(), sent + 1) << status;
  }
}

TEST_F(KeeperHouse, R17_AnEmptyErrorIsNone) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(200, R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2","error":{}})"));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(access_token(view(grant.id)), "at2");
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

TEST_F(KeeperHouse, F2_AnErrorThatRepeatsTheTokenSentBringsNone) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(400, R"({"error":"invalid_grant","refresh_token":"rt1"})"));
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.generation, 1);
  EXPECT_TRUE(view(grant.id).grant.dead_seen);
}

TEST_F(KeeperHouse, F8_ASecretRefusedBesideANewTokenDoesNotSendTheSpentOneWithTheOther) {
  auto app = **run(store->app("acme"));
  app.secrets[1].sealed = sealing.seal_app_secret(app, 1, Secret("app-secret-1"));
  commit({store::PutApp{app}});
  const auto grant = put_grant("acme-family");
  transport.then(T::json(401, R"({"error":"invalid_client","refresh_token":"rt2"})"));
  static_cast<void>(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 1);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

// ---- what stands in the refresh token's place is none (R10) ------------------------------------------------------------

class WronglyTyped : public KeeperHouse, public ::testing::WithParamInterface<std::string_view> {
 protected:
  void answer_once(int status = 200) {
    transport.then(T::json(status, R"({"access_token":"at2","expires_in":3600,"refresh_token":)" + std::string(GetParam()) + "}"));
  }
};

TEST_P(WronglyTyped, R10_TheOneSentMayBeSpentWhereItCountsOnce) {
  for (const int status : {200, 503}) {
    const auto grant = put_grant("acme-family");
    const auto before = transport.bodies.size();
    answer_once(status);
    ASSERT_TRUE(refresh(grant.id));
    EXPECT_EQ(view(grant.id).grant.state, GrantState::uncertain);
    EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
    advance(60s);
    ASSERT_TRUE(refresh(grant.id));
    EXPECT_EQ(transport.bodies.size(), before + 1) << "not sent again while the access token is good";
  }
}

TEST_P(WronglyTyped, R10_WhereAReplayDoesNoHarmTheOldOneIsKept) {
  const auto grant = put_grant("acme-harmless");
  answer_once();
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
  EXPECT_EQ(access_token(view(grant.id)), "at2");
}

INSTANTIATE_TEST_SUITE_P(EveryShape, WronglyTyped, ::testing::Values("4711", "47.11", "true", R"({"value":"rt2"})", R"(["rt2"])", R"("rt\n2")", R"("rt\u00e9")"));

class NoToken : public KeeperHouse, public ::testing::WithParamInterface<std::string_view> {};

TEST_P(NoToken, R10_AbsentNullEmptyAndFalseKeepTheOldOne) {
  const auto grant = put_grant("acme-family");
  transport.then(T::json(200, R"({"access_token":"at2","expires_in":3600)" + std::string(GetParam()) + "}"));
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
  EXPECT_EQ(refresh_token(view(grant.id)), "rt1");
}

INSTANTIATE_TEST_SUITE_P(EveryShape, NoToken, ::testing::Values("", R"(,"refresh_token":null)", R"(,"refresh_token":"")", R"(,"refresh_token":false)",
                                                                R"(,"refresh_token":[])", R"(,"refresh_token":{})"));

}  // namespace
}  // namespace latchkey::grants
