#include "net/proxy_preamble.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

ProxyPreamble good(std::string_view text) {
  const auto parsed = parse_proxy_preamble(text);
  EXPECT_TRUE(std::holds_alternative<ProxyPreamble>(parsed)) << text;
  return std::holds_alternative<ProxyPreamble>(parsed) ? std::get<ProxyPreamble>(parsed) : ProxyPreamble();
}
bool malformed(std::string_view text) { return std::holds_alternative<PreambleMalformed>(parse_proxy_preamble(text)); }

// Every beginning asks for more, whatever follows belongs to the connection.
void expect_whole(const std::string& text) {
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_TRUE(std::holds_alternative<PreambleIncomplete>(parse_proxy_preamble(std::string_view(text).substr(0, size)))) << size;
  }
  EXPECT_EQ(good(text + "GET / HTTP/1.1\r\n").size_bytes, text.size());
}

std::string binary(char command, char family, const std::string& body) {
  const auto size = body.size();
  return kSignature + command + family + static_cast<char>(size >> 8) + static_cast<char>(size & 0xff) + body;
}

TEST(ProxyPreambleTest, LinesNameTheClient) {
  expect_whole("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n");
  EXPECT_EQ(good("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n").client, IpAddress::parse("192.0.2.7"));
  EXPECT_EQ(good("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n").client, IpAddress::parse("2001:db8::7"));
  EXPECT_EQ(good("PROXY UNKNOWN\r\n").client, std::nullopt);
  EXPECT_EQ(good("PROXY UNKNOWN ffff:f...f:ffff whatever 1 2\r\n").client, std::nullopt);
}

TEST(ProxyPreambleTest, MalformedLinesAreRefused) {
  for (const std::string_view text :
       {"GET / HTTP/1.1\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", "PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n", "PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", "proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n"}) {
    EXPECT_TRUE(malformed(text)) << text;
  }
  EXPECT_TRUE(malformed("PROXY TCP4 " + std::string(107, '1'))) << "a line without an end";
}

TEST(ProxyPreambleTest, BinaryOnesNameTheClient) {
  const auto v4 = "\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb"s;
  expect_whole(binary(0x21, 0x11, v4));
  EXPECT_EQ(good(binary(0x21, 0x11, v4)).client, IpAddress::parse("192.0.2.7"));
  EXPECT_FALSE(good(binary(0x21, 0x11, v4)).tls);
  const auto v6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07"s + std::string(16, '\1') + "\0\1\0\2"s;
  EXPECT_EQ(good(binary(0x21, 0x21, v6)).client, IpAddress::parse("2001:db8::7"));
  EXPECT_EQ(good(binary(0x20, 0x00, "")).client, std::nullopt) << "LOCAL";
  EXPECT_EQ(good(binary(0x21, 0x31, std::string(216, 'x'))).client, std::nullopt) << "a UNIX socket";
  EXPECT_TRUE(good(binary(0x21, 0x11, v4 + "\x01\0\2h2"s + "\x20\0\5\1\0\0\0\0"s)).tls);
  EXPECT_FALSE(good(binary(0x21, 0x11, v4 + "\x20\0\5\0\0\0\0\0"s)).tls);
}

TEST(ProxyPreambleTest, MalformedBinaryOnesAreRefused) {
  const auto v4 = std::string(12, '\1');
  EXPECT_TRUE(malformed(binary(0x11, 0x11, v4))) << "version 1 in binary";
  EXPECT_TRUE(malformed(binary(0x22, 0x11, v4))) << "an unknown command";
  EXPECT_TRUE(malformed(binary(0x21, 0x11, std::string(11, '\1')))) << "too short for its addresses";
  EXPECT_TRUE(malformed(binary(0x21, 0x21, std::string(35, '\1'))));
  EXPECT_TRUE(malformed(binary(0x21, 0x11, v4 + "\x20\0"s))) << "a vector without its length";
  EXPECT_TRUE(malformed(binary(0x21, 0x11, v4 + "\x20\0\7\1"s))) << "a vector that runs over";
  EXPECT_TRUE(malformed(kSignature + "\x21\x11\xff\xff"s)) << "longer than anybody needs";
}

}  // namespace
}  // namespace latchkey::net
