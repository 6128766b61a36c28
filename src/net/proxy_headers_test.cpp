#include "net/proxy_headers.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

const TrustedProxies kProxies = TrustedProxies::parse({"10.0.0.0/8", "::1"}).value();

std::string client(const char* peer, const HttpHeaders& headers) {
  const auto view = kProxies.client_of(*IpAddress::parse(peer), "http", headers);
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

TEST(TrustedProxies, ReadsForwardedBeforeTheOlderFields) {
  EXPECT_EQ(client("::1", {{"Forwarded", "for=1.1.1.1, for=\"[2001:db8::7]:80\";proto=https"},
                           {"X-Forwarded-For", "9.9.9.9"}}),
            "2001:db8::7 https");
  EXPECT_EQ(client("::1", {{"Forwarded", "for=\"_hidden, for=9.9.9.9\";proto=https"}}), "::1 https")
      << "a comma in quotes separates nothing";
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-Proto", "http, https"}}), "10.0.0.1 https");
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-Proto", "gopher"}}), "10.0.0.1 http");
}

TEST(TrustedProxies, NamesTheEntryItCannotRead) {
  const auto proxies = TrustedProxies::parse({"10.0.0.0/8", "proxy.lan"});
  ASSERT_FALSE(proxies);
  EXPECT_NE(proxies.error().text.find("proxy.lan"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::net
