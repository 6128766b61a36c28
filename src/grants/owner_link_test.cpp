// Links for owners: how long they live, and how long an answer counts once the owner has gone on to the provider.
#include <gmock/gmock.h>

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

}  // namespace
}  // namespace latchkey::grants
