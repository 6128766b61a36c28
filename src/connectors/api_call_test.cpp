// What an answer means where a connector knows nothing better: the kind decides whether the document is tried again, waits for
// a person, or is given up.
#include "connectors/api_call.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace latchkey::connectors
