#include "doors/http/token_request.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace latchkey::doors {
namespace {

TEST(TokenRequest, TakesFormJsonAndNothing) {
  EXPECT_EQ(parse_token_request("", "")->type, "");
  const auto form = parse_token_request("application/x-www-form-urlencoded", "type=box&min_valid=120");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->type, "box");
  EXPECT_EQ(form->min_valid, Seconds(120));
  const auto json = parse_token_request("application/json", R"({"type":"xero","min_valid":60})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->type, "xero");
  EXPECT_EQ(json->min_valid, Seconds(60));
}

TEST(TokenRequest, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(parse_token_request("application/json", R"({"typ":"x"})").error().field, "typ");
  EXPECT_EQ(parse_token_request("application/json", R"({"min_valid":"60"})").error().field, "min_valid");
  EXPECT_EQ(parse_token_request("application/json", R"({"min_valid":-1})").error().field, "min_valid");
  EXPECT_EQ(parse_token_request("", "min_valid=1e3").error().field, "min_valid");
  EXPECT_EQ(parse_token_request("", "min_valid=86401").error().field, "min_valid");
  EXPECT_EQ(parse_token_request("", "min_valid=5s").error().field, "min_valid");
  EXPECT_EQ(parse_token_request("", "type=box&type=xero").error().field, "type") << "which is meant is not for us to choose";
  EXPECT_EQ(parse_token_request("", "min_valid=1&min_valid=2").error().field, "min_valid");
  const auto twice = parse_token_request("application/json", R"({"type":"box","type":"xero"})");
  EXPECT_EQ(twice.error().reason, "invalid_request");
  EXPECT_EQ(twice.error().field, "type");
  EXPECT_EQ(twice.error().text, "`type` is given twice.");
  EXPECT_EQ(parse_token_request("application/json", R"({"min_valid":1,"min_valid":2})").error().field, "min_valid");
  EXPECT_EQ(parse_token_request("application/json", "[]").error().reason, "invalid_request");
  EXPECT_EQ(parse_token_request("text/xml", "<a/>").error().reason, "unsupported_media_type");
}

TEST(TokenRequest, HandoutIsJsonWhateverTheTextsHold) {
  grants::Handout handout;
  handout.access_token = Secret("a\"b\\c\n");
  handout.expires_in = Seconds(42);
  handout.text = std::make_shared<const grants::HandoutText>(
      grants::HandoutText{.account_name = "Änne \x01", .extras_json = R"({"instance_url":"https://x.example"})"});
  const auto parsed = parse_json(write_handout(handout));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at("access_token").as_string(), "a\"b\\c\n");
  EXPECT_EQ(parsed->at("expires_in").as_int64(), 42);
  EXPECT_EQ(parsed->at("account").at("name").as_string(), "Änne \x01");
  EXPECT_EQ(parsed->at("extras").at("instance_url").as_string(), "https://x.example");
  handout.expires_in.reset();
  EXPECT_TRUE(parse_json(write_handout(handout))->at("expires_in").is_null());
}

}  // namespace
}  // namespace latchkey::doors
