#include "oauth/outcome.h"

#include <gtest/gtest.h>

namespace latchkey::oauth {
namespace {

using std::chrono::seconds;

RefreshOutcome outcome(int status, std::string_view body, std::span<const ErrorRule> rules = {},
                       std::string_view type = "application/json") {
  return classify(parse_token_reply(status, type, body), rules).outcome;
}

TEST(Outcome, DefaultMap) {
  EXPECT_EQ(outcome(200, R"({"access_token":"a"})"), RefreshOutcome::refreshed);
  EXPECT_EQ(outcome(400, R"({"error":"invalid_grant"})"), RefreshOutcome::dead_grant);
  EXPECT_EQ(outcome(400, R"({"error":"interaction_required"})"), RefreshOutcome::dead_grant);
  EXPECT_EQ(outcome(400, R"({"error":"consent_required"})"), RefreshOutcome::dead_grant);
  EXPECT_EQ(outcome(401, R"({"error":"invalid_client"})"), RefreshOutcome::misconfigured_app);
  EXPECT_EQ(outcome(400, R"({"error":"invalid_client"})"), RefreshOutcome::misconfigured_app);
  EXPECT_EQ(outcome(400, R"({"error":"unauthorized_client"})"), RefreshOutcome::misconfigured_app);
  EXPECT_EQ(outcome(400, R"({"error":"invalid_scope"})"), RefreshOutcome::misconfigured_app);
  EXPECT_EQ(outcome(400, R"({"error":"invalid_request"})"), RefreshOutcome::misconfigured_app);
  EXPECT_EQ(outcome(400, R"({"error":"unsupported_grant_type"})"), RefreshOutcome::misconfigured_app);
  EXPECT_EQ(outcome(400, R"({"error":"server_error"})"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(400, R"({"error":"slow_down"})"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(400, R"({"error":"never_heard_of"})"), RefreshOutcome::transient);
}

// P7.
TEST(Outcome, WhatLooksLikeATokenInAnErrorIsNotRepeated) {
  for (const auto status : {200, 400, 503}) {
    const auto reply = parse_token_reply(status, "application/json", R"({"error":"Token at-0123456789abcdef01234567 is bad"})");
    const auto why = classify(reply, {}).why;
    EXPECT_EQ(why.find("at-0123"), std::string::npos) << why;
    EXPECT_NE(why.find("is bad"), std::string::npos) << why;
  }
}

// R17.
TEST(Outcome, SuccessStatusWithAnError) {
  EXPECT_EQ(outcome(200, R"({"error":"invalid_grant"})"), RefreshOutcome::dead_grant);
  EXPECT_EQ(outcome(200, R"({"error":"temporarily_unavailable"})"), RefreshOutcome::transient);
}

// R18.
TEST(Outcome, TroubleIsTransient) {
  EXPECT_EQ(outcome(502, "<html>Bad gateway</html>", {}, "text/html"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(503, R"({"error":"invalid_grant"})"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(429, ""), RefreshOutcome::transient);
  EXPECT_EQ(outcome(200, "<html>Sign in to the hotel network</html>"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(302, ""), RefreshOutcome::transient);
  const auto waits = classify(parse_token_reply(503, "", ""), {}, "120");
  EXPECT_EQ(waits.retry_after, seconds(120));
  EXPECT_EQ(classify(parse_token_reply(429, "", ""), {}, "").retry_after, std::nullopt);
}

// R19.
TEST(Outcome, NotDeadYet) {
  EXPECT_EQ(outcome(400, R"({"error":"temporarily_unavailable"})"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(401, ""), RefreshOutcome::transient);
  EXPECT_EQ(outcome(403, "Request blocked by policy", {}, "text/plain"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(403, "<html>Forbidden</html>"), RefreshOutcome::transient);
}

// R12, and a success nobody can read.
TEST(Outcome, SuccessWithoutAccessToken) {
  EXPECT_EQ(outcome(200, R"({"refresh_token":"new"})"), RefreshOutcome::transient);
  EXPECT_EQ(outcome(200, R"({"access_token":"cut)"), RefreshOutcome::ambiguous);
  EXPECT_EQ(outcome(200, "{}"), RefreshOutcome::ambiguous);
  EXPECT_EQ(outcome(200, ""), RefreshOutcome::ambiguous);
}

TEST(Outcome, RulesComeFirst) {
  const std::vector<ErrorRule> rules{
      {.status_min = 400, .status_max = 400, .error = "*", .match = "not expired", .meaning = ErrorMeaning::too_early},
      {.status_min = 400, .status_max = 400, .error = "invalid_request", .meaning = ErrorMeaning::dead_grant},
      {.status_min = 401, .status_max = 401, .error = "*", .meaning = ErrorMeaning::dead_grant},
      {.where = ErrorPlace::api, .error = "invalid_scope", .meaning = ErrorMeaning::transient}};
  EXPECT_EQ(outcome(400, R"({"error":"invalid_grant","error_description":"Access_token NOT EXPIRED"})", rules), RefreshOutcome::too_early);
  EXPECT_EQ(outcome(400, "access_token not expired", rules, "text/plain"), RefreshOutcome::too_early);
  EXPECT_EQ(outcome(400, R"({"error":"invalid_request"})", rules), RefreshOutcome::dead_grant);
  EXPECT_EQ(outcome(401, R"({"message":"no"})", rules), RefreshOutcome::dead_grant);
  EXPECT_EQ(outcome(401, "", rules), RefreshOutcome::transient) << "a bare 401 stays undecided (R19)";
  EXPECT_EQ(outcome(400, R"({"error":"invalid_scope"})", rules), RefreshOutcome::misconfigured_app) << "another place's rule";
}

TEST(Outcome, AServerInTroubleDecidesNothing) {
  const std::vector<ErrorRule> any{{.error = "invalid_grant", .meaning = ErrorMeaning::dead_grant}};
  EXPECT_EQ(outcome(500, R"({"error":"invalid_grant"})", any), RefreshOutcome::transient);
  const std::vector<ErrorRule> exact{{.status_min = 500, .status_max = 500, .error = "invalid_grant", .meaning = ErrorMeaning::dead_grant}};
  EXPECT_EQ(outcome(500, R"({"error":"invalid_grant"})", exact), RefreshOutcome::dead_grant);
}

TEST(Outcome, WordsHoldNoSecret) {
  const auto said = classify(parse_token_reply(400, "application/json", R"({"error":"invalid_grant","error_description":"token CANARY is bad"})"), {});
  EXPECT_EQ(said.why.find("CANARY"), std::string::npos);
  EXPECT_NE(said.why.find("invalid_grant"), std::string::npos);
}

TEST(RetryAfter, SecondsAndDates) {
  const WallTime now = *base::from_rfc3339("1994-11-06T08:49:00.000Z");
  EXPECT_EQ(parse_retry_after("30", now), seconds(30));
  EXPECT_EQ(parse_retry_after(" 0 ", now), seconds(0));
  EXPECT_EQ(parse_retry_after("99999999999999999999", now), seconds(86400));
  EXPECT_EQ(parse_retry_after("604800", now), seconds(86400));
  EXPECT_EQ(parse_retry_after("-5", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("soon", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), seconds(37));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:40:00 GMT", now), seconds(0));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", std::nullopt), std::nullopt);
  EXPECT_EQ(parse_retry_after("Sun, 66 Nov 1994 08:49:37 GMT", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nix 1994 08:49:37 GMT", now), std::nullopt);
}

TEST(Names, RoundTrip) {
  for (const auto place : {ErrorPlace::token, ErrorPlace::authorize, ErrorPlace::api, ErrorPlace::smtp}) {
    EXPECT_EQ(parse_error_place(name_of(place)), place);
  }
  EXPECT_EQ(parse_error_meaning("stale_access_token"), ErrorMeaning::stale_access_token);
  EXPECT_EQ(parse_error_meaning("?"), std::nullopt);
}

}  // namespace
}  // namespace latchkey::oauth
