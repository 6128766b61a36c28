#include <gtest/gtest.h>

#include "console/office_testing.h"

namespace latchkey::console {
namespace {

TEST_F(ConsoleTest, S1_ACloudServiceIsEnteredAskedAndLeft) {
  auto admin = administrator();
  EXPECT_EQ(admin.get("/api/v1/cloud-service").json().at("enrolled"), false);
  EXPECT_EQ(admin.session.at("server").at("cloud_service"), false);
  auto refused =
      admin.send("PUT", "/api/v1/cloud-service", {{"address", "https://relay.example"}, {"enrolment_code", "LK1-bad"}});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.json().at("type"), "urn:latchkey:problem:cloud_code_unknown");
  EXPECT_EQ(refused.json().at("errors").at(0).at("field"), "enrolment_code");
  EXPECT_EQ(admin.send("PUT", "/api/v1/cloud-service", {{"address", "https://relay.example"}}).status, 422);
  const auto enrolled =
      admin.send("PUT", "/api/v1/cloud-service", {{"address", "https://relay.example"}, {"enrolment_code", "LK1-good"}});
  ASSERT_EQ(enrolled.status, 200) << enrolled.body;
  EXPECT_EQ(enrolled.json().at("label"), "North Ltd");
  EXPECT_EQ(enrolled.json().at("used"), true);
  EXPECT_EQ(enrolled.json().at("apps").at(0).at("types").at(0), "dropbox");
  EXPECT_EQ(enrolled.body.find("LK1-"), std::string::npos);
  EXPECT_EQ(
      admin.send("PUT", "/api/v1/cloud-service", {{"address", "https://relay.example"}, {"enrolment_code", "LK1-good"}})
          .status,
      409);
  ASSERT_TRUE(run(registry->set("oauth.use_cloud_service", "false", {.actor = "test", .source = ""})));
  EXPECT_EQ(admin.get("/api/v1/cloud-service").json().at("used"), false);
  cloud.refusal =
      Error{.kind = ErrorKind::unavailable, .reason = "cloud_service_unreachable", .text = "It does not answer."};
  const auto away = admin.post("/api/v1/cloud-service/check");
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(away.json().at("type"), "urn:latchkey:problem:cloud_service_unreachable");
  EXPECT_EQ(admin.send("DELETE", "/api/v1/cloud-service", {}).status, 204);
  EXPECT_EQ(admin.send("DELETE", "/api/v1/cloud-service", {}).status, 409);
}

TEST_F(ConsoleTest, S1_WhatACloudServiceNamesIsShownAndAgreedToAsItIs) {
  auto admin = administrator();
  cloud.state = {.enrolled = true, .address = "https://relay.example", .office = "office-1", .label = "North Ltd", .service_key = "k",
                 .enrolled_at = base::from_unix_ms(0), .return_origin = "https://latchkey.example",
                 .apps = {{.id = "cloud-op-00", .provider = "oidc", .types = {"oidc"}, .mode = "exchange",
                           .params = {{"issuer", "https://login.example"}}, .agreed = false, .agreed_types = {},
                           .changes = {"mode: exchange instead of forward"}}}};
  const auto shown = admin.get("/api/v1/cloud-service").json().at("apps").at(0);
  EXPECT_EQ(shown.at("params").at("issuer"), "https://login.example");
  EXPECT_EQ(shown.at("mode"), "exchange");
  EXPECT_EQ(shown.at("agreed"), false);
  EXPECT_EQ(shown.at("agreed_types").as_array().size(), 0U);
  EXPECT_EQ(shown.at("changes").at(0), "mode: exchange instead of forward");
  const std::string path = "/api/v1/cloud-service/apps/cloud-op-00/agree";
  const auto as = [](const char* mode, JsonArray types, const char* issuer) {
    return JsonObject{{"mode", mode}, {"types", std::move(types)}, {"params", JsonObject{{"issuer", issuer}}}};
  };
  const auto with = [&](const char* issuer) { return as("exchange", {"oidc"}, issuer); };
  EXPECT_EQ(regular().send("POST", path, with("https://login.example")).status, 403);
  EXPECT_EQ(admin.send("POST", path, with("https://other.example")).status, 409);
  EXPECT_EQ(admin.send("POST", path, as("forward", {"oidc"}, "https://login.example")).status, 409);
  EXPECT_EQ(admin.send("POST", path, as("exchange", {"oidc", "box"}, "https://login.example")).json().at("type"), "urn:latchkey:problem:cloud_values_differ");
  EXPECT_EQ(admin.send("POST", path, {{"params", JsonObject{{"issuer", "https://login.example"}}}}).status, 422) << "mode and types are agreed to, too";
  EXPECT_FALSE(cloud.state.apps.front().agreed);
  EXPECT_EQ(admin.send("POST", "/api/v1/cloud-service/apps/cloud-x/agree", with("https://login.example")).status, 404);
  EXPECT_EQ(admin.send("POST", path, with("https://login.example")).json().at("apps").at(0).at("agreed"), true);
}

TEST_F(ConsoleTest, S1_TheCloudServiceIsAnAdministratorsMatter) {
  auto person = regular();
  EXPECT_EQ(person.get("/api/v1/cloud-service").status, 403);
  EXPECT_EQ(person.post("/api/v1/cloud-service/check").status, 403);
  EXPECT_EQ(
      person.send("PUT", "/api/v1/cloud-service", {{"address", "https://relay.example"}, {"enrolment_code", "LK1-good"}})
          .status,
      403);
  EXPECT_FALSE(cloud.state.enrolled);
}

TEST_F(ConsoleTest, S1_StrangersReadTheProofOfANameAndSetNothingElseToWork) {
  auto stranger = browser();
  const std::string path(OfficeNamePage::kPath);
  EXPECT_EQ(stranger.post(path).status, 405);
  EXPECT_EQ(cloud.proofs_asked + cloud.statuses_asked, 0) << "a method that is not allowed asks nobody";
  EXPECT_EQ(stranger.get(path).status, 404);
  cloud.state.enrolled = true;
  cloud.state.office = "office-1";
  const auto proof = stranger.get(path);
  EXPECT_EQ(proof.status, 200);
  EXPECT_EQ(proof.body, "proof of office-1");
  EXPECT_EQ(cloud.proofs_asked, 2);
  EXPECT_EQ(cloud.statuses_asked, 0) << "the enrolment is opened for each of them";
}

TEST_F(ConsoleTest, S5_WhatTheCloudServiceBringsEndsAtACleanAddress) {
  authorizer->next_page = {.succeeded = true,
                           .title = "Thank you",
                           .text = "An administrator must approve.",
                           .cookie = "__Host-latchkey-flow-1=; Max-Age=0",
                           .viewer = grants::Viewer::nobody};
  auto anybody = browser();
  const auto answer = anybody.get("/oauth/relayed?attempt=a-1&handle=h-1");
  EXPECT_EQ(answer.status, 303);
  EXPECT_TRUE(answer.header("location").starts_with("/oauth/done?r=")) << answer.header("location");
  EXPECT_EQ(answer.header("referrer-policy"), "no-referrer");
  EXPECT_EQ(authorizer->last_app, "a-1");
  EXPECT_EQ(authorizer->last_query, "h-1");
  const auto page = anybody.get(std::string(answer.header("location")));
  EXPECT_NE(page.body.find("An administrator must approve."), std::string::npos);
  EXPECT_EQ(page.body.find("Back to the console"), std::string::npos) << "another browser than the one that began";
  EXPECT_EQ(anybody.post("/oauth/relayed?attempt=a-1&handle=h-1").status, 405);
}

TEST_F(ConsoleTest, S5_AHandleInAnotherBrowserBringsNoPassToTheOwnersPage) {
  const auto id = AuthorizationId::make(wall.now(), entropy);
  auto& view = authorizer->views[id];
  view.id = id;
  view.grant = GrantId::make(wall.now(), entropy);
  view.account_id = "account-1";
  authorizer->next_page = {.succeeded = true, .title = "Thank you", .text = "Done.", .id = id, .viewer = grants::Viewer::nobody};
  auto thief = browser();
  thief.get("/oauth/relayed?attempt=a-1&handle=h-1");
  EXPECT_FALSE(thief.others.contains("latchkey-owner"));
  authorizer->next_page.owner_known = true;
  auto owner = browser();
  owner.get("/oauth/relayed?attempt=a-1&handle=h-1");
  EXPECT_TRUE(owner.others.contains("latchkey-owner"));
}

}  // namespace
}  // namespace latchkey::console
