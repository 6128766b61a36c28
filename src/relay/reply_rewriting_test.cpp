#include "relay/reply_rewriting.h"

#include <gtest/gtest.h>

namespace latchkey::relay {
namespace {

cloud::ProviderReply reply(std::string_view body, std::string content_type = "application/json", bool cut = false) {
  return {.status = 200, .content_type = std::move(content_type), .retry_after = {}, .cut = cut, .body = Secret(body)};
}

// What the office makes of it, with the blob in place of the token it was made of.
oauth::TokenReply seen(const cloud::ProviderReply& rewritten) {
  return oauth::parse_token_reply(rewritten.status, rewritten.content_type, rewritten.body.reveal_text(), {},
                                  rewritten.cut ? oauth::Completeness::cut : oauth::Completeness::whole);
}
cloud::ProviderReply with_blob(cloud::ProviderReply reply, oauth::ReplyShape shape, const SealToken& seal) {
  return relay::with_blob(std::move(reply), shape, seal, {});
}
Secret sealed(const Secret& token) { return Secret(std::string_view("blob-of-" + std::string(token.reveal_text()))); }

TEST(ReplyRewriting, S4_OfAJsonReplyTheRefreshTokenAloneIsChanged) {
  const auto rewritten = with_blob(
      reply(R"({"access_token":"at","expires_in":3600,"refresh_token":"r\/t","nested":[{"again":"r/t"}],"scope":"a b"})"),
      {}, sealed);
  const auto read = seen(rewritten);
  EXPECT_EQ(read.access_token->reveal_text(), "at");
  EXPECT_EQ(read.refresh_token->reveal_text(), "blob-of-r/t");
  EXPECT_EQ(read.lifetime_s, 3600);
  EXPECT_EQ(read.scope, "a b");
  const auto text = rewritten.body.reveal_text();
  EXPECT_EQ(text.find("\"r/t\""), std::string_view::npos) << text;
  EXPECT_EQ(text.find("r\\/t"), std::string_view::npos);
}

TEST(ReplyRewriting, S4_OfAFormReplyToo) {
  const auto rewritten =
      with_blob(reply("access_token=at&refresh_token=r%2Ft&expires_in=60", "application/x-www-form-urlencoded"), {}, sealed);
  const auto read = seen(rewritten);
  EXPECT_EQ(read.access_token->reveal_text(), "at");
  EXPECT_EQ(read.refresh_token->reveal_text(), "blob-of-r/t");
  EXPECT_EQ(rewritten.body.reveal_text().find("=r%2Ft&"), std::string_view::npos);
}

TEST(ReplyRewriting, S4_OfABrokenReplyNothingButTheBlobGoesOn) {
  const auto rewritten =
      with_blob(reply(R"({"refresh_token":"rt-1","access_token":"at)", "application/json", true), {}, sealed);
  EXPECT_TRUE(rewritten.cut);
  EXPECT_EQ(rewritten.body.reveal_text(), R"({"refresh_token":"blob-of-rt-1"})");
}

TEST(ReplyRewriting, RepliesWithoutARefreshTokenPassAsTheyAre) {
  for (const std::string_view body :
       {R"({"error":"invalid_grant"})", "<html>maintenance</html>", "", R"({"access_token":"at"})", "\xff\xfe"}) {
    const auto rewritten = with_blob(reply(body), {}, sealed);
    EXPECT_EQ(rewritten.body.reveal_text(), body);
    EXPECT_EQ(rewritten.content_type, "application/json");
  }
}

// Rule P7: a provider repeats what it was sent.
TEST(ReplyRewriting, P7_WhatWasSentIsStruckOutOfAProvidersWords) {
  std::vector<Secret> sent;
  sent.emplace_back(std::string_view("cl1ent/secret"));
  sent.emplace_back(std::string_view("rt-0815-long"));
  const auto told = [&](std::string_view body, std::string type = "application/json") {
    const auto rewritten = relay::with_blob(reply(body, std::move(type)), {}, sealed, sent);
    return std::string(rewritten.body.reveal_text());
  };
  for (const auto& text : {told(R"({"error":"invalid_client","error_description":"cl1ent\/secret is not the secret; RT-0815-LONG neither","more":[{"why":"rt-0815-long"}]})"),
                           told(R"({"error":"invalid_client","error_description":"cl1ent/secret"})", "text/html"),
                           told("error=invalid_grant&error_description=cl1ent%2Fsecret+rt-0815-long", "application/x-www-form-urlencoded"),
                           told("<p>cl1ent/secret and rt-0815-long</p>", "text/html")}) {
    EXPECT_EQ(text.find("ent/secret"), std::string::npos) << text;
    EXPECT_EQ(text.find("ent\\/secret"), std::string::npos) << text;
    EXPECT_EQ(text.find("%2F"), std::string::npos) << text;
    EXPECT_EQ(text.find("0815"), std::string::npos) << text;
    EXPECT_NE(text.find("invalid_") == std::string::npos && text.find("<p>") == std::string::npos, true) << "the rest passes: " << text;
  }
  const auto granted = told(R"({"access_token":"at-rt-0815-long","refresh_token":"rt-0815-long","scope":"a"})");
  EXPECT_NE(granted.find("at-rt-0815-long"), std::string::npos) << "a token is passed on as it is";
  EXPECT_NE(granted.find("blob-of-rt-0815-long"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::relay
