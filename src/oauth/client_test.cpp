#include "oauth/client.h"

#include <gtest/gtest.h>

#include "oauth/device.h"
#include "oauth/revocation.h"

namespace latchkey::oauth {
namespace {

std::string body_of(const FormPost& post) { return std::string(post.body.reveal_text()); }

TEST(AuthorizationUrl, HasEverythingOnceInOrder) {
  AuthorizationRequest request{.endpoint = "https://login.example.com/authorize?p=1",
                               .client_id = "client 1",
                               .redirect_uri = "https://office.example/oauth/callback/box",
                               .scopes = {"a", "b/c"},
                               .state = "st",
                               .code_challenge = "ch",
                               .nonce = "no",
                               .prompt = "select_account",
                               .extra = {{"access_type", "offline"}}};
  EXPECT_EQ(*authorization_url(request),
            "https://login.example.com/authorize?p=1&response_type=code&client_id=client%201"
            "&redirect_uri=https%3A%2F%2Foffice.example%2Foauth%2Fcallback%2Fbox&scope=a%20b%2Fc&state=st"
            "&code_challenge=ch&code_challenge_method=S256&nonce=no&prompt=select_account&access_type=offline");
}

TEST(AuthorizationUrl, LeavesOutWhatIsEmpty) {
  AuthorizationRequest request{.endpoint = "https://a.example/x", .client_id = "c", .redirect_uri = "https://b.example/", .state = "s"};
  EXPECT_EQ(*authorization_url(request),
            "https://a.example/x?response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fb.example%2F&state=s");
}

TEST(AuthorizationUrl, ExtraMayNotReplaceAParameter) {
  AuthorizationRequest request{.endpoint = "https://a.example/x", .client_id = "c", .redirect_uri = "r", .state = "s", .extra = {{"state", "mine"}}};
  EXPECT_EQ(authorization_url(request).error().reason, "parameter_repeated");
  request.extra.clear();
  request.endpoint = "https://a.example/x#f";
  EXPECT_EQ(authorization_url(request).error().reason, "endpoint_not_allowed");
}

// RFC 7636 appendix B.
TEST(Pkce, MatchesTheRfcExample) {
  EXPECT_EQ(pkce_challenge(Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST(Pkce, MakesDistinctVerifiersOfLegalShape) {
  base::SeededEntropy entropy(7);
  const auto first = make_pkce(entropy);
  const auto second = make_pkce(entropy);
  EXPECT_EQ(first.verifier.size(), 43U);
  EXPECT_EQ(first.verifier.reveal_text().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string_view::npos);
  EXPECT_FALSE(first.verifier.equals(second.verifier));
  EXPECT_EQ(first.challenge, pkce_challenge(first.verifier));
}

TEST(CodeExchange, PutsTheSecretInTheBodyWhenPosting) {
  const Secret secret("s&cret");
  const Secret code("co/de");
  const Secret verifier("ver");
  const auto post = code_exchange({.endpoint = "https://t.example/token",
                                   .client = {"id", ClientAuthentication::client_secret_post, &secret},
                                   .code = &code,
                                   .redirect_uri = "https://o.example/cb",
                                   .code_verifier = &verifier,
                                   .extra = {{"audience", "x y"}}});
  EXPECT_EQ(body_of(post),
            "grant_type=authorization_code&code=co%2Fde&redirect_uri=https%3A%2F%2Fo.example%2Fcb&code_verifier=ver"
            "&client_id=id&client_secret=s%26cret&audience=x+y");
  EXPECT_TRUE(post.authorization.empty());
  EXPECT_EQ(post.url, "https://t.example/token");
  EXPECT_EQ(*find_parameter(post.headers, "Content-Type"), "application/x-www-form-urlencoded");
}

// RFC 6749 2.3.1: both halves are form-encoded before Base64.
TEST(CodeExchange, BasicEncodesBothHalves) {
  const Secret secret("p:a s%");
  const Secret code("c");
  const auto post = code_exchange({.endpoint = "https://t.example",
                                   .client = {"i:d", ClientAuthentication::client_secret_basic, &secret},
                                   .code = &code});
  EXPECT_EQ(post.authorization.reveal_text(), "Basic " + base::to_base64(base::as_bytes("i%3Ad:p%3Aa+s%25")));
  EXPECT_EQ(body_of(post), "grant_type=authorization_code&code=c");
}

TEST(Refresh, PublicClientNamesItself) {
  const Secret token("rt");
  const auto post = refresh({.endpoint = "https://t.example", .client = {.client_id = "id"}, .refresh_token = &token});
  EXPECT_EQ(body_of(post), "grant_type=refresh_token&refresh_token=rt&client_id=id");
}

TEST(Refresh, RepeatsWhatTheQuirksAskFor) {
  const Secret token("rt");
  const Secret verifier("v");
  const auto post = refresh({.endpoint = "https://t.example",
                             .client = {.client_id = "id"},
                             .refresh_token = &token,
                             .scope = "a b",
                             .redirect_uri = "https://o.example/cb",
                             .code_verifier = &verifier});
  EXPECT_EQ(body_of(post),
            "grant_type=refresh_token&refresh_token=rt&scope=a+b&redirect_uri=https%3A%2F%2Fo.example%2Fcb&code_verifier=v&client_id=id");
}

TEST(Revocation, FormAndBearer) {
  const Secret secret("s");
  const Secret token("tok");
  const auto form = revocation({.endpoint = "https://r.example",
                                .client = {"id", ClientAuthentication::client_secret_post, &secret},
                                .token = &token});
  EXPECT_EQ(body_of(form), "token=tok&token_type_hint=refresh_token&client_id=id&client_secret=s");
  const auto bearer = revocation({.endpoint = "https://r.example", .shape = RevocationShape::bearer, .token = &token,
                                  .hint = TokenHint::access_token});
  EXPECT_EQ(bearer.authorization.reveal_text(), "Bearer tok");
  EXPECT_TRUE(bearer.body.empty());
  EXPECT_TRUE(bearer.headers.empty());
}

TEST(Revocation, AnswersMeanWhatTheRfcSays) {
  EXPECT_EQ(classify_revocation(200, ""), RevocationOutcome::revoked);
  EXPECT_EQ(classify_revocation(400, R"({"error":"unsupported_token_type"})"), RevocationOutcome::unsupported);
  EXPECT_EQ(classify_revocation(400, R"({"error":"invalid_token"})"), RevocationOutcome::revoked);
  EXPECT_EQ(classify_revocation(401, R"({"error":"invalid_client"})"), RevocationOutcome::misconfigured_app);
  EXPECT_EQ(classify_revocation(503, "<html>"), RevocationOutcome::transient);
  EXPECT_EQ(classify_revocation(404, ""), RevocationOutcome::unsupported);
}

TEST(Client, NamesItsMethods) {
  EXPECT_EQ(parse_client_authentication("client_secret_basic"), ClientAuthentication::client_secret_basic);
  EXPECT_EQ(parse_client_authentication("Basic"), std::nullopt);
  EXPECT_EQ(name_of(ClientAuthentication::none), "none");
}

TEST(Device, AsksAndReadsTheCode) {
  const auto post = device_authorization({.endpoint = "https://d.example", .client = {.client_id = "id"}, .scopes = {"a", "b"}});
  EXPECT_EQ(body_of(post), "scope=a+b&client_id=id");
  auto code = parse_device_reply(200,
                                 R"({"device_code":"dc","user_code":"WDJB-MJHT","verification_uri":"https://v.example/d",
                                     "verification_uri_complete":"javascript:x","expires_in":1,"interval":0})",
                                 PlainHttp::refused);
  ASSERT_TRUE(code);
  EXPECT_EQ(code->device_code.reveal_text(), "dc");
  EXPECT_EQ(code->user_code, "WDJB-MJHT");
  EXPECT_EQ(code->verification_uri_complete, "");
  EXPECT_EQ(code->expires_in, std::chrono::seconds(30));
  EXPECT_EQ(code->interval, std::chrono::seconds(1));
}

TEST(Device, RefusesBadAnswers) {
  EXPECT_FALSE(parse_device_reply(200, "[]", PlainHttp::refused));
  EXPECT_FALSE(parse_device_reply(200, R"({"device_code":"d","user_code":"u","verification_uri":"http://v.example"})", PlainHttp::refused));
  EXPECT_FALSE(parse_device_reply(200, R"({"device_code":"d","user_code":"u\n","verification_uri":"https://v.example"})", PlainHttp::refused));
  const auto refused = parse_device_reply(400, R"({"error":"unauthorized_client"})", PlainHttp::refused);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "unauthorized_client");
}

TEST(Device, PollsUntilSettled) {
  const auto poll = [](int status, std::string_view body) { return classify_device_poll(parse_token_reply(status, "application/json", body)); };
  EXPECT_EQ(poll(400, R"({"error":"authorization_pending"})"), DevicePoll::pending);
  EXPECT_EQ(poll(400, R"({"error":"slow_down"})"), DevicePoll::slow_down);
  EXPECT_EQ(poll(400, R"({"error":"access_denied"})"), DevicePoll::denied);
  EXPECT_EQ(poll(400, R"({"error":"authorization_declined"})"), DevicePoll::denied);
  EXPECT_EQ(poll(400, R"({"error":"expired_token"})"), DevicePoll::expired);
  EXPECT_EQ(poll(200, R"({"access_token":"a"})"), DevicePoll::granted);
  EXPECT_EQ(poll(400, R"({"error":"invalid_client"})"), DevicePoll::failed);
}

}  // namespace
}  // namespace latchkey::oauth
