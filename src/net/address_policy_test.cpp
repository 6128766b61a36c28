#include "net/address_policy.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

AddressKind kind(const char* text) { return kind_of(*IpAddress::parse(text)); }

TEST(AddressKind, KnowsSpecialPlacesInEveryDisguise) {
  EXPECT_EQ(kind("8.8.8.8"), AddressKind::global);
  EXPECT_EQ(kind("2606:4700::1111"), AddressKind::global);
  EXPECT_EQ(kind("127.0.0.1"), AddressKind::loopback);
  EXPECT_EQ(kind("127.255.0.1"), AddressKind::loopback);
  EXPECT_EQ(kind("::1"), AddressKind::loopback);
  EXPECT_EQ(kind("::"), AddressKind::reserved);
  EXPECT_EQ(kind("0.1.2.3"), AddressKind::reserved);
  EXPECT_EQ(kind("10.1.2.3"), AddressKind::private_network);
  EXPECT_EQ(kind("172.31.255.255"), AddressKind::private_network);
  EXPECT_EQ(kind("172.32.0.0"), AddressKind::global);
  EXPECT_EQ(kind("192.168.1.1"), AddressKind::private_network);
  EXPECT_EQ(kind("100.64.0.1"), AddressKind::private_network);
  EXPECT_EQ(kind("100.128.0.1"), AddressKind::global);
  EXPECT_EQ(kind("fd12::1"), AddressKind::private_network);
  EXPECT_EQ(kind("fe80::1"), AddressKind::link_local);
  EXPECT_EQ(kind("169.254.1.1"), AddressKind::link_local);
  EXPECT_EQ(kind("169.254.169.254"), AddressKind::metadata);
  EXPECT_EQ(kind("fd00:ec2::254"), AddressKind::metadata);
  EXPECT_EQ(kind("239.1.1.1"), AddressKind::multicast);
  EXPECT_EQ(kind("ff02::1"), AddressKind::multicast);
  EXPECT_EQ(kind("255.255.255.255"), AddressKind::reserved);
  EXPECT_EQ(kind("::ffff:10.0.0.1"), AddressKind::private_network);
  EXPECT_EQ(kind("::10.0.0.1"), AddressKind::private_network) << "IPv4-compatible";
  EXPECT_EQ(kind("64:ff9b::7f00:1"), AddressKind::loopback) << "NAT64";
  EXPECT_EQ(kind("64:ff9b::808:808"), AddressKind::global) << "NAT64 of a global address";
  EXPECT_EQ(kind("2002:7f00:1::"), AddressKind::loopback) << "6to4";
  EXPECT_EQ(kind("2002:a9fe:a9fe::1"), AddressKind::metadata) << "6to4";
  EXPECT_EQ(kind("2001:0:4136:e378:8000:63bf:80ff:fffe"), AddressKind::loopback) << "Teredo of 127.0.0.1";
}

TEST(AddressPolicy, RefusesEverythingButGlobalByDefault) {
  const AddressPolicy policy;
  EXPECT_TRUE(policy.check_address("login.example", 443, *IpAddress::parse("8.8.8.8")));
  const auto refused = policy.check_address("login.example", 443, *IpAddress::parse("169.254.169.254"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "address_not_allowed");
  EXPECT_NE(refused.error().text.find("login.example:443"), std::string::npos);
}

TEST(AddressPolicy, ExceptionsNameHostPortOrNetwork) {
  const auto policy = AddressPolicy::parse({"localhost:8481", "nas.lan", "10.0.0.0/8:443", "[::1]:99", "fd00::/8"});
  ASSERT_TRUE(policy);
  const auto loopback = *IpAddress::parse("127.0.0.1");
  EXPECT_TRUE(policy->check_address("LOCALHOST", 8481, loopback));
  EXPECT_FALSE(policy->check_address("localhost", 8480, loopback));
  EXPECT_FALSE(policy->check_address("127.0.0.1", 8481, loopback)) << "the name is allowed, not the address";
  EXPECT_TRUE(policy->check_address("nas.lan", 5000, *IpAddress::parse("192.168.1.4")));
  EXPECT_TRUE(policy->check_address("any.example", 443, *IpAddress::parse("10.9.8.7")));
  EXPECT_FALSE(policy->check_address("any.example", 444, *IpAddress::parse("10.9.8.7")));
  EXPECT_TRUE(policy->check_address("[::1]", 99, *IpAddress::parse("::1")));
  EXPECT_FALSE(policy->check_address("[::1]", 98, *IpAddress::parse("::1")));
  EXPECT_TRUE(policy->check_address("any.example", 1, *IpAddress::parse("fd00::1")));
}

TEST(AddressPolicy, PlainHttpOnlyWhereNamedAndRepliesOnlyHttps) {
  const auto policy = AddressPolicy::parse({"127.0.0.1:8481"}).value();
  const auto check = [&policy](const char* url, UrlSource source) {
    return policy.check_url(Url::parse(url).value(), source).has_value();
  };
  EXPECT_TRUE(check("http://127.0.0.1:8481/token", UrlSource::operator_named));
  EXPECT_FALSE(check("http://127.0.0.1:8482/token", UrlSource::operator_named));
  EXPECT_FALSE(check("http://login.example/token", UrlSource::operator_named));
  EXPECT_TRUE(check("https://login.example:8443/token", UrlSource::operator_named));
  EXPECT_FALSE(check("https://login.example:8443/token", UrlSource::reply));
  EXPECT_FALSE(check("http://127.0.0.1:8481/token", UrlSource::reply));
  EXPECT_TRUE(check("https://login.example/token", UrlSource::reply));
  EXPECT_FALSE(check("https://10.0.0.1/token", UrlSource::operator_named)) << "a literal is judged before connecting";
}

TEST(AddressPolicy, NamesTheEntryItCannotRead) {
  for (const char* entry : {"", "a b", "host:0", "host:99999", "10.0.0.1/8", "http://host", "[::1", "-x"}) {
    const auto policy = AddressPolicy::parse({entry});
    ASSERT_FALSE(policy) << entry;
    EXPECT_EQ(policy.error().reason, "bad_outbound_allow");
  }
}

}  // namespace
}  // namespace latchkey::net
