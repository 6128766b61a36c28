#include "console/last_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fakes_testing.h"
#include "console/owner_pass.h"

namespace latchkey::console {
namespace {

class LastPageTest : public testing::Test {
 protected:
  net::HttpRequest with(std::string_view cookie, std::string scheme = "http") {
    net::HttpRequest request;
    request.scheme = std::move(scheme);
    request.client = *net::IpAddress::parse("192.0.2.7");
    if (!cookie.empty()) request.headers.add("Cookie", cookie.substr(0, cookie.find(';')));
    return request;
  }
  LastPage page() { return {.succeeded = true, .title = "Done", .text = "Whatever \"was\" said: \u00fc;=.", .id = id, .has_console = true}; }

  base::SystemEntropy entropy;
  base::SimulatedWallClock wall;
  vault::Vault vault{Secret(Bytes(32, 1)), entropy};
  LastPages pages{vault, wall, entropy};
  AuthorizationId id = AuthorizationId::make(wall.now(), entropy);
};

// Another object, as on another node or after a restart.
TEST_F(LastPageTest, A2_IsTheSameForEveryNodeOfTheMasterKey) {
  const auto kept = pages.keep(with(""), page());
  const vault::Vault there{Secret(Bytes(32, 1)), entropy};
  const auto found = LastPages(there, wall, entropy).find(with(kept.cookie), kept.key);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->succeeded);
  EXPECT_EQ(found->title, "Done");
  EXPECT_EQ(found->text, page().text);
  EXPECT_EQ(found->id, id);
  EXPECT_TRUE(found->has_console);
  const vault::Vault strange{Secret(Bytes(32, 2)), entropy};
  EXPECT_FALSE(LastPages(strange, wall, entropy).find(with(kept.cookie), kept.key));
}

TEST_F(LastPageTest, NobodyPutsOtherWordsInItsPlace) {
  const auto kept = pages.keep(with(""), page());
  ASSERT_TRUE(pages.find(with(kept.cookie), kept.key));
  EXPECT_FALSE(pages.find(with(kept.cookie), pages.keep(with(""), page()).key)) << "of an older page";
  EXPECT_FALSE(pages.find(with(kept.cookie), ""));
  EXPECT_FALSE(pages.find(with(""), kept.key));
  const auto pair = kept.cookie.substr(0, kept.cookie.find(';'));
  const auto value_at = pair.find('=') + 1;
  for (const auto at : {value_at, pair.find('.'), pair.find('.') + 1}) {
    auto altered = pair;
    altered[at] = altered[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(pages.find(with(altered), kept.key)) << at;
  }
  // A pass is under a MAC of the same key.
  const auto pass = OwnerPasses(vault, wall).cookie(with(""), {.user = UserId::make(wall.now(), entropy), .ends = wall.now() + Seconds(60)});
  EXPECT_FALSE(pages.find(with("latchkey-last-page" + pass.substr(pass.find('='))), ""));
}

TEST_F(LastPageTest, EndsByItself) {
  const auto kept = pages.keep(with(""), page());
  wall.advance(kLastPageLifetime - Seconds(1));
  EXPECT_TRUE(pages.find(with(kept.cookie), kept.key));
  wall.advance(Seconds(1));
  EXPECT_FALSE(pages.find(with(kept.cookie), kept.key));
}

TEST_F(LastPageTest, IsHostOnlyAndSecureOverHttpsAndComesBackFromTheProvidersPage) {
  const auto kept = pages.keep(with("", "https"), page());
  EXPECT_THAT(kept.cookie, testing::StartsWith("__Host-latchkey-last-page="));
  EXPECT_THAT(kept.cookie, testing::EndsWith("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"));
  EXPECT_TRUE(pages.find(with(kept.cookie, "https"), kept.key));
  EXPECT_FALSE(pages.find(with(kept.cookie), kept.key)) << "another name over http";
}

// Browsers drop a cookie of more than 4,096 octets.
TEST_F(LastPageTest, AVeryLongTextIsCut) {
  auto longest = page();
  longest.text.clear();
  for (int i = 0; i < 3'000; ++i) longest.text += "\u00fc";
  const auto kept = pages.keep(with("", "https"), longest);
  EXPECT_LT(kept.cookie.size(), 4'000U);
  const auto found = pages.find(with(kept.cookie, "https"), kept.key);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->text, testing::EndsWith("\u00fc\u2026"));
  EXPECT_GE(found->text.size(), 1'000U);
}

}  // namespace
}  // namespace latchkey::console
