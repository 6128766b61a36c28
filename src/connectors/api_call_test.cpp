// What an answer means where a connector knows nothing better: the kind decides whether the document is tried again, waits for
// a person, or is given up.
#include "connectors/api_call.h"

#include <gtest/gtest.h>

#include <functional>

#include "net/net_testing.h"

namespace latchkey::connectors {
namespace {

Error error_for(int status, std::string_view retry_after = {}) {
  ApiReply reply{.status = status, .headers = {}, .body = {}};
  if (!retry_after.empty()) reply.headers.set("Retry-After", retry_after);
  return error_of(reply, "The drive");
}

TEST(ApiError, WhatPassesIsTriedAgain) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
    const auto error = error_for(status, "7");
    EXPECT_EQ(error.kind, ErrorKind::unavailable) << status;
    EXPECT_EQ(error.retry_after, Seconds(7)) << status;
  }
}

TEST(ApiError, WhatAPersonMendsWaits) {
  EXPECT_EQ(error_for(403).kind, ErrorKind::needs_person);
  EXPECT_EQ(error_for(403).reason, "access_refused");
  EXPECT_EQ(error_for(507).kind, ErrorKind::needs_person);
  EXPECT_EQ(error_for(507).reason, "target_full");
}

TEST(ApiError, WhatNobodyMendsIsGivenUp) {
  EXPECT_EQ(error_for(404).reason, "no_such_target");
  EXPECT_EQ(error_for(409).kind, ErrorKind::conflict);
  EXPECT_EQ(error_for(413).reason, "too_large_for_target");
  EXPECT_EQ(error_for(400).kind, ErrorKind::refused);
  EXPECT_EQ(error_for(418).reason, "target_refused");
}

TEST(ApiError, TheServiceIsNamed) { EXPECT_NE(error_for(403).text.find("The drive"), std::string::npos); }

TEST(RetryAfter, IsBoundAndOfSecondsAlone) {
  const auto of = [](std::string_view value) {
    net::HttpHeaders headers;
    headers.set("Retry-After", value);
    return retry_after_of(headers);
  };
  EXPECT_EQ(of("120"), Seconds(120));
  EXPECT_EQ(of("0"), Seconds(1));
  EXPECT_EQ(of("99999999"), Seconds(86'400));
  EXPECT_FALSE(of("Wed, 21 Oct 2026 07:28:00 GMT"));
  EXPECT_FALSE(of("-5"));
  EXPECT_FALSE(of("soon"));
  EXPECT_FALSE(retry_after_of({}));
}

constexpr std::string_view kFirst = "ey1-first/token+with=9signs-in-it";
constexpr std::string_view kOther = "ey2-other/token+with=9signs-in-it";

class TwoTokens final : public TokenSource {
 public:
  [[nodiscard]] Task<Result<Secret>> token() override { co_return Secret(kFirst); }
  [[nodiscard]] Task<Result<Secret>> another_token() override { co_return Secret(kOther); }
};

// Says whatever it is told to about the Authorization it was asked with.
class Echo final : public net::HttpTransport {
 public:
  explicit Echo(std::function<net::HttpOutcome(const std::string&)> says) : says_(std::move(says)) {}
  [[nodiscard]] Task<net::HttpOutcome> send(net::HttpCall call) override {
    co_return says_(std::string(call.headers.value_or("Authorization")));
  }

 private:
  std::function<net::HttpOutcome(const std::string&)> says_;
};

Result<ApiReply> asked(std::function<net::HttpOutcome(const std::string&)> says) {
  net::LoopThread loop;
  Echo echo(std::move(says));
  TwoTokens tokens;
  ApiSession session(echo, tokens);
  auto reply = loop.run(session.call({.url = "https://drive.example/"}));
  loop.stop();
  return reply;
}

TEST(ApiSession, P7_NoAnswerHoldsTheTokenItWasAskedWith) {
  for (const int status : {200, 207, 400, 500}) {
    const auto reply = asked([status](const std::string& said) {
      return net::Reply{.status = status, .body = base::to_bytes("<d>" + said + "</d>")};
    });
    ASSERT_TRUE(reply) << status;
    EXPECT_EQ(base::as_text(reply->body), "<d>Bearer \u2026</d>") << status;
  }
}

TEST(ApiSession, P7_WhatAServiceQuotesIsNotInAnError) {
  const auto refused = asked([](const std::string& said) {
    return net::Reply{.status = 401, .body = base::to_bytes("no good: " + said)};
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "token_refused");
  EXPECT_EQ(refused.error().detail, "status 401 no good: Bearer \u2026");
  const auto lost = asked([](const std::string& said) {
    return net::Ambiguous{.error = {.kind = ErrorKind::ambiguous, .reason = "reply_lost", .detail = "line: " + said}};
  });
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().detail, "line: Bearer \u2026");
}

// Spelled as JSON may spell it, or of another account: what may be a token is struck all the same.
TEST(ApiError, P7_TheServicesWordsAreKeptWithoutTokens) {
  ApiReply reply{.status = 400, .headers = {}, .body = base::to_bytes(R"({"error":"bad token 4f2a9c7be01d8834aa51"})")};
  EXPECT_EQ(error_of(reply, "The drive").detail, "status 400 {\"error\":\"bad token \u2026\"}");
}

}  // namespace
}  // namespace latchkey::connectors
