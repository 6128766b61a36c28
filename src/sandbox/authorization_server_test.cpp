#include "sandbox/authorization_server.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"

namespace latchkey::sandbox {
namespace {

class SetClock final : public WallClock {
 public:
  WallTime now() const override { return now_; }
  void advance(Seconds span) { now_ += span; }

 private:
  WallTime now_ = base::from_unix_ms(1'800'000'000'000);
};

constexpr std::string_view kVerifier = "a-verifier-of-at-least-forty-three-characters-long";
constexpr std::string_view kRedirect = "http://localhost:8480/oauth/callback/sandbox";
const std::string kBasic = "Basic " + base::to_base64(base::as_bytes("latchkey-sandbox:practice%2Bsecret"));

class AuthorizationServerTest : public testing::Test {
 protected:
  net::FormFields request() const {
    return {{"response_type", "code"},
            {"client_id", "latchkey-sandbox"},
            {"redirect_uri", std::string(kRedirect)},
            {"scope", "openid offline_access drive"},
            {"state", "s&1"},
            {"code_challenge", base::to_base64url(crypto::sha256(base::as_bytes(kVerifier)))},
            {"code_challenge_method", "S256"}};
  }
  net::FormFields changed(std::string_view name, std::string value) const {
    auto fields = request();
    for (auto& field : fields) {
      if (field.first == name) field.second = value;
    }
    return fields;
  }
  static net::FormFields parameters_of(const std::string& location) {
    return net::decode_form(location.substr(location.find('?') + 1)).value();
  }
  std::string code() {
    const auto shown = std::get<ShowConsent>(server_.authorize(request()));
    const auto gone =
        std::get<GoTo>(server_.decide(shown.ticket, AuthorizationServer::Decision::allow, practice_people()[0]));
    return *net::find_field(parameters_of(gone.location), "code");
  }
  TokenAnswer exchange(const std::string& code_value) {
    return server_.token({{"grant_type", "authorization_code"},
                          {"code", code_value},
                          {"redirect_uri", std::string(kRedirect)},
                          {"code_verifier", std::string(kVerifier)}},
                         kBasic, settings_);
  }
  TokenAnswer refresh(const std::string& token) {
    return server_.token({{"grant_type", "refresh_token"}, {"refresh_token", token}}, kBasic, settings_);
  }
  static std::string member(const TokenAnswer& answer, std::string_view name) { return base::string_or(answer.body, name); }

  SetClock clock_;
  base::SeededEntropy entropy_{7};
  PracticeSettings settings_;
  AuthorizationServer server_{"http://localhost:8481",
                              PracticeClient{"latchkey-sandbox", Secret(std::string_view("practice+secret")),
                                             "http://localhost:8480/oauth/callback/"},
                              clock_, entropy_};
};

TEST_F(AuthorizationServerTest, AnswersConsentWithCodeStateAndIssuer) {
  const auto shown = std::get<ShowConsent>(server_.authorize(request()));
  EXPECT_EQ(shown.scopes, (std::vector<std::string>{"openid", "offline_access", "drive"}));
  const auto gone =
      std::get<GoTo>(server_.decide(shown.ticket, AuthorizationServer::Decision::allow, practice_people()[1]));
  ASSERT_TRUE(gone.location.starts_with(std::string(kRedirect) + "?"));
  const auto parameters = parameters_of(gone.location);
  EXPECT_EQ(*net::find_field(parameters, "state"), "s&1");
  EXPECT_EQ(*net::find_field(parameters, "iss"), "http://localhost:8481");
  // The ticket has served.
  const auto again = server_.decide(shown.ticket, AuthorizationServer::Decision::allow, practice_people()[1]);
  EXPECT_EQ(std::get<ShowProblem>(again).code, "expired");
}

TEST_F(AuthorizationServerTest, SendsNobodyToAnUnregisteredAddress) {
  for (const auto* uri : {"http://evil.example/oauth/callback/sandbox", "http://localhost:8480/oauth/callback/",
                          "http://localhost:8480/oauth/callback/a/b", "http://localhost:8480/oauth/callback/a?x=1"}) {
    EXPECT_EQ(std::get<ShowProblem>(server_.authorize(changed("redirect_uri", uri))).code, "redirect_uri_mismatch") << uri;
  }
  EXPECT_EQ(std::get<ShowProblem>(server_.authorize(changed("client_id", "other"))).code, "unknown_client");
}

TEST_F(AuthorizationServerTest, NamesMalformedRequestsToTheClient) {
  const auto error_of = [&](const net::FormFields& fields) {
    const auto answer = server_.authorize(fields);
    return *net::find_field(parameters_of(std::get<GoTo>(answer).location), "error");
  };
  EXPECT_EQ(error_of(changed("response_type", "token")), "unsupported_response_type");
  EXPECT_EQ(error_of(changed("code_challenge_method", "plain")), "invalid_request");
  EXPECT_EQ(error_of(changed("scope", "everything")), "invalid_scope");
}

TEST_F(AuthorizationServerTest, RefusalSaysAccessDenied) {
  const auto shown = std::get<ShowConsent>(server_.authorize(request()));
  const auto gone = std::get<GoTo>(server_.decide(shown.ticket, AuthorizationServer::Decision::refuse, {}));
  EXPECT_EQ(*net::find_field(parameters_of(gone.location), "error"), "access_denied");
  EXPECT_EQ(server_.counts().refusals, 1U);
}

TEST_F(AuthorizationServerTest, ExchangesACodeOnceAndRevokesWhenItComesTwice) {
  const std::string value = code();
  const auto first = exchange(value);
  ASSERT_EQ(first.status, 200) << boost::json::serialize(first.body);
  EXPECT_EQ(first.body.at("expires_in").as_int64(), 600);
  const std::string bearer = "Bearer " + member(first, "access_token");
  ASSERT_NE(server_.bearer(bearer), nullptr);
  EXPECT_EQ(server_.bearer(bearer)->person.name, "Anna Practice");
  const auto second = exchange(value);
  EXPECT_EQ(member(second, "error"), "invalid_grant");
  EXPECT_EQ(server_.bearer(bearer), nullptr);
}

TEST_F(AuthorizationServerTest, RefusesAWrongVerifierAWrongSecretAndAnOldCode) {
  const std::string value = code();
  const auto wrong_verifier = server_.token({{"grant_type", "authorization_code"},
                                             {"code", value},
                                             {"redirect_uri", std::string(kRedirect)},
                                             {"code_verifier", "another"}},
                                            kBasic, settings_);
  EXPECT_EQ(member(wrong_verifier, "error"), "invalid_grant");
  const auto wrong_secret = server_.token({{"grant_type", "authorization_code"},
                                           {"client_id", "latchkey-sandbox"},
                                           {"client_secret", "guess"},
                                           {"code", value}},
                                          "", settings_);
  EXPECT_EQ(wrong_secret.status, 401);
  clock_.advance(Seconds(61));
  EXPECT_EQ(member(exchange(value), "error"), "invalid_grant");
}

TEST_F(AuthorizationServerTest, AccessTokensExpire) {
  const auto reply = exchange(code());
  const std::string bearer = "Bearer " + member(reply, "access_token");
  clock_.advance(Seconds(599));
  EXPECT_NE(server_.bearer(bearer), nullptr);
  clock_.advance(Seconds(1));
  EXPECT_EQ(server_.bearer(bearer), nullptr);
}

TEST_F(AuthorizationServerTest, RotationNoneKeepsOneRefreshToken) {
  settings_.rotation = Rotation::none;
  const std::string token = member(exchange(code()), "refresh_token");
  for (int round = 0; round < 3; ++round) {
    const auto reply = refresh(token);
    EXPECT_EQ(reply.status, 200);
    EXPECT_FALSE(reply.body.contains("refresh_token"));
  }
}

TEST_F(AuthorizationServerTest, RollingKeepsOldOnesGood) {
  settings_.rotation = Rotation::rolling;
  const std::string token = member(exchange(code()), "refresh_token");
  const std::string next = member(refresh(token), "refresh_token");
  EXPECT_NE(next, token);
  EXPECT_EQ(refresh(token).status, 200);
  EXPECT_EQ(refresh(next).status, 200);
}

TEST_F(AuthorizationServerTest, SingleUseRefusesAnOldOneAndKeepsTheGrant) {
  settings_.rotation = Rotation::single_use;
  const std::string token = member(exchange(code()), "refresh_token");
  const std::string next = member(refresh(token), "refresh_token");
  EXPECT_EQ(member(refresh(token), "error"), "invalid_grant");
  EXPECT_EQ(refresh(next).status, 200);
}

TEST_F(AuthorizationServerTest, ReuseDetectionEndsTheFamily) {
  settings_.rotation = Rotation::single_use_family;
  const std::string token = member(exchange(code()), "refresh_token");
  const auto reply = refresh(token);
  EXPECT_EQ(member(refresh(token), "error"), "invalid_grant");
  EXPECT_EQ(member(refresh(member(reply, "refresh_token")), "error"), "invalid_grant");
  EXPECT_EQ(server_.bearer("Bearer " + member(reply, "access_token")), nullptr);
  EXPECT_EQ(server_.counts().reuses, 1U);
}

TEST_F(AuthorizationServerTest, RefusesTheNextRefreshOnly) {
  const std::string token = member(exchange(code()), "refresh_token");
  settings_.refresh_refusal = RefreshRefusal::next;
  EXPECT_EQ(member(refresh(token), "error"), "invalid_grant");
  EXPECT_EQ(settings_.refresh_refusal, RefreshRefusal::none);
  EXPECT_EQ(refresh(token).status, 200);
}

TEST_F(AuthorizationServerTest, AnExpiredAppSecretIsInvalidClient) {
  const std::string token = member(exchange(code()), "refresh_token");
  settings_.app_secret = AppSecretState::expired;
  const auto refused = refresh(token);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(member(refused, "error"), "invalid_client");
  settings_.app_secret = AppSecretState::valid;
  EXPECT_EQ(refresh(token).status, 200);
}

TEST_F(AuthorizationServerTest, RevocationEndsTheGrantAndAnswersUnknownTokensAlike) {
  const auto reply = exchange(code());
  EXPECT_EQ(server_.revoke({{"token", "nonsense"}}, kBasic, settings_).status, 200);
  EXPECT_EQ(server_.counts().revocations, 0U);
  EXPECT_EQ(server_.revoke({{"token", member(reply, "refresh_token")}}, kBasic, settings_).status, 200);
  EXPECT_EQ(server_.bearer("Bearer " + member(reply, "access_token")), nullptr);
  EXPECT_EQ(member(refresh(member(reply, "refresh_token")), "error"), "invalid_grant");
}

TEST_F(AuthorizationServerTest, RejectsAlteredTokens) {
  std::string token = member(exchange(code()), "refresh_token");
  token[token.size() - 2] = token[token.size() - 2] == 'A' ? 'B' : 'A';
  EXPECT_EQ(member(refresh(token), "error"), "invalid_grant");
  EXPECT_EQ(server_.bearer("Bearer practice-at.x.99999999999999.00.AAAA"), nullptr);
}

TEST_F(AuthorizationServerTest, BoundsWhatItKeeps) {
  for (int round = 0; round < 1100; ++round) {
    ASSERT_EQ(exchange(code()).status, 200);
    clock_.advance(Seconds(1));
  }
  EXPECT_EQ(server_.families().size(), 1000U);
}

TEST(PracticePeople, OneNameIsOneAccount) {
  EXPECT_EQ(person_named(" Anna Practice ")->sub, "anna-practice");
  EXPECT_EQ(person_named("Zoë Q.")->sub, "zoc3ab-q");
  EXPECT_EQ(person_named("...").error().reason, "bad_name");
  EXPECT_EQ(person_named(std::string(61, 'a')).error().reason, "bad_name");
}

TEST(PracticeSettingsForm, TakesWhatTheFormSendsAndNamesWhatItCannot) {
  const auto read = read_settings({{"rotation", "rolling"}, {"token_lifetime", "60"}, {"availability", "outage"}}, {});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rotation, Rotation::rolling);
  EXPECT_EQ(read->token_lifetime, Seconds(60));
  EXPECT_EQ(read->availability, Availability::outage);
  EXPECT_EQ(read->slowness, Seconds(0));
  EXPECT_EQ(read_settings({{"token_lifetime", "4"}}, {}).error().field, "token_lifetime");
  EXPECT_EQ(read_settings({{"slowness", "61"}}, {}).error().field, "slowness");
  EXPECT_EQ(read_settings({{"rotation", "sometimes"}}, {}).error().field, "rotation");
}

TEST_F(AuthorizationServerTest, GrantsOutliveAServerThatIsTakenOver) {
  const auto first = exchange(code());
  const auto token = member(first, "refresh_token");
  AuthorizationServer next(server_.issuer(), {"latchkey-sandbox", Secret("practice+secret"), "http://localhost:8480/oauth/callback/"}, clock_, entropy_);
  EXPECT_EQ(next.bearer("Bearer " + member(first, "access_token")), nullptr) << "a stranger's";
  EXPECT_FALSE(next.take_over("{}"));
  EXPECT_FALSE(next.take_over("not JSON"));
  ASSERT_TRUE(next.take_over(server_.to_text()));
  const auto* family = next.bearer("Bearer " + member(first, "access_token"));
  ASSERT_NE(family, nullptr);
  EXPECT_EQ(family->person.sub, practice_people()[0].sub);
  EXPECT_EQ(next.token({{"grant_type", "refresh_token"}, {"refresh_token", token}}, kBasic, settings_).status, 200);
  EXPECT_EQ(next.to_text().find(token), std::string::npos) << "no token is written down";
}

}  // namespace
}  // namespace latchkey::sandbox
