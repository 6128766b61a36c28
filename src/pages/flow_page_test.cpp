#include "pages/flow_page.h"

#include <gmock/gmock.h>

#include "pages/flow_assets.h"

namespace latchkey::pages {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(FlowPage, EscapesEverythingAndStaysUnderThePolicy) {
  const auto page = flow_page({.title = "<b>\"T\"</b>",
                               .text = "a & `b<c>`\n\nd",
                               .facts = {{"<x>", "'y'"}},
                               .link = "/users?a=1&b=2",
                               .link_text = "<go>",
                               .close_after_ms = 5});
  EXPECT_THAT(page.body, Not(HasSubstr("<b>")));
  EXPECT_THAT(page.body, HasSubstr("&lt;b&gt;&quot;T&quot;&lt;/b&gt;"));
  EXPECT_THAT(page.body, HasSubstr("<p>a &amp; <code>b&lt;c&gt;</code></p><p>d</p>"));
  EXPECT_THAT(page.body, HasSubstr("href=\"/users?a=1&amp;b=2\""));
  EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
  EXPECT_THAT(page.body, Not(HasSubstr("style=")));
  EXPECT_THAT(page.body, HasSubstr("data-close-after=\"5\""));
}

TEST(FlowAssets, AreWhatThePagesAskForAndNothingElse) {
  const auto page = flow_page({.title = "t", .close_after_ms = 5});
  for (const auto* path : {"/oauth/flow.css", "/oauth/done.js", "/logo.svg"}) {
    EXPECT_THAT(page.body, HasSubstr(path));
    const auto asset = flow_asset(path);
    ASSERT_TRUE(asset) << path;
    EXPECT_FALSE(asset->body.empty()) << path;
    EXPECT_TRUE(asset->headers.find("Content-Type")) << path;
    EXPECT_EQ(asset->headers.find("X-Content-Type-Options"), "nosniff") << path;
  }
  EXPECT_FALSE(flow_asset("/oauth/other.css"));
  EXPECT_FALSE(flow_asset("/flow.css"));
}

}  // namespace
}  // namespace latchkey::pages
