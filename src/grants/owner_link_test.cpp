// Links for owners: how long they live, and how long an answer counts once the owner has gone on to the provider.
#include <gmock/gmock.h>

#include "base/json.h"
#include "grants/authorization_testing.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

class OwnerLink : public DeskHouse {
 protected:
  Begun ask(const std::string& username) {
    auto what = wish(username);
    what.way = AuthorizationWay::owner_link;
    return begin(std::move(what), {.actor = "anna", .session_hash = Bytes(32, 1)});
  }
  Result<StartPage> go_on(const Begun& begun, Parameters cookies = {}) { return run(desk->start(ticket_of(begun), {}, Confirmed::yes, std::move(cookies))); }
};

TEST_F(OwnerLink, A3_LivesForDaysAndIsOverAfterwards) {
  const auto begun = ask("scan");
  advance(71h);
  const auto page = run(desk->start(ticket_of(begun), Bytes(32, 1), Confirmed::no, {}));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->kind, StartPage::Kind::confirm) << "also for the session that asked";
  EXPECT_EQ(page->asked_by, "anna");
  advance(1h + 1s);
  const auto late = go_on(begun);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "ticket_unknown");
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(begun.id).state == AuthorizationState::expired; });
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(OwnerLink, A1_AnAnswerThatTookTooLongIsNotUsedAndTheLinkStaysGood) {
  const auto begun = ask("scan");
  const auto talk = open_start(begun);
  advance(10min + 1s);
  const auto late = come_back(talk);
  EXPECT_EQ(late.title, "This took too long");
  EXPECT_TRUE(late.by_owner);
  EXPECT_TRUE(late.cookie.empty()) << "the browser goes on being the one";
  EXPECT_TRUE(transport.bodies.empty()) << "the code is not spent";
  const auto again = go_on(begun, talk.cookies);
  ASSERT_TRUE(again) << again.error().text;
  const auto equals = again->cookie.find('=');
  const auto at = again->location.find("state=") + 6;
  answer_as("bob");
  const auto done = run(desk->callback("acme", "code=c2&state=" + again->location.substr(at, again->location.find('&', at) - at),
                                       {{again->cookie.substr(0, equals), again->cookie.substr(equals + 1, again->cookie.find(';') - equals - 1)}}));
  EXPECT_TRUE(done.succeeded) << done.text;
  EXPECT_TRUE(done.cookie.contains("Max-Age=0"));
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::held);
}

TEST_F(OwnerLink, C3_IsUsedUpForEveryOtherBrowser) {
  const auto begun = ask("scan");
  const auto talk = open_start(begun);
  const auto without = go_on(begun);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().reason, "ticket_used");
  auto forged = talk.cookies;
  forged.front().second.front() ^= 1;
  EXPECT_FALSE(go_on(begun, forged));
  EXPECT_TRUE(go_on(begun, talk.cookies));
}

TEST_F(OwnerLink, IsShownUntilConsentHasComeBack) {
  const auto begun = ask("scan");
  EXPECT_EQ(seen(begun.id).link, begun.start_url);
  EXPECT_FALSE(seen(begun.id).opened);
  const auto talk = open_start(begun);
  EXPECT_TRUE(seen(begun.id).opened);
  answer_as("bob");
  come_back(talk);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::held);
  EXPECT_EQ(seen(begun.id).link, "");
  const auto over = go_on(begun, talk.cookies);
  ASSERT_FALSE(over) << "it cannot replace the account that waits for approval";
}

// ---- whose consent it is ---------------------------------------------------------------------------------------------

// At a provider where the id of an account and the name it shows are two things.
class ExpectedAccount : public DeskHouse {
 protected:
  AuthorizationWish asked(std::string username, std::string expected) {
    auto what = wish(std::move(username), "selfmade");
    what.app = "selfmade";
    what.way = AuthorizationWay::owner_link;
    what.expected_account = std::move(expected);
    return what;
  }
  AuthorizationView consent(AuthorizationWish what, const std::string& id, const std::string& name, Requester who = {.actor = "anna", .session_hash = Bytes(32, 1)}) {
    const auto begun = begin(std::move(what), std::move(who));
    const auto talk = open_start(begun);
    const auto at = talk.location.find("nonce=") + 6;
    const JsonObject claims{{"sub", id}, {"name", name}, {"aud", "client"}, {"iss", "https://selfmade.example"},
                            {"nonce", talk.location.substr(at, talk.location.find('&', at) - at)}};
    const auto token = "e30." + base::to_base64url(base::as_bytes(boost::json::serialize(claims))) + ".c2ln";
    transport.then(T::json(200, R"({"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-)" + id +
                                    R"(","id_token":")" + token + "\"}"));
    run(desk->callback("selfmade", talk.query, talk.cookies));
    return seen(begun.id);
  }
};

TEST_F(ExpectedAccount, A4_ById_CompletesAtOnce) {
  EXPECT_EQ(consent(asked("scan", "sub-1"), "sub-1", "bob@example.com").state, AuthorizationState::completed);
}

TEST_F(ExpectedAccount, A4_ByNameIsHeldSinceAnybodyMayBearIt) {
  const auto held = consent(asked("scan", "bob@example.com"), "sub-of-mallory", "bob@example.com");
  EXPECT_EQ(held.state, AuthorizationState::held);
  EXPECT_FALSE(exists("scan"));
  EXPECT_THAT(held.problem_text, testing::AllOf(testing::HasSubstr("The name is the expected one"), testing::HasSubstr("sub-of-mallory")));
  ASSERT_TRUE(run(desk->confirm(held.id, Answer::accept, {.actor = "anna"})));
  EXPECT_EQ(seen(held.id).state, AuthorizationState::completed);
}

TEST_F(ExpectedAccount, C5_WhatIsTypedDoesNotTakeThePlaceOfTheGrantsOwnAccount) {
  const auto made = consent(asked("scan", "sub-1"), "sub-1", "bob@example.com");
  ASSERT_EQ(made.state, AuthorizationState::completed);
  for (const char* typed : {"bob@example.com", "sub-of-mallory", ""}) {
    auto again = asked("", typed);
    again.replace = made.grant;
    const auto other = consent(std::move(again), "sub-of-mallory", "bob@example.com");
    EXPECT_EQ(other.state, AuthorizationState::needs_confirmation) << typed;
    EXPECT_EQ(other.problem_code, "account_differs") << typed;
    EXPECT_EQ(other.before_id, "sub-1") << typed;
    ASSERT_TRUE(run(desk->confirm(other.id, Answer::reject, {.actor = "anna"})));
  }
  auto again = asked("", "bob@example.com");
  again.replace = made.grant;
  EXPECT_EQ(consent(std::move(again), "sub-1", "bob@example.com").state, AuthorizationState::completed) << "the grant's own, by its id";
}

}  // namespace
}  // namespace latchkey::grants
