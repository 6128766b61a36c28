// The browser's way through an authorise flow over real HTTP.
#include "console/office_testing.h"

namespace latchkey::console {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FlowTest : public ConsoleTest {
 protected:
  // Begins as `boss`; returns the path of the start address.
  std::string begin(Browser& boss, std::string presentation = "popup") {
    const auto begun = boss.send("POST", "/api/v1/authorizations", {{"group_id", group.text()}, {"type", "box"}, {"username", "scan" + std::to_string(++number)}, {"pin", kPin}, {"presentation", presentation}});
    EXPECT_EQ(begun.status, 201) << begun.body;
    EXPECT_EQ(base::string_or(begun.json(), "presentation"), presentation);
    id = *AuthorizationId::parse(base::string_or(begun.json(), "id"));
    const auto url = base::string_or(begun.json(), "start_url");
    return url.substr(url.find("/oauth/"));
  }
  // Where the callback sends the browser, which has `last_page` from then on.
  std::string come_back(bool succeeded) {
    authorizer->next_page = {.succeeded = succeeded, .title = succeeded ? "Done <b>" : "Consent was refused", .text = "Words.", .id = id};
    const auto answer = served->ask({.target = "/oauth/callback/box?code=SECRET-CODE&state=SECRET-STATE",
                                     .headers = {{"Cookie", "a=1; __Host-latchkey-flow-x=v1; latchkey-flow-y=v2; latchkey=z"}, {"Sec-Fetch-Site", "cross-site"}}});
    EXPECT_EQ(answer.status, 303);
    EXPECT_EQ(answer.header("referrer-policy"), "no-referrer");
    EXPECT_EQ(answer.header("cache-control"), "no-store");
    const std::string cookie(answer.header("set-cookie"));
    last_page = cookie.substr(0, cookie.find(';'));
    return answer.header("location");
  }
  std::string show(const std::string& location) { return served->ask({.target = location, .headers = {{"Cookie", last_page}}}).body; }
  AuthorizationId id;
  std::string last_page;
  int number = 0;
};

TEST_F(FlowTest, TheSessionThatBeganGoesStraightToTheProvider) {
  auto boss = administrator();
  const auto target = begin(boss);
  const auto answer = boss.get(target);
  EXPECT_EQ(answer.status, 303) << answer.body;
  EXPECT_EQ(answer.header("location"), "https://provider.example/authorize?state=s&x=\"y\"");
  EXPECT_EQ(answer.header("set-cookie"), "__Host-latchkey-flow-1=v; Path=/; Secure");
  EXPECT_TRUE(boss.get("/api/v1/authorizations/" + id.text()).json().at("started").as_bool());
  const auto again = boss.get(target);
  EXPECT_EQ(again.status, 404);
  EXPECT_THAT(again.body, HasSubstr("has been used or has expired"));
}

TEST_F(FlowTest, C1AnyoneElseMustConfirmOnAPageThatNamesTheServer) {
  auto boss = administrator();
  const auto target = begin(boss);
  auto owner = browser();
  const auto page = owner.get(target);
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("https://latchkey.example"));
  EXPECT_THAT(page.body, HasSubstr("anna&lt;b&gt;"));
  EXPECT_THAT(page.body, HasSubstr("<form method=\"post\" action=\"" + target + "\">"));
  EXPECT_EQ(page.header("set-cookie"), "");
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("default-src 'none'"));
  // Looking changes nothing.
  EXPECT_EQ(owner.get(target).status, 200);
  // Nor does another site's page.
  EXPECT_EQ(owner.ask({.method = "POST", .target = target, .headers = {{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}}}).status, 403);
  const auto confirmed = owner.ask({.method = "POST", .target = target, .headers = {{"Origin", "null"}, {"Sec-Fetch-Site", "same-origin"}}});
  EXPECT_EQ(confirmed.status, 200) << confirmed.body;
  EXPECT_THAT(confirmed.body, HasSubstr("content=\"0;url=https://provider.example/authorize?state=s&amp;x=&quot;y&quot;\""));
  EXPECT_THAT(confirmed.header("set-cookie"), StartsWith("__Host-latchkey-flow-1="));
}

TEST_F(FlowTest, TheCallbackEndsAtACleanAddressThatSaysWhatHappenedAndClosesItself) {
  auto boss = administrator();
  boss.get(begin(boss));
  const auto location = come_back(true);
  EXPECT_EQ(authorizer->last_app, "box");
  EXPECT_EQ(authorizer->last_query, "code=SECRET-CODE&state=SECRET-STATE");
  ASSERT_EQ(authorizer->last_cookies.size(), 2U);
  EXPECT_EQ(authorizer->last_cookies[0].first, "__Host-latchkey-flow-x");
  EXPECT_EQ(authorizer->last_cookies[1].second, "v2");
  EXPECT_THAT(location, StartsWith("/oauth/done?r="));
  EXPECT_THAT(location, Not(HasSubstr("SECRET")));
  const auto page = served->ask({.target = location, .headers = {{"Cookie", last_page}}});
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("Done &lt;b&gt;"));
  EXPECT_THAT(page.body, HasSubstr("<script src=\"/oauth/done.js\" defer></script>"));
  EXPECT_THAT(page.body, HasSubstr("data-close-after=\"700\""));
  EXPECT_THAT(page.body, HasSubstr("/users?authorization=" + id.text()));
  EXPECT_EQ(page.header("cross-origin-opener-policy"), "");
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("script-src 'self'"));
}

TEST_F(FlowTest, TheWordsOfTheLastPageAreTheBrowsersOwn) {
  auto boss = administrator();
  boss.get(begin(boss));
  const auto location = come_back(true);
  const auto elsewhere = served->get(location).body;
  EXPECT_THAT(elsewhere, HasSubstr("has done its work"));
  EXPECT_THAT(elsewhere, Not(HasSubstr("/users"))) << "whoever sits there need have no console";
  EXPECT_THAT(elsewhere, Not(HasSubstr("data-close-after")));
  EXPECT_THAT(show("/oauth/done"), HasSubstr("has done its work"));
  EXPECT_THAT(show(location), HasSubstr("Done &lt;b&gt;"));
  EXPECT_THAT(show(location), HasSubstr("Done &lt;b&gt;")) << "loaded again";
}

TEST_F(FlowTest, C8ARefusalIsSaidInWordsAndStaysLongEnoughToBeRead) {
  auto boss = administrator();
  boss.get(begin(boss));
  const auto page = show(come_back(false));
  EXPECT_THAT(page, HasSubstr("Consent was refused"));
  EXPECT_THAT(page, HasSubstr("data-close-after=\"10000\""));
  EXPECT_THAT(page, HasSubstr("You can close this window."));
}

TEST_F(FlowTest, AFullPageFlowReturnsToTheUsersList) {
  auto boss = administrator();
  boss.get(begin(boss, "page"));
  EXPECT_EQ(come_back(true), "/users?authorization=" + id.text());
  EXPECT_EQ(last_page, "") << "the list says it";
}

TEST_F(FlowTest, WhatAnOwnerConfirmedEndsWithoutAWayIntoTheConsole) {
  auto boss = administrator();
  const auto target = begin(boss, "page");
  auto owner = browser();
  owner.ask({.method = "POST", .target = target, .headers = {{"Sec-Fetch-Site", "same-origin"}}});
  const auto page = show(come_back(true));
  EXPECT_THAT(page, HasSubstr("Done &lt;b&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("/users")));
}

TEST_F(FlowTest, OtherMethodsNamesAndFilesAreRefused) {
  EXPECT_EQ(served->ask({.method = "POST", .target = "/oauth/callback/box"}).status, 405);
  EXPECT_EQ(served->ask({.method = "DELETE", .target = "/oauth/start/t"}).status, 405);
  EXPECT_EQ(served->get("/oauth/start/" + std::string(200, 'a')).status, 404);
  EXPECT_EQ(served->get("/oauth/callback/a%22b").status, 404);
  EXPECT_EQ(served->get("/oauth/nothing").status, 404);
  EXPECT_EQ(served->get("/oauth/flow.css").header("content-type"), "text/css; charset=utf-8");
  EXPECT_THAT(served->get("/oauth/done.js").body, HasSubstr("window.close()"));
}

}  // namespace
}  // namespace latchkey::console
