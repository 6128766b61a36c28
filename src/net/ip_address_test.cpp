#include "net/ip_address.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

TEST(IpAddress, ReadsStrictlyAndWritesCanonically) {
  EXPECT_EQ(IpAddress::parse("192.0.2.7")->text(), "192.0.2.7");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0::1")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("192.0.2.07"), std::nullopt);
  EXPECT_EQ(IpAddress::parse("192.0.2"), std::nullopt);
  EXPECT_EQ(IpAddress::parse("[::1]"), std::nullopt);
  EXPECT_EQ(IpAddress::parse("fe80::1%eth0"), std::nullopt);
  EXPECT_EQ(IpAddress::parse(""), std::nullopt);
  EXPECT_EQ(IpAddress::parse(std::string_view("127.0.0.1\0x", 11)), std::nullopt);
}

TEST(IpAddress, MappedAddressesAreTheIpv4AddressTheyAre) {
  EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.1"), IpAddress::parse("10.0.0.1"));
  EXPECT_TRUE(IpAddress::parse("::ffff:127.0.0.1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("126.255.255.255")->is_loopback());
}

TEST(Cidr, ContainsByWholePrefix) {
  const auto network = Cidr::parse("10.32.0.0/11");
  ASSERT_TRUE(network);
  EXPECT_TRUE(network->contains(*IpAddress::parse("10.63.255.255")));
  EXPECT_FALSE(network->contains(*IpAddress::parse("10.64.0.0")));
  EXPECT_FALSE(network->contains(*IpAddress::parse("fd00::1")));
  EXPECT_TRUE(Cidr::parse("fd00::/8")->contains(*IpAddress::parse("fdff::1")));
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("203.0.113.1")));
  EXPECT_TRUE(Cidr::parse("192.0.2.1")->contains(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(Cidr::parse("192.0.2.1")->contains(*IpAddress::parse("192.0.2.2")));
}

TEST(Cidr, RefusesWhatIsNoNetwork) {
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "10.0.0.0/-1", "/8", "fd00::/129"}) {
    EXPECT_EQ(Cidr::parse(text), std::nullopt) << text;
  }
}

TEST(SourceAddress, CountsIpv6ByTheNetworkOf64Bits) {
  const SourceAddress one(*IpAddress::parse("2001:db8:1:2:3:4:5:6"));
  const SourceAddress two(*IpAddress::parse("2001:db8:1:2:ffff::1"));
  const SourceAddress other(*IpAddress::parse("2001:db8:1:3::1"));
  EXPECT_EQ(one, two);
  EXPECT_NE(one, other);
  EXPECT_EQ(one.text(), "2001:db8:1:2::/64");
  EXPECT_EQ(SourceAddress::parse(one.text()), one);
  EXPECT_EQ(SourceAddressHash()(one), SourceAddressHash()(two));
  EXPECT_EQ(SourceAddress::parse("192.0.2.7")->text(), "192.0.2.7");
  EXPECT_EQ(SourceAddress::parse("nobody"), std::nullopt);
}

}  // namespace
}  // namespace latchkey::net
