#include "net/proxy_headers.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

std::string client(const char* peer, const HttpHeaders& headers, ProxyHeader header = ProxyHeader::x_forwarded_for) {
  const auto proxies = TrustedProxies::parse({"10.0.0.0/8", "::1"}, header).value();
  const auto view = proxies.client_of(*IpAddress::parse(peer), "http", headers);
  return view.address.text() + " " + std::string(view.scheme);
}

TEST(TrustedProxies, StrangersClaimNothing) {
  EXPECT_EQ(client("192.0.2.9", {{"X-Forwarded-For", "127.0.0.1"}, {"X-Forwarded-Proto", "https"}}), "192.0.2.9 http");
  EXPECT_EQ(client("192.0.2.9", {{"Forwarded", "for=127.0.0.1;proto=https"}}), "192.0.2.9 http");
  EXPECT_EQ(TrustedProxies().client_of(*IpAddress::parse("10.0.0.1"), "https", {{"X-Forwarded-For", "8.8.8.8"}}).address,
            *IpAddress::parse("10.0.0.1"));
}

TEST(TrustedProxies, TheRightmostUntrustedAddressIsTheClient) {
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "127.0.0.1, 203.0.113.5, 10.0.0.7"}}), "203.0.113.5 http");
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "203.0.113.5:4711"}}),
            "203.0.113.5 http");
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}}), "10.0.0.3 http") << "all trusted";
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "203.0.113.5, unknown"}}), "10.0.0.1 http");
  EXPECT_EQ(client("10.0.0.1", {}), "10.0.0.1 http");
}

TEST(TrustedProxies, ReadsTheConfiguredHeaderAndIgnoresTheOneAClientMaySend) {
  const HttpHeaders both{{"Forwarded", "for=1.1.1.1;proto=https"}, {"X-Forwarded-For", "203.0.113.5"}};
  EXPECT_EQ(client("10.0.0.1", both), "203.0.113.5 http") << "by default the other one counts for nothing";
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", "for=1.1.1.1;proto=https"}}), "10.0.0.1 http");
  EXPECT_EQ(client("10.0.0.1", both, ProxyHeader::forwarded), "1.1.1.1 https");
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "203.0.113.5"}, {"X-Forwarded-Proto", "https"}}, ProxyHeader::forwarded),
            "10.0.0.1 http");
}

TEST(TrustedProxies, ReadsForwardedWithItsQuotes) {
  EXPECT_EQ(client("::1", {{"Forwarded", "for=1.1.1.1, for=\"[2001:db8::7]:80\";proto=https"}}, ProxyHeader::forwarded),
            "2001:db8::7 https");
  EXPECT_EQ(client("::1", {{"Forwarded", "for=\"_hidden, for=9.9.9.9\";proto=https"}}, ProxyHeader::forwarded), "::1 https")
      << "a comma in quotes separates nothing";
  EXPECT_EQ(client("192.0.2.9", {{"Forwarded", "for=127.0.0.1;proto=https"}}, ProxyHeader::forwarded), "192.0.2.9 http")
      << "strangers claim nothing here either";
}

TEST(TrustedProxies, TheNearestProxyStatesTheScheme) {
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-Proto", "http, https"}}), "10.0.0.1 https");
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-Proto", "gopher"}}), "10.0.0.1 http");
}

TEST(TrustedProxies, KnowsTheNamesOfTheHeaders) {
  EXPECT_EQ(parse_proxy_header("X-Forwarded-For"), ProxyHeader::x_forwarded_for);
  EXPECT_EQ(parse_proxy_header("forwarded"), ProxyHeader::forwarded);
  EXPECT_EQ(parse_proxy_header("x-real-ip"), std::nullopt);
}

TEST(TrustedProxies, NamesTheEntryItCannotRead) {
  const auto proxies = TrustedProxies::parse({"10.0.0.0/8", "proxy.lan"});
  ASSERT_FALSE(proxies);
  EXPECT_NE(proxies.error().text.find("proxy.lan"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::net
