#include <gtest/gtest.h>

#include "console/office_testing.h"

namespace latchkey::console {
namespace {

using namespace std::chrono_literals;

TEST_F(ConsoleTest, TheHealthOfEverythingIsToldInOneAnswer) {
  health.picture.at = WallTime(Milliseconds(1'795'000'000'000));
  health.picture.by_type = {{"box", store::GrantState::active, 7}, {"box", store::GrantState::paused, 1}, {"xero", store::GrantState::active, 2}};
  health.picture.until_expiry = {{std::nullopt, 0s, 1}, {0s, std::nullopt, 9}};
  const auto hour = std::chrono::floor<std::chrono::hours>(health.picture.at);
  health.picture.outcomes = {{"refresh:refreshed", hour, 5}, {"refresh:transient", hour - 2h, 3}, {"refresh:refreshed", hour - 48h, 9}};
  store::App app{.id = "box", .provider = "box", .paused = true, .pause_reason = "invalid_client"};
  app.secrets[0] = {.sealed = {1}, .expires_at = health.picture.at + 24h, .set_at = health.picture.at};
  health.picture.apps = {app};
  health.picture.circuits = {{.app = "box", .open = true, .failures = 6, .since = health.picture.at, .next_try_at = health.picture.at + 15s}};
  health.picture.revocations = {.items = {{.app = "box", .subject = "box anna", .attempts = 2, .due_at = health.picture.at, .created_at = health.picture.at, .why = "no answer"}},
                                .next_cursor = {}, .total = 12};
  health.picture.dying_count = 3;
  health.picture.dying_by_day[13] = 3;
  auto admin = administrator();
  const auto json = admin.get("/api/v1/health").json();
  EXPECT_EQ(json.at("grants"), 10);
  EXPECT_EQ(json.at("by_state").at("active"), 9);
  EXPECT_EQ(json.at("by_state").at("held"), 0);
  EXPECT_EQ(json.at("types").as_array().size(), 2u);
  EXPECT_EQ(json.at("types").at(0).at("states").at("paused"), 1);
  EXPECT_TRUE(json.at("until_expiry").at(0).at("from_s").is_null());
  EXPECT_EQ(json.at("until_expiry").at(0).at("until_s"), 0);
  ASSERT_EQ(json.at("hours").as_array().size(), 24u);
  EXPECT_EQ(json.at("hours").at(23).at("refreshed"), 5);
  EXPECT_EQ(json.at("hours").at(21).at("transient"), 3);
  EXPECT_EQ(json.at("hours").at(0).at("refreshed"), 0);
  EXPECT_EQ(json.at("apps").at(0).at("circuit"), "open");
  EXPECT_EQ(json.at("apps").at(0).at("failures"), 6);
  EXPECT_EQ(json.at("apps").at(0).at("secrets").as_array().size(), 1u) << "the empty slot is none";
  EXPECT_EQ(json.at("dying").at("by_day").at(13), 3);
  EXPECT_EQ(json.at("revocations").at("waiting"), 12);
  EXPECT_EQ(json.at("revocations").at("items").at(0).at("why"), "no answer");
}

TEST_F(ConsoleTest, ATestNoticeThatDoesNotArriveIsAnAnswer) {
  auto admin = administrator();
  EXPECT_EQ(admin.send("POST", "/api/v1/notices/test", parse_json(R"({"channel":"pigeon"})")->as_object()).status, 422);
  auto answer = admin.send("POST", "/api/v1/notices/test", parse_json(R"({"channel":"mail"})")->as_object());
  EXPECT_EQ(answer.json().at("ok"), true);
  notices.refusal = fail(ErrorKind::unavailable, "connect_failed", "The relay cannot be reached.").error();
  answer = admin.send("POST", "/api/v1/notices/test", parse_json(R"({"channel":"mail"})")->as_object());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json().at("ok"), false);
  EXPECT_EQ(answer.json().at("detail"), "The relay cannot be reached.");
  notices.refusal = fail(ErrorKind::conflict, "channel_off", "Mail is off.").error();
  EXPECT_EQ(admin.send("POST", "/api/v1/notices/test", parse_json(R"({"channel":"mail"})")->as_object()).code(), "channel_off");
}

TEST_F(ConsoleTest, AChannelsSecretGoesInAndNeverComesOut) {
  auto admin = administrator();
  EXPECT_EQ(admin.send("PUT", "/api/v1/notices/mail/secret", parse_json(R"({"value":"s3cret-of-mail"})")->as_object()).status, 204);
  EXPECT_EQ(notices.secrets[grants::Channel::mail], "s3cret-of-mail");
  EXPECT_EQ(admin.send("PUT", "/api/v1/notices/fax/secret", parse_json(R"({"value":"x"})")->as_object()).status, 404);
  EXPECT_EQ(admin.get("/api/v1/notices").body.find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::console
