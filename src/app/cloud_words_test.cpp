#include "app/cloud_words.h"

#include <gmock/gmock.h>

#include "app/terminal.h"
#include "app/verbs.h"

namespace latchkey::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

JsonObject app(std::string_view mode, JsonArray agreed_types, JsonArray changes) {
  const bool agreed = changes.empty();
  return {{"id", "cloud-op-0a1b"}, {"provider", "oidc"}, {"types", JsonArray{"oidc", "box"}}, {"mode", mode},
          {"params", JsonObject{{"issuer", "https://login.example/?a=1&b='2'"}, {"scopes", "openid $HOME"}}},
          {"agreed", agreed}, {"agreed_types", std::move(agreed_types)}, {"changes", std::move(changes)}};
}

std::string words(JsonObject one, const std::string& data = std::string(kDataDefault)) {
  JsonArray apps;
  apps.push_back(std::move(one));
  return cloud_status_words({{"enrolled", true}, {"used", true}, {"address", "https://relay.example"}, {"label", "North Ltd"}, {"office", "1"},
                             {"return_origin", "https://office.example"}, {"apps", std::move(apps)}}, data);
}

TEST(CloudWords, S1_WhatWaitsIsToldWithTheWholeCommandThatAgreesToIt) {
  const auto text = words(app("exchange", {}, {"mode: exchange instead of forward"}));
  EXPECT_THAT(text, HasSubstr("\n  mode: exchange instead of forward\n"));
  EXPECT_THAT(text, HasSubstr("the service sees these accounts' tokens in passing"));
  EXPECT_THAT(text, HasSubstr("\n  latchkey cloud agree cloud-op-0a1b --mode exchange --type oidc --type box "
                              R"(--param 'issuer=https://login.example/?a=1&b='\''2'\''' --param 'scopes=openid $HOME')"
                              "\n"));
  EXPECT_THAT(text, HasSubstr(" NO "));
}

TEST(CloudWords, S1_ATypeThatWaitsKeepsNoOtherFromUse) {
  const auto text = words(app("forward", {"oidc"}, {"new type: box"}), "/srv/one office");
  EXPECT_THAT(text, AllOf(HasSubstr("new type: box"), HasSubstr("Used meanwhile for: oidc"), HasSubstr(" in part "), Not(HasSubstr("in passing"))));
  EXPECT_THAT(text, HasSubstr(" --data '/srv/one office'\n"));
}

TEST(CloudWords, WhatIsAgreedToIsShownAndNothingIsAsked) {
  const auto text = words(app("forward", {"oidc", "box"}, {}));
  EXPECT_THAT(text, AllOf(HasSubstr("forward"), HasSubstr("oidc box"), HasSubstr("issuer=https://login.example"), HasSubstr(" yes ")));
  EXPECT_THAT(text, Not(HasSubstr("latchkey cloud agree")));
}

TEST(CloudWords, AWordIsOneWordForAShell) {
  EXPECT_EQ(shell_quoted("issuer=https://a.example/b"), "issuer=https://a.example/b");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's;$(x)`y`"), R"('it'\''s;$(x)`y`')");
}

}  // namespace
}  // namespace latchkey::app
