#include <gtest/gtest.h>

#include "relay/authorization_address.h"

namespace latchkey::relay {
namespace {

const ExpectedAuthorization kExpected{.endpoint = "https://provider.example/tenant-1/authorize",
                                      .client_id = "relay-client",
                                      .redirect_uri = "https://relay.example/callback/acme",
                                      .scopes = {"files", "mail", "offline_access"},
                                      .extra = {{"access_type", "offline"}}};
const std::string kState(43, 's');
const std::string kChallenge(43, 'c');

oauth::Parameters good() {
  return {{"response_type", "code"},
          {"client_id", "relay-client"},
          {"redirect_uri", "https://relay.example/callback/acme"},
          {"scope", "files offline_access"},
          {"state", kState},
          {"code_challenge", kChallenge},
          {"code_challenge_method", "S256"},
          {"access_type", "offline"},
          {"prompt", "select_account"}};
}
std::string address(const oauth::Parameters& parameters, std::string endpoint = kExpected.endpoint) {
  return endpoint + "?" + oauth::form_body(parameters);
}
std::string fault(const std::string& text) {
  const auto checked = check_authorization_address(text, kExpected);
  return checked ? "" : checked.error().reason + ": " + checked.error().detail;
}
oauth::Parameters with(std::string_view name, std::string value) {
  auto parameters = good();
  for (auto& [known, held] : parameters) {
    if (known == name) {
      held = std::move(value);
      return parameters;
    }
  }
  parameters.emplace_back(name, std::move(value));
  return parameters;
}
oauth::Parameters without(std::string_view name) {
  auto parameters = good();
  std::erase_if(parameters, [&](const auto& parameter) { return parameter.first == name; });
  return parameters;
}

TEST(AuthorizationAddress, S2_OneThatTheRelayWouldHaveMadePasses) {
  EXPECT_EQ(fault(address(good())), "");
  EXPECT_EQ(state_of(address(good())), kState);
}

TEST(AuthorizationAddress, S2_AnotherEndpointIsRefused) {
  for (const auto* endpoint :
       {"https://evil.example/tenant-1/authorize", "https://provider.example/tenant-2/authorize",
        "http://provider.example/tenant-1/authorize", "https://provider.example:8443/tenant-1/authorize",
        "https://user@provider.example/tenant-1/authorize", "https://provider.example/tenant-1/authorize/",
        "https://provider.example/tenant-1/authorize/../token", "https://provider.example", "//provider.example",
        "javascript:alert(1)//", ""}) {
    EXPECT_EQ(fault(address(good(), endpoint)), "address_refused: another endpoint") << endpoint;
  }
  EXPECT_EQ(fault(kExpected.endpoint), "address_refused: another endpoint") << "no query at all";
}

TEST(AuthorizationAddress, S2_AnotherClientOrRedirectIsRefused) {
  EXPECT_EQ(fault(address(with("client_id", "somebody"))), "address_refused: client_id");
  EXPECT_EQ(fault(address(with("redirect_uri", "https://evil.example/callback/acme"))), "address_refused: redirect_uri");
  EXPECT_EQ(fault(address(with("redirect_uri", "https://relay.example/callback/other"))), "address_refused: redirect_uri");
}

TEST(AuthorizationAddress, S2_MoreThanTheTypeAsksForIsRefused) {
  EXPECT_EQ(fault(address(with("scope", "files mail offline_access"))), "");
  for (const auto* scope : {"files directory.readwrite", "", "files  mail", " files", "files\tmail"}) {
    EXPECT_EQ(fault(address(with("scope", scope))), "address_refused: scope") << scope;
  }
}

TEST(AuthorizationAddress, S2_WhatMakesACodeWorthlessToOthersMustBeThere) {
  for (const auto* name :
       {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}) {
    EXPECT_EQ(fault(address(without(name))), std::string("address_refused: no ") + name);
  }
  EXPECT_EQ(fault(address(with("response_type", "token"))), "address_refused: response_type");
  EXPECT_EQ(fault(address(with("code_challenge_method", "plain"))), "address_refused: code_challenge_method");
  EXPECT_EQ(fault(address(with("code_challenge", "short"))), "address_refused: code_challenge");
  EXPECT_EQ(fault(address(with("state", "guessable"))), "address_refused: state");
}

TEST(AuthorizationAddress, BadInput_WhatIsGivenTwiceOrNotKnownIsRefused) {
  auto twice = good();
  twice.emplace_back("redirect_uri", "https://evil.example/");
  EXPECT_EQ(fault(address(twice)), "address_refused: a parameter given twice");
  for (const auto* name : {"request", "request_uri", "response_mode", "client_secret", "Client_id", "acr_values"}) {
    EXPECT_EQ(fault(address(with(name, "x"))), "address_refused: a parameter that the type does not have") << name;
  }
  EXPECT_EQ(fault(address(with("access_type", "online"))), "address_refused: a parameter that the type does not have");
  EXPECT_EQ(fault(address(with("prompt", "none"))), "address_refused: prompt");
  EXPECT_EQ(fault(address(good()) + "#fragment"), "address_refused: a fragment");
  EXPECT_EQ(fault(address(good()) + "&bad=%zz"), "address_refused: a query that cannot be read");
}

}  // namespace
}  // namespace latchkey::relay
