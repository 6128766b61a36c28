#include "people/source_rules.h"

#include <gtest/gtest.h>

namespace latchkey::people {
namespace {

bool allowed(std::vector<std::string> rules, std::string_view source) {
  const auto made = SourceRules::parse(rules);
  EXPECT_TRUE(made);
  return made && made->allow(source);
}

TEST(SourceRules, T2_NoRuleMeansFromAnywhere) {
  EXPECT_TRUE(allowed({}, "203.0.113.7"));
  EXPECT_TRUE(allowed({}, ""));
  EXPECT_FALSE(allowed({"10.0.0.0/8"}, "")) << "what is no address is in no network";
}

TEST(SourceRules, T2_NetworksOfBothFamilies) {
  EXPECT_TRUE(allowed({"10.0.0.0/8"}, "10.255.0.1"));
  EXPECT_FALSE(allowed({"10.0.0.0/8"}, "11.0.0.1"));
  EXPECT_TRUE(allowed({"192.0.2.7"}, "192.0.2.7"));
  EXPECT_FALSE(allowed({"192.0.2.7"}, "192.0.2.8"));
  EXPECT_TRUE(allowed({"192.0.2.4/30"}, "192.0.2.7"));
  EXPECT_FALSE(allowed({"192.0.2.4/30"}, "192.0.2.8"));
  EXPECT_TRUE(allowed({"192.0.2.7"}, "::ffff:192.0.2.7")) << "one address in two dresses";
  EXPECT_TRUE(allowed({"2001:db8::/32"}, "2001:db8:1:2::/64"));
  EXPECT_TRUE(allowed({"10.0.0.0/8", "2001:db8::/64"}, "2001:db8::/64"));
  EXPECT_FALSE(allowed({"2001:db8::1"}, "2001:db8::/64")) << "a /64 says too little for one address";
  EXPECT_TRUE(allowed({"2001:db8::1"}, "2001:db8::1"));
  EXPECT_FALSE(allowed({"::/0"}, "")) << "still no address";
  EXPECT_TRUE(allowed({"0.0.0.0/0"}, "203.0.113.7"));
  EXPECT_FALSE(allowed({"0.0.0.0/0"}, "2001:db8::1"));
}

TEST(SourceRules, T3_AnIpv6AddressCountsAsItsNetwork) {
  EXPECT_EQ(counted_source("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(counted_source("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(counted_source("2001:db8:0:1::7"), "2001:db8:0:1::/64");
  EXPECT_EQ(counted_source("2001:db8:0:1:ffff::8"), "2001:db8:0:1::/64");
  EXPECT_EQ(counted_source("2001:db8:0:1::/64"), "2001:db8:0:1::/64");
  EXPECT_EQ(counted_source(""), "");
}

TEST(SourceRules, WhatIsNoNetworkIsRefused) {
  for (const auto* text : {"", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "2001:db8::/129", "host.example",
                           "10.0.0.0/8 ", "fe80::1%eth0"}) {
    const auto made = SourceRules::parse({text});
    ASSERT_FALSE(made) << text;
    EXPECT_EQ(made.error().field, "sources");
  }
  EXPECT_FALSE(SourceRules::parse(std::vector<std::string>(65, "10.0.0.1")));
}

}  // namespace
}  // namespace latchkey::people
