#include "net/url.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

TEST(Url, KeepsPartsAndNormalisesWhatChangesNothing) {
  const auto url = Url::parse("HTTPS://Login.Example:443?x=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->text(), "https://login.example/?x=1");
  EXPECT_EQ(url->origin(), "https://login.example");
  EXPECT_EQ(url->port(), 443);
  const auto local = Url::parse("http://[::1]:8480/a%20b/?q");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->host(), "[::1]");
  EXPECT_EQ(local->port(), 8480);
  EXPECT_EQ(local->path(), "/a%20b/");
  EXPECT_EQ(local->text(), "http://[::1]:8480/a%20b/?q");
}

TEST(Url, RefusesWhatCouldMeanSomethingElse) {
  for (const char* text :
       {"", "login.example", "//login.example/", "ftp://login.example/", "https://", "https:///path",
        "https://user@login.example/", "https://user:pin@login.example/", "https://login.example/#top",
        "https://login.example:0/", "https://login.example:65536/", "https://login.example:x/",
        "https://login.example/a b", "https://login.example/\r\nX: y", "https://log%69n.example/",
        "https://login.example\\@evil.example/", "javascript:alert(1)"}) {
    EXPECT_FALSE(Url::parse(text)) << text;
  }
  EXPECT_FALSE(Url::parse("https://login.example/" + std::string(9000, 'a')));
  EXPECT_EQ(Url::parse("https://user@login.example/").error().reason, "bad_url");
}

TEST(Url, AppendsParametersEncoded) {
  const auto url = Url::parse("https://login.example/authorize?tenant=a");
  EXPECT_EQ(url->with_parameters({{"scope", "openid a/b"}, {"state", "x&y=z"}}).text(),
            "https://login.example/authorize?tenant=a&scope=openid+a%2Fb&state=x%26y%3Dz");
  EXPECT_EQ(url->with_parameters({}).text(), url->text());
  EXPECT_EQ(url->with_path("/token").text(), "https://login.example/token");
}

TEST(HostSuffix, MatchesByWholeLabels) {
  EXPECT_TRUE(host_matches_suffix("box.com", "box.com"));
  EXPECT_TRUE(host_matches_suffix("EU.Box.com", "box.com"));
  EXPECT_TRUE(host_matches_suffix("eu.box.com", ".box.com"));
  EXPECT_FALSE(host_matches_suffix("evilbox.com", "box.com"));
  EXPECT_FALSE(host_matches_suffix("box.com.evil.example", "box.com"));
  EXPECT_FALSE(host_matches_suffix("com", "box.com"));
  EXPECT_FALSE(host_matches_suffix("box.com", ""));
  EXPECT_FALSE(host_matches_suffix("10.0.0.1", "0.0.1"));
}

TEST(Form, RoundTripsEveryOctet) {
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  const FormFields fields{{"a b", all}, {"", "empty name"}, {"a b", "again"}};
  EXPECT_EQ(decode_form(encode_form(fields)), fields);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
}

TEST(Form, IsBoundedAndStrictAboutEscapes) {
  EXPECT_EQ(decode_form("a=1&&b").value(), (FormFields{{"a", "1"}, {"b", ""}}));
  EXPECT_FALSE(decode_form("a=%4"));
  EXPECT_FALSE(decode_form("a=%zz"));
  EXPECT_FALSE(decode_form("a=1&b=2&c=3", {.fields_max = 2}));
  EXPECT_FALSE(decode_form("a=123456", {.size_bytes_max = 7}));
  EXPECT_EQ(*find_field(decode_form("x=1&x=2").value(), "x"), "1");
}

}  // namespace
}  // namespace latchkey::net
