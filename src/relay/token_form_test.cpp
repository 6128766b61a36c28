#include "relay/token_form.h"

#include <gtest/gtest.h>

#include "base/entropy.h"

namespace latchkey::relay {
namespace {

class Form : public testing::Test {
 protected:
  [[nodiscard]] Result<oauth::FormPost> post(const std::string& form) {
    return token_post(Secret(std::string_view(form)), side, blobs, place);
  }
  [[nodiscard]] std::string refusal(const std::string& form) {
    const auto made = post(form);
    return made ? "let through" : made.error().reason + " " + made.error().detail;
  }
  [[nodiscard]] std::string refresh() {
    return "grant_type=refresh_token&refresh_token=" +
           std::string(blobs.seal(place, Secret(std::string_view("rt/1"))).reveal_text()) + "&client_id=relay-at-box";
  }
  const std::string code =
      "grant_type=authorization_code&code=c-1&redirect_uri=https%3A%2F%2Frelay.example%2Fcallback%2Fbox&code_verifier=" +
      std::string(43, 'v') + "&client_id=relay-at-box&audience=box";
  base::SeededEntropy entropy{9};
  const Secret instance{entropy.bytes(32)};
  RefreshBlobs blobs{instance};
  BlobPlace place{.office = "north", .provider = "box", .client_id = "relay-at-box", .grant = "g-1"};
  TokenSide side{.mode = Mode::exchange,
                 .provider = "box",
                 .endpoint = "https://box.example/token",
                 .client_id = "relay-at-box",
                 .redirect_uri = "https://relay.example/callback/box",
                 .authentication = oauth::ClientAuthentication::client_secret_post,
                 .secret = std::make_shared<const Secret>(std::string_view("s3cret")),
                 .key = nullptr,
                 .key_id = {},
                 .scopes = {"files", "mail"},
                 .code_extra = {{"audience", "box"}},
                 .refresh_extra = {},
                 .reply_shape = {}};
};

TEST_F(Form, S4_ACodeGoesOnWithTheClientsSecret) {
  const auto made = post(code);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->url, "https://box.example/token");
  const auto sent = oauth::parse_form(made->body.reveal_text());
  ASSERT_TRUE(sent);
  EXPECT_EQ(*oauth::find_parameter(*sent, "code"), "c-1");
  EXPECT_EQ(*oauth::find_parameter(*sent, "client_secret"), "s3cret");
  EXPECT_EQ(*oauth::find_parameter(*sent, "client_id"), "relay-at-box");
  EXPECT_EQ(*oauth::find_parameter(*sent, "audience"), "box");
}

TEST_F(Form, Attack_ACodeWithoutItsVerifierGoesNowhereWhereTheProviderKnowsPkce) {
  auto bare = code;
  bare.erase(bare.find("&code_verifier="), std::string("&code_verifier=").size() + 43);
  EXPECT_EQ(refusal(bare), "token_request_refused no code_verifier");
  side.pkce = false;
  EXPECT_TRUE(post(bare));
}

TEST_F(Form, S4_ABlobGoesOnAsTheTokenItHolds) {
  side.authentication = oauth::ClientAuthentication::client_secret_basic;
  const auto made = post(refresh() + "&scope=files+mail");
  ASSERT_TRUE(made) << made.error().detail;
  const auto sent = oauth::parse_form(made->body.reveal_text());
  EXPECT_EQ(*oauth::find_parameter(*sent, "refresh_token"), "rt/1");
  EXPECT_EQ(oauth::find_parameter(*sent, "client_secret"), nullptr);
  EXPECT_TRUE(made->authorization.reveal_text().starts_with("Basic "));
}

TEST_F(Form, F7_ARevocationGoesOnWithTheClientsSecretAndTheTokenItself) {
  side.revocation_endpoint = "https://box.example/revoke";
  side.revocation_extra = {{"all", "yes"}};
  const auto blob = std::string(blobs.seal(place, Secret(std::string_view("rt/1"))).reveal_text());
  const auto revoke = [&](const std::string& form) {
    return revocation_post(Secret(std::string_view(form)), side, blobs, place);
  };
  const auto form = "token=" + blob + "&token_type_hint=refresh_token&client_id=relay-at-box&all=yes";
  const auto made = revoke(form);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->url, "https://box.example/revoke");
  const auto sent = oauth::parse_form(made->body.reveal_text());
  ASSERT_TRUE(sent);
  EXPECT_EQ(*oauth::find_parameter(*sent, "token"), "rt/1");
  EXPECT_EQ(*oauth::find_parameter(*sent, "client_secret"), "s3cret");
  EXPECT_EQ(*oauth::find_parameter(*sent, "all"), "yes");
  for (const auto& other :
       {"token=" + blob + "&token_type_hint=refresh_token&client_id=relay-at-box",
        "token=" + blob + "&token_type_hint=access_token&client_id=relay-at-box&all=yes",
        "token=" + blob + "&token_type_hint=refresh_token&client_id=other&all=yes", form + "&token=" + blob,
        form + "&client_secret=x", std::string("token_type_hint=refresh_token&client_id=relay-at-box&all=yes")}) {
    const auto refused = revoke(other);
    ASSERT_FALSE(refused) << other;
    EXPECT_EQ(refused.error().reason, "token_request_refused");
  }
  place.grant = "g-2";
  const auto foreign = revoke(form);
  ASSERT_FALSE(foreign) << "another account's";
  EXPECT_EQ(foreign.error().reason, "refresh_token_foreign");
}

TEST_F(Form, S4_WhatTheRelayWouldNotMakeItselfIsRefused) {
  const auto without = [](std::string form, const std::string& part) { return form.erase(form.find(part), part.size()); };
  EXPECT_EQ(refusal("grant_type=client_credentials&client_id=relay-at-box"), "token_request_refused grant_type");
  EXPECT_EQ(refusal("client_id=relay-at-box"), "token_request_refused grant_type");
  EXPECT_EQ(refusal(without(code, "code=c-1&")), "token_request_refused no code");
  EXPECT_EQ(refusal(without(code, "&client_id=relay-at-box")), "token_request_refused no client_id");
  EXPECT_EQ(refusal(without(code, "redirect_uri=https%3A%2F%2Frelay.example%2Fcallback%2Fbox&")),
            "token_request_refused no redirect_uri");
  EXPECT_EQ(refusal(code + "&client_id=relay-at-box"), "token_request_refused a parameter given twice");
  EXPECT_EQ(refusal(code + "&client_secret=x"), "token_request_refused a parameter that the type does not have");
  EXPECT_EQ(refusal(code + "&scope=files"), "token_request_refused scope");
  EXPECT_EQ(refusal(without(code, "audience=box") + "audience=other"),
            "token_request_refused a parameter that the type does not have");
  EXPECT_EQ(refusal(refresh() + "&scope=files+admin"), "token_request_refused scope");
  EXPECT_EQ(refusal(refresh() + "&redirect_uri=https%3A%2F%2Fevil.example"), "token_request_refused redirect_uri");
  EXPECT_EQ(refusal(refresh() + "&code=c-1"), "token_request_refused code");
  EXPECT_EQ(refusal(refresh() + "&audience=box"), "token_request_refused a parameter that the type does not have")
      << "it is the code exchange's";
  EXPECT_EQ(refusal("grant_type=refresh_token&refresh_token=rt&client_id=relay-at-box").substr(0, 21),
            "refresh_token_foreign");
}

}  // namespace
}  // namespace latchkey::relay
