// Tokens that nobody here needs any more, however they were kept: all of them go back (F7).
#include "grants/grant_care.h"
#include "grants/keeper_testing.h"
#include "grants/leaving.h"

namespace latchkey::grants {
namespace {

class UnownedHouse : public KeeperHouse {
 protected:
  store::Grant put_with_candidate() {
    const auto grant = put_grant("acme-family");
    store::Generation candidate{
        .grant = grant.id, .number = -1, .state = store::GenerationState::candidate, .issued_at = wall.now()};
    candidate.refresh_sealed = sealing.seal_refresh(grant, -1, {Secret("rt-beside"), Secret()});
    commit({store::PutGeneration{candidate}});
    return grant;
  }
  [[nodiscard]] bool given_back(std::string_view token) const {
    return std::ranges::any_of(transport.revoked,
                               [&](const std::string& body) { return body.contains("token=" + std::string(token)); });
  }
};

TEST_F(UnownedHouse, F7_ADeletedGrantGivesBackItsCandidatesToo) {
  const auto grant = put_with_candidate();
  GrantCare care(*store, sealing, *clients, *keeper, *giving_back, transport, *this, wall, log);
  ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  base::drive_until(loop, [&] { return given_back("rt1") && given_back("rt-beside"); });
}

TEST_F(UnownedHouse, F7_ADeletedUserGivesBackTheCandidatesToo) {
  const auto grant = put_with_candidate();
  const auto user = run(store->user(grant.user));
  ASSERT_TRUE(user && *user);
  const auto belongings = run(belongings_of(*store, sealing, **user));
  ASSERT_TRUE(belongings);
  ASSERT_EQ(belongings->grants.size(), 1u);
  std::vector<std::string> tokens;
  for (const auto& each : belongings->grants[0].refresh) tokens.emplace_back(each.token.reveal_text());
  std::ranges::sort(tokens);
  EXPECT_EQ(tokens, (std::vector<std::string>{"rt-beside", "rt1"}));
}

TEST_F(UnownedHouse, F7_WhatTheJournalBringsForAGrantRevokedMeanwhileGoesBack) {
  const auto grant = put_grant("acme-family");
  const auto claim = claim_for(view(grant.id), node, IntentId::make(wall.now(), entropy), 90s, wall.now());
  commit(claim.batch);
  journal.left_over.push_back(left_in_journal(claim.intent.id, grant.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  door->before = [&, once = true](const store::Batch& batch) mutable -> store::Batch {
    if (!holds<store::PutGeneration>(batch) || !std::exchange(once, false)) return {};
    auto revoked = claim.grant;  // while the answer was being read
    revoked.state = store::GrantState::revoked;
    sealing.vouch(revoked);
    return {store::UpdateGrant{revoked}};
  };
  begin_anew();
  base::drive_until(loop, [&] { return given_back("rt2"); });
  EXPECT_EQ(counters.replies_unowned, 1);
}

// A rotation of the master key had sealed the first answer anew; another came for the same intent, and then the store fell
// back.
TEST_F(UnownedHouse, F5_AnAnswerSealedAnewDoesNotTakeThePlaceOfALaterOne) {
  const auto grant = put_grant("acme-family");
  const auto intent = IntentId::make(wall.now(), entropy);
  const auto busy = left_in_journal(intent, grant.id, 1, wall.now() + 1s, "{}", 503);
  keeper->take_resealed(busy);
  journal.kept = {busy, left_in_journal(intent, grant.id, 1, wall.now() + 2s,
                                        R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})")};
  transport.issued = 2;
  advance(3s);
  ASSERT_TRUE(refresh(grant.id));
  EXPECT_EQ(transport.posts_with("rt1"), 0);
  EXPECT_EQ(transport.posts_with("rt2"), 1);
}

}  // namespace
}  // namespace latchkey::grants
