#include "console/pages.h"

#include <array>

#include "console/console_testing.h"
#include "console/embedded.h"

namespace latchkey::console {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::array<pages::EmbeddedFile, 6> kBuilt = {{
    {"/index.html", "a0", "<script nonce=\"__CSP_NONCE__\"></script><style nonce=\"__CSP_NONCE__\"></style>"},
    {"/assets/main-1a2b.js", "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0", "plain script"},
    {"/assets/main-1a2b.js.br", "b1", "br script"},
    {"/assets/main-1a2b.js.gz", "b2", "gz script"},
    {"/logo.svg", "c0", "<svg/>"},
    {"/theme.js", "d0", "theme"},
}};

class PagesTest : public testing::Test {
 protected:
  base::SystemEntropy entropy;
  Pages pages{kBuilt, entropy};
  ServedHandler served{pages};
};

TEST_F(PagesTest, EveryPagePathGetsTheIndexWithAFreshNonce) {
  std::vector<std::string> policies;
  for (const auto* path : {"/", "/users", "/users/new", "/setup", "/settings/apps/box", "/me", "/activity", "/health", "/groups", "/users?x=1"}) {
    const auto answer = served.get(path);
    EXPECT_EQ(answer.status, 200) << path;
    EXPECT_EQ(answer.header("content-type"), "text/html; charset=utf-8");
    EXPECT_THAT(answer.body, Not(HasSubstr("__CSP_NONCE__")));
    const auto policy = answer.header("content-security-policy");
    const auto at = answer.body.find("nonce=\"") + 7;
    const auto nonce = answer.body.substr(at, answer.body.find('"', at) - at);
    EXPECT_GE(nonce.size(), 22U);
    EXPECT_THAT(policy, HasSubstr("style-src 'self' 'nonce-" + nonce + "'"));
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self';"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'; base-uri 'none'"));
    EXPECT_EQ(answer.header("cache-control"), "no-store");
    EXPECT_EQ(answer.header("cross-origin-opener-policy"), "same-origin-allow-popups");
    policies.push_back(policy);
  }
  EXPECT_NE(policies[0], policies[1]);
}

TEST_F(PagesTest, OtherPathsAreA404PageAndNotTheIndex) {
  for (const auto* path : {"/nothing", "/usersx", "/assets/gone.js", "/index.html", "/assets/"}) {
    const auto answer = served.get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_THAT(answer.body, HasSubstr("No such page"));
    EXPECT_THAT(answer.header("content-security-policy"), HasSubstr("default-src 'none'"));
  }
  EXPECT_EQ(served.ask({.method = "POST", .target = "/users"}).status, 405);
}

TEST_F(PagesTest, AssetsAreSentInTheBestCodingTheBrowserTakes) {
  const auto ask = [this](std::string accept) {
    return served.ask({.target = "/assets/main-1a2b.js", .headers = {{"Accept-Encoding", std::move(accept)}}});
  };
  EXPECT_EQ(ask("gzip, deflate, br").body, "br script");
  EXPECT_EQ(ask("gzip, deflate, br").header("content-encoding"), "br");
  EXPECT_EQ(ask("gzip;q=0.5").body, "gz script");
  EXPECT_EQ(ask("br;q=0, gzip;q=0").body, "plain script");
  EXPECT_EQ(ask("identity").body, "plain script");
  const auto plain = served.get("/assets/main-1a2b.js");
  EXPECT_EQ(plain.body, "plain script");
  EXPECT_EQ(plain.header("content-encoding"), "");
  EXPECT_EQ(plain.header("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(plain.header("cache-control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(plain.header("vary"), "Accept-Encoding");
  EXPECT_EQ(plain.header("x-content-type-options"), "nosniff");
}

TEST_F(PagesTest, UnhashedFilesAreRevalidated) {
  const auto logo = served.get("/logo.svg");
  EXPECT_EQ(logo.header("content-type"), "image/svg+xml");
  EXPECT_EQ(logo.header("cache-control"), "no-cache");
  const auto again = served.ask({.target = "/logo.svg", .headers = {{"If-None-Match", "W/\"x\", " + logo.header("etag")}}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
}

TEST(PagesNotBuilt, SayHowToBuildThem) {
  base::SystemEntropy entropy;
  Pages pages({}, entropy);
  ServedHandler served(pages);
  const auto answer = served.get("/");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("make build"));
}

TEST(Embedded, HoldsTheDescriptionOfTheApi) { EXPECT_TRUE(parse_json(embedded_openapi().content)); }

}  // namespace
}  // namespace latchkey::console
