#include "console/owner_pass.h"

#include <gtest/gtest.h>

#include "base/fakes_testing.h"
#include "base/entropy.h"

namespace latchkey::console {
namespace {

using namespace std::chrono_literals;

class OwnerPassTest : public testing::Test {
 protected:
  net::HttpRequest with(std::string cookie, std::string_view scheme = "http") {
    net::HttpRequest request;
    request.scheme = scheme == "https" ? "https" : "http";
    request.client = *net::IpAddress::parse("127.0.0.1");
    request.headers.add("Cookie", cookie.substr(0, cookie.find(';')));
    return request;
  }
  OwnerPass of_user() { return {.user = UserId::make(wall.now(), entropy), .auth_epoch = 7, .ends = wall.now() + 30min}; }

  base::SystemEntropy entropy;
  base::SimulatedWallClock wall;
  vault::Vault vault{Secret(Bytes(32, 1)), entropy};
  OwnerPasses passes{vault, wall};
};

TEST_F(OwnerPassTest, ComesBackAsItWasGiven) {
  const auto given = of_user();
  const auto user = passes.of(with(passes.cookie(with(""), given)));
  ASSERT_TRUE(user);
  EXPECT_EQ(user->user, given.user);
  EXPECT_EQ(user->auth_epoch, 7);
  EXPECT_TRUE(user->grant.none());
  const OwnerPass of_link{.grant = GrantId::make(wall.now(), entropy), .account_id = "acc-ü;1", .ends = wall.now() + 24h};
  const auto link = passes.of(with(passes.cookie(with(""), of_link)));
  ASSERT_TRUE(link);
  EXPECT_EQ(link->grant, of_link.grant);
  EXPECT_EQ(link->account_id, "acc-ü;1");
  EXPECT_TRUE(link->user.none()) << "a link's pass names no user";
}

TEST_F(OwnerPassTest, IsHostOnlyAndSecureOverHttps) {
  const auto cookie = passes.cookie(with("", "https"), of_user());
  EXPECT_TRUE(cookie.starts_with("__Host-latchkey-owner=")) << cookie;
  EXPECT_TRUE(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=1800; Secure")) << cookie;
  EXPECT_TRUE(passes.of(with(cookie, "https")));
  EXPECT_FALSE(passes.of(with(cookie))) << "another name over http";
}

TEST_F(OwnerPassTest, IsNotTakenFromALineThatOthersMayRead) {
  auto request = with(passes.cookie(with(""), of_user()));
  ASSERT_TRUE(passes.of(request)) << "on the machine itself";
  request.client = *net::IpAddress::parse("192.0.2.7");
  EXPECT_FALSE(passes.of(request));
}

TEST_F(OwnerPassTest, EndsByItself) {
  const auto cookie = passes.cookie(with(""), of_user());
  wall.advance(29min);
  EXPECT_TRUE(passes.of(with(cookie)));
  wall.advance(1min);
  EXPECT_FALSE(passes.of(with(cookie)));
}

TEST_F(OwnerPassTest, WhatAnotherKeyOrNobodySignedIsNone) {
  const auto cookie = passes.cookie(with(""), of_user());
  const auto value = cookie.substr(0, cookie.find(';'));
  for (std::size_t at = value.find('=') + 1; at < value.size(); at += 7) {
    auto altered = value;
    altered[at] = altered[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(passes.of(with(altered))) << at;
  }
  vault::Vault other{Secret(Bytes(32, 2)), entropy};
  EXPECT_FALSE(OwnerPasses(other, wall).of(with(cookie)));
  for (const std::string_view nothing : {"latchkey-owner=", "latchkey-owner=.", "latchkey-owner=e30.", "x=1"}) EXPECT_FALSE(passes.of(with(std::string(nothing))));
}

}  // namespace
}  // namespace latchkey::console
