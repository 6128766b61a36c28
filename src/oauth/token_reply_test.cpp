#include "oauth/token_reply.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/bytes.h"

namespace latchkey::oauth {
namespace {

using std::chrono::seconds;

TokenReply read(std::string_view body, int status = 200, std::string_view type = "application/json") {
  return parse_token_reply(status, type, body);
}

TEST(TokenReply, ReadsAGoodOne) {
  const auto reply = read(R"({"access_token":"at","refresh_token":"rt","token_type":"Bearer","expires_in":3600,"scope":"a b","instance_url":"https://x.example"})");
  EXPECT_EQ(reply.form, ReplyForm::json);
  ASSERT_TRUE(reply.access_token && reply.refresh_token);
  EXPECT_EQ(reply.access_token->reveal_text(), "at");
  EXPECT_EQ(reply.refresh_token->reveal_text(), "rt");
  EXPECT_EQ(reply.lifetime_s, 3600);
  EXPECT_EQ(reply.scope, "a b");
  EXPECT_EQ(base::string_or(reply.extras, "instance_url"), "https://x.example");
  EXPECT_EQ(reply.error, "");
}

// R10: omitted, null and empty are the same.
TEST(TokenReply, AbsentRefreshTokenIsNone) {
  for (const char* body : {R"({"access_token":"a"})", R"({"access_token":"a","refresh_token":null})",
                           R"({"access_token":"a","refresh_token":""})", R"({"access_token":"a","refresh_token":7})"}) {
    const auto reply = read(body);
    EXPECT_FALSE(reply.refresh_token) << body;
    EXPECT_TRUE(reply.access_token) << body;
  }
}

// R12.
TEST(TokenReply, RefreshTokenComesOutWithoutAccessToken) {
  const auto reply = read(R"({"refresh_token":"new","expires_in":60})");
  EXPECT_FALSE(reply.access_token);
  ASSERT_TRUE(reply.refresh_token);
  EXPECT_EQ(reply.refresh_token->reveal_text(), "new");
}

// R13.
TEST(TokenReply, LifetimesOfEveryShape) {
  const auto lifetime = [](std::string_view value) {
    return read("{\"access_token\":\"a\",\"expires_in\":" + std::string(value) + "}").lifetime_s;
  };
  EXPECT_EQ(lifetime("3600"), 3600);
  EXPECT_EQ(lifetime("\"3600\""), 3600);
  EXPECT_EQ(lifetime("\" 600 \""), 600);
  EXPECT_EQ(lifetime("0"), 0);
  EXPECT_EQ(lifetime("-1"), -1);
  EXPECT_EQ(lifetime("1e12"), 1'000'000'000'000);
  EXPECT_EQ(lifetime("\"1e12\""), 1'000'000'000'000);
  EXPECT_EQ(lifetime("3600.5"), 3600);
  EXPECT_EQ(lifetime("1e300"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(lifetime("18446744073709551615"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(lifetime("\"1e999\""), std::numeric_limits<std::int64_t>::max());
  for (const char* value : {"null", "true", "\"soon\"", "\"\"", "\"nan\"", "\"inf\"", "[]", "\"3600s\""}) {
    EXPECT_EQ(lifetime(value), std::nullopt) << value;
  }
  EXPECT_EQ(read(R"({"access_token":"a"})").lifetime_s, std::nullopt);
}

TEST(TokenReply, SaneLifetimes) {
  EXPECT_EQ(sane_lifetime(600), seconds(600));
  EXPECT_EQ(sane_lifetime(std::nullopt), seconds(3600));
  EXPECT_EQ(sane_lifetime(std::nullopt, seconds(7200)), seconds(7200));
  EXPECT_EQ(sane_lifetime(0), seconds(3600));
  EXPECT_EQ(sane_lifetime(-1), seconds(3600));
  EXPECT_EQ(sane_lifetime(std::numeric_limits<std::int64_t>::min()), seconds(3600));
  EXPECT_EQ(sane_lifetime(1'000'000'000'000), seconds(366 * 86400));
  EXPECT_EQ(sane_lifetime(std::numeric_limits<std::int64_t>::max()), seconds(366 * 86400));
  EXPECT_EQ(sane_lifetime(std::nullopt, seconds(0)), seconds(3600));
}

// R16: whatever the Content-Type says.
TEST(TokenReply, FormsAndMislabelledJson) {
  const auto form = read("access_token=a%2Bb&token_type=bearer&expires_in=3600&refresh_token=r&scope=x+y", 200, "text/plain");
  EXPECT_EQ(form.form, ReplyForm::form);
  EXPECT_EQ(form.access_token->reveal_text(), "a+b");
  EXPECT_EQ(form.refresh_token->reveal_text(), "r");
  EXPECT_EQ(form.lifetime_s, 3600);
  EXPECT_EQ(form.scope, "x y");
  EXPECT_EQ(read(R"({"access_token":"a"})", 200, "text/plain").form, ReplyForm::json);
  EXPECT_EQ(read("\xEF\xBB\xBF {\"access_token\":\"a\"}\r\n", 200, "text/html").form, ReplyForm::json);
  EXPECT_EQ(read("error=invalid_grant&error_description=gone", 400, "").error, "invalid_grant");
}

TEST(TokenReply, BrokenBodiesAreNotTrusted) {
  EXPECT_EQ(read("").form, ReplyForm::empty);
  EXPECT_EQ(read(" \r\n").form, ReplyForm::empty);
  EXPECT_EQ(read("<html>", 502).form, ReplyForm::html);
  EXPECT_EQ(read(R"({"access_token":"a","refresh_token":"r)").form, ReplyForm::malformed);
  EXPECT_EQ(read(std::string("\0\0abc", 5)).form, ReplyForm::malformed);
  EXPECT_EQ(read(std::string("{\"access_token\":\"a\0b\"}", 22)).form, ReplyForm::malformed);
  EXPECT_EQ(read(R"(["access_token"])").form, ReplyForm::malformed);
  EXPECT_EQ(read("Service busy", 200, "application/json").form, ReplyForm::malformed);
  EXPECT_EQ(read("Service busy", 400, "text/plain").form, ReplyForm::text);
  EXPECT_EQ(read("Service busy", 400, "text/plain").error_description, "Service busy");
  std::string deep = R"({"access_token":"a","x":)";
  for (int i = 0; i < 1000; ++i) deep += '[';
  EXPECT_EQ(read(deep).form, ReplyForm::malformed);
  const std::string large = R"({"access_token":"a","x":")" + std::string(kReplyBytesMax, 'x') + "\"}";
  EXPECT_EQ(read(large).form, ReplyForm::malformed);
}

TEST(TokenReply, LargeButLegalIsRead) {
  const std::string large = R"({"access_token":"a","x":")" + std::string(900'000, 'x') + R"(","refresh_token":"r"})";
  const auto reply = read(large);
  EXPECT_EQ(reply.form, ReplyForm::json);
  EXPECT_EQ(reply.refresh_token->reveal_text(), "r");
  EXPECT_TRUE(reply.extras.empty());
}

// A token that cannot stand in a header is none.
TEST(TokenReply, TokensAreVisibleAscii) {
  EXPECT_FALSE(read(R"({"access_token":"a\r\nX: y"})").access_token);
  EXPECT_FALSE(read(R"({"access_token":"a\u0000b"})").access_token);
  EXPECT_FALSE(read(R"({"access_token":"ä"})").access_token);
}

// R10: nothing at all is not the same as something that is no token.
TEST(TokenReply, WhatStandsInARefreshTokensPlaceAndIsNoneIsSaid) {
  for (const std::string_view value : {"4711", "1.5", "true", R"({"a":1})", R"(["r"])", R"("r\n")", R"("\u00e9")"}) {
    const auto reply = read(R"({"access_token":"a","refresh_token":)" + std::string(value) + "}");
    EXPECT_TRUE(reply.refresh_token_unreadable) << value;
    EXPECT_FALSE(reply.refresh_token) << value;
  }
  for (const std::string_view value : {"null", "false", R"("")", "[]", "{}", R"("r")"}) {
    EXPECT_FALSE(read(R"({"access_token":"a","refresh_token":)" + std::string(value) + "}").refresh_token_unreadable) << value;
  }
  EXPECT_FALSE(read(R"({"access_token":"a"})").refresh_token_unreadable);
}

// R17: an error is an error at any status.
TEST(TokenReply, ErrorsOfEveryShape) {
  EXPECT_EQ(read(R"({"error":"invalid_grant","error_description":"Token\nexpired"})").error, "invalid_grant");
  EXPECT_EQ(read(R"({"error":"invalid_grant","error_description":"Token\nexpired"})").error_description, "Token expired");
  EXPECT_EQ(read(R"({"error":{"code":"InvalidAuthenticationToken","message":"m"}})", 401).error, "InvalidAuthenticationToken");
  EXPECT_EQ(read(R"({"error":true,"errorCode":"Busy"})").error, "Busy");
  EXPECT_EQ(read(R"({"error":false,"access_token":"a"})").error, "");
  EXPECT_EQ(read(R"({"error":{},"access_token":"a"})").error, "");
  EXPECT_EQ(read(R"({"error":{"detail":"x"},"access_token":"a"})").error, "error");
  EXPECT_EQ(read(R"({"error":"","access_token":"a"})").error, "");
  EXPECT_EQ(read(R"({"error":null,"access_token":"a"})").error, "");
  EXPECT_EQ(read(R"({"message":"An error"})", 400).error_description, "An error");
  const auto array = parse_token_reply(400, "application/json", R"([{"errorCode":"INVALID_SESSION_ID","message":"m"}])",
                                       {.errors = ErrorShape::object_or_array});
  EXPECT_EQ(array.error, "INVALID_SESSION_ID");
  EXPECT_EQ(read(R"([{"errorCode":"X"}])", 400).form, ReplyForm::malformed);
}

TEST(TokenReply, ExtrasHoldNoSecrets) {
  const auto reply = read(R"({"access_token":"CANARY1","refresh_token":"CANARY2","id_token":"CANARY3","device_secret":"CANARY4",
    "nested":{"access_token":"CANARY5"},"list":[{"api_key":"CANARY6"}],"refresh_token_expires_in":86400,"user_id":"u",
    "token_kind":"CANARY7"})");
  const auto text = boost::json::serialize(reply.extras);
  EXPECT_EQ(text.find("CANARY"), std::string::npos) << text;
  EXPECT_EQ(base::string_or(reply.extras, "user_id"), "u");
  EXPECT_TRUE(reply.extras.contains("refresh_token_expires_in"));
  EXPECT_EQ(reply.refresh_lifetime_s, 86400);
}

TEST(TokenReply, ReadsClaimsWithoutChecking) {
  const std::string payload = base::to_base64url(base::as_bytes(R"({"sub":"u1","iss":"https://a.example"})"));
  const auto reply = read(R"({"access_token":"a","id_token":"eyJhbGciOiJub25lIn0.)" + payload + R"(.sig"})");
  ASSERT_TRUE(reply.id_claims);
  EXPECT_EQ(base::string_or(*reply.id_claims, "sub"), "u1");
  EXPECT_FALSE(unverified_claims("a.b"));
  EXPECT_FALSE(unverified_claims("a.!!.c"));
  EXPECT_FALSE(unverified_claims("a." + base::to_base64url(base::as_bytes("[1]")) + ".c"));
}

// F5: a reply cut by the journal still gives up its refresh token.
TEST(FindRefreshToken, InCutReplies) {
  const auto found = [](std::string_view raw) {
    const auto token = find_refresh_token(raw);
    return token ? std::string(token->reveal_text()) : std::string("none");
  };
  EXPECT_EQ(found(R"({"refresh_token" : "r\/1","access_token":"cut he)"), "r/1");
  EXPECT_EQ(found(R"({"a":"x","refresh_token":"\u0072\u0074"} trailing)"), "rt");
  EXPECT_EQ(found(R"({"access_token":"a","refresh_token":"cut)"), "none");
  EXPECT_EQ(found(R"({"refresh_token":"","x":1})"), "none");
  EXPECT_EQ(found(R"({"refresh_token":null,"x":{"refresh_token":"second"}})"), "second");
  EXPECT_EQ(found(R"({"note":"say \"refresh_token\":\"fake\" "})"), "none");
  EXPECT_EQ(found(R"({"refresh_token":"bad\q"})"), "none");
  EXPECT_EQ(found("access_token=a&refresh_token=r%2B1&scope=cu"), "r+1");
  EXPECT_EQ(found("access_token=a&refresh_token=maybecut"), "none");
  EXPECT_EQ(found("xrefresh_token=a&b"), "none");
  EXPECT_EQ(found(""), "none");
}

// R23.
TEST(Scopes, MissingOnesAreNamed) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(scope_words(" a  b,c a"), (Words{"a", "b", "c"}));
  EXPECT_EQ(missing_scopes({"files", "mail"}, "files"), Words{"mail"});
  EXPECT_EQ(missing_scopes({"openid", "offline_access", "files"}, "files"), Words{});
  EXPECT_EQ(missing_scopes({"https://graph.microsoft.com/Mail.Send"}, "Mail.Send openid"), Words{});
  EXPECT_EQ(missing_scopes({"https://graph.microsoft.com/Mail.Send"}, "Mail.Read"), Words{"https://graph.microsoft.com/Mail.Send"});
  EXPECT_EQ(missing_scopes({"https://mail.google.com/"}, "https://mail.google.com"), Words{});
  EXPECT_EQ(missing_scopes({"https://www.googleapis.com/auth/drive.file"}, "openid https://www.googleapis.com/auth/drive"),
            Words{"https://www.googleapis.com/auth/drive.file"});
}

}  // namespace
}  // namespace latchkey::oauth
