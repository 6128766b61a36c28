#include "cloud/token_exchange.h"

#include <gtest/gtest.h>

namespace latchkey::cloud {
namespace {

constexpr std::string_view kOffice = "01900000-0000-7000-8000-00000000000a";
constexpr std::string_view kIntent = "01900000-0000-7000-8000-00000000000b";

TokenRequest request() {
  return {.intent = std::string(kIntent),
          .turn = 7,
          .grant = "01900000-0000-7000-8000-00000000000c",
          .target = {.app = "box", .type = "box", .params = {{"tenant", "a \"b\""}}, .learned = {{"api_host", "x.example"}}},
          .form = Secret(std::string_view("grant_type=refresh_token&refresh_token=lkr1.x"))};
}

TEST(TokenExchange, S4_ARequestComesBackAsItWasMade) {
  const auto made = request();
  const auto read = parse_token_request(to_json(made).reveal_text());
  ASSERT_TRUE(read) << read.error().reason;
  EXPECT_EQ(read->intent, made.intent);
  EXPECT_EQ(read->turn, 7);
  EXPECT_EQ(read->grant, made.grant);
  EXPECT_EQ(read->target, made.target);
  EXPECT_EQ(read->form.reveal_text(), made.form.reveal_text());
}

TEST(TokenExchange, WhatIsIncompleteOrOversizedIsRefused) {
  const std::string whole(to_json(request()).reveal_text());
  for (const std::string_view member : {"intent", "turn", "grant", "app", "type", "params", "learned", "form"}) {
    auto lacking = whole;
    lacking.replace(lacking.find("\"" + std::string(member) + "\""), member.size() + 2, "\"other\"");
    EXPECT_FALSE(parse_token_request(lacking)) << member;
  }
  auto negative = whole;
  negative.replace(negative.find("\"turn\":7"), 8, "\"turn\":-7");
  EXPECT_FALSE(parse_token_request(negative));
  auto long_form = request();
  long_form.form = Secret(std::string_view(std::string(70'000, 'x')));
  EXPECT_FALSE(parse_token_request(to_json(long_form).reveal_text()));
  EXPECT_FALSE(parse_token_request("{"));
}

TEST(TokenExchange, S4_AReplyOpensForItsOfficeIntentAndTurnAlone) {
  base::SeededEntropy entropy{5};
  const auto office = PartyKeys::make(entropy);
  const auto other = PartyKeys::make(entropy);
  const ProviderReply reply{.status = 200,
                            .content_type = "application/json\r\nX: y",
                            .retry_after = "5",
                            .cut = true,
                            .body = Secret(std::string_view("{\"a\":\n1}\n"))};
  const auto sealed = seal_reply(reply, kOffice, kIntent, 7, office.public_half().sealing, entropy);
  const auto opened = open_reply(office, kOffice, kIntent, 7, sealed);
  ASSERT_TRUE(opened) << opened.error().reason;
  EXPECT_EQ(opened->status, 200);
  EXPECT_EQ(opened->content_type, "application/json  X: y");
  EXPECT_EQ(opened->retry_after, "5");
  EXPECT_TRUE(opened->cut);
  EXPECT_EQ(opened->body.reveal_text(), "{\"a\":\n1}\n");
  EXPECT_FALSE(open_reply(office, kOffice, kIntent, 8, sealed));
  EXPECT_FALSE(open_reply(office, kOffice, kOffice, 7, sealed));
  EXPECT_FALSE(open_reply(office, kIntent, kIntent, 7, sealed));
  EXPECT_FALSE(open_reply(other, kOffice, kIntent, 7, sealed));
}

TEST(TokenExchange, AnAnswerWithoutAReplySaysThatNobodyKnows) {
  const auto unknown = parse_token_answer(to_json(TokenAnswer{.turn = 3, .reply = {}}));
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->turn, 3);
  EXPECT_TRUE(unknown->reply.empty());
  const auto known = parse_token_answer(to_json(TokenAnswer{.turn = 4, .reply = {1, 2, 3}}));
  ASSERT_TRUE(known);
  EXPECT_EQ(known->reply, (Bytes{1, 2, 3}));
  EXPECT_FALSE(parse_token_answer(R"({"turn":1})"));
  EXPECT_FALSE(parse_token_answer(R"({"turn":1,"reply":"*"})"));
  EXPECT_FALSE(parse_token_answer(R"({"turn":1,"reply":""})"));
  const auto acknowledged = parse_acknowledgement(to_json(Acknowledgement{.intent = std::string(kIntent), .turn = 3, .had_reply = true}));
  ASSERT_TRUE(acknowledged);
  EXPECT_EQ(acknowledged->turn, 3);
  EXPECT_TRUE(acknowledged->had_reply);
  EXPECT_FALSE(parse_acknowledgement(R"({"intent":")" + std::string(kIntent) + R"(","turn":3})")) << "of what?";
}

TEST(TokenExchange, F7_ARevocationSurvivesTheWayAndOfItsAnswerStatusAndCodeAlone) {
  const RevocationRequest asked{.grant = std::string(kIntent),
                                .target = request().target,
                                .form = Secret(std::string_view("token=lkr1.x&client_id=c"))};
  const auto read = parse_revocation_request(to_json(asked).reveal_text());
  ASSERT_TRUE(read) << read.error().reason;
  EXPECT_EQ(read->grant, asked.grant);
  EXPECT_EQ(read->target, asked.target);
  EXPECT_EQ(read->form.reveal_text(), asked.form.reveal_text());
  EXPECT_FALSE(parse_revocation_request("{}"));
  EXPECT_FALSE(parse_revocation_request("{"));

  const auto refused = parse_revocation_answer(to_json(RevocationAnswer{.status = 400, .error = "invalid_client"}));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 400);
  EXPECT_EQ(refused->error, "invalid_client");
  const auto odd = parse_revocation_answer(to_json(RevocationAnswer{.status = 503, .error = "<b>token at-1</b>"}));
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->error, "") << "what is no code is not passed on";
  for (const auto* bad : {"{}", R"({"status":200})", R"({"status":"200","error":""})", R"({"status":20,"error":""})",
                          R"({"status":200,"error":"a b"})"})
    EXPECT_FALSE(parse_revocation_answer(bad)) << bad;
}

TEST(TokenExchange, S3_AnAssertionIsForTheOfficeThatAsked) {
  base::SeededEntropy entropy{5};
  const auto office = PartyKeys::make(entropy);
  const auto answer = assertion_answer(Secret(std::string_view("a.b.c")), kOffice, office.public_half().sealing, entropy);
  EXPECT_EQ(answer.find("a.b.c"), std::string::npos);
  const auto assertion = parse_assertion_answer(answer, office, kOffice);
  ASSERT_TRUE(assertion);
  EXPECT_EQ(assertion->reveal_text(), "a.b.c");
  EXPECT_FALSE(parse_assertion_answer(answer, PartyKeys::make(entropy), kOffice));
  EXPECT_FALSE(parse_assertion_answer(answer, office, kIntent));
  const auto target = parse_service_target(to_json(request().target));
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, request().target);
}

}  // namespace
}  // namespace latchkey::cloud
