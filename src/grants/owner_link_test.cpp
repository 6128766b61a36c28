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

// It has been sent to somebody, who would open it in vain.
TEST_F(OwnerLink, C3_IsEndedByNobodyWhoBeginsAgainForThatUsername) {
  const auto sent = ask("scan");
  for (const auto way : {AuthorizationWay::browser, AuthorizationWay::owner_link}) {
    auto what = wish("scan");
    what.way = way;
    const auto refused = run(desk->begin(std::move(what), {.actor = "anna", .session_hash = Bytes(32, 1)}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "username_reserved");
    EXPECT_NE(refused.error().text.find("cancel it first"), std::string::npos) << refused.error().text;
  }
  EXPECT_EQ(seen(sent.id).state, AuthorizationState::pending);
  ASSERT_TRUE(run(desk->cancel(sent.id, {.actor = "anna"})));
  EXPECT_NE(ask("scan").id, sent.id);
}

TEST_F(OwnerLink, A1_AnAnswerThatTookTooLongIsNotUsedAndTheLinkStaysGood) {
  const auto begun = ask("scan");
  const auto talk = open_start(begun);
  advance(10min + 1s);
  const auto late = come_back(talk);
  EXPECT_EQ(late.title, "This took too long");
  EXPECT_EQ(late.viewer, Viewer::nobody);
  EXPECT_TRUE(late.owner_known);
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
    auto brought = id;  // tokens are ASCII
    std::erase_if(brought, [](char c) { return static_cast<unsigned char>(c) > 0x7e; });
    transport.then(T::json(200, R"({"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-)" + brought +
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
  ASSERT_TRUE(run(desk->confirm(held.id, Answer::accept, seen(held.id).question, {.actor = "anna"})));
  EXPECT_EQ(seen(held.id).state, AuthorizationState::completed);
}

TEST_F(ExpectedAccount, A4_TheQuestionNamesTheAccountByItsIdToo) {
  const auto held = consent(asked("scan", ""), "sub-of-mallory", "bob@example.com");
  ASSERT_EQ(held.state, AuthorizationState::held);
  EXPECT_THAT(held.problem_text, testing::AllOf(testing::HasSubstr("The account \"sub-of-mallory\" named \"bob@example.com\" has consented")));
  const auto differs = consent(asked("print", "sub-1"), "sub-2", "bob@example.com");
  ASSERT_EQ(differs.problem_code, "account_differs");
  EXPECT_THAT(differs.problem_text, testing::HasSubstr("the account \"sub-2\" named \"bob@example.com\"."));
}

TEST_F(ExpectedAccount, Attack_ANameThatOnlyLooksLikeTheExpectedOneIsNotShown) {
  int n = 0;
  for (const char* name : {"bob@example.com\u200b", "\u202emoc.elpmaxe@bob", "bob@example.com\u009b8m", "bob@example.com\ufe0f", "bob@example.com ", "bob@example.com\u00a0",
                           "\u3000", "bob@example.com\u3000", "bob@example.com\U00016fe4", "bob@example.com\ue000", "bob@example.com\u0378"}) {
    const auto held = consent(asked("scan" + std::to_string(++n), ""), "sub-of-mallory", name);
    ASSERT_EQ(held.state, AuthorizationState::held) << name;
    EXPECT_EQ(held.account_name, "sub-of-mallory");
    EXPECT_THAT(held.problem_text, testing::Not(testing::HasSubstr("example")));
    EXPECT_THAT(held.problem_text, testing::HasSubstr("The account \"sub-of-mallory\" has consented"));
  }
  EXPECT_EQ(consent(asked("print", "bob@example.com"), "sub-of-mallory", "bob@example.com\u200b").problem_code, "account_differs");
}

// A name of somebody's choosing does not go on as the question.
TEST_F(ExpectedAccount, Attack_ANameThatReadsLikeAQuestionStaysAName) {
  const std::string forged = "anna\" has consented. Approve this account? The account \"acc-1\" named \"anna";
  const auto held = consent(asked("scan", ""), "sub-of-mallory", forged);
  ASSERT_EQ(held.state, AuthorizationState::held);
  EXPECT_THAT(held.problem_text, testing::StartsWith("The account \"sub-of-mallory\" named \"anna' has consented. Approve this account? The account 'acc-1' named 'anna\" has consented in another browser. "));
  ASSERT_TRUE(run(desk->confirm(held.id, Answer::accept, held.question, {.actor = "anna"})));
  const auto again = consent(asked("print", ""), "sub-of-mallory", std::string(200, 'x'));
  ASSERT_EQ(again.problem_code, "account_held");
  EXPECT_THAT(again.problem_text, testing::StartsWith("The account \"sub-of-mallory\" named \"" + std::string(79, 'x') + "…\" is authorised already for scan."));
}

TEST_F(ExpectedAccount, C5_AnIdWithACharacterThatNobodySeesIsKeptAndShownWithIt) {
  const std::string id = "ann\u200ca@example.com";
  const auto held = consent(asked("scan", ""), id, "Anna");
  ASSERT_EQ(held.state, AuthorizationState::held);
  EXPECT_EQ(held.account_id, id);
  EXPECT_THAT(held.problem_text, testing::StartsWith("The account \"ann\\u{200c}a@example.com\" named \"Anna\" has consented"));
  ASSERT_TRUE(run(desk->confirm(held.id, Answer::accept, held.question, {.actor = "anna"})));
  const auto made = seen(held.id).grant;
  auto again = asked("", "");
  again.replace = made;
  EXPECT_EQ(consent(std::move(again), id, "Anna").state, AuthorizationState::completed) << "the same account";
  EXPECT_EQ(view(made).grant.account_id, id);
  auto other = asked("", "");
  other.replace = made;
  EXPECT_EQ(consent(std::move(other), "anna@example.com", "Anna").problem_code, "account_differs") << "one that only looks like it";
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
    EXPECT_THAT(other.problem_text, testing::HasSubstr("Until now it was the account \"sub-1\" named \"bob@example.com\".")) << "the names are the same";
    ASSERT_TRUE(run(desk->confirm(other.id, Answer::reject, seen(other.id).question, {.actor = "anna"})));
  }
  auto again = asked("", "bob@example.com");
  again.replace = made.grant;
  EXPECT_EQ(consent(std::move(again), "sub-1", "bob@example.com").state, AuthorizationState::completed) << "the grant's own, by its id";
}

}  // namespace
}  // namespace latchkey::grants
