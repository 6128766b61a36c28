// The owners' own page over real HTTP: who is let in, and what may be begun there.
#include "console/office_testing.h"

namespace latchkey::console {
namespace {

class OwnerTest : public ConsoleTest {
 protected:
  store::User with_pin(std::string username, std::vector<std::string> sources = {}) {
    auto user = run(directory->with_new_keys(add(std::move(username)), Secret(kPin)));
    if (!user) throw std::runtime_error(user.error().text);
    seal.vouch(*user);
    const auto kept = run(store->commit({store::UpdateUser{*user}}, store::Urgency::ordinary));
    if (!kept) throw std::runtime_error(kept.error().text);
    const auto changed = run(directory->change_user(user->id, {.sources = std::move(sources)}, actor));
    if (!changed) throw std::runtime_error(changed.error().text);
    return *changed;
  }
  HttpAnswer come_in(Browser& owner, const std::string& username) {
    owner.open();
    return owner.send("POST", "/api/v1/owner/session", {{"username", username}, {"pin", kPin}});
  }
};

TEST_F(OwnerTest, T2_TheUsersOwnSourcesBindHereAsWell) {
  with_pin("scan", {"192.0.2.0/24"});
  with_pin("print", {"127.0.0.0/8"});
  auto stranger = browser();
  EXPECT_EQ(come_in(stranger, "scan").code(), "invalid_credentials") << "right PIN, wrong place";
  auto owner = browser();
  EXPECT_EQ(come_in(owner, "print").status, 201);
}

TEST_F(OwnerTest, AConsentIsBegunFiveTimesAMinuteAtMost) {
  const auto grant = grant_to(with_pin("scan").id);
  auto owner = browser();
  ASSERT_EQ(come_in(owner, "scan").status, 201);
  const auto path = "/api/v1/owner/grants/" + grant.id.text() + "/authorize";
  for (int n = 0; n < 5; ++n) EXPECT_EQ(owner.post(path).status, 201) << n;
  const auto refused = owner.post(path);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.code(), "too_many_attempts");
  EXPECT_NE(refused.header("retry-after"), "");
  EXPECT_EQ(authorizer->count, 5);
}

TEST_F(OwnerTest, A4_AnAccountThatWasNeverLearnedIsNotAuthorisedAgainFromHere) {
  auto grant = grant_to(with_pin("scan").id);
  grant.account_id.clear();
  grant.account_name.clear();
  ASSERT_TRUE(run(store->commit({store::UpdateGrant{grant}}, store::Urgency::ordinary)));
  auto owner = browser();
  ASSERT_EQ(come_in(owner, "scan").status, 201);
  const auto refused = owner.post("/api/v1/owner/grants/" + grant.id.text() + "/authorize");
  EXPECT_EQ(refused.code(), "not_allowed");
  EXPECT_EQ(authorizer->count, 0);
}

TEST_F(OwnerTest, WhatAnAdministratorHasLockedIsNotOfferedToAuthoriseAgain) {
  auto grant = grant_to(with_pin("scan").id);
  auto owner = browser();
  ASSERT_EQ(come_in(owner, "scan").status, 201);
  const auto shown = [&](store::GrantState state, std::string why) {
    grant.state = state;
    grant.why = std::move(why);
    EXPECT_TRUE(run(store->commit({store::UpdateGrant{grant}}, store::Urgency::ordinary)));
    grant.version += 1;
    return owner.get("/api/v1/owner").json().at("grants").as_array().at(0).as_object();
  };
  for (const auto state : {store::GrantState::revoked, store::GrantState::disabled}) {
    const auto locked = shown(state, "Revoked by root-admin. Authorise it again to use it.");
    EXPECT_FALSE(locked.at("may_authorize").as_bool());
    EXPECT_THAT(base::string_or(locked, "why"), testing::AllOf(testing::HasSubstr("Ask an administrator"), testing::Not(testing::HasSubstr("Authorise it again"))));
  }
  const auto ended = shown(store::GrantState::needs_authorization, "The provider has ended it. Authorise it again.");
  EXPECT_TRUE(ended.at("may_authorize").as_bool());
  EXPECT_EQ(base::string_or(ended, "why"), "The provider has ended it. Authorise it again.");
  grant.account_id.clear();
  EXPECT_FALSE(shown(store::GrantState::needs_authorization, "").at("may_authorize").as_bool()) << "nobody knows whose it is";
}

}  // namespace
}  // namespace latchkey::console
