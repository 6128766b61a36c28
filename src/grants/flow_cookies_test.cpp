#include "grants/flow_cookies.h"

#include <gtest/gtest.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

class Cookies : public KeeperHouse {
 protected:
  AuthorizationId id = AuthorizationId::make(wall.now(), entropy);
  AuthorizationId other = AuthorizationId::make(wall.now(), entropy);
  FlowCookies loopback{vault, "http://127.0.0.1:8080"};
  FlowCookies https{vault, "https://office.example"};
  Secret value{std::string_view("a-value")};

  // As a browser sends back what it was given.
  static Parameters sent(const std::string& set_cookie) {
    const auto pair = set_cookie.substr(0, set_cookie.find(';'));
    const auto equals = pair.find('=');
    return {{pair.substr(0, equals), pair.substr(equals + 1)}};
  }
};

TEST_F(Cookies, A1_OverHttpsBrowsersHoldThemToTheOneOrigin) {
  const auto cookie = https.set(id, value, Seconds(600));
  EXPECT_TRUE(cookie.starts_with("__Host-latchkey-flow-")) << cookie;
  EXPECT_TRUE(cookie.ends_with("=a-value; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure")) << cookie;
  EXPECT_TRUE(https.match(id, https.hash("a-value"), sent(cookie)));
}

TEST_F(Cookies, A1_OnLoopbackAMacTiesTheValueToItsFlow) {
  const auto cookie = loopback.set(id, value, Seconds(600));
  EXPECT_TRUE(cookie.starts_with("latchkey-flow-")) << cookie;
  EXPECT_EQ(cookie.find("Secure"), std::string::npos);
  auto cookies = sent(cookie);
  const auto kept = loopback.hash("a-value");
  EXPECT_TRUE(loopback.match(id, kept, cookies));
  // The same value and MAC under another flow's name.
  auto moved = sent(loopback.set(other, value, Seconds(600)));
  moved.front().second = cookies.front().second;
  EXPECT_FALSE(loopback.match(other, kept, moved));
  // No MAC at all.
  cookies.front().second = "a-value";
  EXPECT_FALSE(loopback.match(id, kept, cookies));
}

TEST_F(Cookies, A1_AnotherValueOrAnotherFlowsCookieIsNotThisFlows) {
  const auto kept = https.hash("a-value");
  EXPECT_FALSE(https.match(id, kept, {}));
  EXPECT_FALSE(https.match(id, kept, sent(https.set(other, value, Seconds(600)))));
  EXPECT_FALSE(https.match(id, kept, sent(https.set(id, Secret(std::string_view("another")), Seconds(600)))));
  EXPECT_FALSE(https.match(id, {}, sent(https.set(id, value, Seconds(600))))) << "a flow that no browser has begun";
}

TEST_F(Cookies, WhatIsForgottenHasTheNameOfWhatWasSet) {
  for (const auto* cookies : {&loopback, &https}) {
    const auto set = cookies->set(id, value, Seconds(600));
    const auto forget = cookies->forget(id);
    EXPECT_EQ(forget.substr(0, forget.find('=')), set.substr(0, set.find('=')));
    EXPECT_NE(forget.find("=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"), std::string::npos) << forget;
  }
}

}  // namespace
}  // namespace latchkey::grants
