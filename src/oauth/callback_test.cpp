#include "oauth/callback.h"

#include <gtest/gtest.h>

#include "oauth/metadata.h"

namespace latchkey::oauth {
namespace {

TEST(Callback, ReadsSuccessAndKeepsOthers) {
  auto callback = parse_callback("code=c%2F1&state=st&iss=https%3A%2F%2Fa.example&subdomain=acme&appcp=sharefile.com");
  ASSERT_TRUE(callback);
  EXPECT_EQ(callback->code.reveal_text(), "c/1");
  EXPECT_EQ(callback->state.reveal_text(), "st");
  EXPECT_EQ(callback->iss, "https://a.example");
  EXPECT_EQ(callback->others, (Parameters{{"subdomain", "acme"}, {"appcp", "sharefile.com"}}));
}

TEST(Callback, ReadsRefusal) {
  auto callback = parse_callback("error=access_denied&error_description=no%0Athanks&error_uri=javascript:x&state=s");
  ASSERT_TRUE(callback);
  EXPECT_EQ(callback->error, "access_denied");
  EXPECT_EQ(callback->error_description, "no thanks");
  EXPECT_EQ(callback->error_uri, "");
  EXPECT_TRUE(callback->code.empty());
}

TEST(Callback, RefusesDoublesMixturesAndExcess) {
  for (const char* query : {"code=1&code=2&state=s", "code=1&state=s&state=t", "code=1&state=s&iss=a&iss=b",
                            "error=a&error=b&state=s", "code=1&error=x&state=s", "state=s", "", "code=&state=s",
                            "code=a%00b&state=s", "code=a%0d%0aX&state=s", "code=%zz&state=s"}) {
    const auto callback = parse_callback(query);
    ASSERT_FALSE(callback) << query;
    EXPECT_EQ(callback.error().reason, "bad_callback") << query;
  }
  EXPECT_FALSE(parse_callback("code=1&state=s&x=" + std::string(8192, 'x')));
  std::string many = "code=1&state=s";
  for (int i = 0; i < 63; ++i) many += "&a=1";
  EXPECT_FALSE(parse_callback(many));
}

// C2: a mix-up is noticed by iss, in error answers too.
TEST(Callback, ChecksTheIssuer) {
  const auto with = parse_callback("code=1&state=s&iss=https%3A%2F%2Fa.example");
  const auto wrong = parse_callback("error=access_denied&state=s&iss=https%3A%2F%2Fb.example");
  const auto without = parse_callback("code=1&state=s");
  ASSERT_TRUE(with && wrong && without);
  EXPECT_TRUE(check_issuer(*with, "https://a.example", IssParameter::advertised));
  EXPECT_TRUE(check_issuer(*with, "https://a.example", IssParameter::not_advertised));
  EXPECT_FALSE(check_issuer(*with, "https://a.example/", IssParameter::advertised));
  EXPECT_FALSE(check_issuer(*wrong, "https://a.example", IssParameter::not_advertised));
  EXPECT_FALSE(check_issuer(*without, "https://a.example", IssParameter::advertised));
  EXPECT_TRUE(check_issuer(*without, "https://a.example", IssParameter::not_advertised));
  EXPECT_FALSE(check_issuer(*with, "", IssParameter::advertised));
  EXPECT_TRUE(check_issuer(*with, "", IssParameter::not_advertised));
}

TEST(Callback, IssuerPatternsStandForOneSegment) {
  constexpr auto kPattern = "https://login.example.com/{tenantid}/v2.0";
  EXPECT_TRUE(issuer_matches(kPattern, "https://login.example.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"));
  EXPECT_FALSE(issuer_matches(kPattern, "https://login.example.com/a/b/v2.0"));
  EXPECT_FALSE(issuer_matches(kPattern, "https://login.example.com//v2.0"));
  EXPECT_FALSE(issuer_matches(kPattern, "https://login.example.com/a/v2.0/"));
  EXPECT_FALSE(issuer_matches(kPattern, "https://evil.example/a/v2.0"));
  EXPECT_FALSE(issuer_matches("https://{x", "https://a"));
}

constexpr std::string_view kDocument = R"({"issuer":"https://a.example/t","authorization_endpoint":"https://a.example/auth",
  "token_endpoint":"https://a.example/token","revocation_endpoint":"https://a.example/revoke",
  "authorization_response_iss_parameter_supported":true,"code_challenge_methods_supported":["S256","plain"],
  "token_endpoint_auth_methods_supported":["client_secret_post","none"]})";

TEST(Metadata, ReadsWhatTheClientNeeds) {
  const auto metadata = parse_metadata(kDocument, "https://a.example/t", PlainHttp::refused);
  ASSERT_TRUE(metadata);
  EXPECT_EQ(metadata->endpoints.token, "https://a.example/token");
  EXPECT_EQ(metadata->endpoints.issuer, "https://a.example/t");
  EXPECT_EQ(metadata->iss_parameter, IssParameter::advertised);
  EXPECT_EQ(metadata->code_challenge_methods, (std::vector<std::string>{"S256", "plain"}));
  EXPECT_EQ(metadata->choose_authentication(Metadata::Client::confidential), ClientAuthentication::client_secret_post);
  EXPECT_EQ(metadata->choose_authentication(Metadata::Client::public_), ClientAuthentication::none);
}

TEST(Metadata, DefaultsToBasic) {
  const auto metadata = parse_metadata(
      R"({"issuer":"https://a.example","authorization_endpoint":"https://a.example/x","token_endpoint":"https://a.example/y"})",
      "https://a.example", PlainHttp::refused);
  ASSERT_TRUE(metadata);
  EXPECT_EQ(metadata->choose_authentication(Metadata::Client::confidential), ClientAuthentication::client_secret_basic);
  EXPECT_EQ(metadata->iss_parameter, IssParameter::not_advertised);
}

TEST(Metadata, RefusesAnotherIssuerAndPlainHttp) {
  EXPECT_EQ(parse_metadata(kDocument, "https://a.example", PlainHttp::refused).error().reason, "issuer_mismatch");
  EXPECT_EQ(parse_metadata("{", "https://a.example", PlainHttp::refused).error().reason, "bad_metadata");
  constexpr std::string_view kPlain =
      R"({"issuer":"http://127.0.0.1:1","authorization_endpoint":"http://127.0.0.1:1/a","token_endpoint":"http://127.0.0.1:1/t"})";
  EXPECT_EQ(parse_metadata(kPlain, "http://127.0.0.1:1", PlainHttp::refused).error().reason, "endpoint_not_allowed");
  EXPECT_TRUE(parse_metadata(kPlain, "http://127.0.0.1:1", PlainHttp::loopback_only));
  EXPECT_EQ(parse_metadata(R"({"issuer":"https://a.example","token_endpoint":"https://a.example/t"})", "https://a.example",
                           PlainHttp::refused).error().reason,
            "bad_metadata");
}

TEST(Metadata, KnowsWhereToLook) {
  EXPECT_EQ(*well_known_urls("https://a.example", PlainHttp::refused),
            (std::vector<std::string>{"https://a.example/.well-known/openid-configuration",
                                      "https://a.example/.well-known/oauth-authorization-server"}));
  EXPECT_EQ(*well_known_urls("https://a.example:8443/realms/x/", PlainHttp::refused),
            (std::vector<std::string>{"https://a.example:8443/realms/x/.well-known/openid-configuration",
                                      "https://a.example:8443/.well-known/oauth-authorization-server/realms/x",
                                      "https://a.example:8443/.well-known/openid-configuration/realms/x"}));
  EXPECT_FALSE(well_known_urls("a.example", PlainHttp::refused));
  EXPECT_FALSE(well_known_urls("https://a.example/?x=1", PlainHttp::refused));
}

}  // namespace
}  // namespace latchkey::oauth
